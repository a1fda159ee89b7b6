"""An instance's life as the API shows it, over the fake host: states, reasons, attributes, checks, console."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from minicloud.errors import Permanent, Retry
from minicloud.host.contracts import Capacity, NetworkSpec, Power
from minicloud.host.fake import FakeHost
from minicloud.reconcile import instance_plan

from ..clocks import Clock
from ..cloud_fixtures import RUN, Ec2


def verb(ec2: Ec2, name: str, *ids: str, **params: Any) -> list[tuple[str, str]]:
    """Previous and current state of each instance, as the answer gives them."""
    answer = ec2(f"{name}Instances", InstanceIds=list(ids), **params)
    (changes,) = answer.values()
    return [(change["PreviousState"]["Name"], change["CurrentState"]["Name"]) for change in changes]


class TestLaunch:
    def test_the_answer_is_pending_and_soon_it_runs(self, ec2: Ec2) -> None:
        answer = ec2("RunInstances", **RUN)
        assert answer["Instances"][0]["State"] == {"Code": 0, "Name": "pending"}
        assert ec2.instance(answer["Instances"][0]["InstanceId"])["State"] == {"Code": 16, "Name": "running"}

    def test_several_are_one_reservation(self, ec2: Ec2) -> None:
        answer = ec2("RunInstances", **{**RUN, "MinCount": 2, "MaxCount": 4})
        assert [one["AmiLaunchIndex"] for one in answer["Instances"]] == [0, 1, 2, 3]
        (reservation,) = ec2("DescribeInstances")["Reservations"]
        assert reservation["ReservationId"] == answer["ReservationId"]
        assert len(reservation["Instances"]) == 4

    def test_as_many_as_fit_between_least_and_most(self, ec2: Ec2, host: FakeHost) -> None:
        host.set_capacity(Capacity(16, 512 + 3 * 512))
        assert len(ec2("RunInstances", **{**RUN, "MinCount": 2, "MaxCount": 9})["Instances"]) == 3
        assert ec2.refused("RunInstances", **RUN).code == "InsufficientInstanceCapacity"

    def test_the_guest_is_what_was_asked_for(self, ec2: Ec2, host: FakeHost) -> None:
        ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")
        devices = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "VolumeType": "gp3"}}]
        instance_id = ec2.run(
            InstanceType="c5.large", KeyName="k", PrivateIpAddress="172.31.0.77", BlockDeviceMappings=devices,
            UserData=base64.b64encode(b"\x00hello\xff").decode(), Placement={"AvailabilityZone": "us-east-1a"},
        )  # fmt: skip
        spec = host.spec(instance_id)
        assert (spec["vcpus"], spec["memory"], len(spec["disks"]), len(spec["nics"])) == (2, 4096, 1, 1)
        instance = ec2.instance(instance_id)
        (card,) = instance["NetworkInterfaces"]
        assert spec["nics"][0]["mac"] == card["MacAddress"]
        with host.store.change() as held:
            (disk,) = held["disks"].values()
            seed = held["seeds"][instance_id]
            (network,) = held["networks"].values()
        assert disk["size"] == 9 << 30
        assert base64.b64decode(seed["user_data"]) == b"\x00hello\xff"
        assert seed["hostname"] == "ip-172-31-0-77"
        assert len(seed["public_keys"]) == 1
        assert network["reservations"][0]["address"] == instance["PrivateIpAddress"] == "172.31.0.77"

    def test_a_zone_chooses_its_subnet(self, ec2: Ec2) -> None:
        instance = ec2.instance(ec2.run(Placement={"AvailabilityZone": "us-east-1c"}))
        assert instance["Placement"]["AvailabilityZone"] == "us-east-1c"
        (subnet,) = ec2("DescribeSubnets", SubnetIds=[instance["SubnetId"]])["Subnets"]
        assert (subnet["AvailabilityZone"], subnet["AvailableIpAddressCount"]) == ("us-east-1c", 4090)

    def test_a_failure_for_good_ends_terminated_with_its_reason(self, ec2: Ec2, host: FakeHost) -> None:
        host.fail("guests.start", Permanent("this host can't", "Server.NoKVM"))
        instance_id = ec2.run()
        instance = ec2.instance(instance_id)
        assert instance["State"]["Name"] == "terminated"
        assert instance["StateReason"] == {"Code": "Server.NoKVM", "Message": "Server.NoKVM: this host can't"}
        assert (host.disks.list(), host.seeds.list(), host.networks.list()) == ({}, set(), {})

    def test_a_network_that_cannot_be_is_the_reason(self, ec2: Ec2, host: FakeHost) -> None:
        host.fail("networks.ensure", Permanent("this host uses these addresses", "InvalidSubnet.Conflict"), times=3)
        instance = ec2.instance(ec2.run())
        assert (instance["State"]["Name"], instance["StateReason"]["Code"]) == ("terminated", "InvalidSubnet.Conflict")

    def test_a_network_that_cannot_be_keeps_nobody_else_from_starting(self, ec2: Ec2, host: FakeHost) -> None:
        (subnet,) = ec2("DescribeSubnets", Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}])["Subnets"]
        genuine = host.networks.ensure

        def ensure(spec: NetworkSpec) -> None:
            if spec.network_id == subnet["SubnetId"]:
                raise Permanent("this host uses these addresses", "InvalidSubnet.Conflict")
            genuine(spec)

        host.networks.ensure = ensure  # type: ignore[method-assign]
        one, two = ec2.run(), ec2.run(Placement={"AvailabilityZone": "us-east-1b"})
        assert (ec2.state(one), ec2.state(two)) == ("terminated", "running")

    def test_what_fails_once_is_tried_again(self, ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        host.fail("guests.start", Retry("busy"))
        instance_id = ec2.run()
        assert ec2.state(instance_id) == "pending"
        Clock(monkeypatch).pass_(10)
        assert ec2.state(instance_id) == "running"
        assert "StateReason" not in ec2.instance(instance_id)


class TestLife:
    def test_stop_and_start(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        before = ec2.instance(instance_id)
        assert verb(ec2, "Stop", instance_id) == [("running", "stopping")]
        stopped = ec2.instance(instance_id)
        assert stopped["State"] == {"Code": 80, "Name": "stopped"}
        assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
        assert stopped["StateTransitionReason"].startswith("User initiated (")
        assert verb(ec2, "Start", instance_id) == [("stopped", "pending")]
        after = ec2.instance(instance_id)
        assert after["State"]["Name"] == "running"
        for same in ("PrivateIpAddress", "BlockDeviceMappings"):
            assert after[same] == before[same]
        for same in ("NetworkInterfaceId", "MacAddress", "PrivateIpAddress", "Attachment"):
            assert after["NetworkInterfaces"][0][same] == before["NetworkInterfaces"][0][same]

    def test_a_deaf_guest_is_stopped_by_force(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id = ec2.run()
        host.deafen(instance_id)
        verb(ec2, "Stop", instance_id)
        assert ec2.state(instance_id) == "stopping"
        verb(ec2, "Stop", instance_id, Force=True)
        assert ec2.state(instance_id) == "stopped"
        assert host.guests.list()[instance_id].power is Power.OFF

    def test_reboot_is_seen_by_the_guest_once(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id = ec2.run()
        assert ec2("RebootInstances", InstanceIds=[instance_id]) == {}
        ec2.look()
        assert [call for call in host.calls() if call[0] == "guests.reboot"] == [["guests.reboot", instance_id]]

    def test_a_deaf_guest_is_reset_when_it_was_waited_for(
        self, ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock(monkeypatch)
        instance_id = ec2.run()
        host.deafen(instance_id)
        ec2("RebootInstances", InstanceIds=[instance_id])
        assert host.guests.rebooting(instance_id)
        clock.pass_(300)
        ec2.look()
        assert not host.guests.rebooting(instance_id)
        assert [call for call in host.calls() if call[0] == "guests.reset"] == [["guests.reset", instance_id]]
        assert ec2.state(instance_id) == "running"

    def test_terminated_can_be_seen_for_an_hour(self, ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
        instance_id = ec2.run()
        assert verb(ec2, "Terminate", instance_id) == [("running", "shutting-down")]
        instance = ec2.instance(instance_id)
        assert instance["State"] == {"Code": 48, "Name": "terminated"}
        assert (instance["NetworkInterfaces"], instance["BlockDeviceMappings"]) == ([], [])
        assert "PrivateIpAddress" not in instance
        Clock(monkeypatch).pass_(instance_plan.SEEN_AFTER_TERMINATION + 1)
        ec2.look()
        assert ec2.refused("DescribeInstances", InstanceIds=[instance_id]).code == "InvalidInstanceID.NotFound"

    def test_an_address_is_free_again_after_termination(self, ec2: Ec2) -> None:
        verb(ec2, "Terminate", ec2.run(PrivateIpAddress="172.31.0.50"))
        assert ec2.state(ec2.run(PrivateIpAddress="172.31.0.50")) == "running"

    @pytest.mark.parametrize(("behavior", "state"), [("stop", "stopped"), ("terminate", "terminated")])
    def test_a_shutdown_from_inside(self, ec2: Ec2, host: FakeHost, behavior: str, state: str) -> None:
        instance_id = ec2.run(InstanceInitiatedShutdownBehavior=behavior)
        host.power_off_by_guest(instance_id)
        assert ec2.state(instance_id) == state
        assert ec2.instance(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"

    def test_after_a_restart_of_the_host_what_ran_runs(self, ec2: Ec2, host: FakeHost) -> None:
        one, two = ec2.run(), ec2.run()
        verb(ec2, "Stop", two)
        ec2("DescribeInstances")
        host.restart_machine()
        assert (ec2.state(one), ec2.state(two)) == ("running", "stopped")

    def test_a_start_needs_room_too(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id = ec2.run()
        verb(ec2, "Stop", instance_id)
        ec2("DescribeInstances")
        host.set_capacity(Capacity(16, 600))
        assert ec2.refused("StartInstances", InstanceIds=[instance_id]).code == "InsufficientInstanceCapacity"


ATTRIBUTES = ["instanceType", "userData", "disableApiTermination", "disableApiStop", "instanceInitiatedShutdownBehavior",
              "rootDeviceName", "blockDeviceMapping", "productCodes", "sourceDestCheck", "groupSet", "ebsOptimized", "enaSupport",
              "sriovNetSupport", "kernel", "ramdisk", "enclaveOptions"]  # fmt: skip


class TestAttributes:
    @pytest.mark.parametrize("name", ATTRIBUTES)
    def test_each_can_be_read(self, ec2: Ec2, name: str) -> None:
        instance_id = ec2.run(UserData=base64.b64encode(b"data").decode())
        answer = ec2("DescribeInstanceAttribute", InstanceId=instance_id, Attribute=name)
        assert answer["InstanceId"] == instance_id
        assert len(answer) == 2

    @pytest.mark.parametrize(
        "params", [{"DisableApiTermination": {"Value": True}}, {"Attribute": "disableApiTermination", "Value": "true"}]
    )
    def test_protection(self, ec2: Ec2, params: dict[str, Any]) -> None:
        instance_id = ec2.run()
        assert ec2("ModifyInstanceAttribute", InstanceId=instance_id, **params) == {}
        answer = ec2("DescribeInstanceAttribute", InstanceId=instance_id, Attribute="disableApiTermination")
        assert answer["DisableApiTermination"] == {"Value": True}
        assert ec2.refused("TerminateInstances", InstanceIds=[instance_id]).code == "OperationNotPermitted"

    @pytest.mark.parametrize("given", [b"\x00new\xff", base64.b64encode(b"\x00new\xff").decode()])
    def test_user_data_of_a_stopped_instance(self, ec2: Ec2, host: FakeHost, given: bytes | str) -> None:
        instance_id = ec2.run()
        verb(ec2, "Stop", instance_id)
        ec2("DescribeInstances")
        ec2("ModifyInstanceAttribute", InstanceId=instance_id, **modified(given))
        verb(ec2, "Start", instance_id)
        with host.store.change() as held:
            assert base64.b64decode(held["seeds"][instance_id]["user_data"]) == b"\x00new\xff"

    def test_too_much_user_data(self, ec2: Ec2) -> None:
        instance_id = ec2.run()
        verb(ec2, "Stop", instance_id)
        ec2("DescribeInstances")
        refused = ec2.refused("ModifyInstanceAttribute", InstanceId=instance_id, **modified(b"x" * 16385))
        assert (refused.code, refused.message) == ("InvalidParameterValue", "User data is limited to 16384 bytes")

    def test_two_at_once_are_refused(self, ec2: Ec2) -> None:
        both = {"DisableApiStop": {"Value": True}, "DisableApiTermination": {"Value": True}}
        assert ec2.refused("ModifyInstanceAttribute", InstanceId=ec2.run(), **both).code == "InvalidParameterCombination"

    def test_a_new_type_starts_with_its_own_size(self, ec2: Ec2, host: FakeHost) -> None:
        instance_id = ec2.run()
        verb(ec2, "Stop", instance_id)
        ec2("DescribeInstances")
        ec2("ModifyInstanceAttribute", InstanceId=instance_id, InstanceType={"Value": "m5.large"})
        verb(ec2, "Start", instance_id)
        assert host.spec(instance_id)["memory"] == 8192
        assert ec2.refused("ModifyInstanceAttribute", InstanceId=instance_id, InstanceType={"Value": "x"}).status == 400


def modified(user_data: bytes | str) -> dict[str, Any]:
    """The parameters that give an instance user data: bytes in the parameter of its own, base64 text by name."""
    if isinstance(user_data, bytes):
        return {"UserData": {"Value": user_data}}
    return {"Attribute": "userData", "Value": user_data}


class TestChecks:
    def checks(self, ec2: Ec2, instance_id: str) -> tuple[str, str]:
        (found,) = ec2("DescribeInstanceStatus", InstanceIds=[instance_id])["InstanceStatuses"]
        return found["SystemStatus"]["Status"], found["InstanceStatus"]["Status"]

    def test_initializing_until_it_answers_then_ok_then_impaired(
        self, ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock(monkeypatch)
        instance_id = ec2.run()
        host.deafen(instance_id)
        assert self.checks(ec2, instance_id) == ("ok", "initializing")
        with host.store.change() as held:
            held["guests"][instance_id]["deaf"] = False
        clock.pass_(6)
        assert self.checks(ec2, instance_id) == ("ok", "ok")
        host.deafen(instance_id)
        for expected in ("ok", "impaired", "impaired"):
            clock.pass_(6)
            assert self.checks(ec2, instance_id) == ("ok", expected)

    def test_only_running_ones_unless_all_are_asked_for(self, ec2: Ec2) -> None:
        one, two = ec2.run(), ec2.run()
        verb(ec2, "Stop", two)
        assert [status["InstanceId"] for status in ec2("DescribeInstanceStatus")["InstanceStatuses"]] == [one]
        every = ec2("DescribeInstanceStatus", IncludeAllInstances=True)["InstanceStatuses"]
        assert {status["InstanceId"]: status["InstanceStatus"]["Status"] for status in every}[two] == "not-applicable"


def test_console_and_screenshot(ec2: Ec2, host: FakeHost) -> None:
    instance_id = ec2.run()
    host.say(instance_id, b"kernel says \xff\x00")
    output = base64.b64decode(ec2("GetConsoleOutput", InstanceId=instance_id, Latest=True)["Output"])
    assert output.endswith(b"kernel says \xff\x00")
    picture = base64.b64decode(ec2("GetConsoleScreenshot", InstanceId=instance_id)["ImageData"])
    assert Image.open(io.BytesIO(picture)).format == "JPEG"
    verb(ec2, "Stop", instance_id)
    ec2("DescribeInstances")
    assert ec2.refused("GetConsoleScreenshot", InstanceId=instance_id).code == "IncorrectInstanceState"


def test_monitoring(ec2: Ec2) -> None:
    instance_id = ec2.run(Monitoring={"Enabled": True})
    assert ec2.instance(instance_id)["Monitoring"] == {"State": "enabled"}
    assert ec2("UnmonitorInstances", InstanceIds=[instance_id])["InstanceMonitorings"][0]["Monitoring"]["State"] == "disabled"
    assert ec2("MonitorInstances", InstanceIds=[instance_id])["InstanceMonitorings"][0]["Monitoring"]["State"] == "enabled"
