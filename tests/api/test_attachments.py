"""Network interfaces at launch, plugged into instances that run or are stopped, and taken from them again."""

from typing import Any

import pytest

from minicloud.aws import times
from minicloud.errors import Retry
from minicloud.host.fake import FakeHost
from minicloud.reconcile import firewall

from ..cloud_fixtures import RUN, Ec2

UNKNOWN = "0fedcba9876543210"


def subnets(ec2: Ec2) -> list[str]:
    found = sorted(ec2("DescribeSubnets")["Subnets"], key=lambda one: one["AvailabilityZone"])
    return [str(one["SubnetId"]) for one in found]


def interface(ec2: Ec2, subnet: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = ec2("CreateNetworkInterface", SubnetId=subnets(ec2)[subnet])["NetworkInterface"]
    return made


def attach(ec2: Ec2, made: dict[str, Any], instance_id: str, index: int = 1) -> str:
    said = {"NetworkInterfaceId": made["NetworkInterfaceId"], "InstanceId": instance_id, "DeviceIndex": index}
    return str(ec2("AttachNetworkInterface", **said)["AttachmentId"])


def cards(host: FakeHost, instance_id: str) -> list[str]:
    return [nic["mac"] for nic in host.spec(instance_id)["nics"]]


def shown(ec2: Ec2, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=[made["NetworkInterfaceId"]])
    one: dict[str, Any] = found["NetworkInterfaces"][0]
    return one


def ports(ec2: Ec2) -> set[str]:
    return {port.mac for port in firewall.wanted(firewall.read(ec2.cloud.state), ec2.cloud.settings).ports}


class TestRunning:
    def test_the_guest_has_it_at_once_and_the_firewall_before(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id, made = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2)
        attachment = attach(ec2, made, instance_id)
        assert cards(host, instance_id)[1:] == [made["MacAddress"]]
        assert shown(ec2, made)["Attachment"]["Status"] == "attached"
        assert shown(ec2, made)["Attachment"]["AttachmentId"] == attachment
        order = [call[0] for call in host.calls()]
        between = order[order.index("guests.start") : order.index("cards.attach")]
        assert between.count("firewall.apply") == between.count("networks.ensure") == 1
        assert made["MacAddress"] in ports(ec2)
        assert made["PrivateIpAddress"] in reserved(host, subnets(ec2)[0])

    def test_it_is_let_go_and_forgotten(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id, made = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2)
        ec2("DetachNetworkInterface", AttachmentId=attach(ec2, made, instance_id))
        assert shown(ec2, made)["Status"] == "available"
        assert made["MacAddress"] not in cards(host, instance_id)
        assert made["MacAddress"] not in ports(ec2)
        assert made["PrivateIpAddress"] not in reserved(host, subnets(ec2)[0])
        ec2("DeleteNetworkInterface", NetworkInterfaceId=made["NetworkInterfaceId"])

    def test_a_guest_that_holds_it_is_asked_again(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id, made = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2)
        attachment = attach(ec2, made, instance_id)
        host.hold_card(instance_id, made["MacAddress"])
        ec2("DetachNetworkInterface", AttachmentId=attachment)
        assert shown(ec2, made)["Attachment"]["Status"] == "detaching"
        assert made["MacAddress"] in ports(ec2)
        later(ec2, made)
        ec2.look()
        assert [call for call in host.calls() if call[0] == "cards.detach"] == [
            ["cards.detach", instance_id, made["MacAddress"]]
        ] * 2

    def test_by_force_it_is_taken(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id, made = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2)
        attachment = attach(ec2, made, instance_id)
        host.hold_card(instance_id, made["MacAddress"])
        ec2("DetachNetworkInterface", AttachmentId=attachment)
        ec2("DetachNetworkInterface", AttachmentId=attachment, Force=True)
        later(ec2, made)
        ec2.look()
        assert shown(ec2, made)["Status"] == "available"
        assert made["MacAddress"] not in ports(ec2)

    def test_one_that_cannot_be_plugged_in_is_free_in_the_end(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id, made = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2)
        host.fail("cards.attach", Retry("no slot is free"), times=9)
        attach(ec2, made, instance_id)
        assert shown(ec2, made)["Attachment"]["Status"] == "attaching"
        for _ in range(4):
            ec2.look()
        assert shown(ec2, made)["Status"] == "available"

    def test_a_stop_in_the_midst_of_it_ends_it(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id, made = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2)
        attachment = attach(ec2, made, instance_id)
        host.hold_card(instance_id, made["MacAddress"])
        ec2("DetachNetworkInterface", AttachmentId=attachment)
        ec2("StopInstances", InstanceIds=[instance_id])
        assert shown(ec2, made)["Status"] == "available"
        ec2("StartInstances", InstanceIds=[instance_id])
        assert made["MacAddress"] not in cards(host, instance_id)


def later(ec2: Ec2, made: dict[str, Any]) -> None:
    """The guest was asked some time ago."""
    ec2.cloud.state.interfaces.change(made["NetworkInterfaceId"], detach_asked=times.text(1.0))


def reserved(host: FakeHost, subnet_id: str) -> set[str]:
    network = host.networks.list()[subnet_id]
    return {str(one.address) for one in network.reservations} if network else set()


class TestStopped:
    def test_it_is_there_at_the_next_start(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id, made = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2)
        ec2("StopInstances", InstanceIds=[instance_id])
        attachment = attach(ec2, made, instance_id)
        assert shown(ec2, made)["Attachment"]["Status"] == "attached"
        refused = ec2.refused("DeleteNetworkInterface", NetworkInterfaceId=made["NetworkInterfaceId"])
        assert refused.code == "InvalidParameterValue"
        ec2("StartInstances", InstanceIds=[instance_id])
        assert cards(host, instance_id)[1] == made["MacAddress"]
        ec2("StopInstances", InstanceIds=[instance_id])
        ec2("DetachNetworkInterface", AttachmentId=attachment)
        ec2("DeleteNetworkInterface", NetworkInterfaceId=made["NetworkInterfaceId"])
        assert len(ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]) == 1


class TestLaunch:
    def test_several_in_the_order_of_their_indices(self, ec2: Ec2, host: FakeHost) -> None:
        first, group = subnets(ec2)[0], ec2("CreateSecurityGroup", GroupName="back", Description="d")["GroupId"]
        there = interface(ec2)
        nics = [
            {"DeviceIndex": 1, "SubnetId": first, "Groups": [group], "SecondaryPrivateIpAddressCount": 2},
            {"DeviceIndex": 0, "SubnetId": first, "PrivateIpAddress": "172.31.0.77"},
            {"DeviceIndex": 2, "NetworkInterfaceId": there["NetworkInterfaceId"]},
        ]
        instance_id = ec2.run(InstanceType="t3.large", NetworkInterfaces=nics)
        said = ec2.instance(instance_id)
        found = sorted(said["NetworkInterfaces"], key=lambda one: one["Attachment"]["DeviceIndex"])
        assert [one["Attachment"]["DeviceIndex"] for one in found] == [0, 1, 2]
        assert said["PrivateIpAddress"] == "172.31.0.77"
        assert [one["GroupId"] for one in found[1]["Groups"]] == [group]
        assert len(found[1]["PrivateIpAddresses"]) == 3
        assert cards(host, instance_id) == [one["MacAddress"] for one in found]
        assert "PublicIpAddress" not in said
        ec2("TerminateInstances", InstanceIds=[instance_id])
        left = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
        assert [(one["NetworkInterfaceId"], one["Status"]) for one in left] == [(there["NetworkInterfaceId"], "available")]

    @pytest.mark.parametrize(
        ("nics", "code"),
        [
            ([{"DeviceIndex": 0}, {"DeviceIndex": 0}], "InvalidParameterValue"),
            ([{"DeviceIndex": 1}], "InvalidParameterValue"),
            ([{"DeviceIndex": 0}, {"Description": "x"}], "MissingParameter"),
            ([{"DeviceIndex": 0, "AssociatePublicIpAddress": True}, {"DeviceIndex": 1}], "InvalidParameterCombination"),
            ([{"DeviceIndex": number} for number in range(3)], "AttachmentLimitExceeded"),
            ([{"DeviceIndex": 0, "NetworkCardIndex": 1}], "InvalidParameterValue"),
            ([{"DeviceIndex": 0, "NetworkInterfaceId": f"eni-{UNKNOWN}"}], "InvalidNetworkInterfaceID.NotFound"),
            ([{"DeviceIndex": 0, "NetworkInterfaceId": f"eni-{UNKNOWN}", "Groups": ["sg-1"]}], "InvalidParameterCombination"),
        ],
    )  # fmt: skip
    def test_refused(self, ec2: Ec2, nics: list[dict[str, Any]], code: str) -> None:
        assert ec2.refused("RunInstances", **RUN, NetworkInterfaces=nics).code == code
        assert ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []

    def test_one_that_is_in_use(self, ec2: Ec2) -> None:
        made = ec2.instance(ec2.run())["NetworkInterfaces"][0]
        nics = [{"DeviceIndex": 0, "NetworkInterfaceId": made["NetworkInterfaceId"]}]
        assert ec2.refused("RunInstances", **RUN, NetworkInterfaces=nics).code == "InvalidNetworkInterface.InUse"

    def test_interfaces_of_two_zones(self, ec2: Ec2) -> None:
        nics = [{"DeviceIndex": number, "SubnetId": subnets(ec2)[number]} for number in range(2)]
        assert ec2.refused("RunInstances", **RUN, NetworkInterfaces=nics).code == "InvalidParameterCombination"


class TestRefused:
    def test_while_an_instance_is_starting(self, idle: Ec2) -> None:
        instance_id, made = idle.run(SubnetId=subnets(idle)[0]), interface(idle)
        said = {"NetworkInterfaceId": made["NetworkInterfaceId"], "InstanceId": instance_id, "DeviceIndex": 1}
        assert idle.refused("AttachNetworkInterface", **said).code == "IncorrectState"

    def test_what_cannot_be(self, ec2: Ec2) -> None:
        instance_id, made, far = ec2.run(SubnetId=subnets(ec2)[0]), interface(ec2), interface(ec2, 1)
        primary = ec2.instance(instance_id)["NetworkInterfaces"][0]
        said = {"NetworkInterfaceId": made["NetworkInterfaceId"], "InstanceId": instance_id}
        assert ec2.refused("AttachNetworkInterface", **said, DeviceIndex=0).code == "InvalidParameterValue"
        assert ec2.refused("AttachNetworkInterface", **said, DeviceIndex=1, NetworkCardIndex=1).code == "InvalidParameterValue"
        other = {**said, "NetworkInterfaceId": far["NetworkInterfaceId"]}
        assert ec2.refused("AttachNetworkInterface", **other, DeviceIndex=1).code == "InvalidParameterCombination"
        attachment = primary["Attachment"]["AttachmentId"]
        assert ec2.refused("DetachNetworkInterface", AttachmentId=attachment).code == "OperationNotPermitted"
        attach(ec2, made, instance_id)
        assert ec2.refused("AttachNetworkInterface", **said, DeviceIndex=2).code == "InvalidParameterValue"
        third = interface(ec2)
        more = {**said, "NetworkInterfaceId": third["NetworkInterfaceId"]}
        assert ec2.refused("AttachNetworkInterface", **more, DeviceIndex=2).code == "AttachmentLimitExceeded"
