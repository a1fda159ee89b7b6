"""The pool of public addresses: who has which, for how long. Row by row, inside the caller's transaction.

An address is an Elastic IP (it stays until it is released), or an interface has it from the pool while its instance runs. An
Elastic IP that comes to an interface takes the place of the other.
"""

import secrets
from ipaddress import IPv4Address

from ...api import Call
from ...config import Settings
from ...errors import ApiError
from ...state.rows import Interface
from ...state.rows_network import PublicAddress
from ...state.store import State


def free(state: State, settings: Settings, unlike: str = "") -> str:
    """An address of the pool that nobody has, another one than `unlike` where there is one. Raises ApiError."""
    taken = {row.address for row in state.public_addresses.query()}
    pool = settings.public_cidr
    size = pool.num_addresses
    # The first and the last of a range are no hosts' addresses; a range of one or two has no such.
    low, high = (1, size - 2) if size > 2 else (0, size - 1)
    start = secrets.randbelow(high - low + 1)
    for step in range(high - low + 1):
        address = str(IPv4Address(int(pool.network_address) + low + (start + step) % (high - low + 1)))
        if address not in taken and address != unlike:
            return address
    if unlike and unlike not in taken and IPv4Address(unlike) in pool:
        return unlike
    raise ApiError("InsufficientAddressCapacity", "Insufficient addresses available to satisfy your request", 500)


def check_gateway(state: State, vpc_id: str) -> None:
    """Refuse a public address in a VPC that has no way out. Raises ApiError (Gateway.NotAttached)."""
    vpc = state.vpcs.get(vpc_id)
    if vpc is not None and not vpc.internet_gateway_id:
        raise ApiError("Gateway.NotAttached", f"Network {vpc_id} is not attached to any internet gateway")


def give(call: Call, interface: Interface) -> None:
    """A public address for an interface that is to have one while its instance runs, unless it has one already."""
    state = call.cloud.state
    if not interface.auto_public or any(
        row.private_address == interface.address for row in state.public_addresses.find(interface_id=interface.id)
    ):
        return
    vpc = state.vpcs.get(interface.vpc_id)
    if vpc is None or not vpc.internet_gateway_id:
        return
    address = free(state, call.cloud.settings, interface.last_public)
    state.public_addresses.add(PublicAddress(address, "", interface.id, interface.address, "", call.now))
    state.interfaces.change(interface.id, last_public=address)


def take_back(state: State, interface_id: str) -> None:
    """The address from the pool goes back; an Elastic IP stays."""
    for row in state.public_addresses.find(interface_id=interface_id, allocation_id=""):
        state.public_addresses.remove(row.address)


def named(state: State, vpc_id: str) -> bool:
    """Whether a VPC gives public addresses DNS names."""
    vpc = state.vpcs.get(vpc_id)
    return vpc is not None and vpc.dns_hostnames


def of(state: State, interface_id: str) -> dict[str, PublicAddress]:
    """The public addresses of an interface, by the private ones that they stand for."""
    return {row.private_address: row for row in state.public_addresses.find(interface_id=interface_id)}
