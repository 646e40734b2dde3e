import re
from dataclasses import replace

from hypothesis import given

from carbonwatch.model import Run
from carbonwatch.reports import markdown
from tests.reports import runs


def cells(line: str) -> int:
    """Cells of a table's line, as GitHub counts them: a pipe after an odd number of backslashes is none."""
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) - 1


def test_a_run_is_a_section_with_headline_table_and_details() -> None:
    assert markdown.render(runs.on_a_server()) == (
        "### 960 mg CO2e (640–1500 mg, 90 %)\n"
        "\n"
        "26.2 Wh (24.7–27.9 Wh, 90 %), this program's own share, 100 % measured.\n"
        "\n"
        "Run of digits: finished after 4 min 05 s, started 2026-09-21 14:13 UTC.\n"
        "\n"
        "`python train.py --epochs 3 --data /data/imdb`\n"
        "\n"
        "| Wh | own | idle | others | machine | own, 90 % | quality |\n"
        "| :-- | --: | --: | --: | --: | --: | :-- |\n"
        "| CPU | 6.50 | 3.70 | 1.00 | 11.20 | 5.99–7.03 | measured |\n"
        "| GPU | 18.90 | 0 | 0 | 18.90 | 17.95–19.84 | measured |\n"
        "| RAM | 0.80 | 0.50 | 0.10 | 1.40 | 0.72–1.01 | measured |\n"
        "| all | 26.20 | 4.20 | 1.10 | 31.50 | 24.67–27.88 |  |\n"
        "\n"
        "<sub>own: this program · idle: spent on nobody's work · others: other programs</sub>\n"
        "\n"
        "- **Machine:** Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz, 112 CPUs, 251.4 GB\n"
        "- **Place:** FR (time zone Europe/Paris)\n"
        "- **Intensity:**\n"
        "  - 31.0 g CO2e/kWh (27.0–41.4), France, 2025, consumption, life cycle\n"
        "  - Electricity Maps via CO2.js\n"
        "- **PUE:** 1.18: emissions count the data centre's overhead, energy does not\n"
        "- **Water:** 12.8 ml, at 0.490 l/kWh\n"
        "- **Sources:**\n"
        "  - CPU measured: RAPL package-0 (powercap); RAPL package-1 (powercap)\n"
        "  - GPU measured: NVIDIA A100-SXM4-40GB (NVML energy counter)\n"
        "  - RAM measured: RAPL dram (powercap)\n"
        "- **Tracker:** 31.0 ms of CPU time, 0.013 % of the duration\n"
    )


@runs.patient
@given(run=runs.runs())
def test_every_line_of_a_table_has_as_many_cells_as_its_header(run: Run) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", markdown.render(run), re.MULTILINE)

    for table in tables:
        assert len({cells(line) for line in table.splitlines()}) == 1


@runs.patient
@given(run=runs.runs())
def test_no_name_breaks_a_line_or_hides_a_sign(run: Run) -> None:
    text = markdown.render(run)

    assert {sign for sign in text if not sign.isprintable()} <= {"\n"}


def test_names_read_as_they_are() -> None:
    run = replace(runs.on_a_server(), project="a|b_*c*<script>[x](y)")

    assert r"Run of a\|b\_\*c\*\<script\>\[x\](y): finished" in markdown.render(run)


def test_code_in_a_note_stays_code() -> None:
    run = replace(runs.on_a_server(), notes=("Let it read: `chmod a+r *_uj`, and a|b.",))

    assert r"- **Notes:** Let it read: `chmod a+r *_uj`, and a\|b." in markdown.render(run)


def test_a_lone_backtick_makes_no_code() -> None:
    run = replace(runs.on_a_server(), notes=("it's a ` sign",))

    assert r"- **Notes:** it's a \` sign" in markdown.render(run)


def test_a_command_with_backticks_has_a_longer_fence() -> None:
    run = runs.a_run()
    run = replace(run, facts={"command": "sh -c `date` ``"})

    assert "\n``` sh -c `date` `` ```\n" in markdown.render(run)


def test_tasks_are_a_table_with_those_inside_others_to_the_right() -> None:
    text = markdown.render(runs.with_tasks())

    assert "| epoch 1 | 730 J | 6.3 mg CO2e | 47 % |\n| &emsp;backward | 520 J | 4.5 mg CO2e | 34 % |\n" in text


def test_a_run_without_a_meter_has_no_table_and_says_why() -> None:
    text = markdown.render(runs.not_metered())

    assert text.startswith("### CO2e unknown\n\nRun of digits")
    assert "> Nothing was metered: its energy and emissions are not known" in text
    assert "|" not in text
