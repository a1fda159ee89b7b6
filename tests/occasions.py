"""For each method of a host's drivers, how it comes to be called for the victim of a `World`: by the next turn of the daemon, or
by the operation that it is part of.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from minicloud.aws import times
from minicloud.cloud import Idle
from minicloud.state import chains
from minicloud.state.rows_cloudwatch import Notification

from .cloud_fixtures import IMAGE
from .injection import RUN, World

Arrange = Callable[[World], object]
ZONE = {"AvailabilityZone": "us-east-1a"}
NOBODY_ELSE = {
    "guests.console_path", "disks.others", "disks.export", "disks.set_aside", "disks.in_use", "disks.all_above", "seeds.list",
    "networks.strangers", "firewall.stranger",
}  # fmt: skip
"""What only commands of minicloud's own ask for: neither a reconciler nor an operation."""
OPERATIONS: dict[str, tuple[str, Callable[[World], dict[str, Any]]]] = {
    "guests.console_log": ("GetConsoleOutput", lambda world: {"InstanceId": world.victim}),
    "guests.screenshot": ("GetConsoleScreenshot", lambda world: {"InstanceId": world.victim}),
    "machine.capacity": ("RunInstances", lambda _: RUN),
    "disks.free": ("CreateVolume", lambda _: {**ZONE, "Size": 1}),
}
"""Methods that an operation itself asks, which can then only be refused."""


@contextlib.contextmanager
def wishing(world: World) -> Iterator[None]:
    """Wishes are recorded, and nobody carries them out."""
    worker, world.cloud.worker = world.cloud.worker, Idle()
    yield
    world.cloud.worker = worker


def wish(operation: str, **params: Any) -> Arrange:
    """An operation about the victim."""

    def arrange(world: World) -> None:
        with wishing(world):
            world.call(operation, InstanceIds=[world.victim], **params)

    return arrange


def start(world: World) -> None:
    world.call("StopInstances", InstanceIds=[world.victim], Force=True)
    wish("StartInstances")(world)


def layered_start(world: World) -> None:
    """With a disk of two layers."""
    world.call("CreateSnapshot", VolumeId=root(world).id)
    start(world)


def root(world: World) -> Any:
    return world.cloud.state.volumes.find(instance_id=world.victim)[0]


def reboot_unheard(world: World) -> None:
    world.host.deafen(world.victim)
    world.call("RebootInstances", InstanceIds=[world.victim])


def reset(world: World) -> None:
    reboot_unheard(world)
    world.clock.now += 300.0


def spare(world: World, **params: Any) -> str:
    """A volume that is attached to nothing."""
    return str(world.call("CreateVolume", **{**ZONE, "Size": 1, **params})["VolumeId"])


def create(world: World) -> None:
    with wishing(world):
        spare(world)


def drop(world: World) -> None:
    volume = spare(world)
    with wishing(world):
        world.call("DeleteVolume", VolumeId=volume)


def plug(world: World) -> str:
    volume = spare(world)
    world.call("AttachVolume", VolumeId=volume, InstanceId=world.victim, Device="/dev/sdf")
    return volume


def attach(world: World) -> None:
    volume = spare(world)
    with wishing(world):
        world.call("AttachVolume", VolumeId=volume, InstanceId=world.victim, Device="/dev/sdf")


def detach(world: World) -> None:
    volume = plug(world)
    with wishing(world):
        world.call("DetachVolume", VolumeId=volume)


def seize(world: World) -> None:
    volume = plug(world)
    world.host.hold_disk(world.victim, volume.replace("-", ""))
    world.call("DetachVolume", VolumeId=volume)
    with wishing(world):
        world.call("DetachVolume", VolumeId=volume, Force=True)
    world.cloud.state.volumes.change(volume, detach_asked=times.text(1.0))


def grow(world: World) -> None:
    with wishing(world):
        world.call("ModifyVolume", VolumeId=root(world).id, Size=root(world).size + 1)


def grow_spare(world: World) -> None:
    volume = spare(world)
    with wishing(world):
        world.call("ModifyVolume", VolumeId=volume, Size=2)


def snapshot(world: World) -> None:
    with wishing(world):
        world.call("CreateSnapshot", VolumeId=root(world).id)


def snapshot_of(world: World, volume: str) -> str:
    found = str(world.call("CreateSnapshot", VolumeId=volume)["SnapshotId"])
    world.clock.now += 60.0
    return found


def forget_snapshot(world: World, snapshot_id: str) -> None:
    with wishing(world):
        world.call("DeleteSnapshot", SnapshotId=snapshot_id)


def merge(world: World) -> None:
    """Of a volume that no guest has."""
    forget_snapshot(world, snapshot_of(world, spare(world)))


def merge_below(world: World) -> None:
    """A layer in the midst of three."""
    volume = spare(world)
    first = snapshot_of(world, volume)
    snapshot_of(world, volume)
    forget_snapshot(world, first)


def flatten(world: World) -> None:
    """More layers than a volume may have."""
    volume = spare(world)
    for _ in range(2):
        snapshot_of(world, volume)
    world.monkeypatch.setattr(chains, "MOST_DEPTH", 2)


def pull(world: World) -> None:
    """Into the top of a running guest."""
    forget_snapshot(world, snapshot_of(world, root(world).id))


def pulled(world: World) -> None:
    world.call("DeleteSnapshot", SnapshotId=snapshot_of(world, root(world).id))
    assert world.host.blocks.jobs(world.victim)
    world.host.finish_jobs(world.victim)


def commit(world: World) -> None:
    """Below the top of a running guest."""
    first = snapshot_of(world, root(world).id)
    snapshot_of(world, root(world).id)
    forget_snapshot(world, first)


def mended(world: World) -> None:
    """A volume in error that is looked at once more."""
    volume = spare(world)
    world.cloud.state.volumes.change(volume, state="error", reason="QEMU found it damaged")
    with wishing(world):
        world.call("EnableVolumeIO", VolumeId=volume)


def lost(world: World) -> None:
    """Somebody else has cut the victim's power."""
    world.host.guests.destroy(world.victim)


def snapshot_of_lost(world: World) -> None:
    """A snapshot is due before it is started again."""
    snapshot(world)
    lost(world)
    world.cloud.state.instances.change(world.victim, retry_at=times.text(world.clock.now + 90.0))


def halt(world: World) -> None:
    world.host.pause(world.victim)


def damage(world: World) -> None:
    world.host.damage(world.cloud.state.interfaces.find(instance_id=world.victim)[0].subnet_id)


def open_port(world: World) -> None:
    group = world.call("DescribeSecurityGroups")["SecurityGroups"][0]["GroupId"]
    with wishing(world):
        world.call("AuthorizeSecurityGroupIngress", GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0")


def card(world: World) -> dict[str, Any]:
    subnet = world.cloud.state.interfaces.find(instance_id=world.victim)[0].subnet_id
    made: dict[str, Any] = world.call("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]
    return made


def plug_card(world: World) -> tuple[dict[str, Any], str]:
    made = card(world)
    params = {"NetworkInterfaceId": made["NetworkInterfaceId"], "InstanceId": world.victim, "DeviceIndex": 1}
    return made, str(world.call("AttachNetworkInterface", **params)["AttachmentId"])


def attach_card(world: World) -> None:
    made = card(world)
    with wishing(world):
        world.call(
            "AttachNetworkInterface", NetworkInterfaceId=made["NetworkInterfaceId"], InstanceId=world.victim, DeviceIndex=1
        )


def detach_card(world: World) -> None:
    _, attachment = plug_card(world)
    with wishing(world):
        world.call("DetachNetworkInterface", AttachmentId=attachment)


def seize_card(world: World) -> None:
    made, attachment = plug_card(world)
    world.host.hold_card(world.victim, made["MacAddress"])
    world.call("DetachNetworkInterface", AttachmentId=attachment)
    with wishing(world):
        world.call("DetachNetworkInterface", AttachmentId=attachment, Force=True)
    world.cloud.state.interfaces.change(made["NetworkInterfaceId"], detach_asked=times.text(1.0))


def message(world: World) -> None:
    topic = f"arn:aws:sns:us-east-1:{world.cloud.settings.account_id}:ops"
    world.cloud.state.notifications.add(Notification.of(topic, "s", {}, times.now()))


def kill_balancer(world: World) -> None:
    world.host.kill_balancer(world.cloud.state.load_balancers.query()[0].id)


def delete_balancer(world: World) -> None:
    with wishing(world):
        world.elbv2("DeleteLoadBalancer", LoadBalancerArn=world.cloud.state.load_balancers.query()[0].arn)


def appear(world: World) -> None:
    world.host.add_image(dataclasses.replace(IMAGE, image_id="ami-0123456789abcdef1", name="another"))


def set_clock(world: World) -> None:
    world.clock.set(7200.0)


def note_requests(world: World) -> None:
    """There are access logs."""
    (world.cloud.settings.home / "logs").mkdir()


def unstamped(world: World) -> None:
    """Disks from before there were stamps, when nothing was counted."""
    with world.cloud.state.transaction():
        world.cloud.state._connection().execute("update identity set generation = 0")
    with world.host.store.change() as held:
        del held["stamp"]


def taken_over(world: World) -> None:
    """Others have had it go on in a file of theirs, to which it has written nothing."""
    world.host.take_over(world.victim, root(world).id.replace("-", ""), "/tmp/x.qcow2")
    start(world)


def stale_seals(world: World) -> None:
    """A layer that stays as it is, and the minute in which it was sealed is over."""
    snapshot_of(world, root(world).id)


def nothing(_: World) -> None:
    """It is called by each turn."""


OCCASIONS: dict[str, Arrange] = {
    "guests.list": nothing, "guests.counters": nothing, "guests.start": start, "guests.shutdown": wish("StopInstances"),
    "guests.reboot": wish("RebootInstances"), "guests.rebooting": reboot_unheard, "guests.reset": reset,
    "guests.destroy": wish("StopInstances", Force=True), "guests.remove": wish("TerminateInstances"),
    "guests.console_log": nothing, "guests.screenshot": nothing, "guests.keep_off": snapshot, "guests.has_save": snapshot_of_lost,
    "disks.create": create, "disks.remove": drop, "disks.path": start, "disks.size": start, "disks.resize": grow_spare,
    "disks.backing": layered_start, "disks.commit": merge, "disks.rebase": flatten, "disks.repoint": merge_below,
    "disks.list": unstamped, "disks.stamp": nothing, "disks.put_stamp": create, "disks.above": start,
    "networks.unmarked": wish("TerminateInstances"), "balancers.unmarked": delete_balancer,
    "disks.seal": stale_seals, "disks.unseal": start,
    "disks.damage": nothing, "disks.check": mended, "disks.free": halt, "disks.is_open": snapshot,
    "disks.own": start, "disks.stranger": taken_over, "blocks.tops": snapshot,
    "seeds.write": start, "seeds.path": start, "seeds.remove": wish("TerminateInstances"),
    "networks.list": nothing, "networks.ensure": damage, "networks.remove": wish("TerminateInstances"),
    "networks.answers": nothing,
    "images.list": appear, "images.path": layered_start, "images.keep": nothing,
    "machine.capacity": nothing, "machine.boot_id": nothing,
    "machine.uptime": nothing, "machine.ending": lost, "machine.clock_synchronised": set_clock,
    "firewall.in_force": nothing, "firewall.apply": open_port,
    "blocks.chains": snapshot, "blocks.attach": attach, "blocks.detach": detach, "blocks.seize": seize,
    "blocks.has_agent": snapshot, "blocks.quiesce": snapshot, "blocks.thaw": snapshot,
    "blocks.freeze": snapshot, "blocks.resume": halt, "blocks.resize": grow, "blocks.limit": grow, "blocks.pull": pull,
    "blocks.commit": commit, "blocks.jobs": pull, "blocks.flush": pulled,
    "messages.post": message, "messages.run": message,
    "balancers.list": nothing, "balancers.ensure": kill_balancer, "balancers.remove": delete_balancer,
    "balancers.health": nothing, "balancers.statistics": nothing, "balancers.bound_logs": note_requests,
    "cards.list": detach_card, "cards.attach": attach_card, "cards.detach": detach_card, "cards.seize": seize_card,
}  # fmt: skip
