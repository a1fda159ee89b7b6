"""What an instance is told about itself: a tree of texts, as EC2's metadata has it. A pure function of rows.

A dict is a directory; text, or what gives text when it is called, is a leaf. A directory is listed by its names in their
order, those of directories with a slash behind them and no line end behind the last; an entry of public-keys is listed as
`0=name` and found as `0`. A version has the leaves that were there when it was published (`versions.py`).

Of EC2's categories those are missing that minicloud has no such thing for: IPv6, elastic GPUs and inference, spot, hosts,
partitions, product codes, kernels and RAM disks beside the image, and the identity credentials for AWS's own agents.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..aws import instance_types
from ..aws.names import private_dns_name, public_dns_name
from ..config import Settings
from ..state.rows import Image, Instance, Interface, SecurityGroup, Subnet, Volume, Vpc

Tree = dict[str, Any]


@dataclass(frozen=True)
class Profile:
    """The instance profile of an instance: its ARN, its id, and the role in it with what gives out credentials, if anything."""

    arn: str
    id: str
    role: str
    since: str
    credentials: Callable[[], str] | None


@dataclass(frozen=True)
class About:
    """An instance with all that it is told of."""

    row: Instance
    image: Image
    interfaces: Sequence[Interface]
    subnets: Mapping[str, Subnet]
    vpcs: Mapping[str, Vpc]
    groups: Mapping[str, SecurityGroup]
    volumes: Sequence[Volume]
    publics: Mapping[str, str]
    """Public addresses by private ones."""
    tags: Mapping[str, str] = field(default_factory=dict)
    zone_id: str = ""
    lifecycle: str = ""
    """The lifecycle state in a group, as its reconciler has it; empty for an instance that is in none."""
    profile: Profile | None = None


def json_text(value: Any) -> str:
    """A JSON document as EC2 writes it."""
    return json.dumps(value, indent=2, separators=(",", " : "))


def document(about: About, settings: Settings) -> str:
    """The identity document, as the bytes that are signed have it."""
    said = {
        "accountId": settings.account_id,
        "architecture": about.image.architecture,
        "availabilityZone": about.row.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": about.row.image_id,
        "instanceId": about.row.id,
        "instanceType": about.row.instance_type,
        "kernelId": None,
        "pendingTime": about.row.launched[:19] + "Z",
        "privateIp": about.interfaces[0].address,
        "ramdiskId": None,
        "region": settings.region,
        "version": "2017-09-30",
    }
    return json_text(said)


def meta_data(about: About, settings: Settings) -> Tree:
    """The directory meta-data."""
    row, primary = about.row, about.interfaces[0]
    name = private_dns_name(primary.address, settings)
    tree: Tree = {
        "ami-id": row.image_id,
        "ami-launch-index": str(row.launch_index),
        "ami-manifest-path": "(unknown)",
        "block-device-mapping": _devices(about),
        "events": {"maintenance": {"history": "[]", "scheduled": "[]"}},
        "hostname": name,
        "instance-action": "none",
        "instance-id": row.id,
        "instance-life-cycle": "on-demand",
        "instance-type": row.instance_type,
        "local-hostname": name,
        "local-ipv4": primary.address,
        "mac": primary.mac,
        "network": {
            "interfaces": {"macs": {interface.mac: _interface(about, interface, settings) for interface in about.interfaces}}
        },
        "placement": {
            "availability-zone": row.zone,
            "availability-zone-id": about.zone_id,
            "region": settings.region,
            **({"group-name": row.placement_group} if row.placement_group else {}),
        },
        "profile": "default-hvm",
        "reservation-id": row.reservation_id,
        "security-groups": "\n".join(_group_names(about, primary)),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "system": instance_types.get(row.instance_type).family.hypervisor,
    }
    if about.lifecycle:
        tree["autoscaling"] = {"target-lifecycle-state": target_state(about.lifecycle)}
    if primary.address in about.publics:
        tree["public-ipv4"] = about.publics[primary.address]
        tree |= _public_name(about, primary, primary.address, settings)
    if row.public_key:
        tree["public-keys"] = {f"0={row.key_name}": {"openssh-key": row.public_key.strip() + "\n"}}
    if about.profile is not None:
        tree["iam"] = _iam(about.profile)
    if row.metadata_options.get("InstanceMetadataTags") == "enabled":
        tree["tags"] = {"instance": {key: value for key, value in about.tags.items() if "/" not in key}}
    return tree


def target_state(lifecycle: str) -> str:
    """Where an instance of a group is going: what scripts on it wait for in lifecycle hooks."""
    warm, state = lifecycle.startswith("Warmed:"), lifecycle.removeprefix("Warmed:").partition(":")[0]
    targets = {"Pending": "InService", "Terminating": "Terminated", "EnteringStandby": "Standby", "Detaching": "Detached"}
    if warm:
        targets["Pending"] = "Stopped"
    return ("Warmed:" if warm else "") + targets.get(state, state)


def _iam(profile: Profile) -> Tree:
    info = {
        "Code": "Success",
        "LastUpdated": profile.since,
        "InstanceProfileArn": profile.arn,
        "InstanceProfileId": profile.id,
    }
    return {"info": json_text(info)} | (
        {"security-credentials": {profile.role: profile.credentials}} if profile.credentials is not None else {}
    )


def _devices(about: About) -> Tree:
    root = about.image.root_device_name
    others = sorted(volume.device.removeprefix("/dev/") for volume in about.volumes if volume.device != root)
    return {"ami": root, "root": root, **{f"ebs{number}": device for number, device in enumerate(others, 1)}}


def _group_names(about: About, interface: Interface) -> list[str]:
    return [about.groups[group_id].name for group_id in interface.group_ids if group_id in about.groups]


def _interface(about: About, interface: Interface, settings: Settings) -> Tree:
    subnet, vpc = about.subnets[interface.subnet_id], about.vpcs[interface.vpc_id]
    private = [interface.address, *interface.secondary]
    public = {about.publics[address]: address for address in private if address in about.publics}
    tree: Tree = {
        "device-number": str(interface.device_index),
        "interface-id": interface.id,
        "local-hostname": private_dns_name(interface.address, settings),
        "local-ipv4s": "\n".join(private),
        "mac": interface.mac,
        "owner-id": settings.account_id,
        "security-group-ids": "\n".join(interface.group_ids),
        "security-groups": "\n".join(_group_names(about, interface)),
        "subnet-id": subnet.id,
        "subnet-ipv4-cidr-block": subnet.cidr,
        "vpc-id": vpc.id,
        "vpc-ipv4-cidr-block": vpc.cidr,
        "vpc-ipv4-cidr-blocks": vpc.cidr,
    }
    if public:
        tree["public-ipv4s"] = "\n".join(public)
        tree["ipv4-associations"] = public
        tree |= _public_name(about, interface, interface.address, settings)
    return tree


def _public_name(about: About, interface: Interface, private: str, settings: Settings) -> Tree:
    public = about.publics.get(private)
    named = public is not None and about.vpcs[interface.vpc_id].dns_hostnames
    return {"public-hostname": public_dns_name(public, settings)} if public and named else {}


def find(tree: Tree, path: str) -> str | None:
    """What stands at a path below a version: a leaf, or the list of a directory. None if nothing does.

    A slash at the end says nothing: botocore asks for leaves with one.
    """
    node: Any = tree
    for part in (part for part in path.split("/") if part):
        if not isinstance(node, dict):
            return None
        node = node.get(part, next((value for name, value in node.items() if _numbered(name, value, part)), None))
        if node is None:
            return None
    return _listed(node) if isinstance(node, dict) else text(node)


def text(leaf: Any) -> str:
    """What a leaf says."""
    return str(leaf() if callable(leaf) else leaf)


def _numbered(name: str, value: Any, part: str) -> bool:
    return isinstance(value, dict) and name.partition("=")[:2] == (part, "=")


def _listed(directory: Tree) -> str:
    return "\n".join(
        f"{name}/" if isinstance(value, dict) and "=" not in name else name for name, value in sorted(directory.items())
    )
