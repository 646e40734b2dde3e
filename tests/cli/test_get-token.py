from __future__ import annotations

from typing import TYPE_CHECKING

from tests.codecarbon.hosted import sign_in

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.codecarbon.hosted import Hosted


def test_stdout_has_the_key_alone(carbonwatch: CommandLine, there: Hosted) -> None:
    sign_in(there, carbonwatch.folder)
    answer = carbonwatch("get-token", "project-1", "--name", "ci")

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert there.keys == {answer.stdout.decode().strip(): "project-1"}
    assert there.sent[0][1]["name"] == "ci"


def test_a_key_is_saved_where_runs_read_it(carbonwatch: CommandLine, there: Hosted) -> None:
    sign_in(there, carbonwatch.folder)
    file = carbonwatch.folder / "home" / ".codecarbon.config"
    file.write_text("[codecarbon]\nproject_id = project-1\n")
    answer = carbonwatch("get-token", "--save")
    (key,) = there.keys

    assert (answer.returncode, answer.stdout) == (0, b"")
    assert file.read_text() == f"[codecarbon]\nproject_id = project-1\napi_key = {key}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert key not in answer.stderr.decode()


def test_without_a_project_or_a_session_it_is_said_what_to_do(carbonwatch: CommandLine, there: Hosted) -> None:
    nowhere, nobody = carbonwatch("get-token"), carbonwatch("get-token", "project-1")

    assert (nowhere.returncode, nobody.returncode) == (2, 2)
    assert "carbonwatch get-token ID" in nowhere.stderr.decode()
    assert nobody.stderr.decode() == (
        f"carbonwatch: Nobody is signed in at {there.address[7:]}. Sign in: carbonwatch login.\n"
    )


def test_a_refusal_has_the_server_s_words(carbonwatch: CommandLine, there: Hosted) -> None:
    sign_in(there, carbonwatch.folder)
    there.answers["/projects/other/api-tokens"] = (403, b'{"detail": "Not allowed"}')
    answer = carbonwatch("get-token", "other")

    assert (answer.returncode, answer.stdout) == (2, b"")
    assert answer.stderr.decode() == (
        f"carbonwatch: {there.address[7:]} refused it (403: Not allowed). You may not do that there: ask who manages "
        "it.\n"
    )
