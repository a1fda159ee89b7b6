"""The network interfaces of new instances: everything that a request names is found, then they are made and attached."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from ...api import Call, named
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Instance, Interface, Subnet
from ...state.store import State
from . import interface_attachments, interface_changes, interfaces, public_addresses
from .interface_request import Nic


@dataclass(frozen=True)
class Card:
    """An interface that an instance is to have. `row` is one that is there already."""

    nic: Nic
    subnet: Subnet
    groups: list[str]
    row: Interface | None = None


def subnet_id_of(state: State, nic: Nic) -> str | None:
    """The subnet that an interface names, itself or by being in it. Raises ApiError."""
    return named(state.interfaces, "network-interface", nic.interface_id).subnet_id if nic.interface_id else nic.subnet_id


def found(call: Call, nics: Sequence[Nic], subnet: Subnet, instance_type: str, most: int) -> list[Card]:
    """The interfaces of each of at most `most` instances whose first one is in `subnet`. Raises ApiError."""
    interface_attachments.check_number(instance_type, len(nics))
    if most > 1 and any(nic.names_addresses for nic in nics):
        raise ApiError("InvalidParameterCombination", "A private IP address or an interface can be given to one instance only")
    return [_card(call.cloud.state, nic, subnet) for nic in nics]


def _card(state: State, nic: Nic, first: Subnet) -> Card:
    wanted = subnet_id_of(state, nic)
    subnet = named(state.subnets, "subnet", wanted) if wanted else first
    if (subnet.zone, subnet.vpc_id) != (first.zone, first.vpc_id):
        raise ApiError("InvalidParameterCombination", "All interfaces of an instance must be in one zone and VPC")
    if nic.interface_id:
        row = named(state.interfaces, "network-interface", nic.interface_id)
        if row.instance_id or row.load_balancer_id:
            raise ApiError("InvalidNetworkInterface.InUse", f"Interface: [{row.id}] in use.")
        return Card(nic, subnet, row.group_ids, row)
    groups = interfaces.wanted_groups(state, subnet.vpc_id, nic.group_ids, nic.group_names, f"subnet {subnet.id}")
    if nic.address is not None:
        interfaces.check_address(state, subnet, nic.address)
    return Card(nic, subnet, groups)


def attach(call: Call, row: Instance, cards: Sequence[Card]) -> None:
    """Give an instance its interfaces. One with several gets no public address by itself, as on EC2."""
    for card in cards:
        interface = card.row or _make(call, card)
        alone = card.row is None and len(cards) == 1
        public = alone and (card.subnet.public_ip_on_launch if card.nic.public is None else card.nic.public)
        call.cloud.state.interfaces.change(
            interface.id,
            instance_id=row.id,
            device_index=card.nic.device_index,
            attachment_id=ids.new_id("network-interface-attachment"),
            attached=call.now,
            attachment="attached",
            auto_public=public,
            delete_on_termination=card.nic.delete_on_termination,
        )
        public_addresses.give(call, dataclasses.replace(interface, auto_public=public))


def _make(call: Call, card: Card) -> Interface:
    made = interfaces.create(call, card.subnet, card.groups, card.nic.address, card.nic.description)
    interface_changes.add_addresses(call.cloud.state, made, card.nic.secondary, card.nic.secondary_count)
    call.tag("network-interface", made.id)
    return made
