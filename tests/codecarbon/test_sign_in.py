import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from carbonwatch.codecarbon import sign_in
from carbonwatch.codecarbon.session import Session
from carbonwatch.errors import SettingsError, Unavailable
from tests.codecarbon.hosted import Hosted, hosted

API = "https://api.example.org"


@pytest.fixture
def there() -> Iterator[Hosted]:
    with hosted() as server:
        yield server


def provider(there: Hosted) -> sign_in.Provider:
    return sign_in.provider(API, there.well_known, environ={})


def signed_in(there: Hosted, **others: Any) -> Session:
    return sign_in.with_browser(provider(there), there.browse, port=0, **others)


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
    found = sign_in.with_browser(provider(there), pages.append, port=0, pasted=pasted)

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
        sign_in.with_browser(provider(there), lambda page: None, port=0, patience_s=0.0)


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
        sign_in.with_browser(provider(there), there.browse, port=other.getsockname()[1])


# by a code


def test_a_user_signs_in_with_a_code_and_is_asked_for_as_often_as_the_provider_wants(there: Hosted) -> None:
    there.device_errors = ["authorization_pending", "slow_down"]
    shown: list[tuple[str, str]] = []
    waits: list[float] = []
    found = sign_in.with_code(provider(there), lambda *both: shown.append(both), wait=waits.append)

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
        sign_in.with_code(provider(there), lambda *both: None, wait=lambda _: None)


def test_a_code_that_nobody_types_ends_by_itself(there: Hosted) -> None:
    there.device_errors = ["authorization_pending"] * 1000

    with pytest.raises(Unavailable, match="Nobody typed the code before it ended"):
        sign_in.with_code(provider(there), lambda *both: None, wait=lambda _: None)


def test_a_provider_that_gives_no_codes_is_said(there: Hosted) -> None:
    there.answers["/realms/x/device"] = (400, b'{"error": "unauthorized_client"}')

    with pytest.raises(Unavailable, match=r"unauthorized_client.*Leave out --device"):
        sign_in.with_code(provider(there), lambda *both: None)
    with pytest.raises(Unavailable, match="has no sign-in by code"):
        sign_in.with_code(provider(there)._replace(device_endpoint=""), lambda *both: None)


# the provider


def test_another_server_s_provider_has_to_be_named_so_that_no_token_goes_astray() -> None:
    for endpoint in (API, "https://codecarbon.io.example.org", "https://notcodecarbon.io"):
        with pytest.raises(SettingsError, match="Give the identity provider"):
            sign_in.provider(endpoint, environ={})


def test_variables_of_codecarbon_name_the_provider(there: Hosted) -> None:
    environ = {"AUTH_SERVER_WELL_KNOWN": there.well_known, "AUTH_CLIENT_ID": "ours"}

    assert sign_in.provider(API, environ=environ).client_id == "ours"
    assert sign_in.provider(API, environ=environ, client_id="mine").client_id == "mine"


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
        sign_in.provider(API, "http://a.example/.well-known/openid-configuration", environ={})


@pytest.mark.parametrize(
    ("url", "is_private"),
    [
        ("https://a.example", True),
        ("http://127.0.0.1:8008", True),
        ("http://localhost", True),
        ("http://a.example", False),
        ("http://localhost.example", False),
    ],
)
def test_what_can_be_read_on_the_way_is_known(url: str, is_private: bool) -> None:
    assert sign_in.is_private(url) == is_private
