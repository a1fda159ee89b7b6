"""Images, key pairs, tags, and what an account finds: VPC, subnets, zones, types, attributes."""

import dataclasses
import itertools
import threading
from typing import Any

import pytest

from minicloud.aws import keys
from minicloud.cloud import Cloud
from minicloud.host.fake import FakeHost
from minicloud.state.rows import Tag

from ..cloud_fixtures import IMAGE, RUN, Ec2, cloud_in, settings
from ..processes import together, values


class TestImages:
    def test_a_base_image_is_an_ami_under_its_own_id(self, ec2: Ec2) -> None:
        (image,) = ec2("DescribeImages")["Images"]
        assert (image["ImageId"], image["Name"], image["State"]) == (IMAGE.image_id, "debian-12", "available")
        assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 3
        assert ec2("DescribeImages", Owners=["self"])["Images"] == [image]
        assert ec2("DescribeImages", Owners=["amazon"])["Images"] == []

    def test_one_that_appears_later_under_a_name_that_is_taken(self, ec2: Ec2, host: FakeHost) -> None:
        ec2("DescribeImages")
        host.add_image(dataclasses.replace(IMAGE, image_id="ami-00000000000000001"))
        names = {image["ImageId"]: image["Name"] for image in ec2("DescribeImages")["Images"]}
        assert names == {IMAGE.image_id: "debian-12", "ami-00000000000000001": "debian-12 (ami-00000000000000001)"}

    def test_register_by_snapshot_run_and_deregister(self, ec2: Ec2) -> None:
        snapshot = ec2("DescribeImages")["Images"][0]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
        devices = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
        tags = [{"ResourceType": "image", "Tags": [{"Key": "a", "Value": "b"}]}]
        made = ec2("RegisterImage", Name="mine", RootDeviceName="/dev/xvda", BlockDeviceMappings=devices, TagSpecifications=tags)
        (image,) = ec2("DescribeImages", ImageIds=[made["ImageId"]])["Images"]
        assert (image["Name"], image["Tags"]) == ("mine", [{"Key": "a", "Value": "b"}])
        instance_id = ec2.run(ImageId=made["ImageId"])
        ec2("DeregisterImage", ImageId=made["ImageId"])
        assert ec2.refused("DescribeImages", ImageIds=[made["ImageId"]]).code == "InvalidAMIID.NotFound"
        assert ec2.refused("DeregisterImage", ImageId=made["ImageId"]).code == "InvalidAMIID.NotFound"
        assert ec2.instance(instance_id)["ImageId"] == made["ImageId"]
        again = ec2("RegisterImage", Name="mine", ImageLocation=IMAGE.image_id)
        assert again["ImageId"] != made["ImageId"]

    def test_a_deregistered_base_image_does_not_come_back_by_itself(self, ec2: Ec2) -> None:
        ec2("DescribeImages")
        ec2("DeregisterImage", ImageId=IMAGE.image_id)
        ec2.look()
        assert ec2("DescribeImages")["Images"] == []


class TestKeyPairs:
    def test_nobody_waits_while_a_key_is_made(self, ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
        generate = keys.generate

        def and_others_write(*args: str) -> keys.NewKey:
            writer = threading.Thread(target=ec2, args=("CreateKeyPair",), kwargs={"KeyName": "other", "KeyType": "ed25519"})
            monkeypatch.setattr(keys, "generate", generate)
            writer.start()
            writer.join(20)
            assert not writer.is_alive()
            return generate(*args)

        monkeypatch.setattr(keys, "generate", and_others_write)
        ec2("CreateKeyPair", KeyName="k")
        assert [pair["KeyName"] for pair in ec2("DescribeKeyPairs")["KeyPairs"]] == ["other", "k"]

    @pytest.mark.parametrize(("kind", "form"), list(itertools.product(("rsa", "ed25519"), ("pem", "ppk"))))
    def test_create_describe_delete(self, ec2: Ec2, kind: str, form: str) -> None:
        made = ec2("CreateKeyPair", KeyName="k", KeyType=kind, KeyFormat=form)
        assert made["KeyMaterial"].startswith("PuTTY-User-Key-File" if form == "ppk" else "-----BEGIN ")
        (found,) = ec2("DescribeKeyPairs", KeyNames=["k"], IncludePublicKey=True)["KeyPairs"]
        assert (found["KeyPairId"], found["KeyFingerprint"], found["KeyType"]) == (
            made["KeyPairId"],
            made["KeyFingerprint"],
            kind,
        )
        assert found["PublicKey"].startswith("ssh-")
        assert "PublicKey" not in ec2("DescribeKeyPairs", KeyPairIds=[made["KeyPairId"]])["KeyPairs"][0]
        assert ec2("DeleteKeyPair", KeyPairId=made["KeyPairId"]) == {"Return": True, "KeyPairId": made["KeyPairId"]}
        assert ec2("DescribeKeyPairs")["KeyPairs"] == []

    def test_the_private_half_is_nowhere(self, ec2: Ec2) -> None:
        made = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")
        secret = made["KeyMaterial"].splitlines()[2].encode()
        home = ec2.cloud.settings.home
        assert not [path for path in home.rglob("*") if path.is_file() and secret in path.read_bytes()]

    def test_an_imported_key_is_the_same_key(self, ec2: Ec2) -> None:
        ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")
        public = ec2("DescribeKeyPairs", IncludePublicKey=True)["KeyPairs"][0]["PublicKey"]
        tags = [{"ResourceType": "key-pair", "Tags": [{"Key": "a", "Value": "b"}]}]
        ec2("ImportKeyPair", KeyName="copy", PublicKeyMaterial=public.encode(), TagSpecifications=tags)
        (found,) = ec2("DescribeKeyPairs", Filters=[{"Name": "tag:a", "Values": ["b"]}], IncludePublicKey=True)["KeyPairs"]
        assert found["KeyName"] == "copy"
        assert found["PublicKey"].split()[:2] == public.split()[:2]

    def test_an_instance_keeps_a_key_that_is_deleted(self, ec2: Ec2, host: FakeHost) -> None:
        ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")
        instance_id = ec2.run(KeyName="k")
        ec2("DeleteKeyPair", KeyName="k")
        assert ec2.instance(instance_id)["KeyName"] == "k"
        with host.store.change() as held:
            assert len(held["seeds"][instance_id]["public_keys"]) == 1


class TestTags:
    def tags(self, ec2: Ec2, resource: str) -> dict[str, str]:
        found = ec2("DescribeTags", Filters=[{"Name": "resource-id", "Values": [resource]}])["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def test_create_overwrite_delete(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        volume_id = ec2.instance(instance_id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        both = [instance_id, volume_id]
        ec2("CreateTags", Resources=both, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
        ec2("CreateTags", Resources=[instance_id], Tags=[{"Key": "a", "Value": "2"}])
        assert (self.tags(ec2, instance_id), self.tags(ec2, volume_id)) == ({"a": "2", "b": ""}, {"a": "1", "b": ""})
        ec2("DeleteTags", Resources=both, Tags=[{"Key": "a", "Value": "1"}])
        assert (self.tags(ec2, instance_id), self.tags(ec2, volume_id)) == ({"a": "2", "b": ""}, {"b": ""})
        ec2("DeleteTags", Resources=both, Tags=[{"Key": "b"}, {"Key": "never"}])
        assert (self.tags(ec2, instance_id), self.tags(ec2, volume_id)) == ({"a": "2"}, {})
        ec2("DeleteTags", Resources=both)
        assert self.tags(ec2, instance_id) == {}

    def test_those_that_services_set_are_left(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        ec2.cloud.state.tags.add(Tag(instance_id, "aws:autoscaling:groupName", "g", "instance"))
        ec2("CreateTags", Resources=[instance_id], Tags=[{"Key": "mine", "Value": ""}])
        ec2("DeleteTags", Resources=[instance_id])
        assert self.tags(ec2, instance_id) == {"aws:autoscaling:groupName": "g"}
        refused = ec2.refused("DeleteTags", Resources=[instance_id], Tags=[{"Key": "aws:autoscaling:groupName"}])
        assert refused.code == "InvalidParameterValue"

    def test_a_capacity_reservation_has_some(self, ec2: Ec2) -> None:
        wanted = {"InstanceType": "t3.nano", "InstancePlatform": "Linux/UNIX", "InstanceCount": 1}
        made = ec2("CreateCapacityReservation", **wanted, AvailabilityZone="us-east-1a")["CapacityReservation"]
        ec2("CreateTags", Resources=[made["CapacityReservationId"]], Tags=[{"Key": "mine", "Value": "yes"}])
        (found,) = ec2("DescribeCapacityReservations")["CapacityReservations"]
        assert found["Tags"] == [{"Key": "mine", "Value": "yes"}]

    def test_every_kind_of_resource(self, ec2: Ec2) -> None:
        instance = ec2.instance(ec2.run())
        resources = [
            instance["InstanceId"], instance["ImageId"], instance["VpcId"], instance["SubnetId"],
            instance["SecurityGroups"][0]["GroupId"], instance["NetworkInterfaces"][0]["NetworkInterfaceId"],
            ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyPairId"],
        ]  # fmt: skip
        ec2("CreateTags", Resources=resources, Tags=[{"Key": "mine", "Value": "yes"}])
        mine = [{"Name": "tag:mine", "Values": ["yes"]}]
        for operation in ("Images", "Vpcs", "Subnets", "NetworkInterfaces", "KeyPairs"):
            assert len(ec2(f"Describe{operation}", Filters=mine)[operation]) == 1, operation
        assert len(ec2("DescribeInstances", Filters=mine)["Reservations"]) == 1
        assert {tag["ResourceId"] for tag in ec2("DescribeTags")["Tags"]} == set(resources)

    @pytest.mark.parametrize(
        ("resource", "code"),
        [("nonsense", "InvalidID"), ("i-0fedcba9876543210", "InvalidInstanceID.NotFound"), ("igw-0fedcba9876543210", "NotFound")],
    )
    def test_resources_that_there_are_not(self, ec2: Ec2, resource: str, code: str) -> None:
        instance_id = ec2.run()
        refused = ec2.refused("CreateTags", Resources=[instance_id, resource], Tags=[{"Key": "a", "Value": "b"}])
        assert refused.code.endswith(code)
        assert self.tags(ec2, instance_id) == {}

    def test_fifty_and_no_more(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        ec2("CreateTags", Resources=[instance_id], Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])
        assert ec2.refused("CreateTags", Resources=[instance_id], Tags=[{"Key": "one more"}]).code == "TagLimitExceeded"
        ec2("CreateTags", Resources=[instance_id], Tags=[{"Key": "k0", "Value": "overwritten"}])
        assert self.tags(ec2, instance_id)["k0"] == "overwritten"


class TestNetwork:
    def test_the_default_vpc(self, ec2: Ec2) -> None:
        (vpc,) = ec2("DescribeVpcs", Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"]
        assert vpc["CidrBlock"] == "172.31.0.0/16"
        subnets = ec2("DescribeSubnets", Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
        found = {subnet["AvailabilityZone"]: (subnet["CidrBlock"], subnet["AvailableIpAddressCount"]) for subnet in subnets}
        assert found == {
            "us-east-1a": ("172.31.0.0/20", 4091), "us-east-1b": ("172.31.16.0/20", 4091), "us-east-1c": ("172.31.32.0/20", 4091),
        }  # fmt: skip

    def test_it_is_made_once(self, ec2: Ec2) -> None:
        make = [lambda: Ec2(cloud_in(ec2.cloud.settings.home.parent))("DescribeVpcs")["Vpcs"][0]["VpcId"]] * 8
        assert len(set(values(together(*make)))) == 1

    def test_zones_and_regions_are_what_the_settings_say(self, tmp_path: Any, host: FakeHost) -> None:
        ec2 = Ec2(Cloud(settings(tmp_path, region="eu-central-1", zones=2), lambda *_: host))
        zones = ec2("DescribeAvailabilityZones")["AvailabilityZones"]
        assert [(zone["ZoneName"], zone["ZoneId"]) for zone in zones] == [
            ("eu-central-1a", "euc1-az1"), ("eu-central-1b", "euc1-az2"),
        ]  # fmt: skip
        assert [region["RegionName"] for region in ec2("DescribeRegions", AllRegions=True)["Regions"]] == ["eu-central-1"]
        assert ec2.refused("DescribeRegions", RegionNames=["us-east-1"]).code == "InvalidParameterValue"

    def test_interfaces(self, ec2: Ec2) -> None:
        instance = ec2.instance(ec2.run())
        (card,) = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
        assert card["Attachment"]["InstanceId"] == instance["InstanceId"]
        assert (card["Status"], card["PrivateIpAddress"]) == ("in-use", instance["PrivateIpAddress"])
        ec2("TerminateInstances", InstanceIds=[instance["InstanceId"]])
        ec2.look()
        assert ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []


def test_account_attributes(ec2: Ec2) -> None:
    found = ec2("DescribeAccountAttributes")["AccountAttributes"]
    names = {entry["AttributeName"]: entry["AttributeValues"][0]["AttributeValue"] for entry in found}
    assert names["default-vpc"] == ec2("DescribeVpcs")["Vpcs"][0]["VpcId"]
    one = ec2("DescribeAccountAttributes", AttributeNames=["default-vpc"])["AccountAttributes"]
    assert [entry["AttributeName"] for entry in one] == ["default-vpc"]


def test_instance_types_and_offerings(ec2: Ec2) -> None:
    (nano,) = ec2("DescribeInstanceTypes", InstanceTypes=["t3.nano"])["InstanceTypes"]
    assert (nano["VCpuInfo"]["DefaultVCpus"], nano["MemoryInfo"]["SizeInMiB"]) == (2, 512)
    assert len(ec2("DescribeInstanceTypes")["InstanceTypes"]) > 100
    assert ec2.refused("DescribeInstanceTypes", InstanceTypes=["t9.x"]).code == "InvalidInstanceType"
    wanted = [{"Name": "instance-type", "Values": ["t3.nano"]}]
    offered = ec2("DescribeInstanceTypeOfferings", LocationType="availability-zone", Filters=wanted)["InstanceTypeOfferings"]
    assert {offer["Location"] for offer in offered} == {"us-east-1a", "us-east-1b", "us-east-1c"}


def test_what_is_described_is_described_again_the_same(ec2: Ec2) -> None:
    ec2("RunInstances", **RUN)
    ec2("DescribeInstances")
    for operation in ("Instances", "InstanceStatus", "Images", "Vpcs", "Subnets", "NetworkInterfaces", "KeyPairs", "Tags"):
        assert ec2(f"Describe{operation}") == ec2(f"Describe{operation}"), operation
