"""The calculation, offsets, the cleanest region and the paragraph, of one estimate."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from carbonwatch.calculator import Device, estimate, words
from carbonwatch.model import Run

PATIENCE_S = 120


@pytest.fixture
def run() -> Run:
    return estimate(
        [Device("gpu", "A100 SXM4", 8, 0.5)], 100, place="gcp/europe-west1", offset=0.25, offset_by="provider"
    )


def test_the_calculation_is_spelled_out(run: Run) -> None:
    assert words.calculation(run) == (
        "1360 W × 100 h = 136 kWh; 136 kWh × 1.09 (PUE) × 0.18 kg CO2e/kWh = 26.6832 kg CO2e"
    )


def test_an_offset_stands_apart_and_the_net_is_stated_as_such(run: Run) -> None:
    found = words.offset(run)

    assert found is not None
    assert found["offset_g"] + found["net_g"] == pytest.approx(run.emissions_g)
    assert found["meaning"].startswith("Offsets do not cancel emissions")
    assert words.offset(estimate([Device("gpu", "T4")], 1)) is None


def test_the_cleanest_region_of_a_provider_is_its_own_and_of_all_no_dirtier(run: Run) -> None:
    of_azure, of_all = words.cleanest(run, "azure"), words.cleanest(run)

    assert of_azure["code"].startswith("azure/")
    assert of_all["emissions_g"] <= of_azure["emissions_g"] < run.emissions_g


def test_the_document_has_sources_years_and_equivalents(run: Run) -> None:
    found = words.document(run)

    assert (found["intensity"]["source"], found["intensity"]["year"]) == ("Electricity Maps via CO2.js", 2025)
    assert {"car_km_us", "coal_kg", "tree_year"} <= {row["key"] for row in found["equivalents"]}
    assert found["embodied_g"]["low"] < found["embodied_g"]["value"] < found["embodied_g"]["high"]


@pytest.mark.parametrize(
    ("value", "text"), [(1e-6, "0.000001"), (0.1 + 0.2, "0.3"), (123456.7, "123457"), (1e6, "1000000"), (0.0, "0")]
)
def test_a_number_has_no_exponent_and_no_zeros_at_its_end(value: float, text: str) -> None:
    assert words.plain(value) == text


VARIANTS: list[dict[str, Any]] = [
    {"place": "gcp/europe-west1", "offset": 0.5, "offset_by": "provider"},
    {"place": "azure/westeurope"},
    {"place": "CI"},
    {"place": "US-CA", "offset": 1.0},
    {"g_per_kwh": 35.0, "pue": 1.4, "offset": 0.123},
    {},
]


def test_a_region_a_place_and_private_infrastructure_have_sentences_of_their_own() -> None:
    region, _, place, _, private, nowhere = (_latex(**variant) for variant in VARIANTS)

    assert r"in the region \texttt{gcp/europe-west1} (Belgium)" in region
    assert "The provider states that it offsets 50~\\% of that" in region
    assert "used for 12.25~hours in Cote d'Ivoire." in place
    assert "on private infrastructure" in private
    assert "We bought offsets for 12.3~\\% of that" in private
    assert "a place that is not stated" in nowhere


def test_it_cites_what_the_references_have() -> None:
    for variant in VARIANTS:
        run = estimate([Device("gpu", "T4")], 3.5, **variant)
        keys = set(re.findall(r"\\cite\{([^}]*)\}", words.latex(run)))

        assert keys <= set(re.findall(r"@\w+\{([^,]*),", str(words.document(run)["bibtex"])))


def test_it_compiles(tmp_path: Path) -> None:
    assert shutil.which("pdflatex"), "no pdflatex: apt-get install texlive-latex-base"
    body = "\n".join(_latex(**variant) for variant in VARIANTS)
    run = estimate([Device("gpu", "T4")], 3.5, place="US-CA")
    (tmp_path / "refs.bib").write_text(str(words.document(run)["bibtex"]))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\begin{document}\n" + body + "\\end{document}\n", encoding="ascii"
    )
    answer = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert answer.returncode == 0, answer.stdout.decode(errors="replace")[-2000:]


def _latex(**variant: Any) -> str:
    devices = [Device("gpu", "A100 SXM4", 8), Device("instance", "azure/nc6s_v3")]
    return words.latex(estimate(devices, 12.25, **variant))
