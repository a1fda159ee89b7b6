"""Parameters that ask for nothing: given empty, or saying no to what is not here. As clients of AWS send them over the wire."""

import urllib.parse
from typing import Any

import pytest

from minicloud import api
from minicloud.aws import empties, harmless, model, query
from minicloud.aws.wire import WireRequest

from ..cloud_fixtures import IMAGE, RUN, Ec2
from ..endpoint_fixtures import Served

CIDR = "10.0.0.0/16"


def read(service: str, name: str, fields: dict[str, str]) -> dict[str, Any]:
    """The parameters of a form."""
    protocol = query.QueryProtocol("ec2" if service == "ec2" else "query")
    request = WireRequest("POST", "/", "", {}, urllib.parse.urlencode(fields).encode())
    return protocol.parse(model.service(service).operation(name), request)


def sent(cloud: Ec2, name: str, **fields: str) -> Any:
    """The answer to a form of EC2's."""
    given = {field.replace("__", "."): value for field, value in fields.items()}
    return api.call(cloud.cloud, "ec2", name, read("ec2", name, given))


def test_what_packer_always_sends(ec2: Ec2) -> None:
    made = sent(
        ec2, "RunInstances", ImageId=IMAGE.image_id, MinCount="1", MaxCount="1", InstanceType="t3.micro", SubnetId="",
        IamInstanceProfile__Name="", Placement__AvailabilityZone="", KeyName="", UserData="", Monitoring__Enabled="",
        Ipv6AddressCount="",
    )  # fmt: skip
    assert len(made["Instances"]) == 1


def test_empty_means_something_where_aws_says_so(ec2: Ec2) -> None:
    instance = ec2.run()
    sent(ec2, "CreateTags", ResourceId__1=instance, Tag__1__Key="a", Tag__1__Value="")
    assert {"Key": "a", "Value": ""} in ec2.instance(instance)["Tags"]
    volume = ec2.instance(instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    snapshot = sent(ec2, "CreateSnapshot", VolumeId=volume, Description="")
    assert snapshot["Description"] == ""
    fields = read("ec2", "RunInstances", {"BlockDeviceMapping.1.DeviceName": "/dev/sdb", "BlockDeviceMapping.1.NoDevice": ""})
    given = empties.without(model.service("ec2").operation("RunInstances"), fields)
    assert given == {"BlockDeviceMappings": [{"DeviceName": "/dev/sdb", "NoDevice": ""}]}


def test_entries_of_lists_of_texts_stay() -> None:
    operation = model.service("ec2").operation("DescribeInstances")
    given = read("ec2", "DescribeInstances", {"Filter.1.Name": "tag:a", "Filter.1.Value.1": ""})
    assert empties.without(operation, given) == {"Filters": [{"Name": "tag:a", "Values": [""]}]}


def test_an_empty_required_parameter_is_missing(ec2: Ec2) -> None:
    assert ec2.refused("CreateKeyPair", KeyName="").code == "MissingParameter"


def test_other_services_keep_empty_texts_and_have_no_empty_numbers() -> None:
    given = read("autoscaling", "UpdateAutoScalingGroup", {"AutoScalingGroupName": "g", "PlacementGroup": "", "MinSize": ""})
    assert given == {"AutoScalingGroupName": "g", "PlacementGroup": ""}


NO: list[tuple[str, dict[str, Any]]] = [
    ("CreateVpc", {"CidrBlock": CIDR, "AmazonProvidedIpv6CidrBlock": False}),
    ("RunInstances", {
        "ImageId": IMAGE.image_id, "MinCount": 1, "MaxCount": 1, "Ipv6AddressCount": 0, "EnablePrimaryIpv6": False,
        "InstanceMarketOptions": {}, "CpuOptions": {"AmdSevSnp": "disabled"}, "Placement": {"Affinity": "default"},
        "NetworkPerformanceOptions": {"BandwidthWeighting": "default"}, "LicenseSpecifications": [],
        "NetworkInterfaces": [{"DeviceIndex": 0, "InterfaceType": "interface", "Ipv6AddressCount": 0, "PrimaryIpv6": False}],
    }),
    ("DescribeInstances", {"IncludeManagedResources": True}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "params"), NO, ids=[name for name, _ in NO])
def test_no_to_what_is_not_there(ec2: Ec2, operation: str, params: dict[str, Any]) -> None:
    ec2(operation, **params)


def test_no_to_attributes_changes_nothing(ec2: Ec2) -> None:
    vpc = ec2("CreateVpc", CidrBlock=CIDR)["Vpc"]["VpcId"]
    subnet = ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24", Ipv6Native=False)["Subnet"]
    for name, value in (("EnableDnsSupport", True), ("EnableNetworkAddressUsageMetrics", False)):
        ec2("ModifyVpcAttribute", VpcId=vpc, **{name: {"Value": value}})
    for name in ("AssignIpv6AddressOnCreation", "EnableDns64", "MapCustomerOwnedIpOnLaunch"):
        ec2("ModifySubnetAttribute", SubnetId=subnet["SubnetId"], **{name: {"Value": False}})
    assert ec2("DescribeSubnets", SubnetIds=[subnet["SubnetId"]])["Subnets"][0] == subnet
    assert ec2.refused("ModifyVpcAttribute", VpcId=vpc, EnableDnsSupport={"Value": False}).code == "UnsupportedOperation"
    assert ec2.refused("ModifyVpcAttribute", VpcId=vpc).code == "InvalidParameterCombination"
    missing = ec2.refused("ModifySubnetAttribute", SubnetId="subnet-0123456789abcdef0", EnableDns64={"Value": False})
    assert missing.code == "InvalidSubnetID.NotFound"
    instance = ec2.run()
    ec2("ModifyInstanceAttribute", InstanceId=instance, SriovNetSupport={"Value": "simple"})
    ec2("ModifyInstanceAttribute", InstanceId=instance, Attribute="sriovNetSupport", Value="simple")
    ec2("ModifyInstanceMaintenanceOptions", InstanceId=instance, RebootMigration="default")
    ec2("ModifyInstanceCpuOptions", InstanceId=instance, NestedVirtualization="disabled")
    assert ec2.refused("ModifyInstancePlacement", InstanceId=instance, Affinity="default").code == "IncorrectInstanceState"
    interface = ec2.instance(instance)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=interface, EnablePrimaryIpv6=False)
    refused = ec2.refused("ModifyInstanceAttribute", InstanceId=instance, Kernel={"Value": "aki-1"})
    assert (refused.code, "Kernel" in refused.message) == ("UnsupportedOperation", True)


def test_what_is_taken_as_so_is_shown_as_so(ec2: Ec2) -> None:
    """Terraform registers images with SriovNetSupport=simple, and would make one anew for ever that does not say so."""
    instance, simple = ec2.run(), {"Value": "simple"}
    asked = {"Attribute": "sriovNetSupport"}
    assert ec2("DescribeInstanceAttribute", InstanceId=instance, **asked)["SriovNetSupport"] == simple
    shown = ec2.instance(instance)
    assert (shown["SriovNetSupport"], shown["EnaSupport"]) == ("simple", True)
    assert ec2("DescribeImageAttribute", ImageId=shown["ImageId"], **asked)["SriovNetSupport"] == simple
    filters = [{"Name": "sriov-net-support", "Values": ["simple"]}, {"Name": "ena-support", "Values": ["true"]}]
    (image,) = ec2("DescribeImages", Filters=filters)["Images"]
    assert (image["ImageId"], image["SriovNetSupport"]) == (shown["ImageId"], "simple")


def test_copies_with_what_sdks_add(ec2: Ec2) -> None:
    volume = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    source = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    added = {"PresignedUrl": "http://127.0.0.1/?Action=CopySnapshot", "DestinationRegion": "us-east-1"}
    no = {"Encrypted": False, "KmsKeyId": ""}
    assert ec2("CopySnapshot", SourceRegion="us-east-1", SourceSnapshotId=source, **added, **no)["SnapshotId"] != source
    in_process = Ec2(ec2.cloud)  # boto3 puts its own Region into the request
    elsewhere = in_process.refused(
        "CopySnapshot", SourceRegion="us-east-1", SourceSnapshotId=source, DestinationRegion="eu-west-1"
    )
    assert elsewhere.code == "UnsupportedOperation"
    assert (
        ec2("CopyImage", Name="copy", SourceImageId=IMAGE.image_id, SourceRegion="us-east-1", **no)["ImageId"] != IMAGE.image_id
    )
    for name in ("CopySnapshot", "CopyImage"):
        of = {"SourceSnapshotId": source} if name == "CopySnapshot" else {"SourceImageId": IMAGE.image_id, "Name": "n"}
        assert ec2.refused(name, SourceRegion="us-east-1", **of, Encrypted=True).code == "UnsupportedOperation"


def test_users_of_images_and_snapshots_said_twice(ec2: Ec2) -> None:
    image = ec2("CopyImage", Name="mine", SourceImageId=IMAGE.image_id, SourceRegion="us-east-1")["ImageId"]
    user = {"LaunchPermission.Add.1.UserId": "123456789012", "UserId.1": "123456789012", "ImageId": image}
    api.call(ec2.cloud, "ec2", "ModifyImageAttribute", read("ec2", "ModifyImageAttribute", user))
    shown = ec2("DescribeImageAttribute", ImageId=image, Attribute="launchPermission")
    assert shown["LaunchPermissions"] == [{"UserId": "123456789012"}]
    refused = ec2.refused(
        "ModifyImageAttribute", ImageId=image, UserIds=["210987654321"], LaunchPermission={"Add": [{"UserId": "123456789012"}]}
    )
    assert (refused.code, refused.message) == ("MissingParameter", "The request must contain the parameter OperationType")


def test_a_scalar_with_a_number() -> None:
    assert read("ec2", "GetConsoleOutput", {"InstanceId.1": "i-1"}) == {"InstanceId": "i-1"}
    assert read("elb", "DescribeTags", {"LoadBalancerNames.member.1": "a"}) == {"LoadBalancerNames": ["a"]}
    with pytest.raises(Exception, match="InstanceId"):
        read("ec2", "GetConsoleOutput", {"InstanceId.1": "i-1", "InstanceId.2": "i-2"})


def test_query_services_pass_over_what_they_do_not_know() -> None:
    given = {"AutoScalingGroupName": "g", "Strange": "1", "Instances.member.1.More": "2", "SignatureVersion": "4"}
    assert read("autoscaling", "DeleteAutoScalingGroup", given) == {"AutoScalingGroupName": "g"}
    assert read("sts", "GetCallerIdentity", {"Strange": "1"}) == {}
    with pytest.raises(Exception, match="Strange"):
        read("ec2", "DescribeVpcs", {"Strange": "1"})
    assert read("ec2", "DescribeVpcs", {"AWSAccessKeyId": "A", "SignatureVersion": "4", "Timestamp": "x"}) == {}


def test_every_unsupported_truth_value_may_say_no() -> None:
    """Whatever AWS adds: a switch that is not there is off, unless it is named as one that changes something."""
    refused = set()
    for service in api.services():
        for found in api.operations(service).values():
            for name, member in found.model.input.items():
                if name not in found.parameters and member.shape.kind == "boolean":
                    try:
                        harmless.Supported({}).of(found.model.input, found.parameters, {name: False})
                    except harmless.Unsupported:
                        refused.add((found.name, name))
    assert refused == {("ModifyNetworkInterfaceAttribute", "AssociatePublicIpAddress")}


def test_instance_stores_need_no_mapping(ec2: Ec2) -> None:
    store = {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}
    instance = ec2.run(BlockDeviceMappings=[store])
    assert len(ec2.instance(instance)["BlockDeviceMappings"]) == 1
    for wrong in ({**store, "VirtualName": "disk0"}, {**store, "Ebs": {"VolumeSize": 1}}):
        assert ec2.refused("RunInstances", **RUN, BlockDeviceMappings=[wrong]).code == "InvalidBlockDeviceMapping"


def test_boto3_copies_a_snapshot(ec2: Ec2, served: Served) -> None:
    volume = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    source = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    client, bodies = served.boto(), []
    client.meta.events.register("before-call.ec2.CopySnapshot", lambda params, **_: bodies.append(params["body"]))
    copied = client.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source)["SnapshotId"]
    assert copied != source
    assert {"PresignedUrl", "DestinationRegion"} <= bodies[0].keys()
