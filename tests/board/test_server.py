"""Who may read the board: this machine's browser at the address that it was told, and nobody else."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from carbonwatch import pages
from carbonwatch.board import answers
from carbonwatch.board.server import LOOPBACK, Server
from tests.board import shown
from tests.board.conftest import serving

PATIENCE_S = 60
Answer = tuple[int, dict[str, str], bytes]


def ask(server: Server, path: str = "", method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """What the server answers to a request below its secret; `Sec_Fetch_Site` is the header of that name."""
    return ask_raw(server, f"/{server.secret}/{path}", method, body, **headers)


def ask_raw(server: Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    asking = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=PATIENCE_S)
    try:
        asking.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = asking.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        asking.close()


def test_a_page_and_its_parts_are_served_under_a_strict_policy(board: Server) -> None:
    answers_ = {path: ask(board, path) for path in ("", "board.js", "site.css", "licences.txt", "api/sources")}

    assert {path: status for path, (status, _, _) in answers_.items()} == dict.fromkeys(answers_, 200)
    for _, headers, _ in answers_.values():
        assert headers["Content-Security-Policy"] == pages.POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_it_listens_on_the_loopback_address_alone(board: Server) -> None:
    assert board.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/api/runs", "/board.js", "/wrong/api/runs", "//", "/%2e%2e/"])
def test_without_the_secret_there_is_nothing(board: Server, path: str) -> None:
    assert ask_raw(board, path)[0] == 404


def test_each_board_has_a_secret_of_its_own(store: Path, board: Server) -> None:
    with serving(store=store) as other:
        assert other.secret != board.secret
        assert len(other.secret) >= 20


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil"])
def test_a_name_that_another_site_points_here_is_refused(board: Server, host: str) -> None:
    status, _, said = ask(board, "api/runs", Host=host.format(port=board.server_port))

    assert (status, b"project" in said) == (421, False)


def test_a_request_without_a_host_is_refused(board: Server) -> None:
    with socket.create_connection((LOOPBACK, board.server_port), timeout=PATIENCE_S) as line:
        line.sendall(f"GET /{board.secret}/api/runs HTTP/1.0\r\n\r\n".encode())

        assert line.makefile("rb").readline().split()[1] == b"421"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_site_s_page_is_refused(board: Server, headers: dict[str, Any]) -> None:
    given = {name: value.format(port=board.server_port) for name, value in headers.items()}

    assert ask(board, "api/runs", **given)[0] == 403
    assert ask(board, "api/sources?name=x", "POST", b"timestamp", **given)[0] == 403


def test_its_own_pages_and_a_link_that_leads_to_it_are_answered(board: Server) -> None:
    origin = f"http://localhost:{board.server_port}"

    assert ask(board, "api/runs", Origin=origin, Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(board, "", Sec_Fetch_Site="cross-site")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/pages.py",
        "....//....//etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
        "..\\..\\pages.py",
        "board.js/../../pages.py",
        "board.js%00.css",
        "server.py",
        "api/../board.js",
        "api/__class__",
        "api/",
        "api",
        "runs",
    ],
)
def test_a_path_leads_to_no_file_but_the_page_s_parts(board: Server, path: str) -> None:
    status, _, said = ask(board, path)

    assert (status, b"root:" in said, b"import" in said) == (404, False, False)


INJECTED = ["' OR 1=1 --", "x'; DROP TABLE runs; --", '"', "%", "_", "*", "\x00", "); DELETE FROM runs; --"]


@pytest.mark.parametrize("text", INJECTED)
@pytest.mark.parametrize("name", ["project", "state", "tag", "text"])
def test_a_filter_is_a_text_and_no_statement(board: Server, name: str, text: str) -> None:
    status, _, said = ask(board, f"api/runs?{urlencode({name: text})}")
    found = json.loads(said)

    assert status == 200
    assert [run for run in found if text.lower() not in f"{run['project']} {run['command']}".lower()] == []
    assert len(json.loads(ask(board, "api/runs?limit=500")[2])) == len(list(shown.everything()))


@pytest.mark.parametrize(
    "question",
    [
        "runs?order=id;%20DROP%20TABLE%20runs",
        "runs?limit=501",
        "runs?limit=-1",
        "runs?offset=1e3",
        "runs?since=soon",
        "runs?since=nan",
        "runs?until=1e400",
        "runs?since=-1",
        "runs?since=inf",
        f"runs?offset={'9' * 5000}",
        f"run?id=last&points={'9' * 5000}",
        "run",
        "power?id=01990000&since=0",
        "report?id=last&name=../pages",
        "report?id=last&name=_page",
        "report?id=last&name=os.system",
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(board: Server, question: str) -> None:
    status, headers, said = ask(board, f"api/{question}")

    assert (status, headers["Content-Type"]) == (400, "application/json; charset=utf-8")
    assert json.loads(said)["error"]


def test_a_day_that_no_run_can_reach_has_none(board: Server) -> None:
    asked = [f"api/{words}&since=253402210800" for words in ("runs?", f"power?id={shown.BIG}&until=253402297200")]

    assert [ask(board, path)[::2] for path in asked] == [(200, b"[]")] * 2
    assert len(json.loads(ask(board, "api/runs?until=1e300")[2])) == len(list(shown.everything()))


def test_what_is_no_address_is_refused(board: Server) -> None:
    with socket.create_connection((LOOPBACK, board.server_port), timeout=PATIENCE_S) as line:
        line.sendall(b"GET http://[::1 HTTP/1.1\r\n\r\n")

        assert line.makefile("rb").readline().split()[1] == b"400"


@pytest.mark.parametrize("id_", ["none", "0199", "%", "<script>"])
def test_an_unknown_run_is_none(board: Server, id_: str) -> None:
    assert ask(board, f"api/run?{urlencode({'id': id_})}")[0] == 404


def test_every_answer_is_json_without_a_sign_that_begins_a_tag(board: Server) -> None:
    for question in answers.QUESTIONS:
        words = urlencode({"id": "last", "since": 1, "until": 2e9, "name": "markdown"})
        status, headers, said = ask(board, f"api/{question}?{words}")

        assert (question, status, b"<" in said) == (question, 200, False)
        assert headers["Content-Type"].startswith("application/json")
        json.loads(said)


def test_a_file_of_runs_that_is_sent_becomes_a_source(store: Path) -> None:
    rows = b"timestamp,project_name,duration,emissions,energy_consumed\n2026-01-01T00:00:00,<b>,60,0.001,0.01\n"
    with serving(store=store) as server:
        status, _, said = ask(server, f"api/sources?name={quote('<b>.csv')}", "POST", rows)
        source = json.loads(said)
        [run] = json.loads(ask(server, f"api/runs?source={source['name']}")[2])
        listed = json.loads(ask(server, "api/sources")[2])

    assert (status, source["title"], listed[0]["rows"]) == (200, "<b>.csv", 1)
    assert (run["project"], run["emissions_g"], run["energy_j"]) == ("<b>", pytest.approx(1.0), pytest.approx(36_000))
    assert [each["title"] for each in listed] == ["<b>.csv", "Your runs"]


def test_a_file_that_holds_no_runs_is_refused_in_words(board: Server) -> None:
    status, _, said = ask(board, "api/sources?name=x.csv", "POST", b"a,b\n1,2\n")

    assert (status, "x.csv is no file of runs" in json.loads(said)["error"]) == (400, True)


def test_too_large_a_file_is_refused_unread(board: Server) -> None:
    with socket.create_connection((LOOPBACK, board.server_port), timeout=PATIENCE_S) as line:
        head = f"POST /{board.secret}/api/sources HTTP/1.1\r\nHost: {urlsplit(board.address).netloc}\r\n"
        line.sendall(f"{head}Content-Length: {1 << 40}\r\n\r\n".encode())

        assert line.makefile("rb").readline().split()[1] == b"413"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "POST"])
def test_nothing_can_be_changed(board: Server, method: str) -> None:
    assert ask(board, "api/runs", method, b"x")[0] in (404, 501)


def test_a_source_that_is_not_there_is_none(board: Server) -> None:
    assert ask(board, "api/runs?source=../../etc")[0] == 404


def test_a_store_that_is_not_there_yet_says_how_to_fill_it(tmp_path: Path) -> None:
    with serving(store=tmp_path / "none.db") as server:
        status, _, said = ask(server, "api/runs")

    assert (status, "carbonwatch run -- COMMAND" in json.loads(said)["error"]) == (404, True)
    assert list(tmp_path.iterdir()) == []
