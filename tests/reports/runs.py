"""Runs to be shown: as they really look, and as Hypothesis makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from carbonwatch import calculator
from carbonwatch.calculator import Device
from carbonwatch.model import COMPONENTS, Domain, Entry, Gap, Intensity, Part, Period, Place, Run, Usage, Work

Example = Callable[[], Run]

STARTED_NS = 1_790_000_000_000_000_000  # 2026-09-21 14:13:20 UTC
WH = 3600.0
PARTS: tuple[Part, ...] = ("own", "idle", "others", "machine")

FRANCE = Intensity(
    31.0, 27.0, 41.4, "FR", "France", "consumption", "lifecycle", "Electricity Maps via CO2.js", 2025, "ODbL 1.0"
)
WORLD = Intensity(
    458.3,
    35.3,
    696.1,
    "world",
    "World",
    "production",
    "lifecycle",
    "Ember Yearly Electricity Data via Our World in Data",
    2025,
    "CC BY 4.0",
)
GIVEN = Intensity(100.0, 100.0, 100.0, "given", "given value", "given", "as given", "setting g_per_kwh", None)
PARIS = Place(country="FR", evidence="time zone Europe/Paris")

PACKAGES = tuple(
    Domain(f"rapl:package-{n}", "cpu", "measured", f"RAPL package-{n} (powercap)", error=(-0.03, 0.03), idle_w=31.0)
    for n in range(2)
)
DRAM = Domain("rapl:dram-0", "ram", "measured", "RAPL dram (powercap)", error=(-0.05, 0.2), idle_w=8.0)
GPU = Domain("nvml:GPU-3f2a91c4", "gpu", "measured", "NVIDIA A100-SXM4-40GB (NVML energy counter)", error=(-0.05, 0.05))
CPU_MODEL = Domain(
    "cpu:model",
    "cpu",
    "modelled",
    "model of 2 CPUs (Intel(R) Xeon(R) Processor @ 2.90GHz): 0.84 W idle, 4.98 W at full load; assumed 3.5 W rated per "
    "CPU, fit on SPECpower and RAPL data",
    error=(-0.5, 1.0),
    idle_w=0.84,
)
RAM_MODEL = Domain(
    "ram:model",
    "ram",
    "modelled",
    "model of 3.84 GB as DDR4: 0.653 W idle, 1.42 W with all CPUs busy (their load stands in for memory traffic)",
    error=(-0.45, 1.2),
    idle_w=0.65,
)


def usage(domain: Domain, own_j: float, idle_j: float = 0.0, others_j: float = 0.0, spread: float = 0.05) -> Usage:
    """Joules of which it is known whose they are, own ones within a spread."""
    work = Work(own_s=10.0, busy_s=12.0, capacity_s=40.0)
    machine_j = own_j + idle_j + others_j
    return Usage(domain, machine_j, idle_j, own_j, own_j * (1 - spread), own_j * (1 + spread), idle_j, work)


def unsplit(domain: Domain, machine_j: float) -> Usage:
    """Joules of which nobody could tell whose they are."""
    return Usage(domain, machine_j, 0.0, machine_j, 0.0, machine_j)


def entry(use: Usage, task: str = "", intensity: Intensity = FRANCE) -> Entry:
    return Entry(task, STARTED_NS, 245.0, use, intensity)


def a_run(*entries: Entry, **changes: Any) -> Run:
    """A finished run of four minutes in France; `changes` are other fields of it."""
    facts: Mapping[str, Any] = {"command": "python train.py --epochs 3", "cpu_model": "a CPU", "cpu_count": 2}
    run = Run("0199", "digits", "process", "finished", STARTED_NS, 245.0, entries, place=PARIS, facts=facts)
    return replace(run, overhead_s=0.031, **changes)


def on_a_server() -> Run:
    """Measured, with a GPU, in a data centre with a known PUE and WUE."""
    return a_run(
        entry(usage(PACKAGES[0], 6.1 * WH, 1.6 * WH, 0.8 * WH)),
        entry(usage(PACKAGES[1], 0.4 * WH, 2.1 * WH, 0.2 * WH)),
        entry(usage(GPU, 18.9 * WH, 0.0, 0.0, spread=0.0)),
        entry(usage(DRAM, 0.8 * WH, 0.5 * WH, 0.1 * WH)),
        pue=1.18,
        wue_l_per_kwh=0.49,
        facts={
            "command": "python train.py --epochs 3 --data /data/imdb",
            "cpu_model": "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz",
            "cpu_count": 112,
            "ram_total_gb": 251.4,
            "virtualisation": "none",
            "container": "none",
        },
    )


def on_a_virtual_machine() -> Run:
    """Modelled alone, at a place that is not known."""
    return a_run(
        entry(usage(CPU_MODEL, 740.0, 85.0, 31.0, spread=0.3), intensity=WORLD),
        entry(usage(RAM_MODEL, 160.0, 101.0, 9.0, spread=0.3), intensity=WORLD),
        place=Place(),
        notes=(
            "The place is not known (nothing says where this machine is): the world's mean intensity is used, and its "
            "band holds 90 % of countries. Say where it runs: country=FR, or CARBONWATCH_COUNTRY.",
            "rapl_powercap is not read: energy_uj is not readable by this user. Let this user read it: `sudo chmod a+r "
            "/sys/class/powercap/intel-rapl:0/energy_uj`",
        ),
        facts={
            "command": "examples/train_digits.py",
            "cpu_model": "Intel(R) Xeon(R) Processor @ 2.90GHz",
            "cpu_count": 2,
            "ram_total_gb": 3.84,
            "virtualisation": "kvm",
            "container": "docker",
        },
    )


def planned() -> Run:
    """Calculated from devices and hours: nothing of it ran."""
    of = [Device("tpu", "TPU v4", count=8)]
    return calculator.estimate(of, 3, place="FR", project="plan", started_ns=STARTED_NS)


def with_tasks() -> Run:
    """Epochs with batches inside them, and something outside any task."""
    used = {"epoch 1/forward": 210.0, "epoch 1/backward": 520.0, "epoch 2": 712.0, "load data": 95.0, "": 12.0}
    return a_run(*(entry(usage(PACKAGES[0], joules, joules / 5), task) for task, joules in used.items()))


def with_gaps() -> Run:
    """A GPU whose driver went away, and a counter that could not be read now and then."""
    gaps = (
        Gap(GPU.id, STARTED_NS, STARTED_NS + 83_000_000_000, "GPU is lost: the driver answers no more"),
        *(
            Gap("rapl:package-1", STARTED_NS + n * 10**10, STARTED_NS + n * 10**10 + 10**9, "I/O error")
            for n in range(3)
        ),
    )
    return replace(on_a_server(), gaps=gaps)


def killed() -> Run:
    return replace(on_a_server(), state="killed")


def not_split() -> Run:
    """Metered, and nobody could tell who worked."""
    return a_run(entry(unsplit(PACKAGES[0], 5.2 * WH)), entry(unsplit(RAM_MODEL, 300.0)))


def not_metered() -> Run:
    """No meter, so no entry."""
    return a_run()


# what a name may hold that steers something: a page, a spreadsheet, LaTeX, a terminal, the direction of reading
HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\\input{/etc/passwd} $x^2_i$ 100 % & # ~ {",
    "x" * 10_000,
    "\u202eevil\u202c שלום مرحبا",
    "🙂👩\u200d🔬 漢字 é ø ﬁ",
    "two\nlines\r\n\tand \x1b[31mred",
    "\udcff\0",
    "--- ## `code` | [a](b) ![c](d)",
    "}\\end{document}\\write18{id}",
)


def hostile(name: str) -> Run:
    """A run where everything that somebody chooses has this name."""
    intensity = replace(FRANCE, name=name, source=name)
    gpu = replace(GPU, source=name)
    entries = (entry(usage(PACKAGES[0], 600.0, 40.0), name, intensity), entry(usage(gpu, 60.0), f"{name}/b", intensity))
    facts = {"command": name, "cpu_model": name, "cpu_count": 2, "tags": [name], "ram_total_gb": 4.0}
    place = Place(country="FR", evidence=name)
    gaps = (Gap(gpu.id, STARTED_NS, STARTED_NS + 10**9, name),)
    return a_run(*entries, project=name, id=name, notes=(name,), facts=facts, place=place, gaps=gaps)


ALL = (on_a_server, on_a_virtual_machine, with_tasks, with_gaps, killed, not_split, not_metered)


# a run has many parts, so one takes long to make
patient = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_joules = st.integers(0, 10**24).map(lambda nj: nj / 1e9)
_shares = st.integers(0, 100).map(lambda percent: percent / 100)
_names = st.text(max_size=30) | st.text("abc /|`*_[]<&é漢字🙂\x1b\n", max_size=200)
_seconds = st.integers(0, 10**12).map(lambda ms: ms / 1e3)
_ns = st.integers(1, 4 * 10**18)
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def domains() -> st.SearchStrategy[Domain]:
    return st.builds(
        Domain,
        id=_names,
        component=st.sampled_from(COMPONENTS),
        quality=st.sampled_from(("measured", "modelled", "assumed")),
        source=_names,
        within=st.none() | _names,
        error=st.tuples(_shares.map(lambda share: -share), _shares.map(lambda share: 5 * share)),
        idle_w=st.none() | _joules,
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    domain = draw(domains())
    if not draw(st.integers(0, 5)):
        return unsplit(domain, draw(_joules))
    own_j, idle_j, others_j = (draw(_joules) for _ in range(3))
    machine_j = own_j + idle_j + others_j
    own_low_j, own_high_j = own_j * draw(_shares), own_j + draw(_shares) * (machine_j - own_j)
    work = draw(st.builds(Work, _seconds, _seconds, _seconds, _seconds))
    return Usage(domain, machine_j, idle_j, own_j, own_low_j, own_high_j, idle_j, work)


@st.composite
def intensities(draw: st.DrawFn) -> Intensity:
    low, middle, high = sorted(draw(st.tuples(*[st.integers(0, 20_000).map(lambda tenths: tenths / 10)] * 3)))
    basis = draw(st.sampled_from(("production", "consumption", "given")))
    boundary = draw(st.sampled_from(("lifecycle", "direct", "as given")))
    year = draw(st.none() | st.integers(1990, 2100))
    period: Period = draw(st.sampled_from(("year", "hour")))
    return Intensity(middle, low, high, draw(_names), draw(_names), basis, boundary, draw(_names), year, "", period)


def entries() -> st.SearchStrategy[Entry]:
    return st.builds(Entry, _names, _ns, _seconds, usages(), intensities())


def runs() -> st.SearchStrategy[Run]:
    """Any run, however its names look."""
    places = st.builds(
        Place,
        country=st.none() | _names,
        subdivision=st.none() | _names,
        cloud=st.none() | _names,
        candidates=st.lists(_names, max_size=5).map(tuple),
        evidence=_names,
    )
    return st.builds(
        Run,
        id=_names,
        project=_names,
        scope=st.sampled_from(("process", "machine")),
        state=st.sampled_from(("running", "finished", "failed", "killed")),
        started_ns=_ns,
        duration_s=_seconds,
        entries=st.lists(entries(), max_size=6).map(tuple),
        gaps=st.lists(st.builds(Gap, _names, _ns, _ns, _names), max_size=8).map(tuple),
        notes=st.lists(_names, max_size=3).map(tuple),
        place=places,
        facts=st.dictionaries(st.sampled_from(("command", "cpu_model", "cpu_count")) | st.text(), _json_values),
        overhead_s=_seconds,
        pue=_shares.map(lambda share: 1 + share),
        wue_l_per_kwh=_shares.map(lambda share: 10 * share),
    )
