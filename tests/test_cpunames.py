import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.cpunames import Cpuid, by_model, identify, key_of

# names as systems write them -> (model, microarchitecture, segment, tier)
NAMED = {
    "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz": ("xeon 8380", "icelake-sp", "server", "A"),
    "Xeon Platinum 8380": ("xeon 8380", "icelake-sp", "server", "A"),
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz": ("xeon e5-2680 v4", "broadwell", "server", "A"),
    "Intel Xeon E5-2660v2": ("xeon e5-2660 v2", "ivybridge", "server", "A"),
    "Intel(R) Xeon(R) Gold 5120 CPU @ 2.20GHz": ("xeon 5120", "skylake-sp", "server", "A"),
    "Intel Xeon 5160": ("xeon legacy 5160", "core2", "server", "A"),
    "INTEL(R) XEON(R) PLATINUM 8573C": ("xeon 8573c", "emeraldrapids", "server", "A"),
    "Intel(R) Xeon(R) 6975P-C": ("xeon 6975p-c", "graniterapids", "server", "A"),
    "Intel Xeon X3470": ("xeon x3470", "nehalem", "entry", "A"),
    "Intel(R) Xeon(R) w9-3495X": ("xeon w-3495x", "sapphirerapids", "workstation", "A"),
    "AMD EPYC 7763 64-Core Processor": ("epyc 7763", "zen3", "server", "A"),
    "AMD EPYC 9R14": ("epyc 9r14", "zen4", "server", "A"),
    "AMD EPYC 9754 128-Core Processor": ("epyc 9754", "zen4c", "server", "A"),
    "AMD EPYC 9655 96-Core Processor": ("epyc 9655", "zen5", "server", "A"),
    "AMD Opteron(tm) Processor 6174": ("opteron 6174", "k8/k10", "server", "A"),
    "AMD Ryzen 9 5950X 16-Core Processor": ("ryzen 5950x", "zen3", "desktop", "A"),
    "AMD Ryzen 7 7840U w/ Radeon 780M Graphics": ("ryzen 7840u", "zen4", "laptop", "A"),
    "AMD Ryzen Threadripper 3970X 32-Core Processor": ("threadripper 3970x", "zen2", "workstation", "A"),
    "11th Gen Intel(R) Core(TM) i7-1185G7 @ 3.00GHz": ("core i7-1185g7", "tigerlake", "laptop", "A"),
    "13th Gen Intel(R) Core(TM) i7-13700H": ("core i7-13700h", "raptorlake", "laptop", "A"),
    "Intel(R) Core(TM) i9-9900K CPU @ 3.60GHz": ("core i9-9900k", "skylake-client", "desktop", "A"),
    "i7-8750H": ("core i7-8750h", "skylake-client", "laptop", "A"),
    "Intel(R) Pentium(R) 4 CPU 2.40GHz": ("pentium 4 2.40", "netburst", "desktop", "A"),
    "Intel(R) Pentium(R) 4 CPU 1700MHz": ("pentium 4 1.70", "netburst", "desktop", "A"),
    "AMD Athlon(tm) 64 X2 Dual Core Processor 3800+": ("athlon x2 3800+", None, "desktop", "C"),
    "Intel(R) Core(TM) i5-L16G7 CPU @ 1.40GHz": ("core i5-l16g7", None, "laptop", "C"),
    "Hygon C86-4G (OPN:3450)": ("hygon 3450", "zen1", "server", "B"),
    "Genuine Intel(R) CPU             000  @ 3.20GHz": (None, None, "server", "C"),
    "AMD EPYC? 7763 64-Core Processor": ("epyc 7763", "zen3", "server", "A"),  # a sign that was lost
    "Apple M3 Pro": ("apple m3 pro", "apple-m", "laptop", "A"),
    "Raspberry Pi 4 Model B Rev 1.4": ("raspberry pi 4", "cortex-a72", "board", "A"),
    "AWS Graviton3": ("graviton3", "neoverse-v1", "server", "B"),
    "AMD EPYC-Milan Processor": (None, "zen3", "server", "B"),
    "Intel Xeon Processor (Skylake, IBRS)": (None, "skylake-sp", "server", "B"),
    "AMD EPYC": (None, None, "server", "C"),
    "Intel(R) Xeon(R) CPU @ 2.20GHz": (None, None, "server", "C"),
    "": (None, None, "server", "D"),
    "Emotion Engine": (None, None, "server", "D"),
}


@pytest.mark.parametrize(("name", "known"), NAMED.items())
def test_a_name_gives_what_it_holds_and_no_more(name: str, known: tuple[str | None, ...]) -> None:
    found = identify(name)

    assert (found.model, found.microarchitecture, found.segment, found.tier) == known


@pytest.mark.parametrize(
    ("cpuid", "microarchitecture"),
    [
        (Cpuid("AuthenticAMD", 25, 1, 1), "zen3"),
        (Cpuid("AuthenticAMD", 25, 17, 1), "zen4"),
        (Cpuid("AuthenticAMD", 25, 160, 2), "zen4c"),
        (Cpuid("AuthenticAMD", 26, 2, 1), "zen5"),
        (Cpuid("AuthenticAMD", 23, 49, 0), "zen2"),
        (Cpuid("HygonGenuine", 24, 0, 2), "zen1"),
        (Cpuid("GenuineIntel", 6, 85, 4), "skylake-sp"),
        (Cpuid("GenuineIntel", 6, 85, 7), "cascadelake"),
        (Cpuid("GenuineIntel", 6, 85, 11), "cooperlake"),
        (Cpuid("GenuineIntel", 6, 106, 6), "icelake-sp"),
        (Cpuid("GenuineIntel", 15, 4, 3), "netburst"),
        (Cpuid("0x41", 8, 0xD0C), "neoverse-n1"),
        (Cpuid("0x61", 8, 0x22), "apple-m"),
        (Cpuid("0x41", 8, 0xFFF), None),
    ],
)
def test_the_processor_s_numbers_give_what_the_name_hides(cpuid: Cpuid, microarchitecture: str | None) -> None:
    assert identify("a machine", cpuid).microarchitecture == microarchitecture


def test_the_steps_say_how_it_was_found() -> None:
    found = identify("AMD EPYC", Cpuid("AuthenticAMD", 25, 1, 1))

    assert found.steps == ("AMD EPYC: model unknown", "zen3 by family 25 model 1")
    assert found.reason == "AMD EPYC: model unknown; zen3 by family 25 model 1"
    assert found.tier == "B"


def test_numbers_outrank_the_digits_of_a_name() -> None:
    assert identify("Intel(R) Core(TM) i5-8350U", Cpuid("GenuineIntel", 6, 61)).microarchitecture == "broadwell"


def test_a_hypervisor_that_names_a_generation_is_believed_over_the_numbers_that_it_shows() -> None:
    found = identify("Intel Xeon Processor (Icelake)", Cpuid("GenuineIntel", 6, 134))

    assert found.microarchitecture == "icelake-sp"


@pytest.mark.parametrize("name", ["QEMU Virtual CPU version 2.5+", "Common KVM processor"])
def test_a_processor_that_is_emulated_is_not_taken_for_one(name: str) -> None:
    assert identify(name, Cpuid("GenuineIntel", 15, 6, 1)).microarchitecture is None


def test_a_model_of_a_cloud_is_estimated_as_its_public_sibling() -> None:
    found = identify("AMD EPYC 7R13 Processor")

    assert (found.tdp_w, found.cores) == (280.0, 48)
    assert found.steps[0] == "AMD EPYC 7R13 Processor: model epyc 7r13, made for a cloud: power estimated as 7643"


def test_a_model_that_differs_by_a_letter_is_rated_as_its_sibling_and_says_so() -> None:
    found = identify("Intel(R) Xeon(R) Platinum 8380Z")

    assert (found.model, found.tdp_w) == ("xeon 8380z~", 270.0)
    assert found.steps[0].endswith("model xeon 8380z, rated as xeon 8380")


@given(st.text(max_size=80))
def test_no_name_is_too_strange(name: str) -> None:
    found = identify(name)

    assert found.tier in "ABCD"
    assert len(found.steps) == 2


@given(st.sampled_from(sorted(name for name, known in NAMED.items() if known[0])))
def test_a_model_s_canonical_name_is_its_own_canonical_name(name: str) -> None:
    key = key_of(name)

    assert key is not None
    assert key_of(key) == key or key == "xeon 5120"  # without its tier it is the Xeon 5120 of 2006
    assert by_model(key) == identify(name).microarchitecture


def test_a_name_takes_less_than_a_fifth_of_a_millisecond() -> None:
    for name in NAMED:
        identify(name)
    began_s = time.process_time()
    for name in NAMED:
        identify(name)

    assert (time.process_time() - began_s) / len(NAMED) < 0.2e-3
