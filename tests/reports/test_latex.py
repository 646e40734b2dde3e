import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import totals
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.reports import _social_cost as social_cost
from carbonwatch.reports import bibtex, latex, neurips
from tests import missing
from tests.reports import runs

PATIENCE_S = 60
NEURIPS = r"\newcommand{\answerYes}[1][]{[Yes] #1}\newcommand{\answerTODO}[1][]{[TODO] #1}"


def test_a_run_is_a_paragraph_with_its_citations_and_what_is_not_known() -> None:
    assert latex.render(runs.on_a_server()) == (
        "% Its references: carbonwatch report --as bibtex\n"
        "% Not known, or assumed: the grid's intensity of its own hours: means of a year are used.\n"
        "% Not known, or assumed: emissions of making the hardware: not in the figure.\n"
        "The computations of digits ran on Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz (112 CPUs), "
        r"1 $\times$ NVIDIA A100-SXM4-40GB with 251 GB of memory in France, for 4 min 05 s in total." + "\n"
        r"They used 26.2 Wh (24.7--27.9 Wh, 90~\%) of electricity (the programs' own share of the machine, measured "
        r"by hardware counters)~\cite{carbonwatch}." + "\n"
        r"The grid's intensity is taken as 31.0~g CO\textsubscript{2}e per kWh (France, the mean of 2025, life "
        r"cycle)~\cite{electricitymaps-co2js}." + "\n"
        r"With a PUE of 1.18, that makes 960 mg CO\textsubscript{2}e (640--1500 mg, 90~\%); making the hardware is "
        "not in this figure.\n"
    )


def test_several_runs_are_one_paragraph_that_counts_those_that_failed() -> None:
    one = runs.on_a_server()
    text = latex.render(totals.merge([one, replace(one, id="2", state="failed"), replace(one, id="3", state="killed")]))

    assert "3 runs of digits ran on" in text
    assert "for 12 min 15 s in total." in text
    assert "Of these, 1 was failed; what they used is included." in text
    assert "Of these, 1 was killed; what they used is included." in text


def test_a_share_that_nobody_knows_is_not_stated() -> None:
    text = latex.render(runs.not_split())

    assert "The machine used 5.28 Wh of electricity" in text
    assert "how much of it these used is not known." in text
    assert "are at most 260 mg of CO" in text


def test_a_run_without_a_meter_says_that_nothing_is_known() -> None:
    text = latex.render(runs.not_metered())

    assert "Nothing was metered, so their energy and emissions are not known." in text
    assert " 0 " not in text


def test_the_social_cost_is_there_where_it_was_asked_for_and_cited() -> None:
    run = social_cost.noted(runs.on_a_server(), social_cost.RICKE)

    assert r"At a social cost of 417 US dollars per tonne of CO\textsubscript{2}~\cite{ricke2018}, that is" in (
        latex.render(run)
    )
    assert "a value chosen by the authors" in latex.render(social_cost.noted(run, social_cost.given(185.0)))
    assert "social cost" not in latex.render(runs.on_a_server())


def test_a_source_that_no_bibliography_knows_is_named() -> None:
    entry = replace(runs.on_a_server().entries[0], intensity=replace(runs.FRANCE, source="Grid & Sons_1"))

    assert r" (source: Grid \& Sons\_1)." in latex.render(runs.a_run(entry))


def test_a_variant_that_does_not_exist_is_an_error_with_those_that_do() -> None:
    with pytest.raises(CarbonwatchError, match="paragraph, sentence, table"):
        latex.render(runs.on_a_server(), variant="poem")


def keys(text: str) -> set[str]:
    return {key for group in re.findall(r"\\cite\{([^}]*)\}", text) for key in group.split(",")}


@runs.patient
@given(run=runs.runs(), cost=st.booleans())
def test_what_is_cited_is_what_the_references_have(run: Run, cost: bool) -> None:
    run = social_cost.noted(run, social_cost.RICKE) if cost else run
    entries = set(re.findall(r"^@\w+\{([^,]*),$", bibtex.render(run), re.MULTILINE))

    assert keys(latex.render(run)) <= entries
    assert keys(latex.render(run, variant="sentence")) <= entries


@runs.patient
@given(run=runs.runs())
def test_no_name_leaves_its_place(run: Run) -> None:
    text = "\n".join(line for line in latex.render(run).split("\n") if not line.startswith("%"))

    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert text.isascii()
    assert re.findall(r"(?<!\\)[$&#_%]", text.replace(r"$\times$", "").replace(r"$\mu$", "").replace(r"$\cdot$", "").replace(r"$\pm$", "").replace(r"$^\circ$", "")) == []  # fmt: skip  # noqa: E501


@pytest.fixture
def tex() -> str:
    """A TeX engine."""
    path = shutil.which("pdflatex")
    missing.unless(path is not None, "pdflatex: `make tex` installs it")
    return str(path)


def compiled(tex: str, folder: Path, bodies: Iterable[str], references: Iterable[str]) -> str:
    """The log of LaTeX and BibTeX, which stop at the first error."""
    entries = {entry for text in references for entry in re.findall(r"(?s)^@.*?^\}", text, re.MULTILINE)}
    (folder / "refs.bib").write_text("\n\n".join(sorted(entries)))
    items = "\n\n".join(bodies)
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\n" + NEURIPS + "\n\\begin{document}\n" + items + "\n"
        "\\bibliographystyle{plain}\\bibliography{refs}\n\\end{document}\n"
    )
    latex_command = [tex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    for command in (latex_command, ["bibtex", "paper"], latex_command, latex_command):
        answer = subprocess.run(command, cwd=folder, capture_output=True, timeout=PATIENCE_S, check=False)
        assert answer.returncode == 0, answer.stdout.decode(errors="replace")[-2000:]
    return (folder / "paper.log").read_text(errors="replace") + (folder / "paper.blg").read_text(errors="replace")


def as_list(text: str) -> str:
    return f"\\begin{{enumerate}}\n{text}\\end{{enumerate}}"


def test_every_example_and_every_hostile_name_compiles_with_its_references(tex: str, tmp_path: Path) -> None:
    shown = [social_cost.noted(example(), social_cost.RICKE) for example in runs.ALL]
    shown += [runs.hostile(name) for name in runs.HOSTILE]
    bodies = [latex.render(run, variant=variant) for run in shown for variant in ("paragraph", "sentence", "table")]
    bodies += [as_list(neurips.render(run)) for run in shown]

    log = compiled(tex, tmp_path, bodies, [bibtex.render(run) for run in shown])

    assert "undefined" not in log
    assert "Warning--" not in log
    assert (tmp_path / "paper.pdf").stat().st_size > 1000


@pytest.mark.parametrize("variant", ["paragraph", "sentence"])
def test_planned_work_would_use_what_is_estimated(variant: str) -> None:
    text = latex.render(runs.planned(), variant=variant)

    assert "would use" in text
    assert "% Not known, or assumed: that it ran: this is an estimate of planned work." in text
    assert not re.search(r"They used|work used| ran on|emitted|modelled and not", text)


def test_planned_work_among_what_ran_is_told() -> None:
    text = latex.render(totals.merge([replace(runs.on_a_server(), scope="machine"), runs.planned()]))

    assert "A part of this is planned work that did not run; its figures are assumed." in text
    assert r"1 $\times$ NVIDIA A100-SXM4-40GB, 8 $\times$ TPU v4" in text


def test_what_is_assumed_is_not_called_modelled() -> None:
    domain = replace(runs.CPU_MODEL, quality="assumed")

    assert "assumed and not measured" in latex.render(runs.a_run(runs.entry(runs.usage(domain, 740.0))))


def test_a_place_that_is_not_known_is_told_beside_one_that_is() -> None:
    text = latex.render(totals.merge([runs.on_a_server(), replace(runs.on_a_virtual_machine(), id="2")]))

    assert " in France and at a place that is not known, for" in text
    assert "taken as 31.0~g" in text
    assert "taken, where the place is not known, as 458~g" in text
    assert r", for 0.95~\% of the energy." in text


def test_hardware_that_was_not_recorded_is_not_said_to_be_somewhere() -> None:
    text = latex.render(runs.a_run(runs.entry(runs.usage(runs.CPU_MODEL, 740.0)), facts={}))

    assert "The computations of digits ran in France, on hardware that was not recorded, for 4 min 05 s" in text
