import os
from dataclasses import replace
from pathlib import Path

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.sensors import cpu_model, ram_model, rest_model
from carbonwatch.settings import Settings

SECOND = 10**9
TICKS = os.sysconf("SC_CLK_TCK")


def machine(folder: Path, busy_s: float = 0.0) -> Settings:
    """A server of two sockets, all of whose 160 CPUs were busy so long."""
    rows = [f"cpu{i} {round(busy_s * TICKS)} 0 0 0 0 0 0 0 0 0" for i in range(160)]
    (folder / "stat").write_text(
        "\n".join([f"cpu  {round(160 * busy_s * TICKS)} 0 0 0 0 0 0 0 0 0", *rows, "intr 0"]) + "\n"
    )
    (folder / "cpuinfo").write_text("model name\t: Xeon Platinum 8380\nsiblings\t: 80\ncpu cores\t: 40\nflags\t: fpu\n")
    (folder / "meminfo").write_text(f"MemTotal:       {256 << 20} kB\n")
    return Settings(path_procfs=str(folder), path_sysfs=str(folder / "sys"), power_boundary="node")


def test_components_alone_have_no_rest(tmp_path: Path) -> None:
    with pytest.raises(SensorUnavailable, match="power_boundary=node"):
        rest_model.detect(replace(machine(tmp_path), power_boundary="components"))


@pytest.mark.parametrize(("load", "watts"), [(0.0, 136), (1.0, 628)])
def test_with_the_rest_the_parts_are_a_server_s_at_the_wall(tmp_path: Path, load: float, watts: float) -> None:
    meters = [sensor.detect(machine(tmp_path)) for sensor in (cpu_model, ram_model, rest_model)]
    for meter in meters:
        meter.read(0)
    machine(tmp_path, busy_s=load)
    counts = [sum(meter.read(SECOND).values()) for meter in meters]
    for meter in meters:
        meter.close()

    assert min(counts) > 0
    assert sum(counts) / SECOND == pytest.approx(watts, rel=0.1)  # published servers like it, in the middle


def test_the_rest_says_what_it_is_and_how_wide(tmp_path: Path) -> None:
    meter = rest_model.detect(machine(tmp_path))
    meter.close()

    (domain,) = meter.domains
    assert (domain.id, domain.component, domain.quality) == ("node:rest", "rest", "modelled")
    assert domain.source.startswith("model of the rest of a server: ")
    low, high = domain.error
    assert -1.0 <= low < 0 < high
