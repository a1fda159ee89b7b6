"""What clients ask for in a history: valid requests, chosen by chance among the things that are there.

A maker returns a request, or None where there is nothing that it could be about. `REFUSALS` are the codes with which EC2
refuses what is right in itself, but comes at the wrong moment or finds no room.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from minicloud.cloud import Cloud
from minicloud.state.rows import Instance, Volume

ZONES = ("us-east-1a", "us-east-1b")
MOST_INSTANCES, MOST_VOLUMES, MOST_SNAPSHOTS, MOST_GROUPS = 5, 9, 12, 3
REFUSALS = {
    "IncorrectInstanceState", "IncorrectState", "InvalidState", "InsufficientInstanceCapacity", "VolumeInUse",
    "InvalidSnapshot.InUse", "DependencyViolation", "InvalidParameterValue", "VolumeModificationRateExceeded",
    "InvalidVolume.NotFound", "InvalidInstanceID.NotFound", "InvalidSnapshot.NotFound", "InvalidAllocationID.NotFound",
    "InvalidAssociationID.NotFound", "InvalidGroup.NotFound", "AddressLimitExceeded", "Resource.AlreadyAssociated",
    "InvalidPermission.Duplicate", "InvalidPermission.NotFound", "InvalidAMIID.Unavailable", "InvalidAMIID.NotFound",
    "IncorrectModificationState", "OperationNotPermitted", "UnsupportedOperation", "InvalidGroup.Duplicate",
    "ScalingActivityInProgress", "ResourceInUse", "ValidationError", "ResourceContention", "AlreadyExists",
    "InvalidIPAddress.InUse", "InvalidAMIName.Duplicate", "SnapshotCreationPerVolumeRateExceeded",
    "InvalidInstanceID", "InvalidNetworkInterfaceID.NotFound", "ConcurrentCreateImageNoRebootLimitExceeded",
    "InvalidNetworkInterface.InUse", "InvalidAttachmentID.NotFound", "AttachmentLimitExceeded", "InvalidTarget",
    "TargetGroupNotFound", "LoadBalancerNotFound", "ListenerNotFound", "DuplicateListener",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A request; `about` names the volumes, snapshots or groups that it changes or deletes."""

    operation: str
    params: dict[str, Any]
    about: tuple[str, ...] = ()
    service: str = "ec2"
    rule: tuple[str, int, int, str] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.operation} {self.params}"


@dataclass(frozen=True)
class Choice:
    """A look at the cloud, and chance."""

    cloud: Cloud
    random: Random
    image: str
    serial: int
    """A number that no other request of the history has."""
    slow: bool
    """Whether guests take their time: then nothing is asked for that waits for one to shut down."""

    def one(self, found: list[Any]) -> Any:
        """One of them, or None."""
        return self.random.choice(found) if found else None

    def instances(self, *states: str) -> list[Instance]:
        """Those that are in one of these states and belong to no Auto Scaling group, oldest first."""
        members = {member.instance_id for member in self.cloud.state.scaling_members.query()}
        return [row for row in self.cloud.state.instances.query() if row.state in states and row.id not in members]

    def volumes(self, *, attached: bool | None = None) -> list[Volume]:
        """Volumes that are at rest."""
        rows = [row for row in self.cloud.state.volumes.query() if row.state in ("available", "in-use")]
        return [row for row in rows if attached is None or bool(row.instance_id) == attached]


Maker = Callable[[Choice], Request | None]


def run_instances(choice: Choice) -> Request | None:
    living = [row for row in choice.cloud.state.instances.query() if row.state != "terminated"]
    if len(living) >= MOST_INSTANCES:
        return None
    extra = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": choice.random.random() < 0.5}}
    params: dict[str, Any] = {
        "ImageId": choice.image, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1,
        "Placement": {"AvailabilityZone": choice.random.choice(ZONES)}, "ClientToken": f"token-{choice.serial}",
        "BlockDeviceMappings": [extra] if choice.random.random() < 0.5 else [],
    }  # fmt: skip
    groups = [row for row in choice.cloud.state.security_groups.query() if row.name.startswith("campaign")]
    if groups and choice.random.random() < 0.7:
        params["SecurityGroupIds"] = [choice.one(groups).id]
    return Request("RunInstances", {name: value for name, value in params.items() if value})


def _of_instance(operation: str, *states: str, **more: Any) -> Maker:
    def make(choice: Choice) -> Request | None:
        row = choice.one(choice.instances(*states))
        return Request(operation, {"InstanceIds": [row.id], **more}) if row else None

    return make


def create_volume(choice: Choice) -> Request | None:
    if len(choice.cloud.state.volumes.query()) >= MOST_VOLUMES:
        return None
    snapshots = [row for row in choice.cloud.state.snapshots.find(state="completed") if row.volume_id != "vol-ffffffff"]
    source = choice.one(snapshots) if choice.random.random() < 0.5 else None
    what = {"SnapshotId": source.id} if source else {"Size": 1}
    params = {"AvailabilityZone": choice.random.choice(ZONES), "VolumeType": "gp3", "ClientToken": f"token-{choice.serial}"}
    return Request("CreateVolume", {**params, **what})


def attach_volume(choice: Choice) -> Request | None:
    volume = choice.one(choice.volumes(attached=False))
    near = [row for row in choice.instances("running", "stopped") if volume and row.zone == volume.zone]
    instance = choice.one(near)
    if instance is None:
        return None
    used = {row.device for row in choice.cloud.state.volumes.find(instance_id=instance.id)}
    free = [name for name in (f"/dev/sd{letter}" for letter in "ghijk") if name not in used]
    return Request("AttachVolume", {"VolumeId": volume.id, "InstanceId": instance.id, "Device": free[0]}) if free else None


def detach_volume(choice: Choice) -> Request | None:
    volume = choice.one([row for row in choice.volumes(attached=True) if row.device != "/dev/xvda"])
    return Request("DetachVolume", {"VolumeId": volume.id}) if volume else None


def delete_volume(choice: Choice) -> Request | None:
    volume = choice.one(choice.volumes(attached=False))
    return Request("DeleteVolume", {"VolumeId": volume.id}, (volume.id,)) if volume else None


def modify_volume(choice: Choice) -> Request | None:
    volume = choice.one([row for row in choice.volumes() if row.size < 5])
    return Request("ModifyVolume", {"VolumeId": volume.id, "Size": volume.size + 1}) if volume else None


def create_snapshot(choice: Choice) -> Request | None:
    volume = choice.one(choice.volumes())
    if volume is None or len(choice.cloud.state.snapshots.query()) >= MOST_SNAPSHOTS:
        return None
    return Request("CreateSnapshot", {"VolumeId": volume.id}, (volume.id,))


def create_snapshots(choice: Choice) -> Request | None:
    instance = choice.one(choice.instances("running", "stopped"))
    if instance is None or len(choice.cloud.state.snapshots.query()) >= MOST_SNAPSHOTS:
        return None
    return Request("CreateSnapshots", {"InstanceSpecification": {"InstanceId": instance.id}})


def delete_snapshot(choice: Choice) -> Request | None:
    rows = choice.cloud.state.snapshots.query("volume_id != 'vol-ffffffff' and state != 'pending'")
    snapshot = choice.one(rows)
    return Request("DeleteSnapshot", {"SnapshotId": snapshot.id}, (snapshot.id,)) if snapshot else None


def create_image(choice: Choice) -> Request | None:
    instance = choice.one(choice.instances("running", "stopped"))
    if instance is None or len(choice.cloud.state.snapshots.query()) >= MOST_SNAPSHOTS:
        return None
    quick = choice.slow or choice.random.random() < 0.5
    return Request("CreateImage", {"InstanceId": instance.id, "Name": f"campaign {choice.serial}", "NoReboot": quick})


def deregister_image(choice: Choice) -> Request | None:
    image = choice.one([row for row in choice.cloud.state.images.find(state="available") if row.id != choice.image])
    if image is None:
        return None
    whole = choice.random.random() < 0.5
    snapshots = tuple(one["Ebs"]["SnapshotId"] for one in image.devices if "Ebs" in one) if whole else ()
    return Request("DeregisterImage", {"ImageId": image.id, **({"DeleteAssociatedSnapshots": True} if whole else {})}, snapshots)


def allocate_address(choice: Choice) -> Request | None:
    return Request("AllocateAddress", {}) if len(choice.cloud.state.public_addresses.query()) < 4 else None


def associate_address(choice: Choice) -> Request | None:
    address = choice.one(choice.cloud.state.public_addresses.query("allocation_id != ''"))
    instance = choice.one(choice.instances("running"))
    if address is None or instance is None:
        return None
    cards = choice.cloud.state.interfaces.find(instance_id=instance.id)
    to = {"InstanceId": instance.id} if len(cards) < 2 else {"NetworkInterfaceId": choice.one(cards).id}
    return Request("AssociateAddress", {"AllocationId": address.allocation_id, **to})


def release_address(choice: Choice) -> Request | None:
    address = choice.one(choice.cloud.state.public_addresses.query("allocation_id != '' and interface_id = ''"))
    return Request("ReleaseAddress", {"AllocationId": address.allocation_id}) if address else None


def create_group(choice: Choice) -> Request | None:
    if len(choice.cloud.state.security_groups.query()) > MOST_GROUPS:
        return None
    return Request("CreateSecurityGroup", {"GroupName": f"campaign-{choice.serial}", "Description": "a campaign"})


def authorize(choice: Choice) -> Request | None:
    group = choice.one([row for row in choice.cloud.state.security_groups.query() if row.name.startswith("campaign")])
    if group is None:
        return None
    port, cidr = choice.random.randrange(1, 65536), choice.random.choice(["0.0.0.0/0", "10.0.0.0/8", "192.0.2.7/32"])
    params = {"GroupId": group.id, "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": cidr}
    return Request("AuthorizeSecurityGroupIngress", params, (group.id,), rule=("tcp", port, port, cidr))


def revoke(choice: Choice) -> Request | None:
    groups = {row.id for row in choice.cloud.state.security_groups.query() if row.name.startswith("campaign")}
    rule = choice.one([row for row in choice.cloud.state.security_group_rules.query("egress = 0") if row.group_id in groups])
    if rule is None:
        return None
    params = {"GroupId": rule.group_id, "IpProtocol": rule.protocol, "FromPort": rule.from_port, "ToPort": rule.to_port}
    gone = (rule.protocol, rule.from_port, rule.to_port, rule.cidr)
    return Request("RevokeSecurityGroupIngress", {**params, "CidrIp": rule.cidr}, (rule.group_id,), rule=gone)


def create_scaling_group(choice: Choice) -> Request | None:
    if choice.cloud.state.scaling_groups.query():
        return None
    params = {
        "AutoScalingGroupName": f"campaign-{choice.serial}", "MinSize": 1, "MaxSize": 3, "DesiredCapacity": 2,
        "AvailabilityZones": list(ZONES), "LaunchConfigurationName": "campaign",
    }  # fmt: skip
    return Request("CreateAutoScalingGroup", params, service="autoscaling")


def set_capacity(choice: Choice) -> Request | None:
    group = choice.one(choice.cloud.state.scaling_groups.query())
    if group is None:
        return None
    params = {"AutoScalingGroupName": group.name, "DesiredCapacity": choice.random.randint(1, 3)}
    return Request("SetDesiredCapacity", params, service="autoscaling")


def delete_scaling_group(choice: Choice) -> Request | None:
    group = choice.one(choice.cloud.state.scaling_groups.query())
    params = {"AutoScalingGroupName": group.name, "ForceDelete": True} if group else {}
    return Request("DeleteAutoScalingGroup", params, service="autoscaling") if group else None


def terminate_member(choice: Choice) -> Request | None:
    member = choice.one(choice.cloud.state.scaling_members.query())
    return Request("TerminateInstances", {"InstanceIds": [member.instance_id]}) if member else None


def of_another(choice: Choice) -> list[Request]:
    """What is asked for in another home on the host; ids of this one's are strange to it."""
    living = [row.id for row in choice.cloud.state.instances.query() if row.state != "terminated"]
    volumes = [row.id for row in choice.volumes()]
    run = {"ImageId": choice.image, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1}
    volume = {"AvailabilityZone": ZONES[0], "Size": 1, "VolumeType": "gp3"}
    asked = [Request("RunInstances", run), Request("CreateVolume", volume)]
    asked += [Request("TerminateInstances", {"InstanceIds": living[:1]})] if living else []
    asked += [Request("DeleteVolume", {"VolumeId": volumes[0]})] if volumes else []
    return choice.random.sample([*asked, Request("AllocateAddress", {})], 2)


ANYWHERE: list[tuple[int, Maker]] = [
    (6, run_instances), (2, _of_instance("StopInstances", "running", Force=True)), (4, _of_instance("StartInstances", "stopped")),
    (2, _of_instance("TerminateInstances", "pending", "running", "stopping", "stopped")), (4, create_volume), (5, attach_volume),
    (3, delete_volume), (2, modify_volume), (8, create_snapshot), (3, create_snapshots), (6, delete_snapshot), (2, create_image),
    (2, deregister_image), (2, allocate_address), (3, associate_address), (2, release_address), (2, create_group),
    (4, authorize), (4, revoke), (3, detach_volume),
]  # fmt: skip
"""Each with its weight."""
ON_FAKE_HOSTS: list[tuple[int, Maker]] = [
    (3, _of_instance("StopInstances", "running")), (1, _of_instance("RebootInstances", "running")),
    (2, create_scaling_group), (2, set_capacity), (1, delete_scaling_group), (1, terminate_member),
]  # fmt: skip
"""What is tried only where guests obey at once."""
