"""A run as a paragraph for a paper, with its citations; the report `bibtex` gives the references.

It needs no package and compiles with any LaTeX of 2015 or later. Whatever a name holds is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Intensity, Run
from carbonwatch.reports import _citations as citations
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _missing as missing
from carbonwatch.reports import _social_cost as social_cost
from carbonwatch.reports._tex import escaped
from carbonwatch.totals import merged_runs
from carbonwatch.units import human_duration, human_energy, human_mass, human_number

OPTIONS = {"variant": "paragraph, sentence or table"}
_MOST_INTENSITIES = 3


def render(run: Run, *, variant: str = "paragraph") -> str:
    """The paragraph, one sentence of it, or the table of components, after comments that say what is not known."""
    if variant not in _VARIANTS:
        raise CarbonwatchError(f"variant is {variant!r}; it must be one of {', '.join(_VARIANTS)}.")
    return "\n".join((*_comments(run), *_VARIANTS[variant](run))) + "\n"


def paragraph(run: Run) -> Iterator[str]:
    """Its sentences, in LaTeX."""
    yield _what(run)
    yield from _ended(run)
    if not run.entries:
        yield "Nothing was metered, so their energy and emissions are not known."
        return
    yield _energy(run)
    yield from _price(run)
    yield _emissions(run)
    yield from _cost(run)


def ascii_only(text: str) -> str:
    """For a comment, which no engine need decode."""
    return text.encode("ascii", "replace").decode()


def _comments(run: Run) -> Iterator[str]:
    yield "% Its references: carbonwatch report --as bibtex"
    for text in missing.of(run):
        yield f"% Not known, or assumed: {ascii_only(text)}."


def _sentence(run: Run) -> Iterator[str]:
    if not run.entries:
        yield rf"The energy and emissions of this work are not known{_cite(citations.TRACKER)}."
        return
    cited = [work for work in citations.of(run) if work != citations.RICKE]
    if figures.is_planned(run):
        yield f"It is estimated that this work would use {_inline(figures.energy(run))} of electricity"
        yield rf"and emit {_inline(figures.emissions(run))}{_cite(*cited)}."
        return
    yield f"This work used {_inline(figures.energy(run))} of electricity"
    yield rf"and emitted {_inline(figures.emissions(run))}{_cite(*cited)}."


def _table(run: Run) -> Iterator[str]:
    header = figures.header(run)
    yield r"\begin{tabular}{lrrrrrl}"
    yield r"\hline"
    yield _row(header.cells)
    yield r"\hline"
    yield from (_row(row.cells) for row in figures.rows(run))
    yield r"\hline"
    yield rf"\multicolumn{{7}}{{l}}{{Emissions: {_inline(figures.emissions(run))}}} \\"
    yield r"\end{tabular}"


def _what(run: Run) -> str:
    several, devices, where = merged_runs(run), figures.devices(run), figures.where(run)
    memory_gb = figures.memory_gb(run)
    subject = f"{len(several)} runs of" if several else "The computations of"
    ran = "are planned, and would run" if figures.is_planned(run) else "ran"
    on = f" on {escaped(devices)}" if devices else ""
    memory = f" with {human_number(memory_gb)} GB of memory" if memory_gb else ""
    at = f" {_at(where, figures.is_partly_nowhere(run))}"
    cloud = f" ({escaped(run.place.cloud)})" if run.place.cloud else ""
    unrecorded = "" if devices else ", on hardware that was not recorded"
    lasted = human_duration(figures.run_time_s(run))
    name = escaped(figures.one_line(run.project, 80))
    return f"{subject} {name} {ran}{on}{memory if devices else ''}{at}{cloud}{unrecorded}" + (
        f"{'' if devices else memory}, for {lasted} in total."
    )


def _at(where: str, is_partly_nowhere: bool) -> str:
    if not where:
        return "at a place that was not recorded"
    return f"in {escaped(where)} and at a place that is not known" if is_partly_nowhere else f"in {escaped(where)}"


def _ended(run: Run) -> Iterator[str]:
    if figures.is_partly_planned(run):
        yield "A part of this is planned work that did not run; its figures are assumed."
    several = () if figures.is_planned(run) else merged_runs(run)
    for state in ("failed", "killed"):
        count = sum(each.state == state for each in several)
        if count:
            yield f"Of these, {count} {'was' if count == 1 else 'were'} {state}; what they used is included."
    if run.state in ("failed", "killed") and not several:
        yield f"The run {'failed' if run.state == 'failed' else 'was killed'}; what it used until then is included."


def _energy(run: Run) -> str:
    share, cited = run.measured, _cite(citations.TRACKER)
    parts = "" if share is None else f", {_measured(run, share)}"
    if figures.whose_is_unknown(run):
        machine = _inline(human_energy(run.energy("machine").value))
        return f"The machine used {machine} of electricity{parts}{cited}; how much of it these used is not known."
    if figures.is_planned(run):
        return f"They would use {_inline(figures.energy(run))} of electricity (assumed and not measured){cited}."
    whose = "all of the machine" if run.headline == "machine" else "the programs' own share of the machine"
    return f"They used {_inline(figures.energy(run))} of electricity ({whose}{parts}){cited}."


def _measured(run: Run, share: float) -> str:
    if share == 0:
        guessed = [quality for quality in ("modelled", "assumed") if quality in {d.quality for d in run.domains}]
        return f"{' or '.join(guessed)} and not measured"
    return "measured by hardware counters" if share == 1 else f"{_inline(figures.percent(share))} of it measured"


def _price(run: Run) -> Iterator[str]:
    if len(run.intensities) > _MOST_INTENSITIES:
        values = sorted(intensity.g_per_kwh for intensity in run.intensities)
        low, high = human_number(values[0]), human_number(values[-1])
        works = [work for intensity in run.intensities if (work := citations.of_source(intensity.source))]
        yield f"The grids' intensity was {low} to {high}~g {_CO2E} per kWh{_cite(*dict.fromkeys(works))}."
        if figures.is_partly_nowhere(run):
            shares = (_share(run, intensity) for intensity in run.intensities if intensity.zone == "world")
            yield f"Where the place is not known, the world's mean stands in{', '.join(shares)}."
        return
    for intensity in run.intensities:
        where = ", where the place is not known," if _stands_in(run, intensity) else ""
        share = _share(run, intensity) if len(run.intensities) > 1 else ""
        yield f"The grid's intensity is taken{where} as {_intensity(intensity)}{share}."


def _stands_in(run: Run, intensity: Intensity) -> bool:
    return intensity.zone == "world" and figures.is_partly_nowhere(run)


def _share(run: Run, intensity: Intensity) -> str:
    """How much of the energy has this price."""
    if run.energy_j <= 0 or figures.whose_is_unknown(run):
        return ""
    part_j = replace(run, entries=tuple(entry for entry in run.entries if entry.intensity == intensity)).energy_j
    return f", for {_inline(figures.percent(part_j / run.energy_j))} of the energy"


def _intensity(intensity: Intensity) -> str:
    value = f"{human_number(intensity.g_per_kwh)}~g {_CO2E} per kWh"
    if intensity.basis == "given":
        return f"{value}, as given by the authors"
    work = citations.of_source(intensity.source)
    source = _cite(work) if work else f" (source: {escaped(figures.one_line(intensity.source))})"
    when = "by the hour" if intensity.period == "hour" else f"the mean of {intensity.year or 'a year'}"
    boundary = "life cycle" if intensity.boundary == "lifecycle" else escaped(figures.one_line(intensity.boundary))
    return f"{value} ({escaped(figures.one_line(intensity.name))}, {when}, {boundary}){source}"


def _emissions(run: Run) -> str:
    if figures.whose_is_unknown(run):
        figure = run.emissions(run.headline)
        return f"Their emissions are at most {_inline(human_mass(figure.high, 2))} of {_CO2E}."
    pue = f" With a PUE of {human_number(run.pue)}" if run.pue != 1 else " That"
    makes = "would make" if figures.is_planned(run) else "makes"
    verb = f", that {makes}" if run.pue != 1 else f" {makes}"
    return f"{pue.strip()}{verb} {_inline(figures.emissions(run))}; making the hardware is not in this figure."


def _cost(run: Run) -> Iterator[str]:
    cost = social_cost.of(run)
    if cost is None or figures.whose_is_unknown(run):
        return
    cited = _cite(citations.RICKE) if cost == social_cost.RICKE else ", a value chosen by the authors"
    yield (
        f"At a social cost of {human_number(cost.usd_per_t)} US dollars per tonne of CO\\textsubscript{{2}}{cited}, "
        f"that is {_inline(social_cost.amount(run, cost))}."
    )


_CO2E = r"CO\textsubscript{2}e"


def _inline(text: str) -> str:
    """Figures as reports write them, in LaTeX: units do not break from their numbers."""
    return escaped(text).replace("CO2e", _CO2E).replace("US\\$", "US dollars").replace(" \\%", "~\\%")


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"


def _cite(*works: citations.Work) -> str:
    return rf"~\cite{{{','.join(work.key for work in works)}}}" if works else ""


_VARIANTS = {"paragraph": paragraph, "sentence": _sentence, "table": _table}
