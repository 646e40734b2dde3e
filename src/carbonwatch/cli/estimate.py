"""Watts of a machine that is only described, how wide they are and why.

Components are the CPUs and the memory, as counters inside the machine would
show them; node is the wall, with power supplies, fans, board and disks. With
--vcpus it is a virtual machine: a share of such a host.

--csv reads one machine a line; columns id, cpu_name, sockets, cores, threads
(in total), mem_gb and tdp_w_per_socket, of which any may be absent or empty.
It prints id,load,watts,lo80,hi80,lo95,hi95,tier with loads in percent.

Examples:
  carbonwatch estimate --cpu "Xeon Platinum 8380" --sockets 2 --ram 512
  carbonwatch estimate --cpu "AMD EPYC" --family 25 --model 1 --vcpus 2 --ram 24
  carbonwatch estimate --instance aws/m5.xlarge --load 0.3 --hours 720
  carbonwatch estimate --csv servers.csv --loads 0,10,...,100 --boundary node
"""

from __future__ import annotations

import argparse
import codecs
import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from carbonwatch import embodied, estimate, powermodel
from carbonwatch.embodied import Embodied
from carbonwatch.errors import SettingsError, cause
from carbonwatch.estimate import PowerEstimate
from carbonwatch.units import human_mass

_COLUMNS = ("id", "cpu_name", "sockets", "cores", "threads", "mem_gb", "tdp_w_per_socket")
_HEAD = ("id", "load", "watts", "lo80", "hi80", "lo95", "hi95", "tier")
_TIERS = {
    "A": "the model of the processor is known",
    "B": "its microarchitecture is known, its model is not",
    "C": "its maker is known, and nothing else",
    "D": "nothing is known of the processor",
}
_NARROWER = {
    "A": "a wall meter or the machine's own counters",
    "B": "give the rated power: --tdp",
    "C": "give CPUID's --family and --model (/proc/cpuinfo has them), or the rated power: --tdp",
    "D": "give the processor's full name, or its rated power: --tdp",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cpu", metavar="NAME", help="The processor, as /proc/cpuinfo or a shop writes it.")
    what.add_argument(
        "--instance",
        metavar="CLOUD/NAME",
        help="What a cloud sells: aws/m5.xlarge; metadata asks this machine's cloud.",
    )
    what.add_argument("--csv", metavar="FILE", help="One machine a line; - is standard input.")
    parser.add_argument("--sockets", type=int, metavar="N", help="Processors in the machine.")
    parser.add_argument("--cores", type=int, metavar="N", help="Cores in total. Default: the model's.")
    parser.add_argument("--threads", type=int, metavar="N", help="Hardware threads in total.")
    parser.add_argument("--ram", type=float, metavar="GB", help="Memory of the machine, or of the virtual one.")
    parser.add_argument("--memory", choices=powermodel.MEMORY_KINDS, help="Its generation. Default: the processor's.")
    parser.add_argument(
        "--load", type=float, metavar="U", help="Share of all cores that is busy, 0 to 1. Default: 0.5."
    )
    parser.add_argument("--loads", metavar="P,P", help="Several loads, in percent: 0,50,100 or 0,10,...,100.")
    parser.add_argument(
        "--vcpus", type=float, metavar="N", help="Hardware threads of a virtual machine on such a host."
    )
    parser.add_argument(
        "--boundary",
        choices=estimate.BOUNDARIES,
        default="components",
        help="CPUs and memory, or the whole machine at the wall. Default: components.",
    )
    parser.add_argument("--form", choices=powermodel.FORMS, help="Kind of machine. Default: the processor's usual one.")
    parser.add_argument("--tdp", type=float, metavar="W", help="Rated power of one processor. Default: the model's.")
    parser.add_argument("--family", type=int, metavar="N", help="CPUID family, for names without a model.")
    parser.add_argument("--model", type=int, metavar="N", help="CPUID model.")
    parser.add_argument("--stepping", type=int, default=0, metavar="N", help="CPUID stepping.")
    parser.add_argument(
        "--hours", type=float, metavar="H", help="Also the share that making the machine has in so many hours."
    )
    parser.add_argument("--json", action="store_true", help="All that is known, for programs.")


def main(args: argparse.Namespace) -> int:
    if args.csv is not None:
        return _many(args)
    loads = [0.5 if args.load is None else args.load] if args.loads is None else [p / 100 for p in percents(args.loads)]
    found = [_one(args, load) for load in loads]
    made = None if args.hours is None else _made(args)
    if args.json:
        shown = [{**each.as_dict(), **({} if made is None else {"embodied": asdict(made)})} for each in found]
        print(json.dumps(shown[0] if args.loads is None else shown, indent=2))
    else:
        print(summary(found))
        if made is not None:
            low, high = (human_mass(value) for value in (made.share_g.low, made.share_g.high))
            print(
                f"embodied  {human_mass(made.share_g.value)} CO2e in {args.hours:g} h, {low} to {high}; not part of "
                f"the watts ({made.source}; {made.lifetime_years:g} years)"
            )
    return 0


def _made(args: argparse.Namespace) -> Embodied:
    """What making the machine emitted, and the share of the hours and of the virtual machine."""
    machine, _ = estimate.describe(
        args.cpu or "",
        args.sockets,
        args.cores,
        args.threads,
        args.ram,
        args.vcpus,
        args.form,
        args.memory,
        args.tdp,
        instance=args.instance,
    )
    form = machine.form if machine.form != "board" else "laptop"
    # a guest's memory is its own: its host has as much for every share
    ram_gb = (machine.memory_gb or 0.0) / machine.share
    total = embodied.total_kg(form, sockets=machine.sockets, ram_gb=ram_gb)
    return embodied.embodied(total, args.hours * 3600, share=machine.share, form=form)


def _one(args: argparse.Namespace, load: float) -> PowerEstimate:
    return estimate.estimate_power(
        args.cpu or "",
        instance=args.instance,
        sockets=args.sockets,
        cores=args.cores,
        threads=args.threads,
        ram_gb=args.ram,
        load=load,
        vcpus=args.vcpus,
        boundary=args.boundary,
        form=args.form,
        memory=args.memory,
        tdp_w=args.tdp,
        family=args.family,
        model=args.model,
        stepping=args.stepping,
    )


def summary(found: list[PowerEstimate]) -> str:
    """A line for each load, then how well the machine is known, and what would narrow it."""
    first = found[0]
    lines = [f"{'load':>6}  {'watts':>8}  {'80 % within':>17}  {'95 % within':>17}"]
    lines += [
        f"{each.load:>6.0%}  {each.watts:>8.4g}  {f'{each.lo80:.4g} to {each.hi80:.4g}':>17}  "
        f"{f'{each.lo95:.4g} to {each.hi95:.4g}':>17}"
        for each in found
    ]
    scope = "the whole machine at the wall" if first.boundary == "node" else "CPUs and memory, not the wall"
    parts = ", ".join(f"{name} {watts:.4g} W" for name, watts in found[-1].parts_w.items())
    lines += ["", f"boundary  {first.boundary}: {scope} ({parts} at {found[-1].load:.0%})"]
    lines += [f"tier      {first.tier}: {_TIERS[first.tier]}", f"because   {first.reason}"]
    lines += [f"note      {note}" for note in first.notes]
    lines.append(f"narrower  {_NARROWER[first.tier]}")
    return "\n".join(lines)


def percents(text: str) -> list[float]:
    """0,10,...,100 as numbers; three dots go on in the step before them."""
    found: list[float] = []
    words = [word.strip() for word in text.split(",") if word.strip()]
    for at, word in enumerate(words):
        if word in ("...", "…"):
            found.extend(_between(found, words[at + 1 : at + 2]))
        else:
            found.append(_percent(word))
    if not found:
        raise SettingsError("--loads names no load. Write percents: 0,50,100 or 0,10,...,100.")
    return found


def _between(before: list[float], after: list[str]) -> Iterator[float]:
    if len(before) < 2 or not after or before[-1] <= before[-2]:
        raise SettingsError("--loads: three dots need two rising loads before them and one after: 0,10,...,100.")
    step, end = before[-1] - before[-2], _percent(after[0])
    value = before[-1] + step
    while value < end - step / 2:
        yield value
        value += step


def _percent(word: str) -> float:
    try:
        value = float(word.rstrip("%"))
    except ValueError as error:
        raise SettingsError(f"--loads has {word!r}, which is no number. Write percents: 0,50,100.") from error
    if not 0 <= value <= 100:
        raise SettingsError(f"--loads has {word!r}; a load is between 0 and 100 percent.")
    return value


def _many(args: argparse.Namespace) -> int:
    loads = percents(args.loads) if args.loads else [100 * (0.5 if args.load is None else args.load)]
    found = list(_estimates(_lines(args.csv), loads, args.boundary, args.form or "server"))
    if args.json:
        print(json.dumps([{"id": id_, **each.as_dict()} for id_, _, each in found], indent=2))
        return 0
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(_HEAD)
    for id_, percent, each in found:
        ends = (each.watts, each.lo80, each.hi80, each.lo95, each.hi95)
        table.writerow((id_, f"{percent:g}", *(f"{watts:.2f}" for watts in ends), each.tier))
    return 0


def _lines(path: str) -> Iterator[Mapping[str, str]]:
    """Rows that say anything, their columns in lower case."""
    text = _text(path).replace("\0", "")
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    found = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        names = [name.strip().lower() for name in next(found, [])]
        if names and not set(names) & set(_COLUMNS):
            raise SettingsError(
                f"{path} has none of the columns {', '.join(_COLUMNS)}, so there is nothing to estimate. Name them in "
                "its first line."
            )
        for cells in found:
            if any(cell.strip() for cell in cells):
                row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
                yield row if separator == "," else {name: _pointed(name, cell) for name, cell in row.items()}
    except csv.Error as error:
        raise SettingsError(f"{path} can't be read as CSV ({error}), so there is nothing to estimate.") from error


def _pointed(name: str, cell: str) -> str:
    """A number as we read it: 256,5 where something else separates columns."""
    return cell if name in ("id", "cpu_name") else cell.replace(",", ".")


def _text(path: str) -> str:
    """The file, in the encoding that it says or seems to have."""
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read as CSV ({cause(error)}), so there is nothing to estimate."
        ) from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _estimates(
    rows: Iterable[Mapping[str, str]], loads: list[float], boundary: str, form: str
) -> Iterator[tuple[str, float, PowerEstimate]]:
    for number, row in enumerate(rows, start=1):
        id_ = row.get("id") or str(number)
        cores, sockets, threads = (_count(row, name) for name in ("cores", "sockets", "threads"))
        if cores and sockets and cores < sockets:
            cores = None
        if cores and threads and threads < cores:
            threads = None
        machine, notes = estimate.describe(
            row.get("cpu_name") or "",
            sockets,
            cores,
            threads,
            _number(row, "mem_gb"),
            form=form,
            tdp_w=_number(row, "tdp_w_per_socket"),
        )
        for percent in loads:
            yield id_, percent, estimate.at_load(machine, percent / 100, boundary, notes)


def _number(row: Mapping[str, str], name: str) -> float | None:
    """None where it is absent, empty or no number above 0: what is not known is filled in."""
    try:
        value = float(row.get(name) or "")
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _count(row: Mapping[str, str], name: str) -> int | None:
    value = _number(row, name)
    return max(1, round(value)) if value else None
