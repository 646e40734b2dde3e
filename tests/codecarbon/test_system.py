import logging
import os
import sys
from pathlib import Path

import pytest

from carbonwatch.codecarbon import system


def test_the_machine_is_told() -> None:
    assert (system.is_linux_os(), system.is_mac_os(), system.is_windows_os()) == (
        sys.platform == "linux",
        sys.platform == "darwin",
        sys.platform == "win32",
    )
    assert system.count_cpus() == os.cpu_count()
    assert system.count_physical_cpus() >= 1
    assert system.detect_cpu_model() is None or system.detect_cpu_model() != ""
    assert (system.is_psutil_available(), system.is_powergadget_available()) == (True, False)
    assert {type(system.is_rapl_available()), type(system.is_gpu_details_available())} == {bool}


def test_sockets_are_counted_by_the_packages_that_processors_are_in(tmp_path: Path) -> None:
    for cpu, package in enumerate((0, 0, 1, 1)):
        folder = tmp_path / f"devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{package}\n")

    assert system.sockets(str(tmp_path)) == 2
    assert system.sockets(str(tmp_path / "nothing")) is None


def test_what_is_suppressed_is_logged_and_the_rest_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    @system.suppress(ValueError)
    def fail(error: Exception) -> int:
        raise error

    with caplog.at_level(logging.WARNING, "carbonwatch"):
        assert fail(ValueError("x")) is None

    assert [record.message for record in caplog.records] == ["an error was suppressed, as the program asks"]
    with pytest.raises(KeyError):
        fail(KeyError("y"))


def test_a_backup_goes_over_no_other(tmp_path: Path) -> None:
    for text in ("a", "b", "c"):
        (tmp_path / "x.csv").write_text(text)
        system.backup(tmp_path / "x.csv")
    system.backup(tmp_path / "nothing.csv")

    assert {path.name: path.read_text() for path in tmp_path.glob("x.csv*")} == {
        "x.csv.bak": "a",
        "x.csv_0.bak": "b",
        "x.csv_1.bak": "c",
    }


def test_a_path_is_made_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER", "below")

    assert system.resolve_path("~/$FOLDER/x") == Path.home().resolve() / "below/x"
