"""What must hold: after each step, and when everything has come to rest. Each check returns what is wrong, in words."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from minicloud.cloud import Cloud
from minicloud.host.contracts import Power
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.reconcile import firewall
from minicloud.state.rows_storage import Snapshot

from .grounds import Ground
from .model import BLOCKS, Content, Model


def doubled(cloud: Cloud) -> Iterator[str]:
    """Identifiers and addresses that two have."""
    state = cloud.state
    interfaces, publics = state.interfaces.query(), state.public_addresses.query()
    given = [(row.subnet_id, address) for row in interfaces for address in (row.address, *row.secondary)]
    lists: dict[str, list[Any]] = {
        "private address": given,
        "hardware address": [row.mac for row in interfaces],
        "public address": [row.address for row in publics],
        "holder of a public address": [row.private_address for row in publics if row.private_address],
        "layer that is written to": [row.layer_id for row in state.volumes.query() if row.layer_id],
        "device": [(row.instance_id, row.device) for row in state.volumes.query() if row.instance_id],
    }
    for what, values in lists.items():
        yield from (f"two have the same {what}: {value}" for value, count in Counter(values).items() if count > 1)


def at_rest(cloud: Cloud) -> Iterator[str]:
    """The host and the rows agree: no orphan, nothing missing, nothing half done."""
    host, state = cloud.host, cloud.state
    rows = [row for row in state.instances.query() if row.state != "terminated"]
    lived_in = {row.subnet_id for row in state.interfaces.query("instance_id != '' or load_balancer_id != ''")}
    owners = {row.instance_id for row in state.interfaces.query("instance_id != ''")}
    guests = host.guests.list()
    on = {name for name, guest in guests.items() if guest.power in (Power.RUNNING, Power.PAUSED)}
    pairs: dict[str, tuple[set[str], set[str]]] = {
        "guests": (set(guests), {row.id for row in rows if row.state != "stopped" or row.id in guests}),
        "running guests": (on, {row.id for row in rows if row.state == "running"}),
        "disks": (set(host.disks.list()), {layer.id for layer in state.layers.find(base="")}),
        "seeds": (host.seeds.list(), {row.id for row in rows}),
        "networks": (set(host.networks.list()), lived_in),
        "owners of interfaces": (owners, {row.id for row in rows}),
        "cards": (
            {mac for name in on for mac in host.cards.list(name)},
            {row.mac.lower() for row in state.interfaces.query("instance_id != ''") if row.instance_id in on},
        ),
        "load balancers": (
            {name for name, served in host.balancers.list().items() if served is not None},
            {row.id for row in state.load_balancers.query()},
        ),
        "damaged networks": ({name for name, spec in host.networks.list().items() if spec is None}, set()),
    }
    yield from (f"{what}: there {sorted(a - b)}, missing {sorted(b - a)}" for what, (a, b) in pairs.items() if a != b)
    yield from (f"{row.id} is {row.state}, and is to be {row.wish}" for row in rows if row.state != row.wish)
    yield from (f"{row.id} is {row.state} {row.attachment}" for row in state.volumes.query(_HALF_DONE))
    yield from (f"{row.id} is {row.attachment}" for row in state.interfaces.query("attachment not in ('', 'attached')"))
    yield from (f"{row.id} is {row.state}: {row.reason}" for row in state.load_balancers.query("state = 'provisioning'"))
    yield from (f"{row.id} is {row.state}" for row in state.snapshots.find(state="pending"))
    yield from (f"{row.id} is {row.state}" for row in state.images.find(state="pending"))
    yield from _layers(cloud)
    if not host.firewall.in_force(firewall.wanted(firewall.read(state), cloud.settings)):
        yield "the firewall is not what the rows say"


_HALF_DONE = (
    "state not in ('available', 'in-use') or attachment not in ('', 'attached') or (instance_id = '') != (attachment = '')"
)


def _layers(cloud: Cloud) -> Iterator[str]:
    """Every layer is needed, and stands where its row says."""
    layers = {row.id: row for row in cloud.state.layers.query()}
    named = {row.layer_id for row in [*cloud.state.volumes.query(), *cloud.state.snapshots.query()]}
    children = Counter(row.parent for row in layers.values())
    for row in layers.values():
        if row.parent and row.parent not in layers:
            yield f"{row.id} stands on {row.parent}, which no row knows"
        if not row.base and row.id not in named and children[row.id] == 0:
            yield f"{row.id} is a layer that nobody needs"


def learn(cloud: Cloud, ground: Ground, model: Model) -> Iterator[str]:
    """Take new snapshots and volumes into the model. A new snapshot has to read as its volume did at some moment."""
    for row in cloud.state.snapshots.query("state = 'completed' and volume_id != 'vol-ffffffff'"):
        if row.id not in model.known_snapshots:
            yield from _snapshot(cloud, ground, model, row)
    for volume in cloud.state.volumes.query():
        if volume.id not in model.volumes:
            model.volumes[volume.id] = model.snapshots.get(volume.snapshot_id, {})
            model.since[volume.id] = [model.volumes[volume.id]]
            model.ever[volume.id] = [model.volumes[volume.id]]
        model.owners[volume.id] = volume.instance_id, volume.delete_on_termination


def bytes_of(cloud: Cloud, ground: Ground, model: Model) -> Iterator[str]:
    """Nothing is gone, and every volume and snapshot reads as the model says."""
    yield from _lost(cloud, model)
    yield from learn(cloud, ground, model)
    for row in cloud.state.snapshots.query("state = 'completed' and volume_id != 'vol-ffffffff'"):
        yield from _snapshot(cloud, ground, model, row)
    for volume in cloud.state.volumes.query():
        read, wanted = ground.read(cloud, volume.layer_id, BLOCKS), model.volumes[volume.id]
        if read != wanted:
            yield f"{volume.id} reads as {read}, not as {wanted}"


def _snapshot(cloud: Cloud, ground: Ground, model: Model, row: Snapshot) -> Iterator[str]:
    read = ground.read(cloud, row.layer_id, BLOCKS)
    allowed: list[Content] = [model.snapshots[row.id]] if row.id in model.snapshots else model.since.get(row.volume_id, [{}])
    if read not in allowed:
        yield f"{row.id} of {row.volume_id} reads as {read}, which is none of {allowed}"
    model.snapshots.setdefault(row.id, read)
    model.known_snapshots.add(row.id)


def _lost(cloud: Cloud, model: Model) -> Iterator[str]:
    """What is gone though nobody asked to delete it, and no instance that it goes with was terminated."""
    there = {row.id for row in [*cloud.state.volumes.query(), *cloud.state.snapshots.query()]}
    living = {row.id for row in cloud.state.instances.query() if row.wish != "terminated"}
    for name in [name for name in [*model.volumes, *model.known_snapshots] if name not in there]:
        owner, goes_with_it = model.owners.get(name, ("", False))
        if name not in model.doomed and not (goes_with_it and owner not in living):
            yield f"{name} is gone, and nobody asked for that"
        model.forget(name)


def rules(cloud: Cloud, model: Model) -> Iterator[str]:
    """The rows' rules are those that were asked for, and what is enforced lets nothing else in."""
    groups = {row.id for row in cloud.state.security_groups.query() if row.name.startswith("campaign")}
    rows = cloud.state.security_group_rules.query("egress = 0")
    for group_id in groups:
        found = {(row.protocol, row.from_port, row.to_port, row.cidr) for row in rows if row.group_id == group_id}
        wanted = model.rules.setdefault(group_id, set())
        if (found ^ wanted) - model.unsure.get(group_id, set()):
            yield f"{group_id} has {sorted(found)}, and was told {sorted(wanted)}"
        model.rules[group_id] = found
    model.unsure.clear()


def enforced(spec: FirewallSpec, model: Model) -> Iterator[str]:
    """What a host that tells what it enforces lets in, against what was asked for: a closed port stays closed."""
    for group in spec.groups:
        if group.group_id in model.rules:
            ranges = [one for one in group.ingress if isinstance(one.peer, IPv4Network)]
            let_in = {(one.protocol, one.low, one.high, str(one.peer)) for one in ranges}
            more = let_in - model.rules[group.group_id] - model.unsure.get(group.group_id, set())
            if more:
                yield f"{group.group_id} lets in {sorted(more)}, which nobody asked for"


def scaling(cloud: Cloud) -> Iterator[str]:
    """Groups are within their bounds, and have what they are to have."""
    living = {row.id for row in cloud.state.instances.query() if row.state == "running"}
    for group in cloud.state.scaling_groups.query():
        members = [row for row in cloud.state.scaling_members.find(group_name=group.name) if row.instance_id in living]
        if not group.min_size <= len(members) <= group.max_size:
            yield f"{group.name} has {len(members)} instances, and {group.min_size} to {group.max_size} are allowed"
        if len(members) != group.desired:
            yield f"{group.name} has {len(members)} instances, and is to have {group.desired}"
