"""What an instance is told about itself: a tree of texts, as EC2's metadata has it. A pure function of rows.

A dict is a directory; text, or what gives text when it is called, is a leaf. A directory is listed by its names, those of
directories with a slash behind them; an entry of public-keys is listed as `0=name` and found as `0`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..aws.names import private_dns_name, public_dns_name
from ..config import Settings
from ..state.rows import Image, Instance, Interface, SecurityGroup, Subnet, Volume, Vpc

Tree = dict[str, Any]

VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
    "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30",
    "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23",
    "2021-07-15", "2022-07-09", "2022-09-24", "2024-04-11", "latest",
)  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """The instance profile of an instance: its ARN, its id, and the role in it with what gives out credentials."""

    arn: str
    id: str
    role: str
    since: str
    credentials: Callable[[], str]


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
    return json.dumps(said, indent=2)


def meta_data(about: About, settings: Settings) -> Tree:
    """The directory meta-data."""
    row, primary = about.row, about.interfaces[0]
    name = private_dns_name(primary.address, settings)
    tree: Tree = {
        "ami-id": row.image_id,
        "ami-launch-index": str(row.launch_index),
        "ami-manifest-path": "(unknown)",
        "block-device-mapping": _devices(about),
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
        },
        "profile": "default-hvm",
        "reservation-id": row.reservation_id,
        "security-groups": "\n".join(_group_names(about, primary)),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
    }
    if about.lifecycle:
        tree["autoscaling"] = {"target-lifecycle-state": target_state(about.lifecycle)}
    if primary.address in about.publics:
        tree["public-ipv4"] = about.publics[primary.address]
        tree |= _public_name(about, primary, primary.address, settings)
    if row.public_key:
        tree["public-keys"] = {f"0={row.key_name}": {"openssh-key": row.public_key.strip()}}
    if about.profile is not None:
        tree["iam"] = _iam(about.profile)
    if row.metadata_options.get("InstanceMetadataTags") == "enabled":
        tree["tags"] = {"instance": {key: value for key, value in sorted(about.tags.items()) if "/" not in key}}
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
    return {"info": json.dumps(info, indent=2), "security-credentials": {profile.role: profile.credentials}}


def _devices(about: About) -> Tree:
    root = about.image.root_device_name
    found = {"ami": root, "root": root}
    others = (volume.device for volume in about.volumes if volume.device != root)
    return found | {f"ebs{number}": device for number, device in enumerate(sorted(others), 1)}


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
        node = node.get(part, next((node[name] for name in node if "=" in name and name.split("=")[0] == part), None))
        if node is None:
            return None
    if isinstance(node, dict):
        return "\n".join(f"{name}/" if isinstance(value, dict) and "=" not in name else name for name, value in node.items())
    return str(node() if callable(node) else node)
