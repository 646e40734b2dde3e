import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from carbonwatch.codecarbon import session, sign_in
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


def signed_in(there: Hosted) -> Session:
    return sign_in.with_browser(sign_in.provider(API, there.well_known, environ={}), there.browse, port=0)


def old(there: Hosted) -> Session:
    """A session whose token has ended."""
    return replace(signed_in(there), access_token="old", ends_s=1.0)


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
