import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import tables
from carbonwatch.cloudinstances import Instance, find, lookup
from carbonwatch.cpunames import identify
from carbonwatch.errors import SettingsError

KNOWN = [
    Instance("aws/m5.xlarge", "xeon 8175m", 4, 4, 16),
    Instance("aws/c5.18xlarge", "xeon 8124m", 72, 72, 144),
    Instance("aws/c4.8xlarge", "xeon e5-2666 v3", 36, 36, 60),  # breaks the rule of names
    Instance("aws/t3.micro", "xeon 8175m", 2, 2, 1),
    Instance("aws/t3.2xlarge", "xeon 8175m", 8, 8, 32),
    Instance("aws/m7a.2xlarge", "epyc 9r14", 8, 16, 32),  # a vCPU is a core
    Instance("aws/m7g.medium", "graviton3", 1, 1, 4),
    Instance("aws/r6i.metal", "xeon 8375c", 128, 128, 1024),
    Instance("aws/m7i.metal-24xl", "xeon 8488c", 96, 96, 384),
    Instance("aws/p4d.24xlarge", "xeon 8275cl", 96, 96, 1152),
    Instance("azure/standard_d4s_v5", "xeon 8370c", 4, 4, 16),
    Instance("azure/standard_e8-4ads_v5", "epyc 7763", 4, 4, 32),
    Instance("azure/d2ps_v5", "altra q80-30", 2, 2, 8),
    Instance("azure/standard_d4ls_v5", "xeon 8370c", 4, 4, 8),
    Instance("azure/standard_f16s_v2", "xeon 8272cl", 16, 16, 32),
    Instance("azure/standard_ds3_v2", "xeon e5-2673 v4", 4, 4, 14),
    Instance("gcp/n2-standard-8", "xeon cascadelake", 8, 8, 32),
    Instance("gcp/c4a-highmem-16-lssd", "neoverse v2", 16, 16, 128),
    Instance("gcp/t2d-standard-4", "epyc 7b13", 4, 8, 16),
    Instance("gcp/e2-medium", "", 1, 1, 4),
]


@pytest.mark.parametrize("known", KNOWN, ids=lambda each: each.name)
def test_a_name_gives_processor_threads_and_memory(known: Instance) -> None:
    assert find(known.name.upper()) == known


def test_a_family_that_is_not_known_is_refused_with_those_that_are_like_it() -> None:
    with pytest.raises(SettingsError, match=r"'aws/m5x.xlarge' is no instance that is known.*aws/m5"):
        find("aws/m5x.xlarge")


@pytest.mark.parametrize("name", ["m5.xlarge", "", "ibm/bx2", "aws/"])
def test_a_name_without_its_cloud_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"Write CLOUD/NAME, as in aws/m5.xlarge"):
        find(name)


@given(st.sampled_from(("aws/", "azure/", "gcp/", "")), st.text(max_size=40))
def test_no_name_is_too_strange(cloud: str, text: str) -> None:
    assert lookup(cloud + text) is None or cloud


def test_every_row_names_a_processor_whose_kind_is_known_or_none() -> None:
    for row in tables.rows("cloud_instances"):
        assert row["cpu"] in ("", "xeon") or identify(row["cpu"]).microarchitecture, row["instance"]
        assert float(row["gb_per_vcpu"]) > 0
