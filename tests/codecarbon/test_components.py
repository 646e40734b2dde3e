from carbonwatch.codecarbon.components import CPU, GPU, RAM, found
from carbonwatch.model import Domain

RAPL = Domain("rapl:package-0", "cpu", "measured", "RAPL package-0")
BOARDS = [Domain(f"nvml:GPU-{n}", "gpu", "measured", "NVIDIA H100") for n in range(2)]
REST = Domain("rest:model", "system", "assumed", "the rest")


def test_each_kind_that_is_metered_is_there_once_with_its_power() -> None:
    power_w = {"cpu": 30.0, "gpu": 200.0, "ram": 6.0}
    parts = found([RAPL, *BOARDS, REST], power_w.__getitem__, "machine")

    assert [type(part) for part in parts] == [CPU, GPU]
    assert [part.total_power().W for part in parts] == [30.0, 200.0]
    assert [part.description() for part in parts] == ["CPU(RAPL package-0)", "GPU(NVIDIA H100; NVIDIA H100)"]


def test_counters_and_the_model_go_by_their_modes() -> None:
    model = Domain("cpu:model", "cpu", "modelled", "model")

    assert [CPU([domain], float)._mode for domain in (RAPL, model)] == ["intel_rapl", "cpu_load"]
    assert GPU(BOARDS, float).num_gpus == 2
    assert repr(RAM([], float)) == "RAM()"
