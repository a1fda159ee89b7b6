"""What Packer's amazon-ebs builder asks for, in its order: a temporary key, group and server, an image of it, and all away."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud_fixtures import IMAGE
from tests.endpoint_fixtures import Served, error_of

QUICK = {"Delay": 1, "MaxAttempts": 10}
TAGS = [{"Key": "Name", "Value": "Packer Builder"}]


def where(**filters: str) -> list[dict[str, Any]]:
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]


def network(ec2: Any) -> tuple[str, str]:
    """StepNetworkInfo: the default VPC, and a subnet of it in a zone that offers the type."""
    vpc = ec2.describe_vpcs(Filters=where(isDefault="true"))["Vpcs"][0]["VpcId"]
    offers = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=where(instance_type="t3.nano"))
    zones = {offer["Location"] for offer in offers["InstanceTypeOfferings"]}
    subnets = ec2.describe_subnets(Filters=[*where(vpc_id=vpc), *where(state="available", default_for_az="true")])["Subnets"]
    subnet = max((one for one in subnets if one["AvailabilityZone"] in zones), key=lambda one: one["AvailableIpAddressCount"])
    return vpc, subnet["SubnetId"]


def server(ec2: Any, subnet: str, group: str) -> str:
    """StepRunSourceInstance."""
    made = ec2.run_instances(
        ImageId=IMAGE.image_id, InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="packer_1", EbsOptimized=False,
        UserData="", InstanceInitiatedShutdownBehavior="stop", MetadataOptions={"HttpTokens": "required"},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4, "DeleteOnTermination": True}}],
        NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": subnet, "Groups": [group],
                            "DeleteOnTermination": True}],
        TagSpecifications=[{"ResourceType": kind, "Tags": TAGS} for kind in ("instance", "volume")],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    ec2.get_waiter("instance_running").wait(InstanceIds=[made], WaiterConfig=QUICK)
    found = ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]
    assert found["PublicIpAddress"]
    assert found["RootDeviceType"] == "ebs"
    return str(made)


def test_amazon_ebs(served: Served) -> None:
    ec2 = served.boto()
    region = ec2.describe_regions()["Regions"][0]["RegionName"]
    assert ec2.describe_images(Filters=where(name="packed"), Owners=["self"])["Images"] == []
    source = ec2.describe_images(ImageIds=[IMAGE.image_id], IncludeDeprecated=True)["Images"][0]
    assert (source["VirtualizationType"], source["RootDeviceType"]) == ("hvm", "ebs")
    vpc, subnet = network(ec2)
    tags = [{"ResourceType": "key-pair", "Tags": TAGS}]
    assert "PRIVATE KEY" in ec2.create_key_pair(KeyName="packer_1", KeyType="ed25519", TagSpecifications=tags)["KeyMaterial"]
    group = ec2.create_security_group(GroupName="packer_1", Description="Temporary group for Packer", VpcId=vpc)["GroupId"]
    ec2.get_waiter("security_group_exists").wait(GroupIds=[group], WaiterConfig=QUICK)
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    made = server(ec2, subnet, group)

    ec2.stop_instances(InstanceIds=[made])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[made], WaiterConfig=QUICK)
    image = ec2.create_image(
        InstanceId=made, Name="packed", TagSpecifications=[{"ResourceType": kind, "Tags": TAGS} for kind in ("image", "snapshot")]
    )["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig=QUICK)
    packed = ec2.describe_images(ImageIds=[image])["Images"][0]
    snapshots = [device["Ebs"]["SnapshotId"] for device in packed["BlockDeviceMappings"]]
    assert (packed["SourceInstanceId"], packed["SourceImageId"], packed["SourceImageRegion"]) == (made, IMAGE.image_id, region)
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt="2046-01-01T00:00:00Z")
    ec2.enable_image_deregistration_protection(ImageId=image, WithCooldown=False)
    ec2.modify_image_attribute(ImageId=image, Description={"Value": "packed by Packer"})
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": "123456789012"}]})
    ec2.modify_snapshot_attribute(SnapshotId=snapshots[0], CreateVolumePermission={"Add": [{"UserId": "123456789012"}]})
    ec2.create_tags(Resources=[image, *snapshots], Tags=[{"Key": "Base", "Value": IMAGE.image_id}])

    ec2.terminate_instances(InstanceIds=[made])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[made], WaiterConfig=QUICK)
    assert ec2.describe_volumes(Filters=where(**{"attachment.instance-id": made}))["Volumes"] == []
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName="packer_1")

    # The next build, with force_deregister and force_delete_snapshot.
    (old,) = ec2.describe_images(Filters=where(name="packed"), Owners=["self"])["Images"]
    assert (old["Description"], old["DeregistrationProtection"]) == ("packed by Packer", "enabled-without-cooldown")
    with pytest.raises(ClientError) as caught:
        ec2.deregister_image(ImageId=image)
    assert error_of(caught) == ("OperationNotPermitted", 400)
    ec2.disable_image_deregistration_protection(ImageId=image)
    ec2.deregister_image(ImageId=image)
    for snapshot in snapshots:
        ec2.delete_snapshot(SnapshotId=snapshot)
    assert ec2.describe_snapshots(Filters=where(**{"tag:Base": IMAGE.image_id}), OwnerIds=["self"])["Snapshots"] == []
