from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import hardware, idle
from carbonwatch.attribution import POWER_AT_LOAD, Idle
from carbonwatch.errors import SettingsError
from carbonwatch.idle import Quietest, Watch
from carbonwatch.model import Domain, Sample, Work

CPU = Domain("rapl:package-0", "cpu", "measured", "a package")
MODEL = Domain("cpu:model", "cpu", "modelled", "a model", idle_w=7.0)
GPU = Domain("nvml:GPU-1", "gpu", "measured", "a card")
KNOWN = Idle(30.0, 29.0, 31.0, "calibrated")


def a_second(power_w: float, load: float) -> Sample:
    return Sample(0, 10**9, {CPU.id: power_w, MODEL.id: 1.0}, {"cpu": Work(0.0, 4.0 * load, 4.0)})


def test_the_quietest_tenth_of_quiet_seconds_is_idle_power() -> None:
    watch = Watch((CPU, MODEL, GPU), {})
    found = [watch.after(a_second(power_w, 0.0)) for power_w in (25.0, 20.0, 22.0, 24.0, 23.0)]

    assert found == [{}, {}, {}, {}, {CPU.id: Idle(20.0, 20.0, 20.0, "quietest tenth of this run")}]


def test_what_little_work_there_was_is_taken_off_and_widens_it() -> None:
    watch = Watch((CPU,), {})
    for _ in range(9):
        watch.after(a_second(32.5, 0.1))  # the median server draws 32.5 there, and 20 idle
    (found,) = watch.after(a_second(32.5, 0.1)).values()

    assert POWER_AT_LOAD[:2] == (0.2, 0.325)
    assert found[:3] == pytest.approx((20.0, 7.5, 32.5))


def test_a_busy_run_says_nothing_of_idleness() -> None:
    watch = Watch((CPU,), {})

    assert [watch.after(a_second(60.0, 0.5)) for _ in range(20)] == [{}] * 20
    assert watch.facts() == {CPU.id: {"by": "convention"}}


def test_short_samples_and_such_without_work_say_nothing() -> None:
    watch = Watch((CPU,), {})
    short = Sample(0, 10**8, {CPU.id: 2.0}, {"cpu": Work(0.0, 0.0, 0.4)})
    unknown = Sample(0, 10**10, {CPU.id: 200.0}, {})

    assert [watch.after(sample) for sample in [short, unknown] * 20] == [{}] * 40


def test_what_was_calibrated_goes_before_and_the_record_says_which_it_was() -> None:
    watch = Watch((CPU, MODEL, GPU), {CPU.id: KNOWN, "rapl:gone": KNOWN})

    assert watch.after(a_second(1.0, 0.0)) == {CPU.id: KNOWN}
    assert watch.facts() == {CPU.id: KNOWN._asdict(), MODEL.id: Idle(7.0, 7.0, 7.0, "model")._asdict()}


@given(st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, idle.QUIET)), min_size=5, max_size=50))
def test_idle_power_lies_between_its_ends_and_no_quiet_second_s_tenth_is_below_its_upper_one(
    seen: list[tuple[float, float]],
) -> None:
    quietest = Quietest()
    for power_w, load in seen:
        quietest.add(power_w, load, 1.0)
    found = quietest.idle()

    assert found is not None
    assert 0 <= found.low_w <= found.watts <= found.high_w == idle.low_quantile(power_w for power_w, _ in seen)


def machine(folder: Path, name: str) -> tuple[str, str]:
    (folder / "cpuinfo").write_text(f"model name\t: {name}\n")
    return str(folder), str(folder)


def test_what_is_kept_is_found_again_on_the_same_hardware_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "carbonwatch" / "idle.json")
    one, other = (machine(tmp_path, name) for name in ("One", "One"))
    idle.save({CPU.id: KNOWN}, path, hardware.fingerprint(*one))

    assert idle.load(path, *other) == {CPU.id: KNOWN}
    assert idle.load(path, *machine(tmp_path, "Another")) == {}


def test_two_machines_share_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "idle.json")
    for name in ("One", "Another"):
        idle.save({CPU.id: KNOWN}, path, hardware.fingerprint(*machine(tmp_path, name)))

    assert idle.load(path, *machine(tmp_path, "One")) == {CPU.id: KNOWN}


def test_where_nothing_is_kept_the_machine_is_not_looked_at(tmp_path: Path) -> None:
    assert idle.load(str(tmp_path / "idle.json"), "/nowhere", "/nowhere") == {}


@pytest.mark.parametrize("text", ["{", '{"MACHINE": {"rapl": {"power": 1}}}'])
def test_a_file_of_something_else_is_an_error_before_the_run(text: str, tmp_path: Path) -> None:
    path = tmp_path / "idle.json"
    path.write_text(text.replace("MACHINE", hardware.fingerprint(*machine(tmp_path, "One"))))

    with pytest.raises(SettingsError, match=r"idle\.json"):
        idle.load(str(path), *machine(tmp_path, "One"))


def test_the_file_lies_beside_the_user_s_settings() -> None:
    assert idle.store_file({"XDG_CONFIG_HOME": "/home/ada/.config"}) == "/home/ada/.config/carbonwatch/idle.json"
