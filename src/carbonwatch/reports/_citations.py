"""The works that a report rests on, as BibTeX has them: a key, a kind and its fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from carbonwatch._version import __version__
from carbonwatch.model import Run
from carbonwatch.reports import _social_cost


@dataclass(frozen=True, slots=True)
class Work:
    """One entry of a bibliography. Its fields are BibTeX already, and need no package."""

    key: str
    kind: str
    fields: tuple[tuple[str, str], ...]


def _web(key: str, author: str, title: str, url: str, year: str = "") -> Work:
    fields = (("author", f"{{{author}}}"), ("title", title), ("year", year), ("howpublished", rf"\texttt{{{url}}}"))
    return Work(key, "misc", tuple(field for field in fields if field[1]))


TRACKER = Work(
    "carbonwatch",
    "misc",
    (
        ("author", "{The carbonwatch developers}"),
        ("title", "{carbonwatch}: the energy and {CO2e} of code"),
        ("note", f"Version {__version__}"),
        ("howpublished", r"\texttt{https://github.com/carbonwatch/carbonwatch}"),
    ),
)
RICKE = Work(
    "ricke2018",
    "article",
    (
        ("author", "Ricke, Katharine and Drouet, Laurent and Caldeira, Ken and Tavoni, Massimo"),
        ("title", "Country-level social cost of carbon"),
        ("journal", "Nature Climate Change"),
        ("volume", "8"),
        ("number", "10"),
        ("pages", "895--900"),
        ("year", "2018"),
        ("doi", "10.1038/s41558-018-0282-y"),
    ),
)
# words of an intensity's source -> whose work it is; the first that fits
_SOURCES = (
    (
        "Electricity Maps via CO2.js",
        _web(
            "electricitymaps-co2js",
            "Electricity Maps and The Green Web Foundation",
            "Yearly carbon intensity by grid zone, as distributed with {CO2.js}",
            "https://github.com/thegreenwebfoundation/co2.js",
        ),
    ),
    ("Electricity Maps", _web("electricitymaps", "Electricity Maps", "Carbon intensity of electricity, by the hour",
                              "https://www.electricitymaps.com")),
    (
        "Ember",
        _web("ember2026", "Ember and Our World in Data", "Yearly Electricity Data", "https://ember-energy.org", "2026"),
    ),
    (
        "EPA eGRID2023",
        _web("egrid2023", "US Environmental Protection Agency",
             "Emissions \\& Generation Resource Integrated Database ({eGRID2023}), rev 2", "https://www.epa.gov/egrid",
             "2025"),
    ),
    (
        "ECCC",
        _web("eccc2026", "Environment and Climate Change Canada", "Emission factors and reference values, version 4.0",
             "https://www.canada.ca/en/environment-climate-change.html", "2026"),
    ),
    (
        "DCCEEW",
        _web("dcceew2025", "Australian Government, DCCEEW", "National Greenhouse Accounts Factors 2025",
             "https://www.dcceew.gov.au", "2025"),
    ),
    (
        "MEE/NBS",
        _web("mee2025", "Ministry of Ecology and Environment and National Bureau of Statistics of China",
             "Announcement 2025 No. 47: carbon dioxide emission factors of electricity", "https://www.mee.gov.cn",
             "2025"),
    ),
    ("Google Cloud", _web("googlecloud", "Google Cloud", "Carbon data across Google Cloud regions",
                          "https://cloud.google.com/sustainability/region-carbon")),
    ("EIA", _web("eia930", "US Energy Information Administration", "Hourly Electric Grid Monitor",
                 "https://www.eia.gov/electricity/gridmonitor")),
    ("Energi Data Service", _web("energinet", "Energinet", "Energi Data Service",
                                 "https://www.energidataservice.dk")),
    ("Energy-Charts", _web("energycharts", "Fraunhofer ISE", "{Energy-Charts}", "https://www.energy-charts.info")),
    ("NESO", _web("neso", "National Energy System Operator", "Carbon Intensity {API}", "https://carbonintensity.org.uk")),
    ("eCO2mix", _web("eco2mix", "RTE", "{eCO2mix}", "https://www.rte-france.com/eco2mix")),
    ("WattTime", _web("watttime", "WattTime", "Marginal emissions", "https://watttime.org")),
)  # fmt: skip


SOURCES = tuple(work for _, work in _SOURCES)


def of(run: Run) -> list[Work]:
    """What the paragraph about a run cites, each once."""
    return list(dict.fromkeys(_cited(run)))


def of_source(source: str) -> Work | None:
    """The work behind an intensity; None for a source that no bibliography here knows."""
    return next((work for words, work in _SOURCES if words in source), None)


def _cited(run: Run) -> Iterator[Work]:
    yield TRACKER
    works = (of_source(intensity.source) for intensity in run.intensities if intensity.basis != "given")
    yield from (work for work in works if work is not None)
    if run.entries and _social_cost.of(run) == _social_cost.RICKE:
        yield RICKE
