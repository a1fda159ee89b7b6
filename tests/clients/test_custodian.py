"""Cloud Custodian: one run of the policies in policies/, each of which finds what it shall and does what it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from ..cloud_fixtures import IMAGE, RUN
from ..endpoint_fixtures import Served
from .programs import program, ran

POLICIES = Path(__file__).parent / "policies/custodian.yml"


def tagged(kind: str, **values: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in values.items()]}]


@pytest.fixture(scope="module")
def made(served: Served) -> dict[str, str]:
    """What an account has where policies are wanted."""
    ec2, autoscaling = served.boto(), served.boto("autoscaling")
    for name in ("used", "unused"):
        ec2.create_key_pair(KeyName=name)
    groups = {name: ec2.create_security_group(GroupName=name, Description=name)["GroupId"] for name in ("used", "unused")}
    ssh = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]} for port in (22, 80)]
    ec2.authorize_security_group_ingress(GroupId=groups["used"], IpPermissions=ssh)

    def run(tags: dict[str, str], **more: Any) -> str:
        given = {**RUN, "KeyName": "used", "SecurityGroupIds": [groups["used"]], **more}
        return str(ec2.run_instances(**given, TagSpecifications=tagged("instance", **tags))["Instances"][0]["InstanceId"])

    test = run({"Env": "test", "Scratch": "x"}, DisableApiTermination=True)
    old = run({"Env": "old", "Owner": "me"}, DisableApiTermination=True)
    golden = ec2.create_image(InstanceId=old, Name="golden-1", NoReboot=True)["ImageId"]
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=2, TagSpecifications=tagged("volume", Of="nothing"))[
        "VolumeId"
    ]
    template = {"LaunchTemplateName": "template", "LaunchTemplateData": {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}}
    ec2.create_launch_template(**template)
    autoscaling.create_launch_configuration(  # for `unused`, which looks through what each has
        LaunchConfigurationName="old-way", ImageId=IMAGE.image_id, InstanceType="t3.nano", SecurityGroups=[groups["used"]]
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="g", MinSize=1, MaxSize=2, LaunchTemplate={"LaunchTemplateName": "template", "Version": "$Default"},
        AvailabilityZones=["us-east-1a"], Tags=[{"Key": "Owner", "Value": "g", "PropagateAtLaunch": True}],
    )  # fmt: skip
    address = ec2.allocate_address()["AllocationId"]
    return {**groups, "test": test, "old": old, "golden": golden, "volume": volume, "address": address}


@pytest.fixture(scope="module")
def found(served: Served, made: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What each policy has found, in a run in which every action went well."""
    directory = tmp_path_factory.mktemp("custodian")
    ran(served, directory, [program("custodian"), "validate", str(POLICIES)])
    ran(served, directory, [program("custodian"), "run", "--cache-period=0", "-s", "out", "--region=us-east-1", str(POLICIES)])
    return {path.parent.name: json.loads(path.read_text()) for path in directory.glob("out/*/resources.json")}


@pytest.mark.parametrize(
    ("policy", "key", "what"),
    [
        ("tag-what-lacks-an-owner", "InstanceId", "test"),
        ("stop-what-only-tests-use", "InstanceId", "test"),
        ("resize-what-is-stopped", "InstanceId", "test"),
        ("start-again", "InstanceId", "test"),
        ("mark-for-their-end", "InstanceId", "old"),
        ("end-what-is-marked", "InstanceId", "old"),
        ("snapshot-and-delete-unattached-volumes", "VolumeId", "volume"),
        ("delete-unused-security-groups", "GroupId", "unused"),
        ("close-ssh-to-the-world", "GroupId", "used"),
        ("release-unused-addresses", "AllocationId", "address"),
        ("deregister-unused-images", "ImageId", "golden"),
    ],
)
def test_a_policy_finds(found: dict[str, list[dict[str, Any]]], made: dict[str, str], policy: str, key: str, what: str) -> None:
    assert [one[key] for one in found[policy]] == [made[what]]


def test_policies_of_what_has_names_find(found: dict[str, list[dict[str, Any]]]) -> None:
    assert [key["KeyName"] for key in found["delete-unused-keys"]] == ["unused"]
    assert [group["AutoScalingGroupName"] for group in found["groups-that-scale"]] == ["g"]
    counts = {name: len(those) for name, those in found.items()}
    assert {name: counts[name] for name in ("tag-volumes-as-their-instances", "idle-by-their-metrics", "tag-networks")} == {
        "tag-volumes-as-their-instances": 1, "idle-by-their-metrics": 2, "tag-networks": 1,
    }  # fmt: skip
    assert counts["delete-unused-snapshots"] == 1


@pytest.mark.usefixtures("found")
def test_what_the_actions_have_done(served: Served, made: dict[str, str]) -> None:
    ec2 = served.boto()

    def instance(name: str) -> dict[str, Any]:
        shown: dict[str, Any] = ec2.describe_instances(InstanceIds=[made[name]])["Reservations"][0]["Instances"][0]
        return shown

    def tags(shown: dict[str, Any]) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in shown["Tags"]}

    test = instance("test")
    assert (test["State"]["Name"], test["InstanceType"]) == ("running", "t3.micro")
    assert tags(test) == {"Env": "test", "Owner": "nobody", "Idle": "yes"}
    assert instance("old")["State"]["Name"] == "terminated"
    (disk,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [made["test"]]}])["Volumes"]
    assert tags(disk)["Owner"] == "nobody"  # beside what Custodian notes of its own
    assert [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"] if one["State"] == "available"] == []
    assert [one["VolumeId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]] == ["vol-ffffffff"]
    groups = {one["GroupName"]: one for one in ec2.describe_security_groups()["SecurityGroups"]}
    assert sorted(groups) == ["default", "used"]
    assert [rule["FromPort"] for rule in groups["used"]["IpPermissions"]] == [80]
    assert ec2.describe_addresses()["Addresses"] == []
    assert [key["KeyName"] for key in ec2.describe_key_pairs()["KeyPairs"]] == ["used"]
    assert [image["ImageId"] for image in ec2.describe_images(Owners=["self"])["Images"]] == [IMAGE.image_id]
    (group,) = served.boto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["MinSize"], group["DesiredCapacity"], tags(group)["Seen"]) == (0, 0, "custodian")
    assert tags(ec2.describe_vpcs()["Vpcs"][0]) == {"Of": "custodian"}
