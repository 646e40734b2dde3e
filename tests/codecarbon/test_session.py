import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from carbonwatch.codecarbon import session
from carbonwatch.codecarbon.session import Session
from carbonwatch.errors import CarbonwatchError, SettingsError, Unavailable
from tests.codecarbon.hosted import Hosted, hosted

API = "https://api.example.org"


@pytest.fixture
def there() -> Iterator[Hosted]:
    with hosted() as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "settings" / "sessions.json")


def provider(there: Hosted) -> session.Provider:
    return session.provider(API, there.well_known, environ={})


def signed_in(there: Hosted, **others: Any) -> Session:
    return session.sign_in(provider(there), there.browse, port=0, **others)


def old(there: Hosted) -> Session:
    """A session whose token has ended."""
    return replace(signed_in(there), access_token="old", ends_s=1.0)


# by a browser


def test_a_user_signs_in_with_a_browser_and_the_provider_sees_that_it_was_us(there: Hosted) -> None:
    found = signed_in(there)

    assert {found.access_token} == there.tokens
    assert {found.refresh_token} == there.refresh_tokens
    assert (found.client_id, found.token_endpoint) == ("codecarbon-cli", f"{there.address}/realms/x/token")


def test_the_address_that_a_browser_could_not_open_may_be_pasted(there: Hosted) -> None:
    pages: list[str] = []
    typed = iter(["", "\n"])
    pasted: Callable[[], str] = lambda: next(typed, "") or f"{there.answer_of(pages[0])}\n"  # noqa: E731
    found = session.sign_in(provider(there), pages.append, port=0, pasted=pasted)

    assert {found.access_token} == there.tokens


def test_an_answer_with_another_state_is_not_taken(there: Hosted) -> None:
    there.state = "of another page"

    with pytest.raises(Unavailable, match=r"does not belong to this sign-in.*Run `carbonwatch login` again"):
        signed_in(there)
    assert there.tokens == set()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "access_denied",
            "The sign-in was refused in the browser, so nobody is signed in. Run `carbonwatch login` again.",
        ),
        ("server_error", "The identity provider did not sign you in (server_error). Run `carbonwatch login` again."),
    ],
)
def test_a_user_or_a_provider_may_say_no(there: Hosted, error: str, said: str) -> None:
    there.denies = error

    with pytest.raises(Unavailable) as caught:
        signed_in(there)
    assert str(caught.value) == said


def test_nobody_is_waited_for_for_ever(there: Hosted) -> None:
    with pytest.raises(Unavailable, match="Nobody signed in within 0 min"):
        session.sign_in(provider(there), lambda page: None, port=0, patience_s=0.0)


def test_a_code_that_the_provider_does_not_take_is_said(there: Hosted) -> None:
    there.answers["/realms/x/token"] = (400, b'{"error": "invalid_grant", "error_description": "Code not valid"}')

    with pytest.raises(Unavailable, match=r"refused it \(400: Code not valid\)\. So nobody is signed in"):
        signed_in(there)


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"access_token": 7}'])
def test_an_answer_without_a_token_signs_nobody_in(there: Hosted, answer: bytes) -> None:
    there.answers["/realms/x/token"] = (200, answer)

    with pytest.raises(Unavailable, match="gave no token"):
        signed_in(there)


def test_a_port_that_another_program_has_is_said(there: Hosted) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(Unavailable, match=r"port \d+ .*--device"):
        session.sign_in(provider(there), there.browse, port=other.getsockname()[1])


# by a code


def test_a_user_signs_in_with_a_code_and_is_asked_for_as_often_as_the_provider_wants(there: Hosted) -> None:
    there.device_errors = ["authorization_pending", "slow_down"]
    shown: list[tuple[str, str]] = []
    waits: list[float] = []
    found = session.sign_in_elsewhere(provider(there), lambda *both: shown.append(both), wait=waits.append)

    assert shown == [(f"{there.address}/device", "WDJB-MJHT")]
    assert waits == [5.0, 5.0, 10.0]
    assert {found.access_token} == there.tokens


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "refused in the browser"),
        ("expired_token", "Nobody typed the code before it ended"),
        ("invalid_grant", "refused it"),
    ],
)
def test_a_code_that_leads_nowhere_ends_the_waiting(there: Hosted, error: str, said: str) -> None:
    there.device_errors = [error]

    with pytest.raises(Unavailable, match=said):
        session.sign_in_elsewhere(provider(there), lambda *both: None, wait=lambda _: None)


def test_a_code_that_nobody_types_ends_by_itself(there: Hosted) -> None:
    there.device_errors = ["authorization_pending"] * 1000

    with pytest.raises(Unavailable, match="Nobody typed the code before it ended"):
        session.sign_in_elsewhere(provider(there), lambda *both: None, wait=lambda _: None)


def test_a_provider_that_gives_no_codes_is_said(there: Hosted) -> None:
    there.answers["/realms/x/device"] = (400, b'{"error": "unauthorized_client"}')

    with pytest.raises(Unavailable, match=r"unauthorized_client.*Leave out --device"):
        session.sign_in_elsewhere(provider(there), lambda *both: None)
    with pytest.raises(Unavailable, match="has no sign-in by code"):
        session.sign_in_elsewhere(provider(there)._replace(device_endpoint=""), lambda *both: None)


# the provider


def test_another_server_s_provider_has_to_be_named_so_that_no_token_goes_astray() -> None:
    for endpoint in (API, "https://codecarbon.io.example.org", "https://notcodecarbon.io"):
        with pytest.raises(SettingsError, match="Give the identity provider"):
            session.provider(endpoint, environ={})


def test_variables_of_codecarbon_name_the_provider(there: Hosted) -> None:
    environ = {"AUTH_SERVER_WELL_KNOWN": there.well_known, "AUTH_CLIENT_ID": "ours"}

    assert session.provider(API, environ=environ).client_id == "ours"
    assert session.provider(API, environ=environ, client_id="mine").client_id == "mine"


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"<html>", b'{"token_endpoint": "https://a"}'])
def test_an_address_that_describes_no_provider_is_said(there: Hosted, answer: bytes) -> None:
    there.answers["/realms/x/.well-known/openid-configuration"] = (200, answer)

    with pytest.raises(Unavailable, match="Check"):
        provider(there)


def test_passwords_and_tokens_go_over_https_alone(there: Hosted) -> None:
    described = b'{"authorization_endpoint": "https://a.example", "token_endpoint": "http://a.example"}'
    there.answers["/realms/x/.well-known/openid-configuration"] = (200, described)

    with pytest.raises(SettingsError, match="not https"):
        provider(there)
    with pytest.raises(SettingsError, match="not https"):
        session.provider(API, "http://a.example/.well-known/openid-configuration", environ={})


# the session


def test_a_session_is_kept_for_the_user_alone_and_shows_no_token(there: Hosted, path: str) -> None:
    found = signed_in(there)
    session.keep(API, found, path)

    assert session.kept(path) == {API: found}
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    assert "token-" not in repr(found)
    assert os.listdir(os.path.dirname(path)) == ["sessions.json"]


def test_where_no_session_can_be_kept_is_said_before_somebody_signs_in(path: str, tmp_path: Path) -> None:
    session.check_file(path)
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"can't be made \(Not a directory\), so a session could not be kept"):
        session.check_file(str(tmp_path / "file" / "carbonwatch" / "sessions.json"))


def test_a_session_is_for_one_server(there: Hosted, path: str) -> None:
    session.keep(f"{API}/", signed_in(there), path)

    assert {session.access_token(API, path)} == there.tokens
    with pytest.raises(Unavailable, match=r"Nobody is signed in at evil\.example\. Sign in: carbonwatch login"):
        session.access_token("https://evil.example", path)


def test_a_token_that_has_ended_is_renewed_and_kept(there: Hosted, path: str) -> None:
    session.keep(API, old(there), path)
    renewed = session.access_token(API, path)

    assert renewed in there.tokens
    assert session.kept(path)[API].access_token == renewed
    assert session.access_token(API, path) == renewed


def test_a_session_that_has_ended_asks_for_a_new_one(there: Hosted, path: str) -> None:
    session.keep(API, old(there), path)
    there.refresh_tokens.clear()

    with pytest.raises(Unavailable, match=r"The session at api.example.org has ended\. Sign in again"):
        session.access_token(API, path)
    session.keep(API, replace(old(there), refresh_token=""), path)
    with pytest.raises(Unavailable, match="has ended"):
        session.access_token(API, path)


def test_a_provider_that_is_out_of_order_ends_no_session(there: Hosted, path: str) -> None:
    session.keep(API, old(there), path)
    there.answers["/realms/x/token"] = (503, b"")

    with pytest.raises(Unavailable, match=r"refused it \(503\)"):
        session.access_token(API, path)
    there.answers.clear()
    assert session.access_token(API, path) in there.tokens


def test_to_sign_out_is_to_forget_and_to_say_so(there: Hosted, path: str) -> None:
    session.keep(API, signed_in(there), path)

    assert session.forget(API, path)
    assert (session.kept(path), there.refresh_tokens) == ({}, set())
    assert not session.forget(API, path)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"b": "secret"}}'])
def test_a_file_that_is_none_of_ours_is_said_without_what_stands_in_it(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_text(text)

    with pytest.raises(CarbonwatchError, match="Remove it, and sign in") as caught:
        session.kept(path)
    assert "secret" not in str(caught.value)
