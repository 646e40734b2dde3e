import socket
import traceback
from collections.abc import Callable, Iterator

import pytest

from carbonwatch.codecarbon import _http
from carbonwatch.codecarbon.api import Api, Named
from carbonwatch.errors import Unavailable
from tests.codecarbon.hosted import Hosted, hosted

ASKED: dict[str, Callable[[Api], object]] = {
    "/auth/check": lambda api: api.user(),
    "/organizations": lambda api: api.organizations(),
    "/organizations/org-1/projects": lambda api: api.projects("org-1"),
    "/projects/project-1/experiments": lambda api: api.experiments("project-1"),
    "/experiments/experiment-1": lambda api: api.experiment("experiment-1"),
    "/projects/project-1/api-tokens": lambda api: api.create_token("project-1", "ours"),
    "/runs": lambda api: api.create_run("experiment-1", "pt-1"),
}


@pytest.fixture
def there() -> Iterator[Hosted]:
    with hosted() as server:
        server.tokens.add("token")
        yield server


@pytest.fixture
def api(there: Hosted) -> Api:
    return Api(f"{there.address}/", "token")


def test_what_a_user_may_see_is_listed(api: Api) -> None:
    api.check()

    assert api.user() == "ada@example.org"
    assert api.organizations() == [Named("org-1", "Lab")]
    assert api.projects("org-1") == [Named("project-1", "nightly")]
    assert api.experiments("project-1") == [Named("experiment-1", "a100")]
    assert api.experiment("experiment-1") == Named("experiment-1", "a100")
    assert api.projects("../org-1") == []


def test_what_is_made_is_there(api: Api, there: Hosted) -> None:
    organization = api.create_organization("New")
    project = api.create_project("p", organization.id)
    experiment = api.create_experiment("e", project.id)
    run = api.create_run(experiment.id, api.create_token(project.id, "ours"))

    assert (api.experiments(project.id), run) == ([experiment], "run-1")
    assert [path for path, _ in there.sent] == [
        "/organizations",
        "/projects",
        "/experiments",
        f"/projects/{project.id}/api-tokens",
        "/runs",
    ]


def test_a_run_is_sent_with_its_key_and_not_with_the_session(api: Api, there: Hosted) -> None:
    there.keys["pt-1"] = "project-1"
    api.create_run("experiment-1", "pt-1")

    _, _, headers = there.asked[-1]
    assert (headers["x-api-token"], "authorization" in headers) == ("pt-1", False)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("answer", [b"<html>", b"7", b'[{"name": "no id"}]', b'{"id": []}', b""])
def test_an_answer_that_is_not_the_api_s_is_said(api: Api, there: Hosted, path: str, answer: bytes) -> None:
    there.answers[path] = (200, answer)

    with pytest.raises(Unavailable, match=r"something else than|does not know who"):
        ASKED[path](api)


def test_a_refusal_comes_with_the_server_s_words_and_without_the_token(there: Hosted) -> None:
    api = Api(there.address, "".join(["se", "cret"]))  # a trace shows the test's lines too

    with pytest.raises(_http.Refused) as caught:
        api.organizations()
    shown = "".join(traceback.format_exception(caught.value))

    assert caught.value.status == 401
    assert caught.value.reason == f"{there.address[7:]} refused it (401: Invalid token)."
    assert "secret" not in shown


def test_words_that_would_steer_a_terminal_are_made_harmless(api: Api, there: Hosted) -> None:
    there.answers["/organizations"] = (500, b'{"detail": "\\u001b[2J' + b"x" * 1000 + b'"}')

    with pytest.raises(_http.Refused) as caught:
        api.organizations()
    assert caught.value.said == f"[2J{'x' * 196}"


def test_a_token_is_not_sent_after_a_redirect_to_another_host(api: Api, there: Hosted) -> None:
    with hosted() as other:
        there.answers["/organizations"] = (307, f"{other.address}/organizations".encode())

        with pytest.raises(Unavailable, match=f"sends on to another address.*{other.address[7:]}"):
            api.organizations()
        assert other.asked == []


def test_a_redirect_on_the_same_host_is_followed(api: Api, there: Hosted) -> None:
    there.answers["/organizations"] = (307, f"{there.address}/moved".encode())
    there.answers["/moved"] = (200, b'[{"id": "org-1", "name": "Lab"}]')

    assert api.organizations() == [Named("org-1", "Lab")]


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        Unavailable, match=rf"127.0.0.1:{port} can't be reached \(Connection refused\)\. Check the address"
    ):
        Api(f"http://127.0.0.1:{port}").check()


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_a_while() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(Unavailable, match=r"did not answer within \d s\. Try again later"),
    ):
        _http.get(f"http://127.0.0.1:{mute.getsockname()[1]}", timeout_s=0.05)


def test_a_server_that_refuses_its_first_page_is_there_all_the_same(api: Api, there: Hosted) -> None:
    there.answers["/"] = (404, b"")
    api.check()
    there.answers["/"] = (503, b"")

    with pytest.raises(Unavailable, match="503"):
        api.check()
