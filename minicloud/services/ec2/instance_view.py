"""Instances as DescribeInstances and RunInstances answer them, grouped into reservations."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...api import Call
from ...aws.names import private_dns_name, public_dns_name, zone_id
from ...aws.tags import tag_set
from ...state.rows import Image, Instance, Interface, SecurityGroup, Volume
from ...state.rows_failures import Failure
from ...state.rows_network import PublicAddress
from . import cpu_options, metadata_options, reserved
from .instance_profiles import of_instances
from .instance_rows import state_view
from .interfaces import addresses_view, association_view, attachment_view, groups_of


@dataclass
class Around:
    """What belongs to a set of instances, read with one query a table."""

    images: dict[str, Image]
    interfaces: dict[str, list[Interface]]
    volumes: dict[str, list[Volume]]
    tags: dict[str, list[dict[str, str]]]
    groups: dict[str, SecurityGroup] = field(default_factory=dict)
    publics: dict[str, dict[str, PublicAddress]] = field(default_factory=dict)
    """The public addresses of each interface, by the private ones that they stand for."""
    profiles: dict[str, dict[str, str]] = field(default_factory=dict)
    reservations: dict[str, str] = field(default_factory=dict)
    """The capacity reservations that they run in."""
    placements: dict[str, str] = field(default_factory=dict)
    """The ids of placement groups by their names."""
    failing: dict[str, Failure] = field(default_factory=dict)
    """What cannot be done about an instance, where its row does not say so itself."""
    naming: set[str] = field(default_factory=set)
    """The VPCs that give public addresses DNS names."""


def around(call: Call, rows: Sequence[Instance]) -> Around:
    """Read all that is shown with these instances."""
    state, instance_ids = call.cloud.state, [row.id for row in rows]
    found = Around(
        images={image.id: image for image in state.images.among("id", {row.image_id for row in rows})},
        interfaces=defaultdict(list),
        volumes=defaultdict(list),
        tags=state.tags_of(instance_ids),
        groups={group.id: group for group in state.security_groups.query()},
        profiles=of_instances(call, instance_ids),
        reservations=reserved.of_instances(call),
        placements={group.name: group.id for group in state.placement_groups.query()},
        failing={failure.subject: failure for failure in state.failures.query("subject like 'i-%'")},
        naming={vpc.id for vpc in state.vpcs.find(dns_hostnames=True)},
    )
    for interface in state.interfaces.among("instance_id", instance_ids):
        found.interfaces[interface.instance_id].append(interface)
        found.publics[interface.id] = {}
    for public in state.public_addresses.among("interface_id", found.publics):
        found.publics[public.interface_id][public.private_address] = public
    for volume in state.volumes.among("instance_id", instance_ids):
        found.volumes[volume.instance_id].append(volume)
    return found


def reservation(call: Call, rows: Sequence[Instance]) -> dict[str, Any]:
    """One reservation with its instances."""
    found = around(call, rows)
    return _reservation(call, rows, found)


def reservations(call: Call, rows: Sequence[Instance]) -> list[dict[str, Any]]:
    """Instances grouped by the request that launched them."""
    found = around(call, rows)
    grouped: dict[str, list[Instance]] = defaultdict(list)
    for row in rows:
        grouped[row.reservation_id].append(row)
    return [_reservation(call, members, found) for members in grouped.values()]


def _reservation(call: Call, rows: Sequence[Instance], found: Around) -> dict[str, Any]:
    return {
        "ReservationId": rows[0].reservation_id,
        "OwnerId": call.cloud.settings.account_id,
        "Groups": [],
        "Instances": [_instance(call, row, found) for row in rows],
    }


def _instance(call: Call, row: Instance, found: Around) -> dict[str, Any]:
    image = found.images[row.image_id]
    view: dict[str, Any] = {
        "Architecture": image.architecture,
        "BlockDeviceMappings": [_block_device(volume) for volume in found.volumes[row.id]],
        "ClientToken": row.client_token,
        "EbsOptimized": row.ebs_optimized,
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "Hypervisor": "xen",
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        **tag_set(found.tags[row.id]),
        "VirtualizationType": "hvm",
        "CpuOptions": cpu_options.view(row),
        "CapacityReservationSpecification": reserved.specification(row.capacity_reservation),
        "HibernationOptions": {"Configured": False},
        "EnclaveOptions": {"Enabled": False},
        "BootMode": image.boot_mode,
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "UsageOperationUpdateTime": row.created,
        "MaintenanceOptions": {"AutoRecovery": row.auto_recovery},
        "CurrentInstanceBootMode": "uefi" if image.boot_mode == "uefi" else "legacy-bios",
        "InstanceId": row.id,
        "ImageId": row.image_id,
        "State": state_view(row.state),
        "PrivateDnsName": "",
        "PublicDnsName": "",
        "StateTransitionReason": row.transition_reason,
        "AmiLaunchIndex": row.launch_index,
        "ProductCodes": [],
        "InstanceType": row.instance_type,
        "LaunchTime": row.launched,
        "Placement": {
            "GroupName": row.placement_group,
            **({"GroupId": found.placements[row.placement_group]} if row.placement_group in found.placements else {}),
            "Tenancy": "default",
            "AvailabilityZone": row.zone,
            "AvailabilityZoneId": zone_id(call.cloud.settings.region, row.zone),
        },
        "Monitoring": {"State": row.monitoring},
        "MetadataOptions": metadata_options.view(row.metadata_options),
        **_network(call, found.interfaces[row.id], found),
    }
    if row.id in found.profiles:
        view["IamInstanceProfile"] = found.profiles[row.id]
    if row.id in found.reservations:
        view["CapacityReservationId"] = found.reservations[row.id]
    if row.key_name:
        view["KeyName"] = row.key_name
    if reason := _reason(row, found.failing.get(row.id)):
        view["StateReason"] = reason
    return view


def _reason(row: Instance, failure: Failure | None) -> dict[str, str]:
    """Why an instance is in its state, or why it cannot be brought to another at present."""
    code, message = row.reason_code, row.reason_message
    if failure is not None and not code:
        code, message = failure.code, failure.message
    return {"Code": code, "Message": f"{code}: {message}"} if code else {}


def _block_device(volume: Volume) -> dict[str, Any]:
    ebs = {
        "AttachTime": volume.attached,
        "DeleteOnTermination": volume.delete_on_termination,
        "Status": "detaching" if volume.attachment == "busy" else volume.attachment,
        "VolumeId": volume.id,
    }
    return {"DeviceName": volume.device, "Ebs": ebs}


def _network(call: Call, interfaces: Sequence[Interface], found: Around) -> dict[str, Any]:
    if not interfaces:
        return {"NetworkInterfaces": [], "SecurityGroups": []}
    primary = min(interfaces, key=lambda interface: interface.device_index)
    public = found.publics[primary.id].get(primary.address)
    named = public is not None and primary.vpc_id in found.naming
    return {
        **({"PublicIpAddress": public.address} if public else {}),
        **({"PublicDnsName": public_dns_name(public.address, call.cloud.settings)} if public and named else {}),
        "NetworkInterfaces": [_interface(call, interface, found) for interface in interfaces],
        "SecurityGroups": groups_of(call.cloud.state, primary, found.groups),
        "SourceDestCheck": primary.source_dest_check,
        "PrivateDnsName": private_dns_name(primary.address, call.cloud.settings),
        "PrivateIpAddress": primary.address,
        "PrivateDnsNameOptions": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "SubnetId": primary.subnet_id,
        "VpcId": primary.vpc_id,
    }


def _interface(call: Call, row: Interface, found: Around) -> dict[str, Any]:
    dns_name, named = private_dns_name(row.address, call.cloud.settings), row.vpc_id in found.naming
    return {
        "Attachment": attachment_view(row),
        "Description": row.description,
        "Groups": groups_of(call.cloud.state, row, found.groups),
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": row.mac,
        "NetworkInterfaceId": row.id,
        "OwnerId": call.cloud.settings.account_id,
        "PrivateDnsName": dns_name,
        "PrivateIpAddress": row.address,
        "PrivateIpAddresses": addresses_view(call.cloud.settings, row, found.publics[row.id], named=named, with_ids=False),
        **association_view(call.cloud.settings, found.publics[row.id].get(row.address), named=named, with_ids=False),
        "SourceDestCheck": row.source_dest_check,
        "Status": "in-use",
        "SubnetId": row.subnet_id,
        "VpcId": row.vpc_id,
    }
