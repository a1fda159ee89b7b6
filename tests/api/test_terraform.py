"""What Terraform's AWS provider asks for each of its resources, in its order: create, wait, read, update, destroy.

One test for each resource; what a real run calls beside them (who am I, which VPC is the default) is in the first.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud_fixtures import IMAGE
from tests.endpoint_fixtures import Served, error_of

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ4bkGV6mZ0WJ0Yk1Kq1pZbPq0N3W1rj0v0m5m3M8vL"
ALL_V4 = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
ALL_V6 = {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}


@pytest.fixture
def ec2(served: Served) -> Any:
    return served.boto()


def tagged(kind: str, **values: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in values.items()]}]


def where(**filters: str) -> list[dict[str, Any]]:
    return [{"Name": name.replace("_", "-").replace("--", "."), "Values": [value]} for name, value in filters.items()]


def code_of(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return error_of(caught)[0]


def instance(ec2: Any, **more: Any) -> str:
    """RunInstances as aws_instance sends it, and its wait."""
    made = ec2.run_instances(
        **{"ImageId": IMAGE.image_id, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1, "ClientToken": "terraform-1",
           "Monitoring": {"Enabled": False}, "DisableApiTermination": False, "DisableApiStop": False, "EbsOptimized": False,
           "InstanceInitiatedShutdownBehavior": "stop", "Placement": {}, **more},
    )["Instances"][0]["InstanceId"]  # fmt: skip
    assert ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
    return str(made)


def test_the_provider_and_its_data_sources(served: Served, ec2: Any) -> None:
    assert served.boto("sts").get_caller_identity()["Account"] == "000000000000"
    ec2.describe_account_attributes(AttributeNames=["supported-platforms"])
    images = ec2.describe_images(Owners=["self"], Filters=where(name="debian-*"), IncludeDeprecated=False)["Images"]
    assert [image["ImageId"] for image in images] == [IMAGE.image_id]
    zones = ec2.describe_availability_zones(AllAvailabilityZones=False, Filters=where(state="available"))["AvailabilityZones"]
    assert {"RegionName", "ZoneId", "ZoneName", "GroupName", "OptInStatus"} <= set(zones[0])
    vpc = ec2.describe_vpcs(Filters=where(isDefault="true"))["Vpcs"][0]["VpcId"]
    for attribute in ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics"):
        assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)["VpcId"] == vpc
    of_vpc = where(vpc_id=vpc)
    assert len(ec2.describe_route_tables(Filters=[*of_vpc, *where(association__main="true")])["RouteTables"]) == 1
    assert len(ec2.describe_network_acls(Filters=[*of_vpc, *where(default="true")])["NetworkAcls"]) == 1
    assert len(ec2.describe_security_groups(Filters=[*of_vpc, *where(group_name="default")])["SecurityGroups"]) == 1
    assert len(ec2.describe_subnets(Filters=[*of_vpc, *where(default_for_az="true")])["Subnets"]) == len(zones)
    assert ec2.describe_instance_type_offerings(Filters=where(instance_type="t3.nano"), LocationType="availability-zone")


def test_key_pair(ec2: Any) -> None:
    made = ec2.import_key_pair(KeyName="k", PublicKeyMaterial=PUBLIC, TagSpecifications=tagged("key-pair", A="b"))
    found = ec2.describe_key_pairs(KeyNames=["k"], IncludePublicKey=True)["KeyPairs"][0]
    assert (found["KeyPairId"], found["PublicKey"].split()[:2], found["KeyType"]) == (
        made["KeyPairId"],
        PUBLIC.split(),
        "ed25519",
    )
    ec2.create_tags(Resources=[made["KeyPairId"]], Tags=[{"Key": "A", "Value": "c"}])
    assert ec2.describe_key_pairs(KeyNames=["k"])["KeyPairs"][0]["Tags"] == [{"Key": "A", "Value": "c"}]
    ec2.delete_key_pair(KeyName="k")
    assert code_of(ec2.describe_key_pairs, KeyNames=["k"]) == "InvalidKeyPair.NotFound"


def test_security_group(ec2: Any) -> None:
    vpc = ec2.describe_vpcs(Filters=where(isDefault="true"))["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(
        GroupName="g", Description="Managed by Terraform", VpcId=vpc, TagSpecifications=tagged("security-group", Name="g")
    )["GroupId"]
    read = lambda: ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]  # noqa: E731
    assert [rule["IpProtocol"] for rule in read()["IpPermissionsEgress"]] == ["-1"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[ALL_V4])
    # The provider lets this one error pass, since not every VPC has IPv6.
    assert code_of(ec2.revoke_security_group_egress, GroupId=group, IpPermissions=[ALL_V6]) == "InvalidPermission.NotFound"
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "ssh"}]}
    own = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh, own])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[ALL_V4])
    found = read()
    assert sorted(rule["FromPort"] for rule in found["IpPermissions"]) == [0, 22]
    assert (len(found["IpPermissionsEgress"]), found["OwnerId"], found["VpcId"]) == (1, "000000000000", vpc)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**ssh, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}])
    ec2.create_tags(Resources=[group], Tags=[{"Key": "More", "Value": "1"}])
    ec2.delete_tags(Resources=[group], Tags=[{"Key": "Name", "Value": "g"}])
    assert read()["Tags"] == [{"Key": "More", "Value": "1"}]
    rules = ec2.describe_security_group_rules(Filters=where(group_id=group))["SecurityGroupRules"]
    assert [rule["CidrIpv4"] for rule in rules if rule.get("FromPort") == 22] == ["10.1.0.0/16"]
    holders = [*where(group_id=group), {"Name": "description", "Values": ["AWS Lambda VPC ENI*"]}]
    assert ec2.describe_network_interfaces(Filters=holders)["NetworkInterfaces"] == []
    ec2.delete_security_group(GroupId=group)
    assert code_of(ec2.describe_security_groups, GroupIds=[group]) == "InvalidGroup.NotFound"
    assert code_of(ec2.delete_security_group, GroupId=group) == "InvalidGroup.NotFound"


def test_eip(ec2: Any) -> None:
    made, region = instance(ec2), ec2.describe_regions()["Regions"][0]["RegionName"]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip", Name="e"))["AllocationId"]
    read = lambda: ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]  # noqa: E731
    assert (read()["Domain"], read()["NetworkBorderGroup"], read()["PublicIpv4Pool"]) == ("vpc", region, "amazon")
    ec2.describe_addresses_attribute(AllocationIds=[address], Attribute="domain-name")
    association = ec2.associate_address(AllocationId=address, InstanceId=made, AllowReassociation=True)["AssociationId"]
    found = ec2.describe_addresses(Filters=where(association_id=association))["Addresses"][0]
    assert (found["AllocationId"], found["InstanceId"]) == (address, made)
    assert found["PrivateIpAddress"] == read()["PrivateIpAddress"]
    ec2.describe_network_interfaces(NetworkInterfaceIds=[found["NetworkInterfaceId"]])
    ec2.disassociate_address(AssociationId=association)
    assert ec2.describe_addresses(Filters=where(association_id=association))["Addresses"] == []
    ec2.release_address(AllocationId=address, NetworkBorderGroup=region)
    assert code_of(ec2.describe_addresses, AllocationIds=[address]) == "InvalidAllocationID.NotFound"
    assert code_of(ec2.disassociate_address, AssociationId=association) == "InvalidAssociationID.NotFound"


def test_ebs_volume_and_attachment(ec2: Any) -> None:
    made = instance(ec2)
    volume = ec2.create_volume(
        AvailabilityZone="us-east-1a", ClientToken="terraform-2", Size=10, VolumeType="gp3", Iops=3000, Throughput=125,
        Encrypted=False, TagSpecifications=tagged("volume", Name="v"),
    )["VolumeId"]  # fmt: skip
    read = lambda: ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]  # noqa: E731
    shown = {"State", "Size", "Iops", "Throughput", "Encrypted", "MultiAttachEnabled", "SnapshotId", "CreateTime", "Tags"}
    assert shown <= set(read())
    assert read()["State"] == "available"
    ec2.modify_volume(VolumeId=volume, Size=12, VolumeType="gp3", Iops=4000, Throughput=200)
    assert ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"] == "completed"
    assert (read()["Size"], read()["Iops"], read()["Throughput"]) == (12, 4000, 200)

    attached = [*where(attachment__device="/dev/sdh"), *where(attachment__instance_id=made)]
    assert ec2.describe_volumes(VolumeIds=[volume], Filters=attached)["Volumes"] == []
    ec2.describe_instances(InstanceIds=[made])
    ec2.attach_volume(VolumeId=volume, InstanceId=made, Device="/dev/sdh")
    found = ec2.describe_volumes(VolumeIds=[volume], Filters=attached)["Volumes"][0]["Attachments"][0]
    assert (found["State"], found["InstanceId"]) == ("attached", made)
    ec2.detach_volume(VolumeId=volume, InstanceId=made, Device="/dev/sdh", Force=False)
    assert ec2.describe_volumes(VolumeIds=[volume], Filters=attached)["Volumes"] == []
    ec2.delete_volume(VolumeId=volume)
    assert code_of(ec2.describe_volumes, VolumeIds=[volume]) == "InvalidVolume.NotFound"


def test_launch_template(ec2: Any) -> None:
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    data = {
        "ImageId": IMAGE.image_id, "InstanceType": "t3.nano", "EbsOptimized": False, "UserData": "aGVsbG8=",
        "InstanceInitiatedShutdownBehavior": "terminate", "DisableApiTermination": False, "DisableApiStop": False,
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 5, "VolumeType": "gp3"}}],
        "CreditSpecification": {"CpuCredits": "standard"}, "Monitoring": {"Enabled": True}, "SecurityGroupIds": [group],
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2},
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "TagSpecifications": tagged("instance", By="template"),
    }  # fmt: skip
    template = ec2.create_launch_template(
        ClientToken="terraform-3", LaunchTemplateName="template", LaunchTemplateData=data, VersionDescription="first",
        TagSpecifications=tagged("launch-template", A="b"),
    )["LaunchTemplate"]["LaunchTemplateId"]  # fmt: skip
    found = ec2.describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"][0]
    assert (found["LatestVersionNumber"], found["DefaultVersionNumber"], found["Tags"]) == (1, 1, [{"Key": "A", "Value": "b"}])
    version = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["1"])["LaunchTemplateVersions"][0]
    assert version["LaunchTemplateData"] == data
    ec2.create_launch_template_version(
        ClientToken="terraform-4", LaunchTemplateId=template, LaunchTemplateData={**data, "InstanceType": "t3.micro"}
    )
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    assert ec2.describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"][0]["DefaultVersionNumber"] == 2

    made = instance(ec2, LaunchTemplate={"LaunchTemplateId": template, "Version": "$Default"}, InstanceType="t3.micro")
    marks = {tag["Key"]: tag["Value"] for tag in ec2.describe_tags(Filters=where(resource_id=made))["Tags"]}
    assert marks == {"By": "template", "aws:ec2launchtemplate:id": template, "aws:ec2launchtemplate:version": "2"}
    marked = [*where(resource_id=made), *where(key="aws:ec2launchtemplate:id")]
    assert [tag["Value"] for tag in ec2.describe_tags(Filters=marked)["Tags"]] == [template]
    ec2.delete_launch_template(LaunchTemplateId=template)
    assert code_of(ec2.describe_launch_templates, LaunchTemplateIds=[template]) == "InvalidLaunchTemplateId.NotFound"


def read_instance(ec2: Any, made: str) -> dict[str, Any]:
    """All that aws_instance asks to know what there is."""
    found: dict[str, Any] = ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]
    ec2.describe_instance_types(InstanceTypes=[found["InstanceType"]])
    values = {}
    for attribute in ("disableApiStop", "disableApiTermination", "instanceInitiatedShutdownBehavior", "userData"):
        name = attribute[:1].upper() + attribute[1:]
        values[name] = ec2.describe_instance_attribute(InstanceId=made, Attribute=attribute)[name].get("Value")
    volumes = [mapping["Ebs"]["VolumeId"] for mapping in found["BlockDeviceMappings"]]
    disks = ec2.describe_volumes(VolumeIds=volumes)["Volumes"]
    ec2.describe_tags(Filters=where(resource_id=made))
    ec2.describe_volumes(Filters=where(attachment__instance_id=made))
    credits_ = ec2.describe_instance_credit_specifications(InstanceIds=[made])["InstanceCreditSpecifications"]
    ec2.describe_iam_instance_profile_associations(Filters=where(instance_id=made))
    ec2.describe_network_interfaces(Filters=where(attachment__instance_id=made))
    return {**found, **values, "Credits": credits_[0]["CpuCredits"], "Disks": {disk["VolumeId"]: disk for disk in disks}}


def test_instance(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    subnet = ec2.describe_subnets(Filters=where(availability_zone="us-east-1b"))["Subnets"][0]["SubnetId"]
    assert ec2.describe_images(ImageIds=[IMAGE.image_id])["Images"][0]["RootDeviceName"] == "/dev/xvda"
    made = instance(
        ec2, SubnetId=subnet, SecurityGroupIds=[group], CreditSpecification={"CpuCredits": "standard"}, UserData="hello",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4, "DeleteOnTermination": True}}],
        MetadataOptions={"HttpTokens": "required"}, Placement={"AvailabilityZone": "us-east-1b", "Tenancy": "default"},
        TagSpecifications=[*tagged("instance", Name="i"), *tagged("volume", Of="i")],
    )  # fmt: skip
    found = read_instance(ec2, made)
    assert (found["Credits"], found["UserData"], found["DisableApiStop"], found["SubnetId"]) == (
        "standard", "aGVsbG8=", False, subnet,
    )  # fmt: skip
    (root,) = found["Disks"].values()
    assert (root["Size"], root["Tags"]) == (4, [{"Key": "Of", "Value": "i"}])
    needed = {
        "Placement", "MetadataOptions", "Monitoring", "CpuOptions", "NetworkInterfaces", "PrivateDnsName", "RootDeviceName",
        "SourceDestCheck", "MaintenanceOptions", "PrivateDnsNameOptions", "EnclaveOptions", "HibernationOptions",
    }  # fmt: skip
    assert needed - set(found) == set()

    change = ec2.modify_instance_attribute
    card = found["NetworkInterfaces"][0]["NetworkInterfaceId"]
    default = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=card, SourceDestCheck={"Value": False})
    ec2.modify_network_interface_attribute(NetworkInterfaceId=card, Groups=[group, default])
    change(InstanceId=made, DisableApiTermination={"Value": True})
    change(InstanceId=made, DisableApiStop={"Value": True})
    change(InstanceId=made, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    change(InstanceId=made, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}])
    ec2.monitor_instances(InstanceIds=[made])
    ec2.modify_instance_credit_specification(
        ClientToken="terraform-5", InstanceCreditSpecifications=[{"InstanceId": made, "CpuCredits": "unlimited"}]
    )
    ec2.modify_instance_metadata_options(InstanceId=made, HttpTokens="optional", HttpEndpoint="enabled")
    ec2.modify_volume(VolumeId=root["VolumeId"], Size=6)
    again = read_instance(ec2, made)
    assert (again["Credits"], again["DisableApiTermination"], again["DisableApiStop"]) == ("unlimited", True, True)
    assert again["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert (again["SourceDestCheck"], again["Monitoring"]["State"], len(again["SecurityGroups"])) == (False, "enabled", 2)
    assert again["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is False
    assert again["MetadataOptions"]["HttpTokens"] == "optional"
    assert code_of(change, InstanceId=made, BlockDeviceMappings=[{"DeviceName": "/dev/sdz", "Ebs": {}}]) == (
        "InvalidInstanceAttributeValue"
    )

    change(InstanceId=made, DisableApiStop={"Value": False})
    ec2.stop_instances(InstanceIds=[made], Force=False)
    ec2.describe_instances(InstanceIds=[made])
    change(InstanceId=made, InstanceType={"Value": "t3.micro"})
    change(InstanceId=made, UserData={"Value": b"again"})
    ec2.start_instances(InstanceIds=[made])
    assert read_instance(ec2, made)["InstanceType"] == "t3.micro"

    assert code_of(ec2.terminate_instances, InstanceIds=[made]) == "OperationNotPermitted"
    change(InstanceId=made, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[made])
    state = ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state == "terminated"
    assert ec2.describe_volumes(VolumeIds=[root["VolumeId"]])["Volumes"][0]["State"] == "available"
    ec2.delete_security_group(GroupId=group)
