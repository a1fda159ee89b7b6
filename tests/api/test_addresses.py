"""Public addresses and Elastic IPs: whose they are, for how long, and what AWS refuses."""

import dataclasses
import threading
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from minicloud.host.fake import FakeHost
from minicloud.reconcile import firewall
from minicloud.reconcile.worker import worker_for

from ..cloud_fixtures import RUN, Ec2, settings

UNKNOWN = "0fedcba9876543210"


def small(tmp_path: Path, host: FakeHost, **changes: Any) -> Ec2:
    made = Cloud(settings(tmp_path, **changes), lambda *_: host)
    made.worker = worker_for(made)
    return Ec2(made)


def publics(ec2: Ec2) -> dict[str, str]:
    spec = firewall.wanted(firewall.read(ec2.cloud.state), ec2.cloud.settings)
    assert ec2.cloud.host.firewall.in_force(spec)
    return {str(pair.public): str(pair.private) for pair in spec.publics}


class TestAutomatic:
    def test_one_at_start_back_at_stop_another_at_the_next_start(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        first, private = ec2.instance(instance_id)["PublicIpAddress"], ec2.instance(instance_id)["PrivateIpAddress"]
        assert publics(ec2) == {first: private}
        association = ec2.instance(instance_id)["NetworkInterfaces"][0]["Association"]
        name = f"ec2-{first.replace('.', '-')}.compute-1.amazonaws.com"
        assert association == {"IpOwnerId": "amazon", "PublicDnsName": name, "PublicIp": first}
        ec2("StopInstances", InstanceIds=[instance_id])
        assert "PublicIpAddress" not in ec2.instance(instance_id)
        assert publics(ec2) == {}
        ec2("StartInstances", InstanceIds=[instance_id])
        second = ec2.instance(instance_id)["PublicIpAddress"]
        assert second != first
        ec2("TerminateInstances", InstanceIds=[instance_id])
        assert ec2.cloud.state.public_addresses.query() == []

    def test_as_the_request_wishes(self, ec2: Ec2) -> None:
        nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": False}
        assert "PublicIpAddress" not in ec2.instance(ec2.run(NetworkInterfaces=[nic]))

    def test_a_reboot_changes_nothing(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        before = ec2.instance(instance_id)["PublicIpAddress"]
        ec2("RebootInstances", InstanceIds=[instance_id])
        assert ec2.instance(instance_id)["PublicIpAddress"] == before

    def test_an_exhausted_pool(self, tmp_path: Path, host: FakeHost) -> None:
        ec2 = small(tmp_path, host, public_cidr=IPv4Network("203.0.113.0/30"))
        for _ in range(2):
            ec2.run()
        error = ec2.refused("RunInstances", **RUN)
        assert (error.code, error.status) == ("InsufficientAddressCapacity", 500)
        assert error.message == "Insufficient addresses available to satisfy your request"
        assert len(ec2.cloud.state.instances.query()) == 2


class TestElastic:
    def test_it_takes_the_place_of_the_other_and_gives_it_back(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        before = ec2.instance(instance_id)["PublicIpAddress"]
        mine = ec2("AllocateAddress")
        done = ec2("AssociateAddress", AllocationId=mine["AllocationId"], InstanceId=instance_id)
        assert ec2.instance(instance_id)["PublicIpAddress"] == mine["PublicIp"]
        assert publics(ec2) == {mine["PublicIp"]: ec2.instance(instance_id)["PrivateIpAddress"]}
        assert {row.address for row in ec2.cloud.state.public_addresses.query()} == {mine["PublicIp"]}
        ec2("DisassociateAddress", AssociationId=done["AssociationId"])
        after = ec2.instance(instance_id)["PublicIpAddress"]
        assert after not in (before, mine["PublicIp"])

    def test_it_stays_over_stop_start_and_terminate(self, ec2: Ec2) -> None:
        instance_id, mine = ec2.run(), ec2("AllocateAddress")
        ec2("AssociateAddress", PublicIp=mine["PublicIp"], InstanceId=instance_id)
        for operation in ("StopInstances", "StartInstances"):
            ec2(operation, InstanceIds=[instance_id])
            assert ec2.instance(instance_id)["PublicIpAddress"] == mine["PublicIp"]
        ec2("TerminateInstances", InstanceIds=[instance_id])
        kept = ec2("DescribeAddresses", PublicIps=[mine["PublicIp"]])["Addresses"][0]
        assert kept["AllocationId"] == mine["AllocationId"]
        assert "AssociationId" not in kept
        assert publics(ec2) == {}
        ec2("ReleaseAddress", AllocationId=mine["AllocationId"])
        assert ec2("DescribeAddresses")["Addresses"] == []

    def test_it_moves(self, ec2: Ec2) -> None:
        one, two = ec2.run(), ec2.run()
        mine = ec2("AllocateAddress")
        first = ec2("AssociateAddress", AllocationId=mine["AllocationId"], InstanceId=one)
        error = ec2.refused("AssociateAddress", AllocationId=mine["AllocationId"], InstanceId=two, AllowReassociation=False)
        assert error.code == "Resource.AlreadyAssociated"
        assert error.message == (
            f"resource {mine['AllocationId']} is already associated with associate-id {first['AssociationId']}"
        )
        ec2("AssociateAddress", AllocationId=mine["AllocationId"], InstanceId=two)
        assert ec2.instance(two)["PublicIpAddress"] == mine["PublicIp"]
        assert ec2.instance(one)["PublicIpAddress"] != mine["PublicIp"]
        assert publics(ec2)[mine["PublicIp"]] == ec2.instance(two)["PrivateIpAddress"]

    def test_again_to_the_same_is_the_same_association(self, ec2: Ec2) -> None:
        instance_id, mine = ec2.run(), ec2("AllocateAddress")
        params = {"AllocationId": mine["AllocationId"], "InstanceId": instance_id}
        assert ec2("AssociateAddress", **params) == ec2("AssociateAddress", **params)

    def test_one_that_is_asked_for(self, ec2: Ec2) -> None:
        assert ec2("AllocateAddress", Address="203.0.113.77")["PublicIp"] == "203.0.113.77"
        for address in ("203.0.113.77", "203.0.113.0", "203.0.113.255", "8.8.8.8", "x"):
            error = ec2.refused("AllocateAddress", Address=address)
            assert error.code == "InvalidAddress.NotFound"
            assert error.message == f"The Elastic IP address '{address}' does not exist or is not available."

    def test_tags_and_filters(self, ec2: Ec2) -> None:
        specification = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": "front"}]}]
        mine = ec2("AllocateAddress", TagSpecifications=specification)
        ec2("AllocateAddress")
        found = ec2("DescribeAddresses", Filters=[{"Name": "tag:Name", "Values": ["front"]}])["Addresses"]
        assert [one["PublicIp"] for one in found] == [mine["PublicIp"]]
        ec2("CreateTags", Resources=[mine["AllocationId"]], Tags=[{"Key": "a", "Value": "b"}])
        ec2("ReleaseAddress", AllocationId=mine["AllocationId"])
        assert ec2("DescribeTags")["Tags"] == []

    def test_attributes(self, ec2: Ec2) -> None:
        mine = ec2("AllocateAddress")
        shown = ec2("DescribeAddressesAttribute", AllocationIds=[mine["AllocationId"]], Attribute="domain-name")["Addresses"]
        assert shown == [{"PublicIp": mine["PublicIp"], "AllocationId": mine["AllocationId"]}]


def test_the_sixth_is_refused(ec2: Ec2) -> None:
    for _ in range(5):
        ec2("AllocateAddress")
    error = ec2.refused("AllocateAddress")
    assert (error.code, error.message) == ("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def test_what_is_in_use_is_not_released(ec2: Ec2) -> None:
    mine = ec2("AllocateAddress")
    ec2("AssociateAddress", AllocationId=mine["AllocationId"], InstanceId=ec2.run())
    error = ec2.refused("ReleaseAddress", AllocationId=mine["AllocationId"])
    assert (error.code, error.message) == ("InvalidIPAddress.InUse", f"Address {mine['PublicIp']} is in use.")
    error = ec2.refused("ReleaseAddress", PublicIp=mine["PublicIp"])
    assert error.message == "You must specify an allocation id when releasing a VPC elastic IP address"


def test_a_pending_instance_gets_none(idle: Ec2) -> None:
    mine, instance_id = idle("AllocateAddress"), idle.run()
    error = idle.refused("AssociateAddress", AllocationId=mine["AllocationId"], InstanceId=instance_id)
    assert error.code == "InvalidInstanceID"


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        ("AssociateAddress", {"AllocationId": f"eipalloc-{UNKNOWN}", "InstanceId": "i-1"}, "InvalidAllocationID.NotFound",
         f"The allocation ID 'eipalloc-{UNKNOWN}' does not exist"),
        ("AssociateAddress", {"AllocationId": f"eipalloc-{UNKNOWN}", "PublicIp": "203.0.113.1"}, "InvalidParameterCombination",
         "You may specify public IP or allocation id, but not both in the same call"),
        ("AssociateAddress", {"InstanceId": f"i-{UNKNOWN}"}, "MissingParameter", ""),
        ("DisassociateAddress", {"AssociationId": f"eipassoc-{UNKNOWN}"}, "InvalidAssociationID.NotFound",
         f"The association ID 'eipassoc-{UNKNOWN}' does not exist"),
        ("ReleaseAddress", {"AllocationId": f"eipalloc-{UNKNOWN}"}, "InvalidAllocationID.NotFound",
         f"The allocation ID 'eipalloc-{UNKNOWN}' does not exist"),
        ("DescribeAddresses", {"PublicIps": ["203.0.113.9"]}, "InvalidAddress.NotFound", ""),
    ],
)  # fmt: skip
def test_bad_input(ec2: Ec2, operation: str, params: dict[str, Any], code: str, message: str) -> None:
    error = ec2.refused(operation, **params)
    assert error.code == code
    assert error.status == 400
    assert error.message == (message or error.message)


@pytest.mark.parametrize("domain", ["standard", "vpc", "", "whatever"])
def test_every_address_is_of_vpcs_whatever_is_asked_for(ec2: Ec2, domain: str) -> None:
    assert ec2("AllocateAddress", Domain=domain)["Domain"] == "vpc"


def test_200_racing_allocations_double_nothing(tmp_path: Path, host: FakeHost) -> None:
    ec2 = small(tmp_path, host, most_addresses=1000)
    ec2("DescribeVpcs")
    found: list[str] = []

    def allocate() -> None:
        cloud = Cloud(dataclasses.replace(ec2.cloud.settings), lambda *_: host)
        found.extend([Ec2(cloud)("AllocateAddress")["PublicIp"] for _ in range(25)])

    threads = [threading.Thread(target=allocate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found)) == 200


def test_addresses_are_taken_in_any_order_until_none_is_left(tmp_path: Path, host: FakeHost) -> None:
    ec2 = small(tmp_path, host, most_addresses=100, public_cidr=IPv4Network("203.0.113.0/28"))
    found = {ec2("AllocateAddress")["PublicIp"] for _ in range(14)}
    assert len(found) == 14
    with pytest.raises(ApiError, match="Insufficient addresses"):
        ec2("AllocateAddress")
