from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch import __version__, cli, plugins, settings
from carbonwatch.cli import _options

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"


def flags(command: str) -> set[str]:
    return set(cli.parser(command)._option_string_actions)


def test_every_file_is_a_command_and_stands_in_the_overview() -> None:
    assert sorted(cli.commands()) == plugins.own_names("cli")
    assert [name for name in cli.commands() if f"\n  {name} " not in cli.overview()] == []


@pytest.mark.parametrize("command", ["run", "monitor", "doctor"])
def test_each_setting_has_its_flag_and_its_help(command: str) -> None:
    parser = cli.parser(command)

    assert {_options.flag(name) for name in settings.names()} <= flags(command)
    assert [name for name in settings.names() if settings.help_text(name)[:20] not in parser.format_help()] == []


def test_a_flag_s_value_is_what_the_environment_s_would_be() -> None:
    words = ["--interval-s", "0.5", "--gpus", "0,1", "--prefer-psys", "--project", "p"]
    chosen = _options.chosen(cli.parser("doctor").parse_args(words))
    environ = {
        f"CARBONWATCH_{k}": v
        for k, v in (("INTERVAL_S", "0.5"), ("GPUS", "0,1"), ("PREFER_PSYS", "1"), ("PROJECT", "p"))
    }

    assert chosen == settings.resolve(environ=environ)
    assert {chosen.origin[name] for name in ("interval_s", "gpus", "prefer_psys", "project")} == {"flag"}


def test_an_abbreviated_flag_is_not_taken() -> None:
    with pytest.raises(cli.UsageError, match="Did you mean --interval-s"):
        cli.parser("monitor").parse_args(["--interval", "1"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--pid", "x"), "--pid is 'x', which is no whole number."),
        (("calc", "--hours", "x"), "--hours is 'x', which is no number."),
        (("run", "--project"), "--project needs a value."),
        (("when", "--duration", "x"), "--duration: 'x' is no time. Write 90min, 4h or 2d."),
    ],
)
def test_a_wrong_value_is_said_in_plain_words(words: tuple[str, ...], said: str) -> None:
    command, *options = words

    with pytest.raises(cli.UsageError) as caught:
        cli.parser(command).parse_args(options)
    assert str(caught.value) == f"{said} `carbonwatch {command} --help` shows what it takes."


@pytest.mark.parametrize("command", cli.commands())
def test_help_is_the_module_s_docstring_with_an_example(carbonwatch: CommandLine, command: str) -> None:
    answer = carbonwatch(command, "--help")
    text = answer.stdout.decode()

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert f"  carbonwatch {command} " in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_the_page_in_the_docs_shows_every_help_text_down_to_the_settings() -> None:
    page = PAGE.read_text(encoding="utf-8")
    helps = [cli.overview(), *(cli.parser(name).format_help().partition("\nsettings:")[0] for name in cli.commands())]

    assert [text for text in helps if f"```text\n{text.strip()}\n```" not in page] == []


@pytest.mark.parametrize("words", [(), ("--help",), ("help",), ("-h",)])
def test_without_a_command_there_is_an_overview(carbonwatch: CommandLine, words: tuple[str, ...]) -> None:
    answer = carbonwatch(*words)

    assert (answer.returncode, answer.stdout.decode(), answer.stderr) == (0, cli.overview().rstrip() + "\n", b"")


def test_the_version_is_said(carbonwatch: CommandLine) -> None:
    assert carbonwatch("--version").stdout.decode() == f"carbonwatch {__version__}\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("rum",), "Did you mean run?"),
        (("python",), "carbonwatch run -- python"),
        (("--quiet",), "before a command"),
        (("runs", "--projct", "p"), "Did you mean --project? `carbonwatch runs --help`"),
    ],
)
def test_a_typo_is_one_message_with_a_hint(carbonwatch: CommandLine, words: tuple[str, ...], hint: str) -> None:
    answer = carbonwatch(*words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)
    assert hint in answer.stderr.decode()


def test_a_full_disk_is_one_message(carbonwatch: CommandLine) -> None:
    with open("/dev/full", "wb") as full:
        answer = subprocess.run([*carbonwatch.words, "--help"], stdout=full, stderr=subprocess.PIPE, check=False)

    assert (answer.returncode, answer.stderr.count(b"\n")) == (1, 1)


def test_only_the_chosen_command_is_imported(carbonwatch: CommandLine) -> None:
    code = "import sys; from carbonwatch.__main__ import main; main(['runs', '--help']); "
    code += "print(*(m for m in sys.modules if m.startswith('carbonwatch.')), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(answer.stderr.split())

    assert loaded & {f"carbonwatch.cli.{name}" for name in ("run", "monitor", "doctor")} == set()
    assert "carbonwatch.tracker" not in loaded


def test_a_percent_sign_in_a_setting_s_help_is_shown() -> None:
    parser = argparse.ArgumentParser()
    _options.add_settings(parser)

    assert "%%" not in parser.format_help()
