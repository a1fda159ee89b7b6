"""The table of instance types against AWS's published figures, and its answers against AWS's model."""

import itertools
import re
import string
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from hypothesis import given
from hypothesis import strategies as st

from minicloud.aws import instance_types as table
from minicloud.errors import ApiError
from minicloud.services.ec2.instance_type_info import FILTERS, OFFERING_FILTERS, describe

TYPES = table.all_types()
EC2 = botocore.session.get_session().get_service_model("ec2")
PYTHON = {"string": str, "boolean": bool, "integer": int, "long": int, "double": float}


def misfits(value: Any, shape: Shape, at: str) -> list[str]:
    """Where `value` differs from `shape`: names that AWS does not know, values of another type or outside an enum."""
    if shape.type_name == "structure":
        unknown = [f"{at}.{name} is unknown" for name in set(value) - set(shape.members)]
        known = [(name, shape.members[name]) for name in value if name in shape.members]
        return unknown + [found for name, member in known for found in misfits(value[name], member, f"{at}.{name}")]
    if shape.type_name == "list":
        if not isinstance(value, list) or not value:
            return [f"{at} is not a list with something in it"]
        return [found for item in value for found in misfits(item, shape.member, at)]
    if type(value) is not PYTHON[shape.type_name]:
        return [f"{at} is {value!r}, not a {shape.type_name}"]
    return [f"{at} is {value!r}"] if getattr(shape, "enum", None) and value not in shape.enum else []


def information() -> Shape:
    return EC2.operation_model("DescribeInstanceTypes").output_shape.members["InstanceTypes"].member


def resolve(path: str, shape: Shape) -> str:
    """The type of what stands at a filter's path; KeyError where there is nothing."""
    for part in path.split("."):
        name, is_list = part.removesuffix("[]"), part.endswith("[]")
        shape = shape.members[name]
        assert (shape.type_name == "list") == is_list, path
        if is_list:
            shape = shape.member
    return str(shape.type_name)


@pytest.mark.parametrize("name", TYPES)
def test_description_fits_the_model(name: str) -> None:
    info = describe(TYPES[name])
    assert misfits(info, information(), name) == []
    assert info["InstanceType"] == name


def test_the_walk_finds_what_does_not_fit() -> None:
    wrong = {"BareMetal": "false", "Nonsense": 1, "Hypervisor": "kvm", "MemoryInfo": {"SizeInMiB": 1.5}}
    assert len(misfits(wrong, information(), "x")) == 4


def test_every_documented_filter_and_no_other() -> None:
    text = EC2.operation_model("DescribeInstanceTypes").input_shape.members["Filters"].documentation
    assert set(FILTERS) == set(re.findall(r"<li> <p> <code>([a-z0-9.-]+)</code>", text))


@pytest.mark.parametrize("path", FILTERS.values())
def test_filter_points_into_the_model(path: str) -> None:
    assert resolve(path, information()) in PYTHON


def test_offering_filters_are_the_documented_ones() -> None:
    operation = EC2.operation_model("DescribeInstanceTypeOfferings")
    text = operation.input_shape.members["Filters"].documentation
    assert set(OFFERING_FILTERS) == set(re.findall(r"<li> <p> <code>([a-z0-9.-]+)</code>", text))
    offering = operation.output_shape.members["InstanceTypeOfferings"].member
    assert {resolve(path, offering) for path in OFFERING_FILTERS.values()} == {"string"}


def test_aws_knows_every_type() -> None:
    assert set(TYPES) <= set(EC2.shape_for("InstanceType").enum)


def test_all_sizes_of_every_family_are_there() -> None:
    families = {each.family.name for each in TYPES.values()}
    asked = "t2 t3 t3a m5 m5a m6i m6a m7i c5 c6i c7i r5 r6i r7i x1 "
    asked += "x1e x2idn x2iedn x2iezn i3 i3en i4i i7ie d2 d3 d3en g4dn g5 g6 p3 p4d"
    assert families == set(asked.split())
    known = {name for name in EC2.shape_for("InstanceType").enum if name.split(".")[0] in families}
    assert {name for name in known if ".metal" not in name} == set(TYPES)


def test_the_five_kinds() -> None:
    kinds = {each.family.kind for each in TYPES.values()}
    assert kinds == set(table.Kind.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("t2.micro", (1, 1024, 2, 2, "Low to Moderate", 0.0116)),
        ("t3.medium", (2, 4096, 3, 6, "Up to 5 Gigabit", 0.0416)),
        ("m5.large", (2, 8192, 3, 10, "Up to 10 Gigabit", 0.096)),
        ("c5.18xlarge", (72, 147456, 15, 50, "25 Gigabit", 3.06)),
        ("r6i.32xlarge", (128, 1048576, 15, 50, "50 Gigabit", 8.064)),
        ("x1e.32xlarge", (128, 3997696, 8, 30, "25 Gigabit", 26.688)),
        ("i3.large", (2, 15616, 3, 10, "Up to 10 Gigabit", 0.156)),
        ("d2.8xlarge", (36, 249856, 8, 30, "10 Gigabit", 5.52)),
        ("g4dn.xlarge", (4, 16384, 3, 10, "Up to 25 Gigabit", 0.526)),
        ("x2iezn.12xlarge", (48, 1572864, 15, 50, "100 Gigabit", 10.008)),
        ("i7ie.large", (2, 16384, 3, 10, "Up to 25 Gigabit", 0.25995)),
        ("d3en.12xlarge", (48, 196608, 3, 30, "75 Gigabit", 6.308)),
        ("g6.xlarge", (4, 16384, 4, 15, "Up to 10 Gigabit", 0.8048)),
        ("p3.16xlarge", (64, 499712, 8, 30, "25 Gigabit", 24.48)),
    ],
)
def test_figures_aws_publishes(name: str, figures: tuple[int, int, int, int, str, float]) -> None:
    each = table.get(name)
    limits = (each.max_interfaces, each.addresses_per_interface)
    assert (each.vcpus, each.memory_mib, *limits, each.network, each.usd_per_hour) == figures


@pytest.mark.parametrize(
    ("name", "baseline", "credits_per_hour"),
    [
        ("t2.nano", 0.05, 3),
        ("t2.micro", 0.10, 6),
        ("t2.small", 0.20, 12),
        ("t2.medium", 0.20, 24),
        ("t2.large", 0.30, 36),
        ("t2.xlarge", 0.225, 54),
        ("t2.2xlarge", 0.16875, 81),
        ("t3.nano", 0.05, 6),
        ("t3.micro", 0.10, 12),
        ("t3.small", 0.20, 24),
        ("t3.medium", 0.20, 24),
        ("t3.large", 0.30, 36),
        ("t3.xlarge", 0.40, 96),
        ("t3a.2xlarge", 0.40, 192),
        ("m5.large", 1.0, 0),
    ],
)
def test_burstable_baselines_and_credits(name: str, baseline: float, credits_per_hour: float) -> None:
    each = table.get(name)
    assert (each.baseline, each.cpu_weight) == (baseline, baseline)
    assert each.credits_per_hour == pytest.approx(credits_per_hour)
    assert each.burstable == name.startswith("t")


@pytest.mark.parametrize("each", TYPES.values(), ids=list(TYPES))
def test_rows_make_sense(each: table.InstanceType) -> None:
    assert each.cores * each.family.threads_per_core == each.vcpus
    assert each.valid_cores == () or each.valid_cores[-1] == each.cores
    assert list(each.valid_cores) == sorted(set(each.valid_cores))
    assert (each.ebs_baseline is None) == (each.family.ebs_optimized == "unsupported")
    if each.ebs_baseline and each.ebs_maximum:
        assert 0 < each.ebs_baseline.mbps <= each.ebs_maximum.mbps
        assert 0 < each.ebs_baseline.iops <= each.ebs_maximum.iops
    assert (each.disks is None) == (each.family.disk_type is None)
    assert (each.gpu_count > 0) == (each.family.gpu is not None) == (each.family.kind == "Accelerated computing")
    assert each.max_interfaces % each.family.network_cards == 0
    assert each.usd_per_hour > 0


def test_larger_sizes_have_more_and_cost_more() -> None:
    for family in {each.family.name for each in TYPES.values()} - {"g4dn", "g5", "g6"}:
        sizes = [each for each in TYPES.values() if each.family.name == family]
        for smaller, larger in itertools.pairwise(sizes):
            assert smaller.memory_mib < larger.memory_mib
            assert smaller.usd_per_hour < larger.usd_per_hour
            assert smaller.vcpus <= larger.vcpus


def test_parts_of_a_description() -> None:
    info = describe(table.get("g4dn.12xlarge"))
    assert info["GpuInfo"] == {
        "Gpus": [{"Name": "T4", "Manufacturer": "NVIDIA", "Count": 4, "MemoryInfo": {"SizeInMiB": 16384}}],
        "TotalGpuMemoryInMiB": 65536,
    }
    assert info["InstanceStorageInfo"]["TotalSizeInGB"] == 900
    assert info["EbsInfo"]["EbsOptimizedInfo"]["BaselineThroughputInMBps"] == 1187.5
    cards = describe(table.get("p4d.24xlarge"))["NetworkInfo"]["NetworkCards"]
    assert [card["NetworkCardIndex"] for card in cards] == [0, 1, 2, 3]
    assert cards[0]["NetworkPerformance"] == "100 Gigabit"
    assert cards[0]["MaximumNetworkInterfaces"] == 15
    assert cards[0]["PeakBandwidthInGbps"] == 100.0
    burst = describe(table.get("t2.micro"))
    assert burst["FreeTierEligible"] is True
    assert "EbsOptimizedInfo" not in burst["EbsInfo"]
    assert "ValidCores" not in burst["VCpuInfo"]
    assert describe(table.get("t3.2xlarge"))["VCpuInfo"]["ValidCores"] == [2, 4]
    assert describe(table.get("m6a.12xlarge"))["VCpuInfo"]["ValidCores"] == [1, 2, 3, 4, 5, 6, 7, 8, 16, 24]


@pytest.mark.parametrize("name", ["m9.huge", "", "T3.MICRO", "t3.micro ", "t3"])
def test_unknown_type(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        table.get(name)
    assert caught.value.code == "InvalidParameterValue"
    assert caught.value.message == f"Invalid value '{name}' for InstanceType."


@given(st.text(string.printable))
def test_any_other_name_is_unknown(name: str) -> None:
    if name not in TYPES:
        with pytest.raises(ApiError):
            table.get(name)


def test_what_somebody_may_have_meant() -> None:
    assert table.similar("t3.mirco")[0] == "t3.micro"
    assert table.similar("M5.Large")[0] == "m5.large"
    assert table.similar("nothing-like-it") == []


def test_the_table_is_read_once() -> None:
    assert table.all_types() is table.all_types()
