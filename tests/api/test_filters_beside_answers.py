"""Filters about what an answer does not say: constants of this host, and what only the state knows."""

import pytest

from ..cloud_fixtures import RUN, Ec2


def found(ec2: Ec2, operation: str, items: str, **filters: str) -> int:
    """How many items match; `__` in a name stands for a point, `_` for a hyphen."""
    wanted = [{"Name": name.replace("__", ".").replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    return len(ec2(operation, Filters=wanted)[items])


def instances(ec2: Ec2, **filters: str) -> int:
    return found(ec2, "DescribeInstances", "Reservations", **filters)


@pytest.mark.parametrize(
    ("name", "true", "false"),
    [
        ("operator__managed", "false", "true"),
        ("metadata_options__http_protocol_ipv4", "enabled", "disabled"),
        ("metadata_options__http_protocol_ipv6", "disabled", "enabled"),
        ("network_performance_options__bandwidth_weighting", "default", "vpc-1"),
        ("network_interface__requester_managed", "false", "true"),
        ("network_interface__ipv6_native", "false", "true"),
        ("network_interface__operator__managed", "false", "true"),
        ("network_interface__deny_all_igw_traffic", "false", "true"),
        ("network_interface__availability_zone", "us-east-1a", "us-east-1b"),
        ("network_interface__attachment__instance_id", "i-*", "i-0123456789abcdef0"),
    ],
)
def test_of_instances(ec2: Ec2, name: str, true: str, false: str) -> None:
    ec2("RunInstances", **RUN, Placement={"AvailabilityZone": "us-east-1a"})
    assert (instances(ec2, **{name: true}), instances(ec2, **{name: false})) == (1, 0)


@pytest.mark.parametrize("name", ["platform", "owner_alias", "spot_instance_request_id", "host_id", "ipv6_address"])
def test_what_nothing_here_can_have_finds_nothing(ec2: Ec2, name: str) -> None:
    ec2.run()
    operation, items = ("DescribeImages", "Images") if name == "owner_alias" else ("DescribeInstances", "Reservations")
    assert found(ec2, operation, items, **{name: "*"}) == 0


def test_of_the_elastic_addresses_and_tags_of_an_instances_interface(ec2: Ec2) -> None:
    instance_id, other = ec2.run(), ec2.run()
    mine = ec2("AllocateAddress")["AllocationId"]
    association = ec2("AssociateAddress", AllocationId=mine, InstanceId=instance_id)["AssociationId"]
    interface = ec2.instance(instance_id)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2("CreateTags", Resources=[interface], Tags=[{"Key": "role", "Value": "outer"}])
    for prefix in ("network_interface__association", "network_interface__addresses__association"):
        assert instances(ec2, **{f"{prefix}__allocation_id": mine}) == 1
        assert instances(ec2, **{f"{prefix}__association_id": association}) == 1
        assert instances(ec2, **{f"{prefix}__allocation_id": "eipalloc-0123456789abcdef0"}) == 0
    assert instances(ec2, network_interface__tag_key="role") == instances(ec2, network_interface__tag_value="outer") == 1
    assert instances(ec2, network_interface__tag_value="inner") == 0
    public = ec2.instance(instance_id)["PublicDnsName"]
    assert instances(ec2, network_interface__public_dns_name=public) == 1
    assert found(ec2, "DescribeNetworkInterfaces", "NetworkInterfaces", association__public_dns_name=public) == 1
    ec2("TerminateInstances", InstanceIds=[other])
    # A terminated instance has no interface of which anything could be true.
    assert instances(ec2, network_interface__requester_managed="false") == 1


def test_of_volumes_snapshots_and_their_states(ec2: Ec2) -> None:
    instance_id = ec2.run()
    volume = ec2("DescribeVolumes")["Volumes"][0]
    assert found(ec2, "DescribeVolumes", "Volumes", availability_zone_id=volume["AvailabilityZoneId"]) == 1
    assert found(ec2, "DescribeVolumes", "Volumes", fast_restored="false", operator__managed="false") == 1
    status = {"attachment_status__instance_id": instance_id, "attachment_status__io_performance": "not-applicable"}
    assert found(ec2, "DescribeVolumeStatus", "VolumeStatuses", **status) == 1
    assert found(ec2, "DescribeInstanceStatus", "InstanceStatuses", attached_ebs_status__status="ok") == 1
    made = ec2("CreateSnapshot", VolumeId=volume["VolumeId"])["SnapshotId"]
    ec2("CopySnapshot", SourceRegion="us-east-1", SourceSnapshotId=made)
    assert found(ec2, "DescribeSnapshots", "Snapshots", transfer_type="standard") == 1
    assert found(ec2, "DescribeImages", "Images", free_tier_eligible="false", image_allowed="true") == 1


def test_of_a_launch_templates_versions(ec2: Ec2) -> None:
    card = [{"DeviceIndex": 0, "NetworkCardIndex": 0}]
    data = {"MetadataOptions": {"HttpEndpoint": "disabled"}, "NetworkInterfaces": card}
    ec2("CreateLaunchTemplate", LaunchTemplateName="web", LaunchTemplateData=data)
    wanted = [{"Name": "http-protocol-ipv4", "Values": ["disabled"]}, {"Name": "network-card-index", "Values": ["0"]}]
    versions = ec2("DescribeLaunchTemplateVersions", LaunchTemplateName="web", Filters=wanted)["LaunchTemplateVersions"]
    assert len(versions) == 1


def test_a_vpc_by_the_name_that_ansible_uses(ec2: Ec2) -> None:
    ec2("CreateVpc", CidrBlock="10.9.0.0/16")
    assert found(ec2, "DescribeVpcs", "Vpcs", cidr_block="10.9.0.0/16") == 1
