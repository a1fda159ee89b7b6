"""Resources without tags: AWS tells an empty set of some kinds, and none of others."""

from typing import Any

from ..cloud_fixtures import IMAGE, Ec2

WITHOUT = {
    "Addresses",
    "Images",
    "LaunchTemplates",
    "PlacementGroups",
    "SecurityGroups",
    "Snapshots",
    "Subnets",
    "Volumes",
    "Vpcs",
}
EMPTY = {"DhcpOptions", "InternetGateways", "KeyPairs", "NetworkAcls", "NetworkInterfaces", "RouteTables", "SecurityGroupRules"}


def made(ec2: Ec2) -> dict[str, Any]:
    """A resource of each kind, without tags."""
    ec2.run()
    ec2("AllocateAddress", Domain="vpc")
    ec2("CreatePlacementGroup", GroupName="p", Strategy="cluster")
    ec2("CreateLaunchTemplate", LaunchTemplateName="template", LaunchTemplateData={"ImageId": IMAGE.image_id})
    ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")
    volume = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    ec2("CreateSnapshot", VolumeId=volume)
    return {kind: ec2(f"Describe{kind}")[kind] for kind in WITHOUT | EMPTY}


def test_which_kinds_have_an_empty_set(ec2: Ec2) -> None:
    shown = made(ec2)
    assert all(shown.values())
    for kind, found in shown.items():
        member = "TagSet" if kind == "NetworkInterfaces" else "Tags"
        assert [one.get(member) for one in found] == [None if kind in WITHOUT else []] * len(found), kind
    instance = ec2("DescribeInstances")["Reservations"][0]["Instances"][0]
    assert "Tags" not in instance
    assert ec2("CreateSecurityGroup", GroupName="g", Description="d").keys() == {"GroupId", "SecurityGroupArn"}


def test_filters_on_tags_pass_over_who_has_none(ec2: Ec2) -> None:
    ec2.run()
    assert ec2("DescribeInstances", Filters=[{"Name": "tag-key", "Values": ["*"]}])["Reservations"] == []
