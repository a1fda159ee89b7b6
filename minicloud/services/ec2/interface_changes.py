"""Network interfaces of their own: made, attached to stopped instances, changed, deleted; and their secondary addresses."""

from collections.abc import Sequence
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import ids, instance_types
from ...errors import ApiError
from ...state.rows import Interface, Subnet
from ...state.store import State
from . import interfaces, public_addresses
from .instance_rows import named

MOST_ADDRESSES = 50


class AddressInput(TypedDict, total=False):
    """A private address that is asked for."""

    PrivateIpAddress: str
    Primary: bool


class BooleanValue(TypedDict, total=False):
    """A truth value in a structure of its own."""

    Value: bool


class TextValue(TypedDict, total=False):
    """A text in a structure of its own."""

    Value: str


class AttachmentInput(TypedDict, total=False):
    """What may be changed of an attachment."""

    AttachmentId: str
    DeleteOnTermination: bool


def _interface(state: State, interface_id: str) -> Interface:
    ids.check("network-interface", [interface_id])
    found = state.interfaces.get(interface_id)
    if found is None:
        raise ids.not_found("network-interface", [interface_id])
    return found


def _own(state: State, interface_id: str) -> Interface:
    """One that is not a load balancer's. Raises ApiError."""
    found = _interface(state, interface_id)
    interfaces.check_own(found)
    return found


def _attached(state: State, attachment_id: str) -> Interface:
    ids.check("network-interface-attachment", [attachment_id])
    found = state.interfaces.find(attachment_id=attachment_id)
    if not found:
        raise ids.not_found("network-interface-attachment", [attachment_id])
    return found[0]


def _stopped(call: Call, instance_id: str) -> None:
    """Cards come and go while an instance is off. Raises ApiError."""
    if named(call.cloud.state, [instance_id])[0].state != "stopped":
        raise ApiError(
            "UnsupportedOperation", f"minicloud changes the network cards of a stopped instance; {instance_id} is not stopped"
        )


def _subnet_of(state: State, row: Interface) -> Subnet:
    found = state.subnets.get(row.subnet_id)
    if found is None:
        raise ids.not_found("subnet", [row.subnet_id])
    return found


@operation(tags=("network-interface",))
def create_network_interface(
    call: Call,
    *,
    subnet_id: str,
    description: str = "",
    private_ip_address: str | None = None,
    private_ip_addresses: list[AddressInput] | None = None,
    secondary_private_ip_address_count: int = 0,
    groups: list[str] | None = None,
) -> Answer:
    """CreateNetworkInterface: it has its addresses until it is deleted, attached or not."""
    state = call.cloud.state
    ids.check("subnet", [subnet_id])
    subnet = state.subnets.get(subnet_id)
    if subnet is None:
        raise ids.not_found("subnet", [subnet_id])
    listed = private_ip_addresses or []
    primary = [one.get("PrivateIpAddress", "") for one in listed if one.get("Primary")]
    if len(primary) > 1 or (primary and private_ip_address):
        raise ApiError("InvalidParameterCombination", "Only one primary private IP address can be specified")
    first = next(iter(primary), private_ip_address)
    if first is not None:
        interfaces.check_address(state, subnet, first)
    chosen = interfaces.wanted_groups(state, subnet.vpc_id, groups or [])
    row = interfaces.create(call, subnet, chosen, first, description)
    others = [one.get("PrivateIpAddress", "") for one in listed if not one.get("Primary")]
    _add(state, row, others, secondary_private_ip_address_count)
    state.interfaces.change(row.id, delete_on_termination=False)
    tags = call.tag("network-interface", row.id)
    return {"NetworkInterface": interfaces.view(call, _interface(state, row.id), subnet.zone, tags)}


def _add(state: State, row: Interface, wanted: Sequence[str], count: int) -> list[str]:
    """Give an interface secondary addresses, those named or `count` free ones; returns the new ones."""
    subnet, added = _subnet_of(state, row), list[str]()
    if wanted and count:
        raise ApiError("InvalidParameterCombination", "Specify addresses or their number, not both")
    if 1 + len(row.secondary) + len(wanted) + count > MOST_ADDRESSES:
        raise ApiError("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")
    for address in wanted or [""] * count:
        if address:
            interfaces.check_address(state, subnet, address)
        added.append(address or interfaces.free_address(state, subnet))
        state.interfaces.change(row.id, secondary=[*row.secondary, *added])
    return added


@operation()
def assign_private_ip_addresses(
    call: Call,
    *,
    network_interface_id: str,
    private_ip_addresses: list[str] | None = None,
    secondary_private_ip_address_count: int = 0,
) -> Answer:
    """AssignPrivateIpAddresses: the guest may use them at once; its own system is told by nobody, as on EC2."""
    row = _own(call.cloud.state, network_interface_id)
    if not private_ip_addresses and not secondary_private_ip_address_count:
        raise ApiError("MissingParameter", "The request must contain the parameter privateIpAddresses or a number of them")
    added = _add(call.cloud.state, row, private_ip_addresses or [], secondary_private_ip_address_count)
    call.touch(row.id)
    return {"NetworkInterfaceId": row.id, "AssignedPrivateIpAddresses": [{"PrivateIpAddress": one} for one in added]}


@operation()
def unassign_private_ip_addresses(
    call: Call, *, network_interface_id: str, private_ip_addresses: list[str] | None = None
) -> Answer:
    """UnassignPrivateIpAddresses: an Elastic IP that stood for one of them stands for none then."""
    state, row, gone = call.cloud.state, _own(call.cloud.state, network_interface_id), private_ip_addresses or []
    if not gone:
        raise ApiError("MissingParameter", "The request must contain the parameter privateIpAddresses")
    if strange := [address for address in gone if address not in row.secondary]:
        raise ApiError(
            "InvalidParameterValue", f"Some of the specified addresses are not assigned to interface {row.id}: {strange[0]}"
        )
    state.interfaces.change(row.id, secondary=[one for one in row.secondary if one not in gone])
    for private, public in public_addresses.of(state, row.id).items():
        if private in gone:
            state.public_addresses.change(public.address, interface_id="", private_address="", association_id="")
    call.touch(row.id)
    return {}


@operation()
def delete_network_interface(call: Call, *, network_interface_id: str) -> Answer:
    """DeleteNetworkInterface: one that is not attached. An Elastic IP of it stays the user's."""
    state, row = call.cloud.state, _interface(call.cloud.state, network_interface_id)
    if row.instance_id or row.load_balancer_id:
        raise ApiError("InvalidParameterValue", f"Network interface '{row.id}' is currently in use.")
    for public in state.public_addresses.find(interface_id=row.id):
        state.public_addresses.change(public.address, interface_id="", private_address="", association_id="")
    for tag in state.tags.find(resource_id=row.id):
        state.tags.remove(tag.resource_id, tag.key)
    state.interfaces.remove(row.id)
    return {}


@operation()
def attach_network_interface(call: Call, *, network_interface_id: str, instance_id: str, device_index: int) -> Answer:
    """AttachNetworkInterface: the instance has the card from its next start on."""
    state, row = call.cloud.state, _own(call.cloud.state, network_interface_id)
    _stopped(call, instance_id)
    instance = named(state, [instance_id])[0]
    if row.instance_id:
        raise ApiError("InvalidParameterValue", f"Interface: [{row.id}] in use.")
    there = state.interfaces.find(instance_id=instance_id)
    if device_index < 1 or any(other.device_index == device_index for other in there):
        raise ApiError(
            "InvalidParameterValue",
            f"Instance '{instance_id}' already has an interface attached at device index '{device_index}'.",
        )
    if _subnet_of(state, row).zone != instance.zone or row.vpc_id != there[0].vpc_id:
        raise ApiError(
            "InvalidParameterCombination",
            f"You may not attach a network interface to an instance unless both are in one zone and VPC: {instance.zone}",
        )
    if len(there) >= instance_types.get(instance.instance_type).max_interfaces:
        raise ApiError(
            "AttachmentLimitExceeded", f"Interface count {len(there) + 1} exceeds the limit for {instance.instance_type}"
        )
    attachment_id = ids.new_id("network-interface-attachment")
    state.interfaces.change(
        row.id, instance_id=instance_id, device_index=device_index, attachment_id=attachment_id, attached=call.now
    )
    call.touch(row.id)
    return {"AttachmentId": attachment_id, "NetworkCardIndex": 0}


@operation()
def detach_network_interface(call: Call, *, attachment_id: str, force: bool = False) -> Answer:  # noqa: ARG001
    """DetachNetworkInterface: of a stopped instance, whose guest holds nothing, so that `force` makes no difference."""
    row = _attached(call.cloud.state, attachment_id)
    if row.device_index == 0:
        raise ApiError("OperationNotPermitted", f"The network interface at device index 0 cannot be detached: {row.id}")
    _stopped(call, row.instance_id)
    call.cloud.state.interfaces.change(row.id, instance_id="", device_index=0, attachment_id="", attached="")
    call.touch(row.id)
    return {}


@operation()
def modify_network_interface_attribute(
    call: Call,
    *,
    network_interface_id: str,
    description: TextValue | None = None,
    source_dest_check: BooleanValue | None = None,
    groups: list[str] | None = None,
    attachment: AttachmentInput | None = None,
) -> Answer:
    """ModifyNetworkInterfaceAttribute: one attribute at a time; groups and the check are in force at once."""
    row = _own(call.cloud.state, network_interface_id)
    changes: dict[str, Any] = {}
    if description is not None:
        changes["description"] = description.get("Value", "")
    if source_dest_check is not None:
        changes["source_dest_check"] = source_dest_check.get("Value", True)
    if groups is not None:
        changes["group_ids"] = interfaces.wanted_groups(call.cloud.state, row.vpc_id, groups)
    if attachment is not None:
        if _attached(call.cloud.state, attachment.get("AttachmentId", "")).id != row.id:
            raise ids.not_found("network-interface-attachment", [attachment.get("AttachmentId", "")])
        changes["delete_on_termination"] = attachment.get("DeleteOnTermination", row.delete_on_termination)
    if len(changes) != 1:
        raise ApiError("InvalidParameterCombination", "Exactly one attribute of an interface can be changed with one request")
    call.cloud.state.interfaces.change(row.id, **changes)
    call.touch(row.id)
    return {}


@operation()
def describe_network_interface_attribute(call: Call, *, network_interface_id: str, attribute: str = "description") -> Answer:
    """DescribeNetworkInterfaceAttribute."""
    row = _interface(call.cloud.state, network_interface_id)
    known: dict[str, dict[str, Any]] = {
        "description": {"Description": {"Value": row.description}},
        "groupSet": {"Groups": interfaces.groups_of(call.cloud.state, row)},
        "sourceDestCheck": {"SourceDestCheck": {"Value": row.source_dest_check}},
        "attachment": {"Attachment": interfaces.attachment_view(row)} if row.instance_id else {},
        "associatePublicIpAddress": {"AssociatePublicIpAddress": row.auto_public},
    }
    return {"NetworkInterfaceId": row.id, **known[attribute]}
