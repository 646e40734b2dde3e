from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.codecarbon.hosted import sign_in

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.codecarbon.hosted import Hosted

PATIENCE_S = 60.0


def begun(
    carbonwatch: CommandLine, *words: str, stdin: int = subprocess.DEVNULL
) -> tuple[subprocess.Popen[bytes], str]:
    """A sign-in that waits for a browser, and the page that it shows."""
    process = carbonwatch.start("login", "--port", "0", *words, stderr=subprocess.PIPE, stdin=stdin)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"  http"):
            return process, line.decode().strip()
    raise AssertionError(process.wait(PATIENCE_S))


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    assert process.stderr is not None
    assert process.stdout is not None
    said = process.stderr.read().decode()
    process.stderr.close()
    process.stdout.close()
    return process.wait(PATIENCE_S), said


def kept(carbonwatch: CommandLine) -> Path:
    return carbonwatch.folder / "carbonwatch" / "sessions.json"


def test_a_user_signs_in_with_a_browser(carbonwatch: CommandLine, there: Hosted) -> None:
    process, page = begun(carbonwatch)
    there.browse(page)
    code, said = ended(process)

    assert code == 0
    assert said.splitlines()[-2:] == [
        f"carbonwatch: Signed in at {there.address} as ada@example.org. The session is kept in {kept(carbonwatch)}.",
        "Next, choose where runs go: carbonwatch config",
    ]
    assert kept(carbonwatch).stat().st_mode & 0o777 == 0o600
    assert not any(token in said for token in there.tokens | there.refresh_tokens)


def test_the_address_may_be_pasted_into_the_terminal(carbonwatch: CommandLine, there: Hosted) -> None:
    ours, theirs = pty.openpty()
    process, page = begun(carbonwatch, stdin=theirs)
    os.write(ours, f"{there.answer_of(page)}\n".encode())
    code, said = ended(process)
    os.close(ours)
    os.close(theirs)

    assert code == 0
    assert "paste the address of its page here" in said


def test_a_user_who_says_no_in_the_browser_is_not_signed_in(carbonwatch: CommandLine, there: Hosted) -> None:
    there.denies = "access_denied"
    process, page = begun(carbonwatch)
    there.browse(page)
    code, said = ended(process)

    assert code == 2
    assert said.endswith(
        "carbonwatch: The sign-in was refused in the browser, so nobody is signed in. Run `carbonwatch login` again.\n"
    )
    assert not kept(carbonwatch).exists()


def test_ctrl_c_ends_it_without_a_word(carbonwatch: CommandLine, there: Hosted) -> None:
    process, _ = begun(carbonwatch)
    process.send_signal(signal.SIGINT)
    code, said = ended(process)

    assert (code, said.strip()) == (-signal.SIGINT, "")


def test_a_code_does_where_there_is_no_browser(carbonwatch: CommandLine, there: Hosted) -> None:
    there.answers["/realms/x/device"] = (
        200,
        b'{"device_code": "device-1", "user_code": "WDJB", "verification_uri": "https://a.example", "interval": 0.1}',
    )
    answer = carbonwatch("login", "--device")

    assert answer.returncode == 0
    assert "https://a.example" in answer.stderr.decode()
    assert "It asks for the code WDJB." in answer.stderr.decode()


def test_a_session_that_the_server_does_not_take_is_said(carbonwatch: CommandLine, there: Hosted) -> None:
    there.answers["/auth/check"] = (401, b'{"detail": "Invalid token"}')
    process, page = begun(carbonwatch)
    there.browse(page)

    code, said = ended(process)

    assert code == 2
    assert said.endswith(
        f"carbonwatch: {there.address[7:]} refused it (401: Invalid token). So nobody is signed in. Does this identity "
        "provider belong to it? See --provider.\n"
    )
    assert not kept(carbonwatch).exists()


def test_to_sign_out_is_said(carbonwatch: CommandLine, there: Hosted) -> None:
    sign_in(there, carbonwatch.folder)
    first, second = (carbonwatch("login", "--out") for _ in range(2))

    assert first.stderr.decode() == f"carbonwatch: Signed out of {there.address}.\n"
    assert second.stderr.decode() == f"carbonwatch: Nobody was signed in at {there.address}.\n"
    assert there.refresh_tokens == set()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AUTH_SERVER_WELL_KNOWN": ""}, "is not CodeCarbon's own API"),
        ({"AUTH_SERVER_WELL_KNOWN": "http://id.example.org"}, "is not https"),
        ({"CODECARBON_API_ENDPOINT": "api.example.org"}, "Give an address"),
        ({"AUTH_SERVER_WELL_KNOWN": "http://127.0.0.1:1/"}, "127.0.0.1:1 can't be reached (Connection refused)"),
    ],
)
def test_what_keeps_a_user_from_signing_in_is_one_sentence(
    carbonwatch: CommandLine, there: Hosted, variables: dict[str, str], said: str
) -> None:
    carbonwatch.environ |= variables
    answer = carbonwatch("login", "--port", "0")

    assert (answer.returncode, answer.stderr.decode().count("\n")) == (2, 1)
    assert said in answer.stderr.decode()
