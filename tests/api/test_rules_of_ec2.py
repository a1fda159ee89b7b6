"""EC2 against a small model of its rules: whatever is asked for in whatever order is answered, or refused with AWS's code.

The model knows states and who holds what; over a fake host everything that is wished for is done when a request is answered.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from minicloud.errors import ApiError
from minicloud.host import fake

from ..cloud_fixtures import IMAGE, RUN, Ec2, cloud_in

ZONES = ("us-east-1a", "us-east-1b")
MOST_ADDRESSES = 5


@dataclass
class Instance:
    """What the model knows of one."""

    zone: str
    root: str
    state: str = "running"
    protected: bool = False
    groups: set[str] = field(default_factory=set)


@dataclass
class Volume:
    """`holder` and `device` are empty while it is free."""

    zone: str
    size: int
    holder: str = ""
    device: str = ""


class Rules(RuleBasedStateMachine):
    """One account."""

    instances = Bundle("instances")
    volumes = Bundle("volumes")
    snapshots = Bundle("snapshots")
    addresses = Bundle("addresses")
    groups = Bundle("groups")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        host = fake.host()
        host.add_image(IMAGE)
        self.ec2 = Ec2(cloud_in(Path(self.directory.name), host))
        self.of_instances: dict[str, Instance] = {}
        self.of_volumes: dict[str, Volume] = {}
        self.of_snapshots: dict[str, int] = {}
        self.of_addresses: dict[str, str] = {}
        self.of_groups: dict[str, set[tuple[int, str]]] = {}
        self.names: dict[str, str] = {}

    def teardown(self) -> None:
        self.ec2.cloud.state.close()
        self.directory.cleanup()

    def asks(self, code: str | None, operation: str, **params: Any) -> dict[str, Any]:
        """The answer where `code` is None, else the request is refused with that code."""
        try:
            answer = self.ec2(operation, **params)
        except ApiError as error:
            refused = error
        else:
            assert code is None, f"{operation} {params} is answered, not refused with {code}"
            return answer
        assert refused.code == code, f"{operation} {params}: {refused.code} {refused.message}, not {code}"
        return {}

    def ended(self, instance_id: str) -> None:
        """Its root goes with it, its other volumes are free, its address stands for nobody."""
        self.of_instances[instance_id].state = "terminated"
        del self.of_volumes[self.of_instances[instance_id].root]
        for volume in self.of_volumes.values():
            if volume.holder == instance_id:
                volume.holder = volume.device = ""
        for name, holder in self.of_addresses.items():
            if holder == instance_id:
                self.of_addresses[name] = ""

    @precondition(lambda self: sum(one.state != "terminated" for one in self.of_instances.values()) < 4)
    @rule(target=instances, zone=st.sampled_from(ZONES))
    def run(self, zone: str) -> str:
        (made,) = self.asks(None, "RunInstances", **RUN, Placement={"AvailabilityZone": zone})["Instances"]
        (disk,) = self.ec2.instance(made["InstanceId"])["BlockDeviceMappings"]
        root = disk["Ebs"]["VolumeId"]
        self.of_instances[made["InstanceId"]] = Instance(zone, root)
        self.of_volumes[root] = Volume(zone, 3, made["InstanceId"], "/dev/xvda")
        return str(made["InstanceId"])

    @rule(instance=instances, operation=st.sampled_from(["StartInstances", "StopInstances", "RebootInstances"]))
    def power(self, instance: str, operation: str) -> None:
        row = self.of_instances[instance]
        reboot = operation == "RebootInstances"
        bad = row.state == "terminated" or (reboot and row.state == "stopped")
        code = None if not bad else "IncorrectState" if reboot else "IncorrectInstanceState"
        self.asks(code, operation, InstanceIds=[instance])
        if not bad:
            row.state = {"StartInstances": "running", "StopInstances": "stopped"}.get(operation, row.state)

    @rule(instance=instances, on=st.booleans())
    def protect(self, instance: str, on: bool) -> None:
        row = self.of_instances[instance]
        if row.state != "terminated":
            self.asks(None, "ModifyInstanceAttribute", InstanceId=instance, DisableApiTermination={"Value": on})
            row.protected = on

    @rule(instance=instances)
    def terminate(self, instance: str) -> None:
        row = self.of_instances[instance]
        refused = row.protected and row.state != "terminated"
        self.asks("OperationNotPermitted" if refused else None, "TerminateInstances", InstanceIds=[instance])
        if not refused and row.state != "terminated":
            self.ended(instance)

    @precondition(lambda self: len(self.of_volumes) < 8)
    @rule(target=volumes, zone=st.sampled_from(ZONES), size=st.integers(1, 4))
    def create_volume(self, zone: str, size: int) -> str:
        made = self.asks(None, "CreateVolume", AvailabilityZone=zone, Size=size)["VolumeId"]
        self.of_volumes[made] = Volume(zone, size)
        return str(made)

    @rule(target=volumes, snapshot=snapshots, zone=st.sampled_from(ZONES), more=st.integers(-1, 2))
    def restore(self, snapshot: str, zone: str, more: int) -> Any:
        there = snapshot in self.of_snapshots
        size = self.of_snapshots.get(snapshot, 2) + more
        if size < 1 or len(self.of_volumes) >= 8:
            return multiple()
        code = "InvalidSnapshot.NotFound" if not there else "InvalidParameterValue" if more < 0 else None
        answer = self.asks(code, "CreateVolume", AvailabilityZone=zone, SnapshotId=snapshot, Size=size)
        if code:
            return multiple()
        self.of_volumes[answer["VolumeId"]] = Volume(zone, size)
        return answer["VolumeId"]

    @rule(volume=volumes, instance=instances, device=st.sampled_from(["/dev/sdf", "/dev/sdg"]))
    def attach(self, volume: str, instance: str, device: str) -> None:
        disk, row = self.of_volumes.get(volume), self.of_instances[instance]
        taken = any(one.holder == instance and one.device == device for one in self.of_volumes.values())
        if disk is None:
            code: str | None = "InvalidVolume.NotFound"
        elif row.state == "terminated":
            code = "IncorrectState"
        elif disk.holder:
            code = "VolumeInUse"
        elif disk.zone != row.zone:
            code = "InvalidVolume.ZoneMismatch"
        else:
            code = "InvalidParameterValue" if taken else None
        self.asks(code, "AttachVolume", VolumeId=volume, InstanceId=instance, Device=device)
        if disk is not None and code is None:
            disk.holder, disk.device = instance, device

    @rule(volume=volumes)
    def detach(self, volume: str) -> None:
        disk = self.of_volumes.get(volume)
        code = "InvalidVolume.NotFound" if disk is None else None if disk.holder else "IncorrectState"
        self.asks(code, "DetachVolume", VolumeId=volume)
        if disk is not None:
            disk.holder = disk.device = ""

    @rule(volume=volumes)
    def delete_volume(self, volume: str) -> None:
        disk = self.of_volumes.get(volume)
        code = "InvalidVolume.NotFound" if disk is None else "VolumeInUse" if disk.holder else None
        self.asks(code, "DeleteVolume", VolumeId=volume)
        if disk is not None and not disk.holder:
            del self.of_volumes[volume]

    @precondition(lambda self: len(self.of_snapshots) < 6)
    @rule(target=snapshots, volume=volumes)
    def snapshot(self, volume: str) -> Any:
        disk = self.of_volumes.get(volume)
        made = self.asks(None if disk else "InvalidVolume.NotFound", "CreateSnapshot", VolumeId=volume)
        if disk is None:
            return multiple()
        self.of_snapshots[made["SnapshotId"]] = disk.size
        return made["SnapshotId"]

    @rule(snapshot=snapshots)
    def delete_snapshot(self, snapshot: str) -> None:
        there = self.of_snapshots.pop(snapshot, None)
        self.asks(None if there else "InvalidSnapshot.NotFound", "DeleteSnapshot", SnapshotId=snapshot)

    @rule(target=addresses)
    def allocate(self) -> Any:
        full = len(self.of_addresses) >= MOST_ADDRESSES
        made = self.asks("AddressLimitExceeded" if full else None, "AllocateAddress")
        if full:
            return multiple()
        self.of_addresses[made["AllocationId"]] = ""
        return made["AllocationId"]

    @rule(address=addresses, instance=instances)
    def associate(self, address: str, instance: str) -> None:
        row = self.of_instances[instance]
        if address not in self.of_addresses:
            code: str | None = "InvalidAllocationID.NotFound"
        else:
            code = "InvalidInstanceID" if row.state == "terminated" else None
        self.asks(code, "AssociateAddress", AllocationId=address, InstanceId=instance)
        if code is None:
            for name, holder in self.of_addresses.items():
                if holder == instance:
                    self.of_addresses[name] = ""
            self.of_addresses[address] = instance

    @rule(address=consumes(addresses))
    def release(self, address: str) -> None:
        held = self.of_addresses.get(address)
        code = "InvalidAllocationID.NotFound" if held is None else "InvalidIPAddress.InUse" if held else None
        self.asks(code, "ReleaseAddress", AllocationId=address)
        if held:
            association = self.ec2("DescribeAddresses", AllocationIds=[address])["Addresses"][0]["AssociationId"]
            self.asks(None, "DisassociateAddress", AssociationId=association)
            self.asks(None, "ReleaseAddress", AllocationId=address)
        self.of_addresses.pop(address, None)

    @rule(target=groups, name=st.sampled_from(["web", "db", "ssh"]))
    def create_group(self, name: str) -> Any:
        code = "InvalidGroup.Duplicate" if name in self.names else None
        made = self.asks(code, "CreateSecurityGroup", GroupName=name, Description="of a test")
        if code:
            return multiple()
        self.names[name], self.of_groups[made["GroupId"]] = made["GroupId"], set()
        return made["GroupId"]

    @rule(group=groups, port=st.sampled_from([22, 80]), cidr=st.sampled_from(["0.0.0.0/0", "10.0.0.0/8"]), add=st.booleans())
    def change_rule(self, group: str, port: int, cidr: str, add: bool) -> None:
        rules = self.of_groups.get(group)
        there = rules is not None and (port, cidr) in rules
        if rules is None:
            code: str | None = "InvalidGroup.NotFound"
        else:
            code = None if there != add else "InvalidPermission.Duplicate" if add else "InvalidPermission.NotFound"
        name = "AuthorizeSecurityGroupIngress" if add else "RevokeSecurityGroupIngress"
        self.asks(code, name, GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=cidr)
        if rules is not None and code is None:
            (rules.add if add else rules.discard)((port, cidr))

    @rule(group=groups, instance=instances)
    def move_into_group(self, group: str, instance: str) -> None:
        row = self.of_instances[instance]
        if row.state != "terminated":
            code = None if group in self.of_groups else "InvalidGroup.NotFound"
            self.asks(code, "ModifyInstanceAttribute", InstanceId=instance, Groups=[group])
            if code is None:
                row.groups = {group}

    @rule(group=groups)
    def delete_group(self, group: str) -> None:
        used = any(group in row.groups and row.state != "terminated" for row in self.of_instances.values())
        there = group in self.of_groups
        code = "InvalidGroup.NotFound" if not there else "DependencyViolation" if used else None
        self.asks(code, "DeleteSecurityGroup", GroupId=group)
        if there and not used:
            del self.of_groups[group]
            self.names = {name: group_id for name, group_id in self.names.items() if group_id != group}

    @invariant()
    def says_what_the_model_says(self) -> None:
        state = self.ec2.cloud.state
        assert {row.id: row.state for row in state.instances.query()} == {
            name: row.state for name, row in self.of_instances.items()
        }
        assert {row.id: (row.instance_id, row.device) for row in state.volumes.query()} == {
            name: (row.holder, row.device) for name, row in self.of_volumes.items()
        }
        assert {row.id for row in state.snapshots.query("volume_id != 'vol-ffffffff'")} == set(self.of_snapshots)
        held = {row.allocation_id: row.private_address for row in state.public_addresses.query("allocation_id != ''")}
        assert {name: bool(private) for name, private in held.items()} == {
            name: bool(holder) for name, holder in self.of_addresses.items()
        }
        layers = {row.id for row in state.layers.find(base="")}
        assert set(self.ec2.cloud.host.disks.list()) == layers


Rules.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None, phases=[Phase.generate])
test_whatever_is_asked_for_in_whatever_order = Rules.TestCase
