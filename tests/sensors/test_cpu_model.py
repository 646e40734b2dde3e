import os
from dataclasses import replace
from pathlib import Path

import pytest

from carbonwatch.errors import SensorUnavailable, SettingsError
from carbonwatch.sensors.cpu_model import detect, this_machine
from carbonwatch.settings import Settings, resolve

SECOND = 10**9
TICKS = os.sysconf("SC_CLK_TCK")

GUEST = """\
processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 1
model name	: AMD EPYC
stepping	: 1
siblings	: 2
cpu cores	: 2
flags		: fpu hypervisor
"""


def machine(folder: Path, *busy_s: float, cpuinfo: str = GUEST) -> Settings:
    """A machine whose CPUs worked so long; each also waited and was stolen 50 s, which nobody pays for."""
    rows = [f"cpu{i} {round(s * TICKS)} 0 0 900 {50 * TICKS} 0 0 {50 * TICKS} 0 0" for i, s in enumerate(busy_s)]
    (folder / "stat").write_text(
        "\n".join([f"cpu  {round(sum(busy_s) * TICKS)} 0 0 0 0 0 0 0 0 0", *rows, "intr 0"]) + "\n"
    )
    (folder / "cpuinfo").write_text(cpuinfo)
    (folder / "meminfo").write_text("MemTotal:       25165824 kB\n")
    return Settings(path_procfs=str(folder), path_sysfs=str(folder / "sys"))


def power_w(folder: Path, *loads: float) -> float:
    """Watts over a second of these loads of the CPUs."""
    meter = detect(machine(folder, 0.0, 0.0))
    meter.read(0)
    machine(folder, *loads)
    count = meter.read(SECOND)["cpu:model"]
    meter.close()
    return count / SECOND


def test_an_anonymous_guest_is_known_by_its_numbers_and_says_how(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path, 0.0, 0.0))
    meter.close()

    (domain,) = meter.domains
    assert (domain.id, domain.component, domain.quality) == ("cpu:model", "cpu", "modelled")
    assert "AMD EPYC: model unknown; zen3 by family 25 model 1" in domain.source
    assert "2 of 256 threads of a host" in domain.source
    assert domain.idle_w == pytest.approx(0.525)
    assert domain.error[0] < -0.2
    assert domain.error[1] > 0.5


def test_its_watts_are_those_of_a_share_of_its_host(tmp_path: Path) -> None:
    watts = [power_w(tmp_path, *loads) for loads in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0))]

    assert watts == pytest.approx([0.5, 1.8, 3.1], rel=0.1)


def test_a_busy_core_costs_more_than_an_idle_one_and_two_more_than_one(tmp_path: Path) -> None:
    idle, one, two = (power_w(tmp_path, *loads) for loads in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))

    assert idle < one < two


def test_on_a_whole_machine_the_first_busy_core_costs_more_than_the_last(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    cpuinfo = GUEST.replace(" hypervisor", "").replace("AMD EPYC", "AMD Ryzen 9 5950X 16-Core Processor")
    counts = []
    for busy in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)):
        meter = detect(machine(tmp_path, 0.0, 0.0, cpuinfo=cpuinfo))
        meter.read(0)
        machine(tmp_path, *busy, cpuinfo=cpuinfo)
        counts.append(meter.read(SECOND)["cpu:model"])
        meter.close()

    assert counts[1] - counts[0] > counts[2] - counts[1] > 0


def test_the_power_that_the_user_gives_is_drawn_at_full_load(tmp_path: Path) -> None:
    settings = machine(tmp_path, 0.0, 0.0)
    meter = detect(Settings(path_procfs=settings.path_procfs, path_sysfs=settings.path_sysfs, cpu_w=100.0))
    meter.read(0)
    machine(tmp_path, 1.0, 1.0)

    assert meter.read(SECOND) == {"cpu:model": 100 * SECOND}
    assert meter.domains[0].error == (-0.35, 0.5)
    assert "setting cpu_w" in meter.domains[0].source
    meter.close()


def test_what_the_user_says_of_the_hardware_narrows_the_model(tmp_path: Path) -> None:
    settings = replace(
        machine(tmp_path, 0.0, 0.0), hardware_cpu="AMD EPYC 7763", hardware_sockets=1, hardware_tdp_w=225.0
    )
    meter = detect(settings)
    meter.close()

    (domain,) = meter.domains
    assert "model epyc 7763" in domain.source
    assert "2 of 128 threads of a host" in domain.source
    assert domain.idle_w == pytest.approx(225 * 2 / 128 * 0.12)


def test_a_table_of_hardware_in_the_user_s_file_does_so_too(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "carbonwatch"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[hardware]\ncpu = "AMD EPYC 7763"\ntdp_w = 225\n')
    seen = machine(tmp_path, 0.0, 0.0)
    paths = {"path_procfs": seen.path_procfs, "path_sysfs": str(tmp_path)}
    settings = resolve(paths, environ={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    meter = detect(settings)
    meter.close()

    assert (settings.hardware_cpu, settings.hardware_tdp_w) == ("AMD EPYC 7763", 225.0)
    assert "model epyc 7763" in meter.domains[0].source


def test_a_processor_that_nobody_knows_is_modelled_all_the_same_wider_and_says_what_would_help(tmp_path: Path) -> None:
    metal = GUEST.replace(" hypervisor", "")
    unheard = metal.replace("AuthenticAMD", "Unheard").replace("AMD EPYC", "Emotion Engine")
    known, unknown = (
        detect(machine(tmp_path, 0.0, 0.0, cpuinfo=text))
        for text in (metal.replace("AMD EPYC", "AMD EPYC 7763"), unheard)
    )
    known.close()
    unknown.close()

    assert unknown.domains[0].error[1] > known.domains[0].error[1]
    assert "narrower with its name or its rated power" in unknown.domains[0].source
    assert "narrower" not in known.domains[0].source
    assert known.domains[0].idle_w


def test_what_could_not_be_read_is_left_out_and_comes_with_the_next_count(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path, 0.0, 0.0))
    meter.read(0)
    (tmp_path / "stat").write_text("")
    nothing, failed = meter.read(SECOND), dict(meter.failed)
    machine(tmp_path, 2.0, 2.0)
    count = meter.read(2 * SECOND)["cpu:model"]
    meter.close()

    assert (nothing, list(failed)) == ({}, ["cpu:model"])
    assert "can't be read" in failed["cpu:model"]
    assert count / SECOND == pytest.approx(2 * 3.1, rel=0.1)


def test_no_cpu_time_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SensorUnavailable, match="path_procfs"):
        detect(Settings(path_procfs=str(tmp_path)))


def test_a_stat_that_is_no_count_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("")

    with pytest.raises(SensorUnavailable, match="is not a count of CPU time"):
        detect(Settings(path_procfs=str(tmp_path)))


def test_this_machine_can_be_modelled() -> None:
    meter = detect(Settings())
    first = meter.read(0)["cpu:model"]
    second = meter.read(SECOND)["cpu:model"]
    meter.close()

    assert first == 0
    assert second >= round((meter.domains[0].idle_w or 0) * SECOND) > 0


def firmware(folder: Path, instance: str) -> None:
    dmi = folder / "sys" / "class" / "dmi" / "id"
    dmi.mkdir(parents=True)
    (dmi / "sys_vendor").write_text("Amazon EC2\n")
    (dmi / "product_name").write_text(f"{instance}\n")


def test_what_a_cloud_sells_names_the_processor_that_the_machine_hides(tmp_path: Path) -> None:
    firmware(tmp_path, "m6a.large")
    known = this_machine(machine(tmp_path, 0.0, 0.0), 2)

    assert (known.processor.model, known.tier) == ("epyc 7r13", "A")
    assert known.share == pytest.approx(2 / 192)
    assert known.steps[-1] == "sold as aws/m6a.large"


def test_a_vcpu_that_is_a_core_is_two_threads_of_its_host(tmp_path: Path) -> None:
    chosen = replace(machine(tmp_path, 0.0, 0.0), hardware_instance="aws/m7a.large")

    assert "4 of 256 threads of a host" in " ".join(this_machine(chosen, 2).steps)


def test_a_processor_that_says_something_else_is_believed_over_its_cloud(tmp_path: Path) -> None:
    chosen = replace(machine(tmp_path, 0.0, 0.0), hardware_instance="aws/m6i.large")

    assert this_machine(chosen, 2).processor.microarchitecture == "zen3"


def test_an_instance_that_is_a_whole_machine_is_no_share(tmp_path: Path) -> None:
    chosen = replace(machine(tmp_path, 0.0, 0.0), hardware_instance="aws/m6a.metal")

    assert not this_machine(chosen, 2).is_virtual


def test_a_cloud_that_does_not_answer_is_said_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = replace(
        machine(tmp_path, 0.0, 0.0), hardware_instance="metadata", grid_urls=("metadata=http://127.0.0.1:9",)
    )
    found = [this_machine(chosen, 2, {}) for _ in range(3)]

    assert {each.tier for each in found} == {"B"}
    assert caplog.text.count("No cloud's metadata answered") == 1


def test_a_name_that_no_cloud_sells_stops_the_start() -> None:
    with pytest.raises(SettingsError, match=r"hardware_instance is 'aws/m5x.large', which no cloud sells"):
        resolve({"hardware_instance": "aws/m5x.large"}, environ={})
