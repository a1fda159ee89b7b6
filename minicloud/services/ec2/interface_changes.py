"""Network interfaces of their own: made, changed, deleted; and their secondary addresses."""

from collections.abc import Sequence
from typing import Any, TypedDict

from ...api import Answer, Call, named, operation
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Interface
from ...state.store import State
from . import interface_attachments, interfaces, public_addresses
from .interface_request import AddressInput, primary_and_others

MOST_ADDRESSES = 50


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


def _named(state: State, interface_id: str) -> Interface:
    return named(state.interfaces, "network-interface", interface_id)


def _own(state: State, interface_id: str) -> Interface:
    """One that is not a load balancer's. Raises ApiError."""
    found = _named(state, interface_id)
    interfaces.check_own(found)
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
    subnet = named(state.subnets, "subnet", subnet_id)
    first, others = primary_and_others(private_ip_address, private_ip_addresses or [])
    if first is not None:
        interfaces.check_address(state, subnet, first)
    chosen = interfaces.wanted_groups(state, subnet.vpc_id, groups or [], place=f"subnet {subnet.id}")
    row = interfaces.create(call, subnet, chosen, first, description)
    add_addresses(state, row, others, secondary_private_ip_address_count)
    state.interfaces.change(row.id, delete_on_termination=False)
    tags = call.tag("network-interface", row.id)
    return {"NetworkInterface": interfaces.view(call, _named(state, row.id), subnet.zone, tags)}


def add_addresses(state: State, row: Interface, wanted: Sequence[str], count: int) -> list[str]:
    """Give an interface secondary addresses, those named or `count` free ones; returns the new ones."""
    subnet, added = named(state.subnets, "subnet", row.subnet_id), list[str]()
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
    added = add_addresses(call.cloud.state, row, private_ip_addresses or [], secondary_private_ip_address_count)
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
    state, row = call.cloud.state, _named(call.cloud.state, network_interface_id)
    if row.instance_id or row.load_balancer_id:
        raise ApiError("InvalidParameterValue", f"Network interface '{row.id}' is currently in use.")
    for public in state.public_addresses.find(interface_id=row.id):
        state.public_addresses.change(public.address, interface_id="", private_address="", association_id="")
    for tag in state.tags.find(resource_id=row.id):
        state.tags.remove(tag.resource_id, tag.key)
    state.interfaces.remove(row.id)
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
        changes["group_ids"] = interfaces.wanted_groups(call.cloud.state, row.vpc_id, groups, place=f"interface {row.id}")
    if attachment is not None:
        if interface_attachments.attached(call.cloud.state, attachment.get("AttachmentId", "")).id != row.id:
            raise ids.not_found("network-interface-attachment", [attachment.get("AttachmentId", "")])
        changes["delete_on_termination"] = attachment.get("DeleteOnTermination", row.delete_on_termination)
    if len(changes) > 1 or not (changes or call.passed_over):
        raise ApiError("InvalidParameterCombination", "Exactly one attribute of an interface can be changed with one request")
    if changes:
        call.cloud.state.interfaces.change(row.id, **changes)
        call.touch(row.id)
    return {}


@operation()
def describe_network_interface_attribute(call: Call, *, network_interface_id: str, attribute: str = "description") -> Answer:
    """DescribeNetworkInterfaceAttribute."""
    row = _named(call.cloud.state, network_interface_id)
    known: dict[str, dict[str, Any]] = {
        "description": {"Description": {"Value": row.description}},
        "groupSet": {"Groups": interfaces.groups_of(call.cloud.state, row)},
        "sourceDestCheck": {"SourceDestCheck": {"Value": row.source_dest_check}},
        "attachment": {"Attachment": interfaces.attachment_view(row)} if row.instance_id else {},
        "associatePublicIpAddress": {"AssociatePublicIpAddress": row.auto_public},
    }
    return {"NetworkInterfaceId": row.id, **known[attribute]}
