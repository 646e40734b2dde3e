from __future__ import annotations

from typing import TYPE_CHECKING

from tests.codecarbon.hosted import sign_in

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.codecarbon.hosted import Hosted


def lines(answer: bytes) -> list[list[str]]:
    """Whether it is accepted, what, and what is said."""
    return [line.split(None, 2) for line in answer.decode().splitlines()]


def test_all_that_a_run_needs_is_tried(carbonwatch: CommandLine, there: Hosted) -> None:
    token = sign_in(there, carbonwatch.folder)
    there.keys["pt-1"] = "project-1"
    carbonwatch.environ |= {"CODECARBON_EXPERIMENT_ID": "experiment-1", "CODECARBON_API_KEY": "pt-1"}
    asked, sent = carbonwatch("test-api"), carbonwatch("test-api", "--send")

    assert (asked.returncode, asked.stderr) == (0, b"")
    assert lines(asked.stdout) == [
        ["yes", "server", f"{there.address} answers"],
        ["yes", "session", "signed in as ada@example.org"],
        ["yes", "organisations", "Lab"],
        ["yes", "experiment", "experiment-1 is 'a100'"],
        ["-", "api_key", "set in CODECARBON_API_KEY; whether it is accepted shows with --send"],
    ]
    assert (sent.returncode, lines(sent.stdout)[-1][2]) == (0, "accepted: the empty run run-1 was registered")
    assert [path for path, _ in there.sent] == ["/runs"]
    assert not {token, "pt-1"} & set(f"{asked.stdout!r} {sent.stdout!r}".split())


def test_in_ci_a_key_is_enough(carbonwatch: CommandLine, there: Hosted) -> None:
    there.keys["pt-1"] = "project-1"
    carbonwatch.environ |= {"CODECARBON_EXPERIMENT_ID": "experiment-1", "CODECARBON_API_KEY": "pt-1"}
    answer = carbonwatch("test-api", "--send")

    assert answer.returncode == 0
    assert [line[:2] for line in lines(answer.stdout)] == [
        ["yes", "server"],
        ["-", "session"],
        ["-", "experiment"],
        ["yes", "api_key"],
    ]


def test_a_variable_s_key_goes_before_the_file_s(carbonwatch: CommandLine, there: Hosted) -> None:
    there.keys["pt-1"] = "project-1"
    file = carbonwatch.folder / "home" / ".codecarbon.config"
    file.write_text("[codecarbon]\napi_key = wrong\nexperiment_id = experiment-1\n")

    refused = carbonwatch("test-api", "--send")
    carbonwatch.environ["CODECARBON_API_KEY"] = "pt-1"

    assert refused.returncode == 1
    assert carbonwatch("test-api", "--send").returncode == 0


def test_what_is_refused_is_told_with_the_server_s_words_and_what_to_do(
    carbonwatch: CommandLine, there: Hosted
) -> None:
    sign_in(there, carbonwatch.folder)
    carbonwatch.environ |= {"CODECARBON_EXPERIMENT_ID": "gone", "CODECARBON_API_KEY": "wrong"}
    answer = carbonwatch("test-api", "--send")
    host = there.address[7:]

    assert answer.returncode == 1
    assert lines(answer.stdout)[-2:] == [
        [
            "no",
            "experiment",
            f"{host} refused it (404: Experiment gone not found). Choose one that you may see: carbonwatch config.",
        ],
        [
            "no",
            "api_key",
            f"{host} refused it (403: Not allowed to perform this action). It is no key of that experiment's project. "
            "Get one: carbonwatch get-token.",
        ],
    ]


def test_without_a_session_or_a_key_nothing_can_be_sent(carbonwatch: CommandLine, there: Hosted) -> None:
    answer = carbonwatch("test-api")

    assert answer.returncode == 1
    assert lines(answer.stdout)[1] == [
        "no",
        "session",
        f"Nobody is signed in at {there.address[7:]}. Sign in: carbonwatch login.",
    ]


def test_a_session_that_is_not_taken_any_more_is_said(carbonwatch: CommandLine, there: Hosted) -> None:
    sign_in(there, carbonwatch.folder)
    there.tokens.clear()
    answer = carbonwatch("test-api")

    assert answer.returncode == 1
    assert "(401: Invalid token). Sign in again: carbonwatch login." in answer.stdout.decode()


def test_a_server_that_is_not_there_ends_it(carbonwatch: CommandLine, there: Hosted) -> None:
    answer = carbonwatch("test-api", "--api-endpoint", "http://127.0.0.1:1")

    assert (answer.returncode, answer.stderr) == (1, b"")
    assert lines(answer.stdout) == [
        [
            "no",
            "server",
            "127.0.0.1:1 can't be reached (Connection refused). Check the address, and this machine's network.",
        ]
    ]


def test_an_address_that_is_none_is_an_error(carbonwatch: CommandLine, there: Hosted) -> None:
    answer = carbonwatch("test-api", "--api-endpoint", "api.example.org")

    assert (answer.returncode, answer.stderr.decode().count("\n")) == (2, 1)
