import subprocess
import sys
from pathlib import Path

import pytest

from carbonwatch import cli
from carbonwatch.codecarbon.calls import COMMANDS, is_call, rewritten

CSV = "--exporters emissions_csv"
SCRIPTS = [
    # what is measured
    ("codecarbon monitor", f"carbonwatch monitor {CSV} --api"),
    ("codecarbon monitor -- python t.py --no-api", f"carbonwatch run {CSV} --api -- python t.py --no-api"),
    ("codecarbon monitor python t.py -x", f"carbonwatch run {CSV} --api -- python t.py -x"),
    ("codecarbon monitor --no-api -- make 'a b'; ls", f"carbonwatch run {CSV} -- make 'a b'; ls"),
    # options
    ("codecarbon monitor --offline --country-iso-code FRA", f"carbonwatch monitor {CSV} --country FRA"),
    ("codecarbon monitor --no-offline --api --region=x", f"carbonwatch monitor {CSV} --api --region x"),
    ('codecarbon monitor --project-name "a b" -- x', f'carbonwatch run {CSV} --api --project "a b" -- x'),
    ("codecarbon monitor --measure-power-secs 5 --no-api", f"carbonwatch monitor {CSV} --interval-s 5"),
    ("codecarbon monitor --api-call-interval 6", f"carbonwatch monitor {CSV} --api-every 60"),
    (
        "codecarbon monitor --api-call-interval 4 --measure-power-secs 15 --log-level debug",
        f"carbonwatch monitor {CSV} --api-every 60 --interval-s 15",
    ),
    (
        "codecarbon monitor --project-name ${{ matrix.a }} -- x",
        f"carbonwatch run {CSV} --api --project ${{{{ matrix.a }}}} -- x",
    ),
    ("codecarbon monitor --project-name $(date +%F) -- x", f"carbonwatch run {CSV} --api --project $(date +%F) -- x"),
    (
        "codecarbon monitor \\\n  --project-name p \\\n  --log-level error \\\n  -- ./a \\\n  b\n",
        f"carbonwatch run {CSV} --api \\\n  --project p \\\n  -- ./a \\\n  b\n",
    ),
    # where it stands
    ("setsid codecarbon monitor >/dev/null 2>&1 &", f"setsid carbonwatch monitor {CSV} --api >/dev/null 2>&1 &"),
    ("a && (codecarbon monitor --no-api | tee log)", f"a && (carbonwatch monitor {CSV} | tee log)"),
    ('sh -c "codecarbon monitor --no-api"', f'sh -c "carbonwatch monitor {CSV}"'),
    ("ExecStart=/opt/x/bin/codecarbon monitor", f"ExecStart=/opt/x/bin/carbonwatch monitor {CSV} --api"),
    ("\t@codecarbon monitor --no-api -- x", f"\t@carbonwatch run {CSV} -- x"),
    ("codecarbon monitor --no-api  # watch", f"carbonwatch monitor {CSV}  # watch"),
    ("codecarbon monitor --no-api\r\nls\r\n", f"carbonwatch monitor {CSV}\r\nls\r\n"),
    # other commands
    ("codecarbon init && codecarbon detect", "carbonwatch config && carbonwatch detect"),
    ("K=$(codecarbon get-token $ID)", "K=$(carbonwatch get-token $ID)"),
    (
        "codecarbon -v; codecarbon --help; codecarbon monitor --help",
        "carbonwatch --version; carbonwatch --help; carbonwatch monitor --help",
    ),
    # lists of words
    (
        'CMD ["codecarbon", "monitor", "--no-api", "x", "-y"]',
        'CMD ["carbonwatch", "run", "--exporters", "emissions_csv", "--", "x", "-y"]',
    ),
    (
        "command: ['codecarbon', 'monitor', '--offline', '--country-iso-code', 'FRA']",
        "command: ['carbonwatch', 'monitor', '--exporters', 'emissions_csv', '--country', 'FRA']",
    ),
    (
        "  command:\n    - codecarbon\n    - monitor\n    - --no-api\n    - --project-name\n    - 'a b'\n  env: []\n",
        "  command:\n    - carbonwatch\n    - monitor\n    - --exporters\n    - emissions_csv\n    - --project\n"
        '    - "a b"\n  env: []\n',
    ),
    ('["codecarbon","detect"]', '["carbonwatch", "detect"]'),
]
LEFT_ALONE = [
    "# codecarbon monitor",
    "make x  # by codecarbon monitor",
    'echo "starting codecarbon monitor"',
    "- name: Run codecarbon monitor",
    "cat codecarbon-monitor codecarbon monitoring codecarbon.monitor",
    "which codecarbon",
    "pip install codecarbon",
    'dependencies = [\n  "codecarbon",\n  "numpy"]',
    "- codecarbon\n- numpy",
]
BY_HAND = [
    "codecarbon monitor $OPTIONS -- x",
    "codecarbon monitor --unheard-of 1",
    "codecarbon monitor --project-name",
    "codecarbon monitor --",
    "codecarbon monitor --api-call-interval $N",
    'CMD ["codecarbon", "monitor", "--unheard-of"]',
]


@pytest.mark.parametrize(("before", "after"), SCRIPTS)
def test_a_call_becomes_ours_and_stays_so(before: str, after: str) -> None:
    assert rewritten(before, document=False) == (after, ())
    assert rewritten(after, document=False) == (after, ())


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_only_speaks_of_it_stays(text: str) -> None:
    assert rewritten(text, document=False) == (text, ())


@pytest.mark.parametrize("text", BY_HAND)
def test_what_the_text_does_not_tell_is_left_to_a_person(text: str) -> None:
    assert rewritten(f"set -e\n  {text}\n", document=False) == (f"set -e\n  {text}\n", (f"line 2: {text}",))


def test_a_document_s_code_changes_and_its_words_do_not() -> None:
    theirs = "Use `codecarbon detect`.\ncodecarbon monitor is one.\n```sh\ncodecarbon init\n```\n$ codecarbon login\n"
    ours = (
        "Use `carbonwatch detect`.\ncodecarbon monitor is one.\n```sh\ncarbonwatch config\n```\n$ carbonwatch login\n"
    )

    assert rewritten(theirs, document=True) == (ours, ())
    assert rewritten("### `codecarbon monitor --no-api -- <command>`\n", document=True) == (
        f"### `carbonwatch run {CSV} -- <command>`\n",
        (),
    )
    assert (
        rewritten('"source": [\n  "!codecarbon detect\\n"]', document=True)[0]
        == '"source": [\n  "!carbonwatch detect\\n"]'
    )


def test_every_command_and_option_that_is_written_is_there() -> None:
    assert set(COMMANDS.values()) <= set(cli.commands())
    for command, words in (("run", ["--", "x"]), ("monitor", [])):
        options = ["--exporters", "emissions_csv", "--api", "--api-every", "60", "--project", "p", "--interval-s", "5"]
        cli.parser(command).parse_args([*options, "--country", "FRA", "--region", "x", *words])


def test_a_text_that_is_a_call_is_told_from_one_that_speaks_of_it() -> None:
    assert [is_call(text) for text in ("codecarbon monitor -- x", "/a/codecarbon detect")] == [True, True]
    assert [is_call(text) for text in ("see codecarbon monitor", "codecarbon")] == [False, False]


def test_a_script_does_afterwards_what_it_did(tmp_path: Path) -> None:
    text, _ = rewritten(
        f"codecarbon monitor --no-api --country-iso-code FRA -- {sys.executable} -c 'print(6 * 7)'", document=False
    )
    script = text.replace("carbonwatch", f"{sys.executable} -m carbonwatch", 1)
    ended = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)

    assert ended.stdout == "42\n"
    assert len((tmp_path / "emissions.csv").read_text().splitlines()) == 2
