"""Say whether two groups of runs differ, and by how much.

A and B are each the beginning of a run's id, a project or a tag; or more of
them, with commas. To be unmistakable: run:019abc, project:imdb, tag:quantised.

Examples:
  carbonwatch compare baseline quantised
  carbonwatch compare tag:v1 tag:v2 --of emissions
  carbonwatch compare 019abcde,019abcdf last --json

Only runs that finished are compared; --all takes those that failed, too. The
six tests are SciPy's: pip install 'carbonwatch[stats]'.

Exit code: 0, whatever the verdict is; 2 if there is nothing to compare.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from carbonwatch import comparison
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.cli.report import open_store
from carbonwatch.comparison import Comparison
from carbonwatch.errors import StoreError
from carbonwatch.model import Run
from carbonwatch.store.query import Store

OPERANDS = "A B"

_LONGEST_NAME = 60
_KINDS = ("run", "project", "tag")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="Runs, a project or a tag.")
    parser.add_argument("second", metavar="B", help="What they are compared with.")
    parser.add_argument(
        "--of", choices=list(comparison.QUANTITIES), default="energy", help="What is compared. Default: energy."
    )
    parser.add_argument("--all", action="store_true", help="Also runs that failed, were killed or still run.")
    parser.add_argument("--json", action="store_true", help="All figures, for programs.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    with open_store(_options.chosen(argparse.Namespace(store=args.store))) as kept:
        first, second = (_runs(kept, words, failed=args.all) for words in (args.first, args.second))
    names = _name(args.first), _name(args.second)
    found = comparison.compare(names, first, second, args.of)
    _terminal.show(_as_json(found) if args.json else "\n".join(_told(found, _terminal.colour(sys.stdout))))
    return 0


def _name(words: str) -> str:
    return _terminal.cut(_terminal.printable(words), _LONGEST_NAME)


def _runs(kept: Store, words: str, *, failed: bool) -> list[Run]:
    """The runs that an operand means. Raises UsageError where there are none."""
    ids = list(dict.fromkeys(id_ for word in words.split(",") for id_ in _ids(kept, word.strip())))
    runs = [kept.run(id_) for id_ in _terminal.progress(ids, len(ids), "Reading runs")]
    chosen = [run for run in runs if failed or run.state == "finished"]
    if not chosen:
        raise UsageError(f"All {len(runs)} runs of {words!r} failed or were killed. Take them all the same with --all.")
    return chosen


def _ids(kept: Store, word: str) -> list[str]:
    """A name means a project, else a tag, else a run: the first that there is."""
    kind, mark, name = word.partition(":")
    if not mark or kind not in _KINDS:
        kind, name = "", word
    for each in ("project", "tag"):
        found = kept.runs(project=name) if each == "project" else kept.runs(tag=name)
        if kind in ("", each) and found:
            return [listed.run.id for listed in reversed(found)]
    if kind in ("", "run"):
        try:
            return [kept.run(name).id]
        except StoreError as error:
            raise UsageError(f"{word!r} is no project, tag or run: {error}") from error
    raise UsageError(f"There is no {kind} {name!r}. `carbonwatch runs` lists what there is.")


def _told(found: Comparison, colour: bool) -> Iterator[str]:
    yield _terminal.painted(comparison.verdict(found), _terminal.BOLD, colour)
    yield ""
    rows = [("", "n", f"mean {found.quantity}", "standard error")]
    for name, group in zip(found.names, found.groups, strict=True):
        rows.append((name, str(group.n), found.text(group.mean), found.error_text(group)))
    yield from _lines(rows, _terminal.width(sys.stdout))
    if found.result is not None:
        yield ""
        yield from _lines(_figures(found), _terminal.width(sys.stdout))
    yield from _doubts(found.doubts)


def _figures(found: Comparison) -> list[tuple[str, ...]]:
    assert found.result is not None
    apart, effect = found.result.difference, found.result.effect
    rows = [("difference", found.text(apart.value), f"{found.text(apart.low)} to {found.text(apart.high)}, 95 %")]
    if effect is not None:
        value, low, high = (f"{end:.2f}".replace("-", "−") for end in (effect.value, effect.low, effect.high))
        rows.append(("effect size", value, f"{low} to {high}, 95 % (Hedges' g)"))
    return [*rows, *((test.name, comparison.p_text(test.p), "") for test in found.result.tests)]


def _lines(rows: Sequence[Sequence[str]], room: int | None) -> Iterator[str]:
    right = range(1, len(rows[0]))
    table = _terminal.table(rows, right=[i for i in right if len(rows[0]) == 4], flexible=0, room=room)
    yield from ("".join(line).rstrip() for line in table)


def _doubts(doubts: Sequence[str]) -> Iterator[str]:
    if doubts:
        yield ""
        yield "What the tests do not see:"
        yield from (f"- {doubt}" for doubt in doubts)


def _as_json(found: Comparison) -> str:
    import json

    document = {
        "names": found.names,
        "quantity": found.quantity,
        "values": found.values,
        "groups": [asdict(group) for group in found.groups],
        "difference": found.difference,
        "result": None if found.result is None else asdict(found.result),
        "verdict": comparison.verdict(found),
        "why_not": found.why_not,
        "doubts": found.doubts,
    }
    return json.dumps(document, indent=2)
