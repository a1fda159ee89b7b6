"""A template that can launch nothing is refused when a group is given it, whichever way, and nothing is left of the trial."""

from collections.abc import Callable
from typing import Any

import pytest

from minicloud.errors import ApiError
from minicloud.host.contracts import Capacity

from ..cloud_fixtures import IMAGE
from .scene import ZONES, Scaling

PREFIX = "You must use a valid fully-formed launch template. "
UNKNOWN = "0fedcba9876543210"
DATA = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"ImageId": None}, "The request must contain the parameter ImageId"),
    "image": ({"ImageId": f"ami-{UNKNOWN}"}, f"The image id '[ami-{UNKNOWN}]' does not exist"),
    "type": ({"InstanceType": "t9.huge"}, "Invalid value 't9.huge' for InstanceType."),
    "key": ({"KeyName": "x"}, "The key pair 'x' does not exist"),
    "group": ({"SecurityGroupIds": [f"sg-{UNKNOWN}"]}, f"The security group 'sg-{UNKNOWN}' does not exist"),
    "profile": ({"IamInstanceProfile": {"Name": "nobody"}}, ""),
    "device": ({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}]}, "Volume of size 1GB"),
    "placement group": ({"Placement": {"GroupName": "nowhere"}}, ""),
    "interface": ({"NetworkInterfaces": [{"DeviceIndex": 1}]}, "The primary network interface must have device index 0."),
}
Given = dict[str, Any]


def direct(name: str) -> Given:
    return {"LaunchTemplate": {"LaunchTemplateName": name}}


def mixed(name: str) -> Given:
    part = {"LaunchTemplateSpecification": {"LaunchTemplateName": name}, "Overrides": [{"InstanceType": "t3.micro"}]}
    return {"MixedInstancesPolicy": {"LaunchTemplate": part}}


def override(name: str) -> Given:
    part = {
        "LaunchTemplateSpecification": {"LaunchTemplateName": "template"},
        "Overrides": [{"InstanceType": "t3.nano"}, {"LaunchTemplateSpecification": {"LaunchTemplateName": name}}],
    }
    return {"MixedInstancesPolicy": {"LaunchTemplate": part}}


WAYS: dict[str, Callable[[str], Given]] = {"direct": direct, "mixed": mixed, "override": override}


def creates(given: Given) -> tuple[str, Given]:
    return "CreateAutoScalingGroup", {"MinSize": 0, "MaxSize": 1, "AvailabilityZones": ZONES, **given}


def updates(given: Given) -> tuple[str, Given]:
    return "UpdateAutoScalingGroup", given


def refreshes(given: Given) -> tuple[str, Given]:
    return "StartInstanceRefresh", {"DesiredConfiguration": given}


TAKERS = {made.__name__: made for made in (creates, updates, refreshes)}


def written(scaling: Scaling) -> list[Any]:
    """Whatever a launch writes, and a group or refresh."""
    state = scaling.cloud.state
    tables = (state.instances, state.interfaces, state.volumes, state.tags, state.scaling_groups, state.instance_refreshes)
    return [table.query() for table in tables]


def broken(scaling: Scaling, changes: Given) -> None:
    """A template of its own that launches nothing."""
    data = {name: value for name, value in {**DATA, **changes}.items() if value is not None}
    scaling.ec2("CreateLaunchTemplate", LaunchTemplateName="broken", LaunchTemplateData=data)


@pytest.mark.parametrize("what", BROKEN)
def test_what_can_launch_nothing(scaling: Scaling, what: str) -> None:
    changes, text = BROKEN[what]
    scaling.create(DesiredCapacity=1)
    broken(scaling, changes)
    before = written(scaling)
    for taker, way in ((taker, way) for taker in TAKERS for way in WAYS):
        if what == "type" and way == "mixed":
            continue  # its own types stand for the template's
        name = "another" if taker == "creates" else "group"
        operation, params = TAKERS[taker](WAYS[way]("broken"))
        refused = scaling.refused(operation, AutoScalingGroupName=name, **params)
        assert (refused.code, refused.message[: len(PREFIX + text)]) == ("ValidationError", PREFIX + text), (taker, way)
    assert written(scaling) == before


def refused(scaling: Scaling, given: Given, **more: Any) -> ApiError:
    """What is said to a group that is given this."""
    operation, params = creates(given)
    return scaling.refused(operation, AutoScalingGroupName="group", **{**params, **more})


def test_a_type_among_overrides_and_a_group_of_another_vpc(scaling: Scaling) -> None:
    given = mixed("template")
    given["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"].append({"InstanceType": "t9.huge"})
    assert refused(scaling, given).message == f"{PREFIX}Invalid value 't9.huge' for InstanceType."
    vpc = scaling.ec2("CreateVpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = scaling.ec2("CreateSecurityGroup", GroupName="other", Description="other", VpcId=vpc)["GroupId"]
    broken(scaling, {"SecurityGroupIds": [group]})
    assert refused(scaling, direct("broken")).message.startswith(f"{PREFIX}Security group {group} and subnet subnet-")


def test_every_place_of_a_group_counts(scaling: Scaling) -> None:
    (subnet,) = scaling.ec2("DescribeSubnets", Filters=[{"Name": "availability-zone", "Values": ZONES[1:]}])["Subnets"]
    scaling.ec2("DeleteSubnet", SubnetId=subnet["SubnetId"])
    text = f"{PREFIX}No default subnet for availability zone: '{ZONES[1]}'."
    assert refused(scaling, direct("template")).message == text
    scaling.create(AvailabilityZones=ZONES[:1])
    said = scaling.refused("UpdateAutoScalingGroup", AutoScalingGroupName="group", AvailabilityZones=ZONES)
    assert said.message == text


def test_a_host_without_room_is_no_fault_of_a_template(scaling: Scaling) -> None:
    scaling.host.set_capacity(Capacity(1, 100))
    scaling.create(DesiredCapacity=0)
    assert scaling.group()["Instances"] == []


def test_names_of_security_groups_go_with_zones_and_not_with_subnets(scaling: Scaling) -> None:
    subnet = scaling.ec2("DescribeSubnets")["Subnets"][0]["SubnetId"]
    broken(scaling, {"SecurityGroups": ["default"]})
    said = refused(scaling, direct("broken"), VPCZoneIdentifier=subnet, AvailabilityZones=None)
    assert said.message == f"{PREFIX}The parameter groupName cannot be used with the parameter subnet"
    scaling.create("by-zone", LaunchTemplate={"LaunchTemplateName": "broken"})
    kind = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano", "SecurityGroups": ["default"]}
    scaling("CreateLaunchConfiguration", LaunchConfigurationName="old", **kind)
    scaling.create("configured", LaunchTemplate=None, LaunchConfigurationName="old")
    for name in ("by-zone", "configured"):
        zones = [one["AvailabilityZone"] for one in scaling.group(name)["Instances"]]
        assert sorted(zones) == ZONES
