"""The end of a history: everything is deleted, time goes by, and what is left is told."""

from collections.abc import Callable, Iterator
from typing import Any

from minicloud.cloud import Cloud
from minicloud.state.store import State

from .grounds import Ground
from .operations import Request

EMPTY = (
    "instances", "interfaces", "volumes", "modifications", "public_addresses", "tags", "scaling_groups", "scaling_members",
    "load_balancers", "target_groups", "listeners", "targets",
)  # fmt: skip
"""Tables that nothing is left in."""
_DAY = 86400.0
_WATCHED = (
    "instances", "volumes", "snapshots", "layers", "images", "interfaces", "public_addresses", "modifications", "scaling_groups",
    "scaling_members", "load_balancers", "target_groups", "listeners", "targets",
)  # fmt: skip


def picture(cloud: Cloud) -> list[Any]:
    """What a pass may change: rows, and what runs. Times at which something was looked at are no change."""
    rows: list[Any] = []
    for name in _WATCHED:
        for row in getattr(cloud.state, name).query():
            fields = dict(vars(row))
            fields.pop("checked", None)
            rows.append((name, fields))
    return [rows, cloud.host.guests.list(), cloud.host.networks.list(), sorted(cloud.host.disks.list())]


def files(cloud: Cloud) -> set[str]:
    """The files of the cloud's home, without those that say whose it is and the database's own log."""
    home = cloud.settings.home
    found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    return {name for name in found if not name.endswith(("-wal", "-shm", "minicloud.json", "place.json"))}


def clear(ground: Ground, ask: Callable[[Request], None], settle: Callable[[], None]) -> None:
    """Delete everything, in the order in which EC2 lets go of it."""
    state = ground.open().state
    for request in _of_others(state):
        ask(request)
    settle()
    living = [row.id for row in state.instances.query() if row.state != "terminated"]
    if living:
        ask(Request("TerminateInstances", {"InstanceIds": living}))
    settle()
    for request in _of_ec2(state, ground.image):
        ask(request)


def _of_others(state: State) -> Iterator[Request]:
    """What holds instances, interfaces and addresses of its own."""
    for group in state.scaling_groups.query():
        yield Request("DeleteAutoScalingGroup", {"AutoScalingGroupName": group.name, "ForceDelete": True}, service="autoscaling")
    for balancer in state.load_balancers.query():
        yield Request("DeleteLoadBalancer", {"LoadBalancerArn": balancer.arn}, service="elbv2")
    for targets in state.target_groups.query():
        yield Request("DeleteTargetGroup", {"TargetGroupArn": targets.arn}, service="elbv2")


def _of_ec2(state: State, base: str) -> Iterator[Request]:
    groups = [row for row in state.security_groups.query() if row.name.startswith("campaign")]
    images = [row for row in state.images.query("state != 'deregistered'") if row.id != base]
    kinds: list[tuple[str, str, list[str]]] = [
        ("DeregisterImage", "ImageId", [row.id for row in images]),
        ("DeleteSnapshot", "SnapshotId", [row.id for row in state.snapshots.query("volume_id != 'vol-ffffffff'")]),
        ("DeleteVolume", "VolumeId", [row.id for row in state.volumes.query()]),
        ("DeleteNetworkInterface", "NetworkInterfaceId", [row.id for row in state.interfaces.query()]),
        ("ReleaseAddress", "AllocationId", [row.allocation_id for row in state.public_addresses.query("allocation_id != ''")]),
        ("DeleteSecurityGroup", "GroupId", [row.id for row in groups]),
    ]
    for operation, member, ids in kinds:
        yield from (Request(operation, {member: one}) for one in ids)


def left(ground: Ground, age: Callable[[float], None], before: set[str]) -> list[str]:
    """What is left some days after everything was deleted: files, rows, and things on the host."""
    age(_DAY)
    age(2 * _DAY)
    age(_DAY)
    cloud = ground.open()
    found = [f"{name}: {rows}" for name in EMPTY if (rows := getattr(cloud.state, name).query())]
    found += [f"{row.id} stands on {row.parent or 'nothing'}" for row in cloud.state.layers.find(base="")]
    found += [f"{row.id} of {row.volume_id}" for row in cloud.state.snapshots.query("volume_id != 'vol-ffffffff'")]
    after = files(cloud)
    return [*found, *ground.left_over(), *(f"a file is left: {name}" for name in sorted(after - before))]
