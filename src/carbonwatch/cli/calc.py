"""Say what work will emit, from devices, hours and place, without measuring.

Without a device it opens the calculator's page. A device is N x NAME @ USE,
of which N and USE (in percent) may be left out; a family of instances also
takes its size: "aws/m5 @ 8 vcpus". More than one device: repeat the option.

Examples:
  carbonwatch calc
  carbonwatch calc --gpu "A100 SXM4" --hours 100 --region gcp/europe-west1
  carbonwatch calc --gpu "8 x H100 SXM @ 90%" --cpu "2 x Xeon Platinum 8480+"
                   --ram 1024 --hours 720 --region "Lyon, France" --pue 1.3
  carbonwatch calc --instance aws/p4d.24xlarge --hours 24 --json
  carbonwatch calc --list gpu
  carbonwatch calc --export site/             files to be hosted anywhere
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from carbonwatch import store
from carbonwatch.calculator import OFFSETS, Device, devices, estimate, page, words
from carbonwatch.cli import UsageError, _options, _terminal, board
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Figure, Run
from carbonwatch.units import energy_range, human_energy, human_mass, mass_range

LISTS = (*devices.KINDS, "region")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for kind, text in (
        ("gpu", "GPUs, as in 'A100 SXM4'."),
        ("tpu", "TPU chips, as in 'TPU v4'."),
        ("cpu", "Processors, as /proc/cpuinfo or a shop writes them."),
        ("instance", "What a cloud sells, as in aws/m5.xlarge; its GPUs and memory are in it."),
    ):
        parser.add_argument(f"--{kind}", action="append", default=[], metavar="DEVICE", help=text)
    parser.add_argument("--hours", type=float, metavar="H", help="How long they are used.")
    parser.add_argument("--region", metavar="PLACE", help="Cloud region, country, state or town. Default: the world.")
    parser.add_argument("--g-per-kwh", type=float, metavar="G", help="Own carbon intensity, instead of the place's.")
    parser.add_argument("--pue", type=float, metavar="X", help="Default: the cloud region's; 1 elsewhere.")
    parser.add_argument("--ram", type=float, default=0.0, metavar="GB", help="Memory beside that of instances.")
    parser.add_argument("--offset", type=float, default=0.0, metavar="P", help="Percent of the emissions offset.")
    parser.add_argument("--offset-by", choices=OFFSETS, default="bought", help="Who offsets. Default: bought.")
    parser.add_argument("--project", default="estimate", metavar="NAME", help="What to keep it as.")
    parser.add_argument("--save", action="store_true", help="Keep it among your runs.")
    parser.add_argument("--json", action="store_true", help="All of it, for programs.")
    parser.add_argument("--latex", action="store_true", help="A paragraph for a paper, and its references.")
    parser.add_argument("--list", choices=LISTS, help="List what is known.")
    parser.add_argument("--export", type=Path, metavar="DIR", help="Write the page as files that need no server.")
    parser.add_argument("--port", type=board.port, default=0, metavar="N", help="Port of the page. Default: free.")
    parser.add_argument("--no-browser", action="store_true", help="Only say the page's address.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    wanted = [parsed(kind, text) for kind in devices.KINDS for text in getattr(args, kind)]
    if args.list:
        _terminal.show("\n".join(_listed(args.list)))
    elif args.export is not None:
        _export(args.export)
    elif wanted:
        _calculate(args, wanted)
    elif args.hours is not None or args.json or args.save or args.latex:
        raise UsageError("Nothing says what is used. Name a device: --gpu, --tpu, --cpu or --instance")
    else:
        board.show(store.path(_options.chosen(args)), (), args.port, in_browser=not args.no_browser, page=page.NAME)
    return 0


def parsed(kind: devices.Kind, text: str) -> Device:
    """A device as the command line writes it: 8 x A100 SXM4 @ 90%."""
    name, *more = (part.strip() for part in text.split("@"))
    count = re.match(r"(\d+) *[x×] +", name)
    device = Device(kind, name[count.end() :] if count else name, int(count[1]) if count else 1)
    for part in more:
        number = re.fullmatch(r"([\d.]+) *(%|vcpus?)", part)
        try:
            value = float(number[1]) if number else float("nan")
        except ValueError:
            value = float("nan")
        if number is None or value != value:
            raise UsageError(f"{part!r} is no use and no size. Write it as in 'A100 SXM4 @ 90%' or 'aws/m5 @ 8 vcpus'")
        device = replace(device, utilisation=value / 100) if number[2] == "%" else replace(device, vcpus=value)
    return device


def _calculate(args: argparse.Namespace, wanted: list[Device]) -> None:
    if args.hours is None:
        raise UsageError("Nothing says how long the devices are used. Give the hours: --hours 100")
    run = estimate(
        wanted,
        args.hours,
        place=args.region,
        g_per_kwh=args.g_per_kwh,
        pue=args.pue,
        ram_gb=args.ram,
        offset=args.offset / 100,
        offset_by=args.offset_by,
        project=args.project,
        started_ns=time.time_ns(),
    )
    if args.save:
        run = _kept(run, args)
    known = words.document(run)
    if args.json:
        print(json.dumps({"id": run.id if args.save else None, **known}, indent=2))
    elif args.latex:
        _terminal.show(f"{known['latex']}\n{known['bibtex']}".rstrip())
    else:
        _terminal.show("\n".join(_summary(run, known)))


def _kept(run: Run, args: argparse.Namespace) -> Run:
    from carbonwatch.store.journal import Journal
    from carbonwatch.tracker import new_id

    path = store.path(_options.chosen(args))
    if path is None:
        raise UsageError("The setting store is `none`, so no run is kept. Name the file to keep it in: --store FILE")
    run = replace(run, id=new_id(run.started_ns))
    with closing(Journal(path)) as journal:
        journal.add([run])
    print(f"Kept as {run.id}: carbonwatch report {run.id[:13]}", file=sys.stderr)
    return run


def _summary(run: Run, known: dict[str, Any]) -> Iterator[str]:
    """The figures, how they come about, and what would change them."""
    emissions, energy = run.emissions(run.headline), run.energy(run.headline)
    within = mass_range(emissions.low, emissions.high, emissions.value)
    yield f"{human_mass(emissions.value)} CO2e ({within}, 90 %)"
    within = energy_range(energy.low, energy.high, energy.value)
    yield f"{human_energy(energy.value)} ({within}, 90 %), nothing of it measured"
    yield ""
    for label, lines in _details(run, known):
        for number, line in enumerate(lines):
            yield f"{'' if number else label:<11}{line}"


def _details(run: Run, known: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    intensity, made = run.entries[0].intensity, Figure(**known["embodied_g"])
    year = intensity.year or "year not known"
    yield "Devices", [known["devices"]]
    yield "Because", known["calculation"].split("; ")
    if len(run.notes) > 1:
        yield "Note", list(run.notes[1:])
    yield "Intensity", [f"{words.plain(intensity.g_per_kwh)} g CO2e/kWh, {intensity.name}, {year}", intensity.source]
    yield "PUE", [words.plain(run.pue), known["pue_source"]]
    if known["offset"]:
        yield "Offset", _offset(known["offset"])
    within = mass_range(made.low, made.high, made.value)
    yield "Embodied", [f"{human_mass(made.value)} more for making the devices ({within}; not in the figure above)"]
    yield "Cleanest", list(dict.fromkeys(_region(known[f"cleanest_of_{among}"]) for among in _among(known)))
    for row in known["equivalents"][:2]:
        yield (
            "As much as",
            [f"{words.plain(row['amount']['value'], 3)} {row['label']}", f"{row['source']}, {row['year']}"],
        )


def _among(known: dict[str, Any]) -> Iterator[str]:
    if known["cleanest_of_provider"]:
        yield "provider"
    yield "all"


def _region(best: dict[str, Any]) -> str:
    return f"{human_mass(best['emissions_g'])} in {best['name']} ({best['code']})"


def _offset(found: dict[str, Any]) -> list[str]:
    who = "by the provider, as it says" if found["by"] == "provider" else "bought"
    return [
        f"{human_mass(found['offset_g'])} ({words.plain(found['share'] * 100)} %, {who}); "
        f"net of offsets {human_mass(found['net_g'])}",
        *found["meaning"].split(": "),
    ]


def _listed(kind: str) -> Iterator[str]:
    """A line for each that is known."""
    if kind == "instance":
        yield from devices.names("instance")
    elif kind == "region":
        for place in page.table()["places"]:
            figure = f"{place['g_per_kwh']:>7.4g} g CO2e/kWh  {place['year'] or '    '}"
            yield f"{place['code']:<22} {figure}  {place['name']}"
    else:
        for model in devices.listed(kind):  # type: ignore[arg-type]  # one of KINDS
            part = model.parts[0]
            estimated = "  (estimated)" if model.is_estimate else ""
            yield f"{model.name:<28} {part.idle_w:>7.4g} W idle {part.full_w:>7.4g} W at full use{estimated}"


def _export(folder: Path) -> None:
    try:
        files = page.export(folder)
    except OSError as error:
        raise CarbonwatchError(f"{folder} can't be written ({error.strerror}). Name another folder.") from error
    _terminal.show(f"Written: {', '.join(str(file) for file in files)}")
