"""Elastic IPs: public addresses that stay the user's until they are released, whatever becomes of instances."""

from ipaddress import IPv4Address
from typing import Any

from ...api import Answer, Call, named, operation, require
from ...aws import ids
from ...aws.tags import tag_set
from ...errors import ApiError
from ...state.rows import Interface
from ...state.rows_network import PublicAddress
from ...state.store import State
from . import instance_rows, public_addresses
from .interfaces import check_own

FILTERS = {
    "allocation-id": "AllocationId",
    "association-id": "AssociationId",
    "domain": "Domain",
    "instance-id": "InstanceId",
    "network-border-group": "NetworkBorderGroup",
    "network-interface-id": "NetworkInterfaceId",
    "network-interface-owner-id": "NetworkInterfaceOwnerId",
    "private-ip-address": "PrivateIpAddress",
    "public-ip": "PublicIp",
}


def _by_id(state: State, allocation_id: str) -> PublicAddress:
    ids.check("elastic-ip", [allocation_id])
    found = state.public_addresses.find(allocation_id=allocation_id)
    if not found:
        raise ids.not_found("elastic-ip", [allocation_id])
    return found[0]


def _by_address(state: State, address: str) -> PublicAddress:
    found = state.public_addresses.get(address)
    if found is None or not found.allocation_id:
        raise ApiError("InvalidAddress.NotFound", f"Address '{address}' not found.")
    return found


def _named(state: State, allocation_id: str | None, public_ip: str | None) -> PublicAddress:
    if allocation_id and public_ip:
        raise ApiError("InvalidParameterCombination", "You may specify public IP or allocation id, but not both in the same call")
    if allocation_id:
        return _by_id(state, allocation_id)
    if public_ip:
        return _by_address(state, public_ip)
    raise ApiError("MissingParameter", "Either public IP or allocation id must be specified")


@operation(tags=("elastic-ip",))
def allocate_address(
    call: Call, *, domain: str = "vpc", address: str | None = None, network_border_group: str | None = None
) -> Answer:
    """AllocateAddress: any address of the pool, or the one that is asked for.

    It is one of VPCs whatever the domain that is given, as with AWS: clients from before ask for `standard`.
    """
    del domain
    state, settings = call.cloud.state, call.cloud.settings
    if network_border_group not in (None, settings.region):
        raise ApiError("InvalidParameterValue", f"Value ({network_border_group}) for parameter networkBorderGroup is invalid.")
    if len(state.public_addresses.query("allocation_id != ''")) >= settings.most_addresses:
        raise ApiError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
    chosen = _wanted(call, address) if address else public_addresses.free(state, settings)
    row = PublicAddress(chosen, ids.new_id("elastic-ip"), "", "", "", call.now)
    state.public_addresses.add(row)
    call.tag("elastic-ip", row.allocation_id)
    return {
        "AllocationId": row.allocation_id,
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": settings.region,
        "Domain": "vpc",
        "PublicIp": row.address,
    }


def _wanted(call: Call, address: str) -> str:
    refused = ApiError("InvalidAddress.NotFound", f"The Elastic IP address '{address}' does not exist or is not available.")
    pool = call.cloud.settings.public_cidr
    try:
        wanted = IPv4Address(address)
    except ValueError as error:
        raise refused from error
    edges = (pool.network_address, pool.broadcast_address) if pool.num_addresses > 2 else ()
    if wanted not in pool or wanted in edges or call.cloud.state.public_addresses.get(str(wanted)):
        raise refused
    return str(wanted)


@operation()
def associate_address(
    call: Call,
    *,
    allocation_id: str | None = None,
    public_ip: str | None = None,
    instance_id: str | None = None,
    network_interface_id: str | None = None,
    private_ip_address: str | None = None,
    allow_reassociation: bool = True,
) -> Answer:
    """AssociateAddress: with an instance's interface, or with one by its id; it leads there before this answers."""
    state = call.cloud.state
    row = _named(state, allocation_id, public_ip)
    interface = _target(call, instance_id, network_interface_id)
    private = private_ip_address or interface.address
    if private not in (interface.address, *interface.secondary):
        raise ApiError("InvalidParameterValue", f"Address {private} does not belong to {interface.id}")
    if row.association_id and (row.interface_id, row.private_address) == (interface.id, private):
        return {"AssociationId": row.association_id}
    _check_own(state, row)
    public_addresses.check_gateway(state, interface.vpc_id)
    there = public_addresses.of(state, interface.id).get(private)
    for other in (row, there):
        if other is not None and other.association_id and not allow_reassociation:
            raise ApiError(
                "Resource.AlreadyAssociated",
                f"resource {other.allocation_id} is already associated with associate-id {other.association_id}",
            )
    before = row.interface_id
    if there is not None and there.allocation_id:
        _let_go(state, there)
    if private == interface.address:
        public_addresses.take_back(state, interface.id)
    association_id = ids.new_id("elastic-ip-association")
    state.public_addresses.change(row.address, interface_id=interface.id, private_address=private, association_id=association_id)
    if before and before != interface.id:
        _replace(call, before)
    call.touch(row.allocation_id)
    return {"AssociationId": association_id}


def _target(call: Call, instance_id: str | None, interface_id: str | None) -> Interface:
    state = call.cloud.state
    if interface_id:
        found = named(state.interfaces, "network-interface", interface_id)
        check_own(found)
        return found
    if not instance_id:
        raise ApiError("MissingParameter", "Either 'instanceId' or 'networkInterfaceId' must be specified")
    row = instance_rows.named(state, [instance_id])[0]
    if row.state not in ("running", "stopped"):
        raise ApiError("InvalidInstanceID", f"The {row.state} instance '{row.id}' is not in a valid state for this operation.")
    interfaces = state.interfaces.find(instance_id=row.id)
    if len(interfaces) > 1:
        raise ApiError(
            "InvalidInstanceID",
            f"There are multiple interfaces attached to instance '{row.id}'. "
            "Please specify an interface ID for the operation instead.",
        )
    return interfaces[0]


def _check_own(state: State, row: PublicAddress) -> None:
    """Refuse to take an address from a load balancer. Raises ApiError."""
    interface = state.interfaces.get(row.interface_id) if row.interface_id else None
    if interface is not None:
        check_own(interface)


def _let_go(state: State, row: PublicAddress) -> None:
    state.public_addresses.change(row.address, interface_id="", private_address="", association_id="")


def _replace(call: Call, interface_id: str) -> None:
    """An interface that an Elastic IP left gets an address from the pool again, if its instance runs and it is to have one."""
    interface = call.cloud.state.interfaces.get(interface_id)
    instance = call.cloud.state.instances.get(interface.instance_id) if interface else None
    if interface is not None and instance is not None and instance.wish == "running":
        public_addresses.give(call, interface)


@operation()
def disassociate_address(call: Call, *, association_id: str | None = None, public_ip: str | None = None) -> Answer:
    """DisassociateAddress: the address stays the user's. One that is not associated is left as it is."""
    state = call.cloud.state
    if association_id:
        ids.check("elastic-ip-association", [association_id])
        found = state.public_addresses.find(association_id=association_id)
        if not found:
            raise ids.not_found("elastic-ip-association", [association_id])
        row = found[0]
    elif public_ip:
        row = _by_address(state, public_ip)
    else:
        raise ApiError("MissingParameter", "Either public IP or association id must be specified")
    if row.association_id:
        _check_own(state, row)
        _let_go(state, row)
        _replace(call, row.interface_id)
        call.touch(row.allocation_id)
    return {}


@operation()
def release_address(
    call: Call, *, allocation_id: str | None = None, public_ip: str | None = None, network_border_group: str | None = None
) -> Answer:
    """ReleaseAddress: back to the pool."""
    state = call.cloud.state
    if network_border_group not in (None, call.cloud.settings.region):
        raise ApiError("InvalidParameterValue", f"Value ({network_border_group}) for parameter networkBorderGroup is invalid.")
    if public_ip and not allocation_id:
        raise ApiError("InvalidParameterValue", "You must specify an allocation id when releasing a VPC elastic IP address")
    row = _named(state, allocation_id, public_ip)
    if row.association_id:
        raise ApiError("InvalidIPAddress.InUse", f"Address {row.address} is in use.")
    state.public_addresses.remove(row.address)
    for tag in state.tags.find(resource_id=row.allocation_id):
        state.tags.remove(tag.resource_id, tag.key)
    return {}


@operation(items="Addresses", filters=FILTERS)
def describe_addresses(call: Call, *, public_ips: list[str] | None = None, allocation_ids: list[str] | None = None) -> Answer:
    """DescribeAddresses."""
    return {"Addresses": [_view(call, row) for row in _chosen(call.cloud.state, public_ips, allocation_ids)]}


def _chosen(state: State, public_ips: list[str] | None, allocation_ids: list[str] | None) -> list[PublicAddress]:
    ids.check("elastic-ip", allocation_ids or ())
    rows = {row.allocation_id: row for row in state.public_addresses.query("allocation_id != ''")}
    require("elastic-ip", allocation_ids or (), rows)
    if not public_ips and not allocation_ids:
        return list(rows.values())
    chosen = [*(allocation_ids or ()), *(_by_address(state, address).allocation_id for address in public_ips or ())]
    return [rows[allocation_id] for allocation_id in dict.fromkeys(chosen)]


def _view(call: Call, row: PublicAddress) -> dict[str, Any]:
    state, settings = call.cloud.state, call.cloud.settings
    view: dict[str, Any] = {
        "AllocationId": row.allocation_id,
        "Domain": "vpc",
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": settings.region,
        "PublicIp": row.address,
        **tag_set(state.tags_of([row.allocation_id])[row.allocation_id]),
    }
    interface = state.interfaces.get(row.interface_id) if row.interface_id else None
    if interface is None:
        return view
    view |= {
        "AssociationId": row.association_id,
        "NetworkInterfaceId": interface.id,
        "NetworkInterfaceOwnerId": settings.account_id,
        "PrivateIpAddress": row.private_address,
    }
    return view | ({"InstanceId": interface.instance_id} if interface.instance_id else {})


@operation(items="Addresses", key="AllocationId")
def describe_addresses_attribute(
    call: Call, *, allocation_ids: list[str] | None = None, attribute: str = "domain-name"
) -> Answer:
    """DescribeAddressesAttribute: the only attribute is a reverse name, which no address has here."""
    if attribute != "domain-name":
        raise ApiError("InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid. Allowed: domain-name.")
    rows = _chosen(call.cloud.state, None, allocation_ids)
    return {"Addresses": [{"PublicIp": row.address, "AllocationId": row.allocation_id} for row in rows]}
