"""Filters and pages of describe-* operations: names, wildcards, limits, and tokens that survive changes."""

from typing import Any

import pytest

from minicloud.aws import pages

from ..cloud_fixtures import Ec2


def named(ec2: Ec2, *filters: tuple[str, list[str]]) -> set[str]:
    """The Name tags of the instances that DescribeInstances finds."""
    wanted = [{"Name": name, "Values": values} for name, values in filters]
    found = ec2("DescribeInstances", Filters=wanted)["Reservations"]
    return {tag["Value"] for one in found for instance in one["Instances"] for tag in instance["Tags"] if tag["Key"] == "Name"}


def tagged(**tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


@pytest.fixture
def three(ec2: Ec2) -> Ec2:
    ec2.run(TagSpecifications=tagged(Name="web-1", tier="front"), PrivateIpAddress="172.31.0.10")
    ec2.run(TagSpecifications=tagged(Name="web-2", tier="front*"), PrivateIpAddress="172.31.0.11", InstanceType="t3.micro")
    ec2.run(TagSpecifications=tagged(Name="db", owner="me"), PrivateIpAddress="172.31.0.12")
    return ec2


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("tag:Name", ["web-1"], {"web-1"}),
        ("tag:Name", ["web-1", "db"], {"web-1", "db"}),
        ("tag:Name", ["web-*"], {"web-1", "web-2"}),
        ("tag:Name", ["web-?"], {"web-1", "web-2"}),
        ("tag:Name", ["web?"], set()),
        ("tag:Name", ["*"], {"web-1", "web-2", "db"}),
        ("tag:Name", ["WEB-1"], set()),
        ("tag:tier", ["front*"], {"web-1", "web-2"}),
        ("tag:tier", ["front\\*"], {"web-2"}),
        ("tag:tier", ["front\\?"], set()),
        ("tag:Name", ["web-[12]"], set()),
        ("tag:Name", ["web.1"], set()),
        ("tag:nobody", ["*"], set()),
        ("tag-key", ["owner"], {"db"}),
        ("tag-key", ["*e*"], {"web-1", "web-2", "db"}),
        ("instance-type", ["t3.micro"], {"web-2"}),
        ("private-ip-address", ["172.31.0.1?"], {"web-1", "web-2", "db"}),
        ("network-interface.addresses.private-ip-address", ["172.31.0.12"], {"db"}),
        ("network-interface.addresses.primary", ["true"], {"web-1", "web-2", "db"}),
        ("ebs-optimized", ["true"], set()),
        ("instance-state-code", ["16"], {"web-1", "web-2", "db"}),
        ("instance-state-name", ["stopped", "stopping"], set()),
        ("launch-index", ["0"], {"web-1", "web-2", "db"}),
        ("key-name", ["*"], set()),
        ("ip-address", ["203.0.113.*"], {"web-1", "web-2", "db"}),
    ],
)
def test_values(three: Ec2, name: str, values: list[str], found: set[str]) -> None:
    assert named(three, (name, values)) == found


def test_all_filters_must_match(three: Ec2) -> None:
    assert named(three, ("tag:Name", ["web-*"]), ("tag:tier", ["front"])) == {"web-1"}
    assert named(three, ("tag:Name", ["db"]), ("tag:tier", ["*"])) == set()


def test_filters_of_reservations(three: Ec2) -> None:
    reservations = three("DescribeInstances")["Reservations"]
    wanted = reservations[1]["ReservationId"]
    assert named(three, ("reservation-id", [wanted])) == {"web-2"}
    assert named(three, ("reservation-id", [wanted]), ("tag:Name", ["db"])) == set()
    assert named(three, ("owner-id", ["000000000000"])) == {"web-1", "web-2", "db"}
    assert named(three, ("owner-id", ["111111111111"])) == set()


def test_a_reservation_shows_only_the_instances_that_match(ec2: Ec2) -> None:
    ec2("RunInstances", ImageId="ami-0123456789abcdef0", InstanceType="t3.nano", MinCount=3, MaxCount=3)
    found = ec2("DescribeInstances", Filters=[{"Name": "launch-index", "Values": ["1"]}])["Reservations"]
    assert [[one["AmiLaunchIndex"] for one in reservation["Instances"]] for reservation in found] == [[1]]
    assert ec2("DescribeInstances", Filters=[{"Name": "launch-index", "Values": ["7"]}])["Reservations"] == []


@pytest.mark.parametrize("name", ["colour", "", "Tag:Name", "instance_type", "State.Name"])
def test_filters_that_there_are_not(ec2: Ec2, name: str) -> None:
    refused = ec2.refused("DescribeInstances", Filters=[{"Name": name, "Values": ["x"]}])
    assert (refused.code, refused.message, refused.status) == ("InvalidParameterValue", f"The filter '{name}' is invalid", 400)


@pytest.mark.parametrize("entry", [{"Name": "image-id"}, {"Name": "image-id", "Values": []}])
def test_a_filter_without_values(ec2: Ec2, entry: dict[str, Any]) -> None:
    assert ec2.refused("DescribeInstances", Filters=[entry]).code == "InvalidParameterValue"


def test_two_hundred_values_and_no_more(ec2: Ec2) -> None:
    values = [f"i-{number:017x}" for number in range(200)]
    assert ec2("DescribeInstances", Filters=[{"Name": "instance-id", "Values": values}])["Reservations"] == []
    one_more = [{"Name": "instance-id", "Values": values}, {"Name": "image-id", "Values": ["ami-1"]}]
    assert ec2.refused("DescribeInstances", Filters=one_more).code == "FilterLimitExceeded"


def test_tag_filters_find_nothing_where_nothing_has_tags(ec2: Ec2) -> None:
    for name in ("tag-key", "tag-value", "tag:Name"):
        assert ec2("DescribeRegions", Filters=[{"Name": name, "Values": ["*"]}])["Regions"] == []


def test_tags_are_found_by_their_own_parts(three: Ec2) -> None:
    for name, value, count in (("key", "Name", 3), ("value", "web-*", 2), ("tag:tier", "front", 1), ("resource-type", "vpc", 0)):
        assert len(three("DescribeTags", Filters=[{"Name": name, "Values": [value]}])["Tags"]) == count


def instance_ids(answer: dict[str, Any]) -> list[str]:
    return [instance["InstanceId"] for one in answer["Reservations"] for instance in one["Instances"]]


class TestPages:
    def test_all_items_once(self, ec2: Ec2) -> None:
        launched = [ec2.run() for _ in range(12)]
        seen, token, sizes = [], None, []
        while True:
            answer = ec2("DescribeInstances", MaxResults=5, NextToken=token)
            seen += instance_ids(answer)
            sizes.append(len(answer["Reservations"]))
            token = answer.get("NextToken")
            if token is None:
                break
        assert sizes == [5, 5, 2]
        assert sorted(seen) == sorted(launched)

    def test_a_last_page_that_is_full_has_no_token(self, ec2: Ec2) -> None:
        for _ in range(5):
            ec2.run()
        assert "NextToken" not in ec2("DescribeInstances", MaxResults=5)
        assert "NextToken" not in ec2("DescribeInstances", MaxResults=1000)

    def test_what_comes_and_goes_between_two_pages_hides_and_doubles_nothing(self, idle: Ec2) -> None:
        for _ in range(8):
            idle.run()
        first = idle("DescribeInstances", MaxResults=5)
        stayed = set(instance_ids(idle("DescribeInstances")))
        for instance_id in instance_ids(first)[1:]:  # also the one that the token names
            idle.cloud.state.instances.remove(instance_id)
        for _ in range(4):
            idle.run()
        rest = idle("DescribeInstances", NextToken=first["NextToken"])
        assert not set(instance_ids(first)) & set(instance_ids(rest))
        assert stayed <= set(instance_ids(first)) | set(instance_ids(rest))

    def test_filters_come_before_pages(self, three: Ec2) -> None:
        for _ in range(4):
            three.run(TagSpecifications=tagged(Name="web-more"))
        wanted = [{"Name": "tag:Name", "Values": ["web-*"]}]
        first = three("DescribeInstances", Filters=wanted, MaxResults=5)
        second = three("DescribeInstances", Filters=wanted, MaxResults=5, NextToken=first["NextToken"])
        assert "NextToken" not in second
        assert len({*instance_ids(first), *instance_ids(second)}) == 6

    @pytest.mark.parametrize("token", ["nonsense", "bWluaWNsb3Vk", "ä", "==", "bWluaWNsb3VkOg=", "\n"])
    def test_tokens_that_nobody_gave_out(self, ec2: Ec2, token: str) -> None:
        refused = ec2.refused("DescribeInstances", NextToken=token)
        assert (refused.code, refused.message) == ("InvalidNextToken", f"The token '{token}' is invalid")

    @pytest.mark.parametrize("most", [0, -1, -5])
    def test_pages_of_nothing(self, ec2: Ec2, most: int) -> None:
        assert ec2.refused("DescribeInstances", MaxResults=most).code == "InvalidParameterValue"
        assert ec2.refused("DescribeVpcs", MaxResults=most).code == "InvalidParameterValue"

    def test_a_page_is_never_larger_than_aws_makes_it(self) -> None:
        items = [f"{number:05}" for number in range(2500)]
        shown, token = pages.page(items, str, 100_000, None)
        assert (len(shown), token is not None) == (1000, True)
        assert pages.page(items, str, None, None) == (items, None)
