import re

from carbonwatch.reports import _social_cost as social_cost
from carbonwatch.reports import bibtex
from tests.reports import runs


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{(.*),$", text, re.MULTILINE)


def test_the_references_are_the_program_the_grid_s_source_and_the_cost_where_asked_for() -> None:
    run = runs.on_a_virtual_machine()

    assert keys(bibtex.render(run)) == ["carbonwatch", "ember2026"]
    assert keys(bibtex.render(social_cost.noted(run, social_cost.RICKE)))[-1] == "ricke2018"
    assert keys(bibtex.render(social_cost.noted(run, social_cost.given(1.0)))) == ["carbonwatch", "ember2026"]


def test_an_entry_is_as_bibtex_reads_it() -> None:
    text = bibtex.render(social_cost.noted(runs.on_a_server(), social_cost.RICKE))

    assert text.isascii()
    assert "  doi = {10.1038/s41558-018-0282-y},\n" in text
    assert text.count("{") == text.count("}")


def test_an_intensity_that_the_user_gave_has_no_reference() -> None:
    given = runs.a_run(runs.entry(runs.usage(runs.GPU, 10.0), intensity=runs.GIVEN))

    assert keys(bibtex.render(given)) == ["carbonwatch"]
