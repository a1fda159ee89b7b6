"""What Terraform's AWS provider asks for networks and images, with all that its source sends, empty values included.

Its calls for other resources are in tests/api/test_terraform.py; Terraform itself is in no distribution.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..cloud_fixtures import IMAGE, RUN
from ..endpoint_fixtures import Served, error_of

TAGS = [{"Key": "Name", "Value": "tf"}]


@pytest.fixture(scope="module")
def ec2(served: Served) -> Any:
    return served.boto()


def where(**filters: str) -> list[dict[str, Any]]:
    return [{"Name": name.replace("__", ".").replace("_", "-"), "Values": [value]} for name, value in filters.items()]


def refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return error_of(caught)[0]


def read_vpc(ec2: Any, vpc: str) -> dict[str, Any]:
    """All that aws_vpc asks to know what there is."""
    (found,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    of_vpc = where(vpc_id=vpc)
    for attribute in ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics"):
        name = attribute[:1].upper() + attribute[1:]
        found[name] = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)[name]["Value"]
    (acl,) = ec2.describe_network_acls(Filters=[*where(default="true"), *of_vpc])["NetworkAcls"]
    (table,) = ec2.describe_route_tables(Filters=[*where(association__main="true"), *of_vpc])["RouteTables"]
    (group,) = ec2.describe_security_groups(Filters=[*where(group_name="default"), *of_vpc])["SecurityGroups"]
    return {**found, "Acl": acl["NetworkAclId"], "Table": table["RouteTableId"], "Group": group["GroupId"]}


def test_vpc(ec2: Any) -> None:
    made = ec2.create_vpc(
        AmazonProvidedIpv6CidrBlock=False, InstanceTenancy="default", CidrBlock="10.3.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": TAGS}],
    )["Vpc"]["VpcId"]  # fmt: skip
    first = read_vpc(ec2, made)
    assert (first["State"], first["OwnerId"], first["InstanceTenancy"], first["Tags"]) == (
        "available", "000000000000", "default", TAGS,
    )  # fmt: skip
    assert (first["EnableDnsHostnames"], first["EnableDnsSupport"]) == (False, True)
    assert (first["EnableNetworkAddressUsageMetrics"], first.get("Ipv6CidrBlockAssociationSet", [])) == (False, [])
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": True})
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=made, EnableNetworkAddressUsageMetrics={"Value": False})
    ec2.create_tags(Resources=[made], Tags=[{"Key": "Name", "Value": "tf2"}])
    again = read_vpc(ec2, made)
    assert {**again, "EnableDnsHostnames": False, "Tags": TAGS} == first
    assert again["EnableDnsHostnames"] is True
    ec2.delete_vpc(VpcId=made)
    assert refused(ec2.describe_vpcs, VpcIds=[made]) == "InvalidVpcID.NotFound"
    assert refused(ec2.delete_vpc, VpcId=made) == "InvalidVpcID.NotFound"


def subnet(ec2: Any, vpc: str) -> str:
    """CreateSubnet as aws_subnet sends it, and the changes that it makes after it."""
    made = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.4.1.0/24", AvailabilityZone="us-east-1b", Ipv6Native=False,
        TagSpecifications=[{"ResourceType": "subnet", "Tags": TAGS}],
    )["Subnet"]["SubnetId"]  # fmt: skip
    (found,) = ec2.describe_subnets(SubnetIds=[made])["Subnets"]
    assert found["State"] == "available"
    assert found["PrivateDnsNameOptionsOnLaunch"]["HostnameType"] == "ip-name"
    ec2.modify_subnet_attribute(SubnetId=made, MapPublicIpOnLaunch={"Value": True})
    ec2.modify_subnet_attribute(SubnetId=made, AssignIpv6AddressOnCreation={"Value": False})
    ec2.modify_subnet_attribute(SubnetId=made, EnableDns64={"Value": False})
    (found,) = ec2.describe_subnets(SubnetIds=[made])["Subnets"]
    assert (found["MapPublicIpOnLaunch"], found["AssignIpv6AddressOnCreation"], found["EnableDns64"]) == (True, False, False)
    assert {"SubnetArn", "OwnerId", "AvailabilityZoneId", "CustomerOwnedIpv4Pool"} - set(found) <= {"CustomerOwnedIpv4Pool"}
    return str(made)


def test_a_way_out(ec2: Any) -> None:
    """aws_subnet, aws_internet_gateway, aws_route_table with a route, aws_route, aws_route_table_association."""
    vpc = ec2.create_vpc(CidrBlock="10.4.0.0/16", InstanceTenancy="default", AmazonProvidedIpv6CidrBlock=False)["Vpc"]["VpcId"]
    inside = subnet(ec2, vpc)
    tags = [{"ResourceType": "internet-gateway", "Tags": TAGS}]
    gateway = ec2.create_internet_gateway(TagSpecifications=tags)["InternetGateway"]["InternetGatewayId"]
    assert ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"][0].get("Attachments", []) == []
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    attached = ec2.describe_internet_gateways(Filters=where(attachment__vpc_id=vpc))["InternetGateways"][0]["Attachments"]
    assert attached == [{"State": "available", "VpcId": vpc}]

    tags = [{"ResourceType": "route-table", "Tags": TAGS}]
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tags, ClientToken="terraform-6")["RouteTable"]["RouteTableId"]
    routes = lambda: ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]  # noqa: E731
    assert [(route["DestinationCidrBlock"], route["GatewayId"]) for route in routes()] == [("10.4.0.0/16", "local")]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    (out,) = [route for route in routes() if route["DestinationCidrBlock"] == "0.0.0.0/0"]
    assert (out["GatewayId"], out["State"], out["Origin"]) == (gateway, "active", "CreateRoute")
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=inside)["AssociationId"]
    (found,) = ec2.describe_route_tables(Filters=where(association__route_table_association_id=association))["RouteTables"]
    (kept,) = found["Associations"]
    assert (kept["SubnetId"], kept["Main"], kept["AssociationState"]) == (inside, False, {"State": "associated"})

    ec2.disassociate_route_table(AssociationId=association)
    assert ec2.describe_route_tables(Filters=where(association__route_table_association_id=association))["RouteTables"] == []
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.delete_route_table(RouteTableId=table)
    assert refused(ec2.describe_route_tables, RouteTableIds=[table]) == "InvalidRouteTableID.NotFound"
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    assert refused(ec2.describe_internet_gateways, InternetGatewayIds=[gateway]) == "InvalidInternetGatewayID.NotFound"
    ec2.delete_subnet(SubnetId=inside)
    assert refused(ec2.describe_subnets, SubnetIds=[inside]) == "InvalidSubnetID.NotFound"
    ec2.delete_vpc(VpcId=vpc)


def image_life(ec2: Any, image: str, *, snapshots: bool) -> dict[str, Any]:
    """What aws_ami, aws_ami_copy and aws_ami_from_instance do with an image that has been made; what was read at first."""
    ec2.create_tags(Resources=[image], Tags=TAGS)
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt="2046-01-01T00:00:00Z")
    first: dict[str, Any] = ec2.describe_images(ImageIds=[image])["Images"][0]
    refused(ec2.get_instance_uefi_data, InstanceId=image)  # the provider asks so, and passes over the answer
    ec2.modify_image_attribute(ImageId=image, Description={"Value": "changed"})
    ec2.disable_image_deprecation(ImageId=image)
    again = ec2.describe_images(ImageIds=[image])["Images"][0]
    assert (first["Tags"], first["DeprecationTime"]) == (TAGS, "2046-01-01T00:00:00.000Z")
    assert (again["Description"], again.get("DeprecationTime")) == ("changed", None)
    ec2.deregister_image(ImageId=image)
    if snapshots:
        for device in again["BlockDeviceMappings"]:
            ec2.delete_snapshot(SnapshotId=device["Ebs"]["SnapshotId"])
    assert refused(ec2.describe_images, ImageIds=[image]) in ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable")
    return first


def test_ami(ec2: Any) -> None:
    """Registered of a snapshot: all texts are sent, also empty ones, and a volume type that the provider chooses."""
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=2)["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    disk = {"SnapshotId": snapshot, "DeleteOnTermination": True, "VolumeSize": 3, "VolumeType": "standard"}
    image = ec2.register_image(
        Architecture="x86_64", Description="", EnaSupport=True, ImageLocation="", Name="tf-ami", RootDeviceName="/dev/xvda",
        SriovNetSupport="simple", VirtualizationType="hvm", BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": disk}],
    )["ImageId"]  # fmt: skip
    found = image_life(ec2, image, snapshots=False)
    assert found["BlockDeviceMappings"] == [{"DeviceName": "/dev/xvda", "Ebs": {**disk, "Encrypted": False}}]
    assert (found["Architecture"], found["VirtualizationType"], found["EnaSupport"], found["SriovNetSupport"]) == (
        "x86_64", "hvm", True, "simple",
    )  # fmt: skip
    assert {"Hypervisor", "ImageLocation", "ImageType", "OwnerId", "PlatformDetails", "Public", "UsageOperation"} <= set(found)
    ec2.delete_snapshot(SnapshotId=snapshot)  # it was there before the image, and outlives it
    ec2.delete_volume(VolumeId=volume)


def test_ami_copy(ec2: Any) -> None:
    made = ec2.copy_image(
        Description="", Encrypted=False, Name="tf-copy", SourceImageId=IMAGE.image_id, SourceRegion="us-east-1"
    )["ImageId"]  # fmt: skip
    found = image_life(ec2, made, snapshots=True)
    assert (found["Name"], found["RootDeviceName"], found["State"]) == ("tf-copy", "/dev/xvda", "available")


def test_ami_from_instance(ec2: Any) -> None:
    instance = ec2.run_instances(**RUN)["Instances"][0]["InstanceId"]
    made = ec2.create_image(Description="", InstanceId=instance, Name="tf-of", NoReboot=False)["ImageId"]
    found = image_life(ec2, made, snapshots=True)
    assert found["SourceInstanceId"] == instance
    ec2.terminate_instances(InstanceIds=[instance])
    left = [one for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] if one["VolumeId"] != "vol-ffffffff"]
    assert left == []


def test_an_instance_of_defaults(ec2: Any) -> None:
    """aws_instance with an image and a type alone: what it sends all the same."""
    made = ec2.run_instances(
        ImageId=IMAGE.image_id, InstanceType="t3.nano", MinCount=1, MaxCount=1, ClientToken="terraform-7", EbsOptimized=False,
        DisableApiTermination=False, DisableApiStop=False, InstanceInitiatedShutdownBehavior="stop",
        Monitoring={"Enabled": False}, IamInstanceProfile={"Arn": "", "Name": ""}, UserData="",
        Placement={"AvailabilityZone": "", "Tenancy": "", "GroupName": ""}, HibernationOptions={"Configured": False},
        EnclaveOptions={"Enabled": False}, MaintenanceOptions={"AutoRecovery": "default"}, Ipv6AddressCount=0,
        PrivateDnsNameOptions={"EnableResourceNameDnsARecord": False, "EnableResourceNameDnsAAAARecord": False},
        CapacityReservationSpecification={"CapacityReservationPreference": "open"},
    )["Instances"][0]["InstanceId"]  # fmt: skip
    found = ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]
    assert (found["State"]["Name"], found["Placement"]["Tenancy"]) == ("running", "default")
    for attribute in ("disableApiStop", "disableApiTermination", "instanceInitiatedShutdownBehavior", "userData"):
        ec2.describe_instance_attribute(InstanceId=made, Attribute=attribute)
    ec2.terminate_instances(InstanceIds=[made])
