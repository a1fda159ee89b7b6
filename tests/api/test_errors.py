"""What EC2 answers to bad input: code, status, and the text where AWS's own is known.

Rows that cannot be asked for yet, with the issue that they belong to:
    credentials, signatures, RequestExpired, UnauthorizedOperation   the HTTP endpoint
    RequestLimitExceeded, VcpuLimitExceeded                          nobody limits the owner of the host; capacity does
    InternalError                                                    the HTTP endpoint, which catches what nobody foresaw
    volumes, snapshots, images                                       tests/storage/test_errors_over_http.py
    RegisterImage of someone else's snapshot                         there is one account
    InvalidFormat, DiskImageSizeTooLarge                             `minicloud images import` refuses these, in its own words
"""

import base64
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from minicloud.cloud import Cloud
from minicloud.host import fake
from minicloud.host.contracts import Capacity
from minicloud.host.fake import FakeHost
from minicloud.reconcile import loop
from minicloud.reconcile.worker import worker_for

from ..cloud_fixtures import IMAGE, RUN, Ec2, settings

UNKNOWN = "0fedcba9876543210"
Params = dict[str, Any]
Known = tuple[str, int, str]
"""Code, status, text; an empty text is one that AWS's is not known of."""


def run(**params: Any) -> tuple[str, Params]:
    return "RunInstances", {**RUN, **params}


def _snapshot(ec2: Ec2) -> str:
    return str(ec2("DescribeImages")["Images"][0]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])


NO_SUCH_TYPE = ("InvalidParameterValue", 400, "")
WITHOUT_STATE: list[tuple[tuple[str, Params], Known]] = [
    (("Nonsense", {}), ("InvalidAction", 400, "The action Nonsense is not valid for this web service.")),
    (("StartInstances", {}), ("InvalidParameterCombination", 400, "No instances specified")),
    (run(Imageid="x"), ("UnknownParameter", 400, "")),
    (run(DryRun=True), ("DryRunOperation", 412, "Request would have succeeded, but DryRun flag is set.")),
    (run(ClientToken="x" * 65), ("InvalidParameterValue", 400, "")),
    (("DescribeInstances", {"Filters": [{"Name": "nope", "Values": ["x"]}]}), ("InvalidParameterValue", 400, "")),
    (("DescribeInstances", {"NextToken": "nope"}), ("InvalidNextToken", 400, "")),
    (run(ImageId=None), ("MissingParameter", 400, "The request must contain the parameter ImageId")),
    (run(ImageId="debian"), ("InvalidAMIID.Malformed", 400, 'Invalid id: "debian" (expecting "ami-...")')),
    (run(ImageId=f"ami-{UNKNOWN}"), ("InvalidAMIID.NotFound", 400, f"The image id '[ami-{UNKNOWN}]' does not exist")),
    (run(InstanceType="t9.huge"), ("InvalidParameterValue", 400, "")),
    (run(KeyName="nobody's"), ("InvalidKeyPair.NotFound", 400, "The key pair 'nobody's' does not exist")),
    (
        run(SecurityGroupIds=[f"sg-{UNKNOWN}"]),
        ("InvalidGroup.NotFound", 400, f"The security group 'sg-{UNKNOWN}' does not exist"),
    ),
    (run(SecurityGroupIds=["group"]), ("InvalidGroupId.Malformed", 400, "")),
    (
        run(SecurityGroupIds=[""]),
        ("InvalidParameterValue", 400, "Value () for parameter groupId is invalid. The value cannot be empty"),
    ),
    (
        run(SubnetId=f"subnet-{UNKNOWN}"),
        ("InvalidSubnetID.NotFound", 400, f"The subnet ID 'subnet-{UNKNOWN}' does not exist"),
    ),
    *(
        (run(PrivateIpAddress=ip), ("InvalidParameterValue", 400, f"Address {ip} is in subnet's reserved address range"))
        for ip in ("172.31.0.0", "172.31.0.1", "172.31.0.2", "172.31.0.3", "172.31.15.255")
    ),
    (run(UserData="#!/bin/sh"), ("InvalidUserData.Malformed", 400, "Invalid BASE64 encoding of user data.")),
    (
        run(UserData=base64.b64encode(b"x" * 16385).decode()),
        ("InvalidParameterValue", 400, "User data is limited to 16384 bytes"),
    ),
    *(
        ((f"{verb}Instances", {"InstanceIds": ["i-bad"]}), ("InvalidInstanceID.Malformed", 400, 'Invalid id: "i-bad"'))
        for verb in ("Start", "Stop", "Reboot", "Terminate")
    ),
    *(
        ((f"{verb}Instances", {"InstanceIds": [f"i-{UNKNOWN}"]}), ("InvalidInstanceID.NotFound", 400, ""))
        for verb in ("Start", "Stop", "Reboot", "Terminate")
    ),
    *(
        (("RegisterImage", {"Name": name, "ImageLocation": IMAGE.image_id}), ("InvalidAMIName.Malformed", 400, ""))
        for name in ("ab", "x" * 129, "what?", "ümlaut", "two\nlines")
    ),
    (("RegisterImage", {"Name": "fresh", "RootDeviceName": "/dev/xvda"}), ("InvalidBlockDeviceMapping", 400, "")),
    (
        ("DeregisterImage", {"ImageId": f"ami-{UNKNOWN}"}),
        ("InvalidAMIID.NotFound", 400, f"The image id '[ami-{UNKNOWN}]' does not exist"),
    ),
    (
        ("DescribeImages", {"ImageIds": [f"ami-{UNKNOWN}", "ami-00000000000000000"]}),
        ("InvalidAMIID.NotFound", 400, f"The image ids '[ami-{UNKNOWN}, ami-00000000000000000]' do not exist"),
    ),
    (("CreateKeyPair", {}), ("MissingParameter", 400, "")),
    (("CreateKeyPair", {"KeyName": "k" * 256}), ("InvalidParameterValue", 400, "")),
    (("CreateKeyPair", {"KeyName": " k "}), ("InvalidParameterValue", 400, "")),
    (("CreateKeyPair", {"KeyName": "schlüssel"}), ("InvalidParameterValue", 400, "")),
    (("CreateKeyPair", {"KeyName": "k", "KeyType": "dsa"}), ("InvalidParameterValue", 400, "")),
    *(
        (
            ("ImportKeyPair", {"KeyName": "k", "PublicKeyMaterial": material}),
            ("InvalidKey.Format", 400, "Key is not in valid OpenSSH public key format"),
        )
        for material in (
            b"hello",
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            b"ssh-rsa !",
        )
    ),
    (("ImportKeyPair", {"KeyName": "k", "PublicKeyMaterial": b""}), ("MissingParameter", 400, "")),
    (("DescribeKeyPairs", {"KeyNames": ["none"]}), ("InvalidKeyPair.NotFound", 400, "The key pair 'none' does not exist")),
]


def expect(ec2: Ec2, operation: str, params: Params, known: Known) -> None:
    refused = ec2.refused(operation, **params)
    assert (refused.code, refused.status) == known[:2]
    assert not known[2] or refused.message == known[2]


@pytest.mark.parametrize(("request_", "known"), WITHOUT_STATE, ids=[f"{entry[0][0]}-{entry[1][0]}" for entry in WITHOUT_STATE])
def test_refused(ec2: Ec2, request_: tuple[str, Params], known: Known) -> None:
    expect(ec2, *request_, known)


class TestRunInstances:
    def test_a_token_with_other_parameters(self, ec2: Ec2) -> None:
        ec2.run(ClientToken="t")
        text = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
        expect(ec2, *run(ClientToken="t", InstanceType="t3.micro"), ("IdempotentParameterMismatch", 400, text))

    def test_a_token_of_a_terminated_instance(self, ec2: Ec2) -> None:
        ec2("TerminateInstances", InstanceIds=[ec2.run(ClientToken="t")])
        text = "The client token you have provided is associated with a terminated instance. Please use a different client token."
        expect(ec2, *run(ClientToken="t"), ("IdempotentInstanceTerminated", 400, text))

    def test_an_image_that_was_deregistered(self, ec2: Ec2) -> None:
        ec2("DeregisterImage", ImageId=IMAGE.image_id)
        expect(ec2, *run(), ("InvalidAMIID.Unavailable", 400, f"The image ID '{IMAGE.image_id}' is no longer available"))
        assert ec2("DescribeImages")["Images"] == []

    def test_an_address_that_is_taken(self, ec2: Ec2) -> None:
        ec2.run(PrivateIpAddress="172.31.0.4")
        expect(ec2, *run(PrivateIpAddress="172.31.0.4"), ("InvalidIPAddress.InUse", 400, "Address 172.31.0.4 is in use."))

    def test_a_subnet_without_free_addresses(self, tmp_path: Path, host: FakeHost) -> None:
        small = settings(tmp_path, vpc_cidr=IPv4Network("172.31.0.0/24"), zones=1)
        ec2 = Ec2(Cloud(small, lambda *_: host))
        loop.run_pass(ec2.cloud)
        assert len(ec2("RunInstances", **{**RUN, "MinCount": 11, "MaxCount": 11})["Instances"]) == 11
        expect(ec2, *run(), ("InsufficientFreeAddressesInSubnet", 400, ""))
        assert len(ec2.cloud.state.interfaces.query()) == 11

    def test_a_root_volume_smaller_than_its_image(self, ec2: Ec2) -> None:
        devices = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 2}}]
        text = f"Volume of size 2GB is smaller than snapshot '{_snapshot(ec2)}', expect size>= 3GB"
        expect(ec2, *run(BlockDeviceMappings=devices), ("InvalidBlockDeviceMapping", 400, text))

    @pytest.mark.parametrize("capacity", [Capacity(2, 2048), Capacity(16, 1000), Capacity(1, 65536)])
    def test_no_room_on_the_host(self, ec2: Ec2, host: FakeHost, capacity: Capacity) -> None:
        host.set_capacity(capacity)
        refused = ec2.refused("RunInstances", **{**RUN, "InstanceType": "m5.large"})
        assert (refused.code, refused.status) == ("InsufficientInstanceCapacity", 500)
        assert refused.message.startswith(
            "We currently do not have sufficient m5.large capacity in the Availability Zone you requested (us-east-1a). "
            "Our system will be working on provisioning additional capacity."
        )
        assert ec2.cloud.state.instances.query() == []

    def test_a_type_that_needs_a_gpu(self, ec2: Ec2) -> None:
        expect(ec2, *run(InstanceType="g4dn.xlarge"), ("Unsupported", 400, ""))

    def test_a_sixth_security_group(self, ec2: Ec2) -> None:
        state = ec2.cloud.state
        ec2("DescribeVpcs")
        default = state.security_groups.query()[0]
        groups = [f"sg-{number:017x}" for number in range(6)]
        for group in groups:
            state.security_groups.add(type(default)(group, default.vpc_id, group, "one of six", default.created))
        expect(ec2, *run(SecurityGroupIds=groups), ("SecurityGroupsPerInterfaceLimitExceeded", 400, ""))
        assert ec2.run(SecurityGroupIds=groups[:5])

    @pytest.mark.parametrize(
        "ebs", [{"VolumeType": "floppy"}, {"VolumeSize": 0}, {"VolumeSize": -8}, {"VolumeSize": 65537}, {"VolumeSize": 2**40}]
    )
    def test_root_volumes_that_there_are_not(self, ec2: Ec2, ebs: Params) -> None:
        refused = ec2.refused("RunInstances", **RUN, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": ebs}])
        assert refused.code in ("InvalidParameterValue", "UnknownVolumeType")
        assert refused.status == 400


def start(ec2: Ec2, instance_id: str) -> tuple[str, Params]:
    return "StartInstances", {"InstanceIds": [instance_id]}


def stop(ec2: Ec2, instance_id: str) -> tuple[str, Params]:
    return "StopInstances", {"InstanceIds": [instance_id]}


def terminate(ec2: Ec2, instance_id: str) -> tuple[str, Params]:
    return "TerminateInstances", {"InstanceIds": [instance_id]}


def reboot(ec2: Ec2, instance_id: str) -> tuple[str, Params]:
    return "RebootInstances", {"InstanceIds": [instance_id]}


def resize(ec2: Ec2, instance_id: str) -> tuple[str, Params]:
    return "ModifyInstanceAttribute", {"InstanceId": instance_id, "InstanceType": {"Value": "t3.micro"}}


def rewrite(ec2: Ec2, instance_id: str) -> tuple[str, Params]:
    return "ModifyInstanceAttribute", {"InstanceId": instance_id, "UserData": {"Value": b"new"}}


NOT_STARTED = "The instance '{id}' is not in a state from which it can be started."
NOT_STOPPED = "This instance '{id}' is not in a state from which it can be stopped."
NEVER_RAN = "Instance '{id}' cannot be stopped as it has never reached the 'running' state."
PROTECTED = "The instance '{{id}}' may not be {}. Modify its '{}' instance attribute and try again."
IN_STATE: list[tuple[Params, Callable[[Ec2, str], tuple[str, Params]], Known]] = [
    *(
        ({"state": state}, start, ("IncorrectInstanceState", 400, NOT_STARTED))
        for state in ("stopping", "shutting-down", "terminated")
    ),
    *(({"state": state}, stop, ("IncorrectInstanceState", 400, NOT_STOPPED)) for state in ("shutting-down", "terminated")),
    ({"state": "pending"}, stop, ("IncorrectInstanceState", 400, NEVER_RAN)),
    (
        {"state": "running", "protect_stop": True},
        stop,
        ("OperationNotPermitted", 400, PROTECTED.format("stopped", "disableApiStop")),
    ),
    (
        {"state": "running", "protect_termination": True},
        terminate,
        ("OperationNotPermitted", 400, PROTECTED.format("terminated", "disableApiTermination")),
    ),
    ({"state": "running", "protect_stop": True}, terminate, ("OperationNotPermitted", 400, "")),
    *(
        ({"state": state}, reboot, ("IncorrectState", 400, ""))
        for state in ("pending", "stopping", "stopped", "shutting-down", "terminated")
    ),
    ({"state": "running"}, resize, ("IncorrectInstanceState", 400, "")),
    ({"state": "running"}, rewrite, ("IncorrectInstanceState", 400, "")),
    ({"state": "terminated"}, rewrite, ("IncorrectInstanceState", 400, "")),
]


@pytest.mark.parametrize(("fields", "ask", "known"), IN_STATE, ids=[f"{one[1].__name__}-{one[0]['state']}" for one in IN_STATE])
def test_refused_in_this_state(idle: Ec2, fields: Params, ask: Callable[[Ec2, str], tuple[str, Params]], known: Known) -> None:
    instance_id = idle.run()
    wishes = {"stopping": "stopped", "stopped": "stopped", "shutting-down": "terminated", "terminated": "terminated"}
    idle.cloud.state.instances.change(instance_id, wish=wishes.get(fields["state"], "running"), **fields)
    before = idle.row(instance_id)
    expect(idle, *ask(idle, instance_id), (known[0], known[1], known[2].format(id=instance_id)))
    assert idle.row(instance_id) == before


@pytest.mark.parametrize(("ask", "state"), [(start, "running"), (stop, "stopped"), (terminate, "terminated")])
def test_what_is_so_already_succeeds(idle: Ec2, ask: Callable[[Ec2, str], tuple[str, Params]], state: str) -> None:
    instance_id = idle.run()
    idle.cloud.state.instances.change(instance_id, state=state, wish=state)
    operation, params = ask(idle, instance_id)
    (change,) = next(value for value in idle(operation, **params).values())
    assert change["PreviousState"]["Name"] == change["CurrentState"]["Name"] == state


def test_several_that_are_not_there(ec2: Ec2) -> None:
    wanted = [f"i-{UNKNOWN}", "i-00000000000000000"]
    known = ("InvalidInstanceID.NotFound", 400, f"The instance IDs '{', '.join(wanted)}' do not exist")
    expect(ec2, "TerminateInstances", {"InstanceIds": wanted}, known)


def test_one_bad_id_among_good_ones_changes_nothing(ec2: Ec2) -> None:
    good = ec2.run()
    expect(ec2, "TerminateInstances", {"InstanceIds": [good, f"i-{UNKNOWN}"]}, ("InvalidInstanceID.NotFound", 400, ""))
    assert ec2.state(good) == "running"


def test_names_of_images_and_keys_that_are_taken(ec2: Ec2) -> None:
    ec2("DescribeImages")
    text = f"AMI name debian-12 is already in use by AMI {IMAGE.image_id}"
    image = {"Name": "debian-12", "ImageLocation": IMAGE.image_id}
    expect(ec2, "RegisterImage", image, ("InvalidAMIName.Duplicate", 400, text))
    ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")
    expect(ec2, "CreateKeyPair", {"KeyName": "k"}, ("InvalidKeyPair.Duplicate", 400, "The keypair already exists"))


def test_deleting_a_key_that_is_not_there_succeeds(ec2: Ec2) -> None:
    assert ec2("DeleteKeyPair", KeyName="nobody's")["Return"] is True


def test_a_host_without_images_says_so(tmp_path: Path) -> None:
    cloud = Cloud(settings(tmp_path), lambda *_: fake.host())
    cloud.worker = worker_for(cloud)
    expect(Ec2(cloud), *run(), ("InvalidAMIID.NotFound", 400, f"The image id '[{IMAGE.image_id}]' does not exist"))
