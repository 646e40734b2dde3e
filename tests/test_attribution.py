"""Laws of the rule first, then examples worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.attribution import attribute, usage
from carbonwatch.model import Domain, Gap, Sample, Usage, Work

CPU = Domain("rapl:package-0", "cpu", "measured", "a package", idle_w=20.0)
UNKNOWN_IDLE = Domain("rapl:package-0", "cpu", "measured", "a package")
RAM = Domain("ram:model", "ram", "modelled", "a model", idle_w=4.0)
GPU = Domain("nvml:GPU-1", "gpu", "measured", "a card", idle_w=30.0)

DUST = 1 + 1e-9  # rounding of floats

seconds = st.floats(0, 1e6)
energies = st.floats(0, 1e9)
works = st.builds(Work, seconds, seconds, seconds, seconds)  # also such as no kernel counts
domains = st.builds(
    Domain,
    id=st.just("any"),
    component=st.sampled_from(("cpu", "ram", "disk", "system", "gpu")),
    quality=st.just("measured"),
    source=st.just("any"),
    idle_w=st.none() | st.floats(0, 1e4),
)


def split(domain: Domain, machine_j: float, work: Work | None, duration_s: float = 1.0) -> Usage:
    key = domain.id if domain.component == "gpu" else "cpu"
    return usage(domain, machine_j, {} if work is None else {key: work}, duration_s)


@st.composite
def runs_at_a_time(draw: st.DrawFn) -> tuple[float, list[float], float, float]:
    """Duration, own seconds of some runs, everybody's, and the machine's."""
    duration_s, cores = draw(st.floats(1e-3, 1e5)), draw(st.integers(1, 256))
    capacity_s = duration_s * cores
    part = st.just(0.0) | st.floats(1e-9, 1)  # less is no CPU time that a kernel counts
    weights = draw(st.lists(part, min_size=1, max_size=5))
    busy_s = capacity_s * draw(part)
    total = max(1.0, sum(weights))
    return duration_s, [busy_s * weight / total for weight in weights], busy_s, capacity_s


# laws


@given(domains, energies, st.none() | works, st.floats(0, 1e5))
def test_own_and_idle_and_others_are_the_machine(
    domain: Domain, machine_j: float, work: Work | None, duration_s: float
) -> None:
    used = split(domain, machine_j, work, duration_s)

    parts_j = sum(used.part(part).value for part in ("own", "idle", "others"))
    assert used.machine_j == machine_j
    assert parts_j == pytest.approx(machine_j, rel=1e-9)


@given(domains, energies, st.none() | works, st.floats(0, 1e5))
def test_no_part_is_negative_or_more_than_the_machine(
    domain: Domain, machine_j: float, work: Work | None, duration_s: float
) -> None:
    used = split(domain, machine_j, work, duration_s)

    assert 0 <= used.own_low_j <= used.own_j <= used.own_high_j <= machine_j * DUST
    assert 0 <= used.idle_j <= used.baseline_j <= machine_j * DUST
    assert used.own_j + used.idle_j <= machine_j * DUST


@given(runs_at_a_time(), energies, st.none() | st.floats(0, 1e3))
def test_own_of_all_runs_and_idle_are_no_more_than_the_machine(
    runs: tuple[float, list[float], float, float], machine_j: float, idle_w: float | None
) -> None:
    duration_s, own_s, busy_s, capacity_s = runs
    domain = Domain("any", "cpu", "measured", "any", idle_w=idle_w)
    used = [split(domain, machine_j, Work(own, busy_s, capacity_s), duration_s) for own in own_s]

    assert all(u.idle_j == pytest.approx(used[0].idle_j, abs=machine_j * 1e-9) for u in used)
    assert sum(u.own_j for u in used) + used[0].idle_j <= machine_j * DUST


@given(runs_at_a_time(), energies, st.floats(0, 1))
def test_runs_that_share_a_reservation_claim_it_once(
    runs: tuple[float, list[float], float, float], machine_j: float, part: float
) -> None:
    duration_s, own_s, busy_s, capacity_s = runs
    used_s = sum(own_s)
    kept_s = used_s + part * (capacity_s - used_s)  # at least what they use
    # the activity shares it by what each uses
    shares = [own / used_s if used_s else 1 / len(own_s) for own in own_s]
    works = [Work(own, busy_s, capacity_s, kept_s * share) for own, share in zip(own_s, shares, strict=True)]

    assert sum(split(CPU, machine_j, work, duration_s).own_j for work in works) <= machine_j * DUST


@given(runs_at_a_time(), energies)
def test_own_follows_the_share_of_cpu_time(runs: tuple[float, list[float], float, float], machine_j: float) -> None:
    duration_s, own_s, busy_s, capacity_s = runs
    first, *others = (split(CPU, machine_j, Work(own, busy_s, capacity_s), duration_s).own_j for own in own_s)

    for other, other_s in zip(others, own_s[1:], strict=True):
        assert other * own_s[0] == pytest.approx(first * other_s, rel=1e-6, abs=1e-6)


@given(energies, st.floats(0, 1), st.floats(0, 1), st.integers(1, 512))
def test_where_idle_power_is_not_known_own_lies_between_both_conventions(
    machine_j: float, load: float, part: float, cores: int
) -> None:
    capacity_s, busy_s = float(cores), cores * load
    own_s = busy_s * part
    used = split(UNKNOWN_IDLE, machine_j, Work(own_s, busy_s, capacity_s))

    assert used.own_low_j == pytest.approx(machine_j * own_s / capacity_s)
    assert used.own_high_j == pytest.approx(machine_j * (own_s / busy_s) if busy_s else 0.0)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=30), st.floats(0.3, 0.7))
def test_two_busy_runs_get_their_shares_though_busy_time_has_ticks(loads: list[float], part: float) -> None:
    own_j, exact_j = [0.0, 0.0], [0.0, 0.0]
    busy_s = ticked_s = 0.0
    for load in loads:  # samples of 1 s on 2 cores, of which both runs use 1 to 2
        used_s = 1.0 + load
        busy_s += used_s
        ticks_s = int(busy_s * 100) / 100 - ticked_s
        ticked_s += ticks_s
        for run, share in enumerate((part, 1.0 - part)):
            own_j[run] += split(CPU, 60.0, Work(used_s * share, ticks_s, 2.0)).own_j
            exact_j[run] += split(CPU, 60.0, Work(used_s * share, used_s, 2.0)).own_j

    assert own_j == pytest.approx(exact_j, rel=0.02)
    assert sum(own_j) <= 60.0 * len(loads) * 1.01


@given(one_s=st.floats(0, 2), other_s=st.floats(0, 2), outside_s=st.floats(0, 4))
def test_two_runs_of_one_reservation_and_idle_claim_no_more_than_the_machine(
    one_s: float, other_s: float, outside_s: float
) -> None:
    used_s = one_s + other_s  # of 4 reserved cores, for 1 s, on a machine of 8
    own_j = []
    for own_s, rest_s in ((one_s, other_s), (other_s, one_s)):
        kept_s = 4.0 * own_s / used_s if own_s else 0.0
        spared_s = max(0.0, 4.0 - kept_s - rest_s)
        work = Work(own_s, used_s + outside_s, 8.0, kept_s, spared_s)
        own_j.append(split(CPU, 80.0, work))

    for run in own_j:
        assert own_j[0].own_j + own_j[1].own_j + run.idle_j <= 80.0 * DUST


# examples


def test_dynamic_energy_goes_by_cpu_time_and_idle_energy_by_cores() -> None:
    # 4 cores over 1 s; 80 J, of them 20 J idle; this run 1 s, others 2 s, one core asleep
    used = split(CPU, 80.0, Work(own_s=1.0, busy_s=3.0, capacity_s=4.0))

    own_j = 60.0 / 3 + 20.0 / 4
    assert used == Usage(CPU, 80.0, 5.0, own_j, own_j, own_j, 20.0, Work(1.0, 3.0, 4.0))


def test_a_reserved_core_s_idle_power_is_the_run_s_own() -> None:
    used = split(CPU, 20.0, Work(own_s=0.0, busy_s=0.0, capacity_s=4.0, reserved_s=2.0))

    assert (used.own_j, used.idle_j) == (10.0, 10.0)


def test_a_run_that_uses_more_than_it_reserved_claims_what_it_used() -> None:
    used = split(CPU, 20.0, Work(own_s=3.0, busy_s=3.0, capacity_s=4.0, reserved_s=1.0))

    assert (used.own_j, used.idle_j) == (15.0, 5.0)


def test_an_idle_machine_s_energy_is_idle() -> None:
    known = split(CPU, 20.0, Work(0.0, 0.0, 4.0))
    unknown = split(UNKNOWN_IDLE, 20.0, Work(0.0, 0.0, 4.0))

    assert (known.own_j, known.idle_j) == (0.0, 20.0)
    assert (unknown.own_j, unknown.idle_j, unknown.own_high_j) == (0.0, 20.0, 0.0)


def test_a_machine_that_the_run_has_to_itself_and_fills_is_its_own() -> None:
    used = split(UNKNOWN_IDLE, 100.0, Work(4.0, 4.0, 4.0))

    assert (used.own_j, used.idle_j, used.own_low_j, used.own_high_j) == (100.0, 0.0, 100.0, 100.0)


@pytest.mark.parametrize(("load", "idle"), [(0.0, 1.0), (0.1, 0.2 / 0.325), (0.5, 0.2 / 0.529), (1.0, 0.2)])
def test_where_idle_power_is_not_known_the_median_server_s_curve_tells_it(load: float, idle: float) -> None:
    used = split(UNKNOWN_IDLE, 100.0, Work(0.0, 4.0 * load, 4.0))

    assert used.baseline_j == pytest.approx(100.0 * idle)


def test_idle_power_can_t_be_more_than_what_was_counted() -> None:
    used = split(CPU, 5.0, Work(1.0, 1.0, 4.0))  # 20 W idle, for 1 s

    assert used.baseline_j == 5.0
    assert (used.own_j, used.idle_j) == (1.25, 3.75)


def test_idle_energy_grows_with_the_time_of_the_sample() -> None:
    assert split(CPU, 80.0, Work(0.0, 0.0, 8.0), duration_s=2.0).baseline_j == 40.0
    assert split(CPU, 80.0, Work(0.0, 0.0, 0.0), duration_s=0.0).baseline_j == 0.0


def test_memory_is_split_as_the_cpus_are() -> None:
    used = split(RAM, 10.0, Work(1.0, 3.0, 4.0))

    assert (used.own_j, used.idle_j) == (6.0 / 3 + 4.0 / 4, 1.0)


def test_busy_time_that_lags_behind_own_is_taken_for_own() -> None:
    used = split(CPU, 30.0, Work(own_s=0.015, busy_s=0.01, capacity_s=0.04), duration_s=0.01)

    assert used.work == Work(0.015, 0.015, 0.04)
    assert used.own_j == pytest.approx((30.0 - 0.2) + 0.2 * 0.015 / 0.04)


def test_own_time_without_any_time_gone_by_is_no_more_than_everything() -> None:
    used = split(CPU, 30.0, Work(own_s=1.0, busy_s=0.5, capacity_s=0.0), duration_s=0.0)

    assert (used.own_j, used.idle_j) == (30.0, 0.0)


def test_children_s_time_that_comes_late_is_no_more_than_the_machine_s() -> None:
    used = split(CPU, 30.0, Work(own_s=100.0, busy_s=2.0, capacity_s=4.0))

    assert (used.own_j, used.work) == (30.0, Work(100.0, 100.0, 100.0))


def test_where_nobody_can_tell_who_worked_all_is_own_and_none_of_it_is_sure() -> None:
    assert split(CPU, 30.0, None) == Usage(CPU, 30.0, 0.0, 30.0, 0.0, 30.0, 0.0, None)


def test_a_card_is_split_by_the_time_that_programs_used_it() -> None:
    work = Work(own_s=0.25, busy_s=0.75, capacity_s=1.0)

    assert split(GPU, 90.0, work) == Usage(GPU, 90.0, 0.0, 30.0, 30.0, 30.0, 0.0, work)


def test_a_card_that_only_the_run_holds_is_the_run_s_also_while_it_rests() -> None:
    used = split(GPU, 30.0, Work(0.0, 0.0, 1.0, reserved_s=1.0))

    assert (used.own_j, used.idle_j) == (30.0, 0.0)


def test_a_card_that_nobody_uses_is_idle() -> None:
    used = split(GPU, 30.0, Work(0.0, 0.0, 1.0))

    assert (used.own_j, used.idle_j, used.baseline_j) == (0.0, 30.0, 30.0)


def test_a_card_knows_its_own_work_alone() -> None:
    cpu_work, card_work = Work(1.0, 1.0, 1.0), Work(0.0, 1.0, 1.0)

    assert usage(GPU, 30.0, {"cpu": cpu_work, GPU.id: card_work}, 1.0).own_j == 0.0
    assert usage(GPU, 30.0, {"cpu": cpu_work}, 1.0).work is None


def test_a_sample_becomes_a_usage_for_each_domain_that_it_has() -> None:
    work = Work(1.0, 3.0, 4.0)
    gap = Gap(GPU.id, 0, 10**9, "fell off the bus")
    sample = Sample(0, 10**9, {CPU.id: 80.0, RAM.id: 10.0, "not counted": 5.0}, {"cpu": work}, (gap,))

    assert attribute(sample, (CPU, GPU, RAM)) == (split(CPU, 80.0, work), split(RAM, 10.0, work))
