from __future__ import annotations

import codecs
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.cli.grant import GrantError, hand_over, receiver
from carbonwatch.rights import SensorRefused
from carbonwatch.sensors import _granted, _kernel, rapl_perf, rapl_powercap  # noqa: F401 - a child can't import them
from carbonwatch.settings import Settings
from tests import missing
from tests.sensors.fake_power import write_power

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

NOBODY = 65534
PATIENCE_S = 60
ZONE = "class/powercap/intel-rapl:0"


def zone(root: Path) -> Path:
    folder = root / ZONE
    folder.mkdir(parents=True)
    for name, text in {"name": "package-0", "max_energy_range_uj": "262143328850", "energy_uj": "1000000"}.items():
        (folder / name).write_text(f"{text}\n")
    return folder / "energy_uj"


def as_user(uid: int, folder: Path, act: Callable[[], object]) -> object:
    """What a process of a user gives, in a folder whose parents may be closed to him."""
    reader, writer = os.pipe()
    codecs.lookup("ascii")  # the child may not be able to read Python's own files
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(folder)
            if uid != os.getuid():
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            answer = {"value": act()}
        except BaseException as error:
            answer = {"error": repr(error)}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        told: Mapping[str, object] = json.loads(answers.read())
    os.waitpid(pid, 0)
    assert "error" not in told, told["error"]
    return told["value"]


def gone(path: Path) -> bool:
    """Whether a file has gone, or goes in time."""
    deadline_s = time.monotonic() + PATIENCE_S
    while path.exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return not path.exists()


def user() -> int:
    """Somebody without rights: nobody, where this test may become him."""
    return NOBODY if os.geteuid() == 0 else os.geteuid()


def test_a_file_closed_to_a_user_is_read_by_the_program_that_it_is_granted_to(
    carbonwatch: CommandLine, tmp_path: Path
) -> None:
    counter = zone(tmp_path / "sys")
    tmp_path.chmod(0o755)
    words = ("grant", "--user", str(user()), "--path-sysfs", "sys", "--path-grants", "grants")
    if os.geteuid() == 0:
        counter.chmod(0o400)
    granted = carbonwatch(*words)
    counter.chmod(0)

    def measure() -> object:
        meter = rapl_powercap.detect(Settings(path_sysfs="sys", path_grants="grants"))
        first = meter.read(0)["rapl:package-0"]
        meter._recheck = lambda ns: None  # type: ignore[method-assign]
        return [first, os.pread(meter.descriptors()[f"file:{os.path.realpath(counter)}"][0], 99, 0).decode()]

    assert (granted.returncode, granted.stdout) == (0, b""), granted.stderr
    assert b"1 counter for the next program of user" in granted.stderr
    assert as_user(user(), tmp_path, measure) == [0, "1000000\n"]
    assert gone(tmp_path / "grants" / f"{user()}.sock")


def test_the_kernel_s_events_are_handed_to_a_program_without_rights(carbonwatch: CommandLine, tmp_path: Path) -> None:
    write_power(tmp_path / "sys")
    tmp_path.chmod(0o755)
    words = ("grant", "--user", str(user()), "--path-sysfs", "sys", "--path-grants", "grants")
    granted = carbonwatch(*words)
    missing.unless(os.geteuid() == 0, "root: who has no right has none to give")

    def refused() -> object:
        with pytest.raises(SensorRefused) as caught:
            rapl_perf.detect(Settings(path_sysfs="sys", path_grants="nothing"))
        return caught.value.reason

    def measure() -> object:
        meter = rapl_perf.detect(Settings(path_sysfs="sys", path_grants="grants"))
        readings = []
        for _ in range(2):
            readings.append([time.monotonic_ns(), meter.read(0)["rapl:package-0"], time.monotonic_ns()])
            while time.monotonic_ns() < readings[0][0] + 20_000_000:
                pass
        return readings

    assert (granted.returncode, granted.stdout) == (0, b""), granted.stderr
    assert "this user may not open them" in str(as_user(user(), tmp_path, refused))
    readings = as_user(user(), tmp_path, measure)
    assert isinstance(readings, list)
    (began_ns, first_nj, read_ns), (later_ns, last_nj, ended_ns) = readings
    assert 0.999 * (later_ns - read_ns) - 1e5 <= last_nj - first_nj <= 1.001 * (ended_ns - began_ns) + 1e5
    assert gone(tmp_path / "grants" / f"{NOBODY}.sock")


def test_only_the_first_program_is_given_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line, open(__file__, "rb") as file:
        monkeypatch.chdir(tmp_path)
        line.bind("line")
        line.listen(2)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first:
            first.connect("line")
            given = hand_over(line, os.geteuid(), {"file:x": [file.fileno()]}, PATIENCE_S)
            names, fds, _, _ = socket.recv_fds(first, 1000, 10)

    assert given
    assert json.loads(names) == {"file:x": 1}
    assert [os.read(fd, 9) for fd in fds] == [b"from __fu"]
    os.close(fds[0])


def test_another_user_s_program_is_given_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times_s = iter((0.0, 0.0, 99.0))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        monkeypatch.chdir(tmp_path)
        line.bind("line")
        line.listen(2)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.connect("line")
            given = hand_over(line, os.geteuid() + 1, {"file:x": [0]}, 60.0, lambda: next(times_s))
            text, fds, _, _ = socket.recv_fds(stranger, 1000, 10)

    assert (given, text, fds) == (False, b"", [])


def test_what_nobody_asks_for_is_given_up(carbonwatch: CommandLine, tmp_path: Path) -> None:
    zone(tmp_path / "sys")
    answer = carbonwatch(
        "grant", "--foreground", "--wait", "0.05", "--user", str(os.geteuid()),
        "--path-sysfs", "sys", "--path-grants", "grants",
    )  # fmt: skip

    assert answer.returncode == 1
    assert os.listdir(tmp_path / "grants") == []


def test_a_machine_without_counters_has_none_to_give(carbonwatch: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    answer = carbonwatch("grant", "--user", "0", "--path-sysfs", "sys")

    assert (answer.returncode, answer.stderr.count(b"\n")) == (2, 1)
    assert b"There are no counters to hand over." in answer.stderr


def test_the_user_is_the_one_who_called_sudo_or_is_named() -> None:
    assert receiver(None, {"SUDO_UID": "1000"}) == 1000
    assert receiver("root", {"SUDO_UID": "1000"}) == 0
    assert receiver("4711", {}) == 4711


@pytest.mark.parametrize(("name", "message"), [(None, "--user NAME"), ("nobody-of-that-name", "There is no user")])
def test_a_user_who_is_not_known_is_one_message(name: str | None, message: str) -> None:
    with pytest.raises(GrantError, match=message):
        receiver(name, {})


def test_a_grant_is_not_asked_for_where_nobody_waits(tmp_path: Path) -> None:
    assert _granted.take(str(tmp_path), "file:x") == []
