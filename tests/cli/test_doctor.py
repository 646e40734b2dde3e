from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch import settings
from carbonwatch.cli import _mend, doctor
from carbonwatch.errors import Unavailable
from carbonwatch.model import Domain, Place
from carbonwatch.rights import HWMON_FOR_A_GROUP, LOAD_THE_DRIVER, POWERCAP_FOR_A_GROUP, Mendable, SensorRefused
from carbonwatch.settings import Settings, resolve
from carbonwatch.testing import intensity

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

PACKAGE = Domain("rapl:package-0", "cpu", "measured", "RAPL package-0 (powercap)", error=(-0.05, 0.05), period_s=0.001)
MODEL = Domain("ram:model", "ram", "modelled", "model of 16 GB as DDR4", error=(-0.45, 1.2))
FOUND = doctor.Findings(
    facts=dict.fromkeys(("python_version", "os", "cpu_model", "virtualisation", "container"), "none"),
    read=(PACKAGE, MODEL),
    not_read={
        "nvml": Unavailable("There is no NVIDIA driver."),
        "rapl": SensorRefused(
            "energy_uj is not readable.", LOAD_THE_DRIVER, {"ram": (-0.1, 0.1), "gpu": (-0.05, 0.05)}
        ),
    },
    not_counted={"rapl:psys": "contains package-0"},
    place=Place(country="FR", evidence="time zone Europe/Paris"),
    intensity=intensity(31.0, "FR"),
    notes=("a doubt",),
    settings=resolve({"country": "FR"}, environ={}, source="flag"),
    store_path="/home/me/runs.db",
    store_state="3 runs, 0.1 MB",
    sample_s=0.0002,
)


def test_it_says_what_is_read_what_is_not_and_what_to_do() -> None:
    text = doctor.as_text(FOUND, 80, False)
    expected = """\
Read
✓ cpu: measured, true value -5 to +5 %
    RAPL package-0 (powercap) [rapl:package-0], renewed every 1.00 ms: ±0.068 %
      more in a window of 1 s
✓ ram: modelled, true value -45 to +120 %
    model of 16 GB as DDR4 [ram:model]

Not read
✗ nvml: absent
    There is no NVIDIA driver.
✗ rapl: refused
    energy_uj is not readable.
    ram is modelled, -45 to +120 %; it would be measured, -10 to +10 %; gpu is
      not known at all; it would be measured, -5 to +5 %
    To load the driver of the counters (for AMD too), now and at every boot:
      echo 'intel_rapl_msr' | sudo tee /etc/modules-load.d/70-energy.conf
      sudo modprobe intel_rapl_msr
    The kernel then offers the counters to root alone.
    `carbonwatch doctor --fix` does that, `--undo` takes it back.

There, and not counted
  rapl:psys: contains package-0

Place and carbon intensity
  FR (time zone Europe/Paris)
  31 g CO2e per kWh (31 to 31): a fixed grid, given, lifecycle; a test, 2025
  a doubt
"""

    assert expected in text
    assert "  country = FR  (flag)\n" in text
    assert "  /home/me/runs.db: 3 runs, 0.1 MB\n" in text
    assert text.endswith("  a sample takes 200 µs of CPU time, 0.02 % of one CPU if taken every 1.00 s")


def test_in_a_container_a_change_is_the_host_s() -> None:
    inside = replace(FOUND, facts={**FOUND.facts, "container": "docker"})
    words = "In a container, make it on the host."

    assert [words in doctor.as_text(found, 80, False) for found in (FOUND, inside)] == [False, True]


def test_it_fits_into_80_columns_but_for_commands_to_copy() -> None:
    command = "sudo chmod a+r " + "/sys" * 40
    found = replace(FOUND, not_read={"rapl": Unavailable("word " * 60, f"Do this:\n  {command}")}, notes=("why " * 60,))
    lines = doctor.as_text(found, 80, False).split("\n")

    assert [line.strip() for line in lines if len(line) > 80] == [command]


def test_without_any_meter_nothing_is_said_to_be_zero() -> None:
    text = doctor.as_text(replace(FOUND, read=(), intensity=None), 80, False)

    assert "it does not know what was used" in text
    assert "no intensity" in text


def test_colour_only_leads_the_eye() -> None:
    plain, coloured = doctor.as_text(FOUND, 80, False), doctor.as_text(FOUND, 80, True)
    for code in ("1", "2", "31", "32", "33", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")

    assert coloured == plain


def test_every_setting_is_told_with_where_it_came_from() -> None:
    told = json.loads(doctor.as_json(FOUND))["settings"]

    assert told["country"] == {"value": "FR", "from": "flag"}
    assert told["interval_s"] == {"value": 1.0, "from": "default"}


def test_no_secret_is_told() -> None:
    secrets = {name: "s3cret" for name in settings.names() if settings.is_secret(name)}
    found = replace(FOUND, settings=resolve(secrets, environ={}))

    assert secrets
    assert "s3cret" not in doctor.as_text(found, 80, False) + doctor.as_json(found)


def test_it_looks_at_this_machine_and_keeps_no_run(carbonwatch: CommandLine) -> None:
    answer = carbonwatch(
        "doctor", "--json", "--sensors", "rapl_powercap,cpu_model", "--path-sysfs", str(carbonwatch.folder)
    )
    told = json.loads(answer.stdout)

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert [domain["id"] for domain in told["read"]] == ["cpu:model"]
    assert list(told["not_read"]) == ["rapl_powercap"]
    assert told["place"]["country"] == "FR"
    assert told["settings"]["country"]["from"] == "environment"
    assert told["store"]["state"] == "not there yet; the first run makes it"
    assert 0 < told["sample_cpu_s"] < 0.1
    assert carbonwatch.runs() == []


def test_it_counts_the_runs_of_the_store(carbonwatch: CommandLine) -> None:
    carbonwatch("run", "--quiet", "--", "true")

    assert b"runs.db: 1 run, 0." in b" ".join(carbonwatch("doctor").stdout.split())


@pytest.mark.parametrize(
    ("name", "state"), [("file/runs.db", "can't be made"), ("file", "can't be read"), ("new/runs.db", "not there yet")]
)
def test_a_store_is_told_as_it_is(tmp_path: Path, name: str, state: str) -> None:
    (tmp_path / "file").write_text("no database at all, and long enough to be seen as none" * 100)
    found = doctor.examine(Settings(store=str(tmp_path / name)))

    assert state in found.store_state


def test_a_wrong_setting_is_one_message(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("doctor", "--country", "XX")

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)


def test_all_is_read_unless_something_can_be_mended() -> None:
    nothing_to_mend = {name: why for name, why in FOUND.not_read.items() if not why.remedy}

    assert replace(FOUND, not_read=nothing_to_mend).complete
    assert not FOUND.complete


def test_each_source_has_one_of_four_states() -> None:
    closed = "x/energy_uj can't be read (Permission denied), so the energy of package-1 is missing"
    found = replace(FOUND, not_counted={**FOUND.not_counted, "rapl:package-1": closed})
    told = json.loads(doctor.as_json(found))

    assert {source["name"]: source["state"] for source in told["sources"]} == {
        "rapl:package-0": "read",
        "ram:model": "read",
        "nvml": "absent",
        "rapl": "refused",
        "rapl:psys": "rejected",
        "rapl:package-1": "refused",
    }
    assert told["complete"] is False
    assert told["sources"][3]["fix"]["path"] == "/etc/modules-load.d/70-energy.conf"
    assert "sudo usermod" in told["sources"][5]["remedy"]


def test_what_is_closed_and_measured_as_well_already_is_nothing_to_mend() -> None:
    closed = SensorRefused("energy1_input is closed.", HWMON_FOR_A_GROUP, {"cpu": (-0.05, 0.05)})
    found = replace(FOUND, not_read={"hwmon": closed})
    (source,) = [source for source in found.sources if source.name == "hwmon"]

    assert (source.state, source.remedy, found.complete) == ("refused", "", True)
    assert source.reason.endswith("Nothing is lost: what it meters is measured as well already.")


def test_what_a_remedy_helps_is_told_with_what_is_lost_until_then() -> None:
    hidden = Mendable("The driver is there, its library is not.", worth={"gpu": (-0.05, 0.05)}, remedy="--gpus all")
    (source,) = [s for s in replace(FOUND, not_read={"nvml": hidden}).sources if s.name == "nvml"]

    assert (source.state, source.remedy, source.fix) == ("absent", "--gpus all", None)
    assert source.lost == "gpu is not known at all; it would be measured, -5 to +5 %"


def test_a_part_that_is_closed_has_the_change_for_its_kind_of_meter() -> None:
    closed = "x can't be read (Permission denied)"
    found = replace(FOUND, not_counted={"hwmon:amd_energy:Esocket1": closed, "rapl:package-1": closed})
    fixes = {source.name: source.fix for source in found.sources if source.reason == closed}

    assert fixes == {"hwmon:amd_energy:Esocket1": HWMON_FOR_A_GROUP, "rapl:package-1": POWERCAP_FOR_A_GROUP}


def test_a_machine_that_can_be_mended_is_exit_code_one(carbonwatch: CommandLine) -> None:
    (carbonwatch.folder / "cpuinfo").write_text("vendor_id\t: GenuineIntel\nflags\t: fpu\n")
    words = ("--sensors", "rapl_powercap", "--path-sysfs", ".", "--path-procfs", ".")

    assert carbonwatch("doctor", *words).returncode == 1
    assert json.loads(carbonwatch("doctor", "--json", *words).stdout)["complete"] is False


def test_where_nothing_can_be_mended_nothing_is_asked(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("doctor", "--fix", "--sensors", "cpu_model")

    assert answer.returncode == 0
    assert answer.stderr == b"carbonwatch: There is nothing here that a change would mend.\n"


def test_a_change_that_nobody_agrees_to_is_shown_and_not_made(carbonwatch: CommandLine) -> None:
    (carbonwatch.folder / "cpuinfo").write_text("vendor_id\t: GenuineIntel\nflags\t: fpu\n")
    words = ("--sensors", "rapl_powercap", "--path-sysfs", ".", "--path-procfs", ".")
    answer = carbonwatch("doctor", "--fix", *words)

    assert answer.returncode == 1
    assert b"sudo modprobe intel_rapl_msr" in answer.stderr
    assert b"nobody answers here; --yes changes without asking." in answer.stderr


# changes of the machine


class Shell:
    """Runs nothing, and notes what it was to run."""

    def __init__(self, returncode: int = 0) -> None:
        self.returncode = returncode
        self.ran: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> Shell:
        self.ran.append(list(command))
        return self


@pytest.mark.parametrize(("answer", "made"), [("y", True), ("Yes ", True), ("", False), ("n", False)])
def test_a_change_is_made_as_root_after_a_yes_alone(
    answer: str, made: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell()
    changed = _mend.change(
        (POWERCAP_FOR_A_GROUP,), undo=False, yes=False, ask=lambda _: answer, run=shell, environ={"SUDO_USER": "ada"}
    )
    script = ["env", "USER=ada", "sh", "-c", POWERCAP_FOR_A_GROUP.script()]

    assert changed is made
    assert shell.ran == ([[*_mend.as_root(), *script]] if made else [])
    assert POWERCAP_FOR_A_GROUP.shell() in (shown := capsys.readouterr().err)
    assert "PLATYPUS" in shown


def test_with_yes_nobody_is_asked() -> None:
    shell = Shell()

    assert _mend.change((LOAD_THE_DRIVER,), undo=True, yes=True, run=shell, environ={"SUDO_USER": "ada"})
    assert shell.ran[0][-1] == LOAD_THE_DRIVER.undo_script()


def test_a_change_that_fails_halfway_says_so() -> None:
    with pytest.raises(_mend.ChangeError, match="--undo"):
        _mend.change((LOAD_THE_DRIVER,), undo=False, yes=True, run=Shell(1), environ={"SUDO_USER": "ada"})


def test_what_was_changed_is_known_by_its_file(tmp_path: Path) -> None:
    before = _mend.made(str(tmp_path))
    file = tmp_path / LOAD_THE_DRIVER.path[1:]
    file.parent.mkdir(parents=True)
    file.write_text(LOAD_THE_DRIVER.text + "\n")
    after = _mend.made(str(tmp_path))
    file.write_text("somebody's own\n")

    assert (before, after, _mend.made(str(tmp_path))) == ((), (LOAD_THE_DRIVER,), ())


def test_what_takes_a_change_back_is_shown_with_whom_it_takes_out_of_the_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / POWERCAP_FOR_A_GROUP.path[1:]
    file.parent.mkdir(parents=True)
    file.write_text(f"{POWERCAP_FOR_A_GROUP.text}\n# made a member of energy: ada\n")
    made = _mend.made(str(tmp_path))
    _mend.change(made, undo=True, yes=True, run=Shell(), environ={"SUDO_USER": "ada"}, root=str(tmp_path))

    assert made == (POWERCAP_FOR_A_GROUP,)
    assert "  sudo gpasswd -d ada energy\n  sudo rm -f /etc/udev/rules.d/70-energy.rules\n" in capsys.readouterr().err


def test_a_new_group_is_looked_at_from_a_session_that_begins_now() -> None:
    shell = Shell()

    assert _mend.reads_after_login(["--sensors=rapl_powercap"], shell, {"SUDO_USER": "ada"})
    assert "ada" in shell.ran[0]
    assert shell.ran[0][-3:] == ["doctor", "--json", "--sensors=rapl_powercap"]
    assert not _mend.reads_after_login([], Shell(1), {"SUDO_USER": "ada"})


GUESS = Domain("cpu:model", "cpu", "modelled", "model of 2 CPUs (AMD EPYC: model unknown; zen3)", error=(-0.4, 1.3))


def hints(found: doctor.Findings) -> list[str]:
    return [line for line in doctor.as_text(found, 300, False).splitlines() if line.startswith("    → ")]


def test_a_wide_guess_says_what_would_make_it_narrower() -> None:
    guessed = replace(FOUND, read=(GUESS,), not_read={})
    rated = replace(guessed, settings=resolve({"hardware_tdp_w": 225.0}, environ={}))
    calibrated = replace(guessed, settings=resolve({"calibrated": True}, environ={}))

    assert [hint.split(":")[0].split()[1] for hint in hints(guessed)] == ["Narrower", "Narrowest"]
    assert "[tool.carbonwatch.hardware]" in hints(guessed)[0]
    assert len(hints(rated)) == 1
    assert hints(calibrated) == []


def test_a_line_that_is_kept_and_not_used_is_named() -> None:
    found = replace(FOUND, read=(GUESS,), not_read={}, is_calibrated=True)

    assert "calibrated=true uses it" in hints(found)[-1]


def test_codecarbon_s_settings_are_shown_with_where_and_ours_go_before_them(carbonwatch: CommandLine) -> None:
    (carbonwatch.folder / ".codecarbon.config").write_text("[codecarbon]\nproject_name = p\ncountry_iso_code = DEU\n")
    carbonwatch.environ["CODECARBON_PUE"] = "1.3"
    settings = json.loads(carbonwatch("doctor", "--json").stdout)["settings"]

    assert settings["project"] == {"value": "p", "from": "project_name in ./.codecarbon.config"}
    assert settings["pue"] == {"value": 1.3, "from": "CODECARBON_PUE"}
    assert settings["country"] == {"value": "FR", "from": "environment"}
