"""The firewall: what the rows say is enforced on the host, before a guest sends its first packet and after its last."""

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from ..cloud import Cloud
from ..config import Settings
from ..errors import host_error
from ..host.firewall_spec import ANY, FirewallSpec, Group, Lan, Permission, Port, Public
from ..state.rows import Interface, Subnet, Vpc
from ..state.rows_network import PublicAddress, SecurityGroupRule
from ..state.store import State
from . import balancer_clients, guest_spec, isolation, locks

_WAIT = 30.0
_OPEN = "sg-without"
"""The group of those that are in none."""


@dataclass(frozen=True)
class Rows:
    """All that the firewall follows from."""

    vpcs: Sequence[Vpc]
    subnets: Sequence[Subnet]
    interfaces: Sequence[Interface]
    rules: Sequence[SecurityGroupRule]
    publics: Sequence[PublicAddress]
    open: frozenset[str]
    """The subnets that reach the outside."""
    for_clients: Collection[str] = ()
    """The taps of load balancers that speak as their clients, and where to."""
    services: tuple[tuple[IPv4Address, int], ...] = ()


def read(state: State) -> Rows:
    """Read it, as one consistent view."""
    with state.transaction(write=False):
        interfaces = state.interfaces.query("instance_id != '' or load_balancer_id != ''", order="id")
        used = {group_id for interface in interfaces for group_id in interface.group_ids}
        for_clients, services = balancer_clients.read(state)
        return Rows(
            vpcs=state.vpcs.query(),
            subnets=state.subnets.among("id", sorted({interface.subnet_id for interface in interfaces})),
            interfaces=interfaces,
            rules=state.security_group_rules.among("group_id", sorted(used)),
            publics=state.public_addresses.query("interface_id != ''", order="address"),
            open=frozenset(open_subnets(state)),
            for_clients=for_clients,
            services=services,
        )


def open_subnets(state: State) -> set[str]:
    """The subnets whose route table leads to the internet gateway that is attached to their VPC."""
    vpcs = {vpc.id: vpc for vpc in state.vpcs.query()}
    own = {link.subnet_id: link.table_id for link in state.route_associations.query()}
    gateways = {route.table_id: route.gateway_id for route in state.routes.query()}

    def is_open(subnet: Subnet) -> bool:
        vpc = vpcs[subnet.vpc_id]
        leads_to = gateways.get(own.get(subnet.id, vpc.route_table_id), "")
        return bool(leads_to) and leads_to == vpc.internet_gateway_id

    return {subnet.id for subnet in state.subnets.query() if is_open(subnet)}


def wanted(rows: Rows, settings: Settings) -> FirewallSpec:
    """The firewall that follows from rows and settings."""
    ranges = {vpc.id: IPv4Network(vpc.cidr) for vpc in rows.vpcs}
    groups: dict[str, list[SecurityGroupRule]] = {
        group_id: [] for interface in rows.interfaces for group_id in interface.group_ids
    }
    for rule in rows.rules:
        groups[rule.group_id].append(rule)
    if any(_unfiltered(interface) for interface in rows.interfaces):
        groups[_OPEN] = []
    reached = {interface.id for interface in rows.interfaces if interface.subnet_id in rows.open}
    return FirewallSpec(
        lans=tuple(Lan(subnet.id, gateway(subnet), ranges[subnet.vpc_id], subnet.id in rows.open) for subnet in rows.subnets),
        ports=tuple(_port(interface, rows.for_clients) for interface in rows.interfaces),
        groups=tuple(_everything() if group_id == _OPEN else _group(group_id, groups[group_id]) for group_id in sorted(groups)),
        services=rows.services,
        publics=tuple(
            Public(IPv4Address(row.address), IPv4Address(row.private_address))
            for row in rows.publics
            if row.interface_id in reached
        ),
        uplink=settings.public_interface,
        endpoint=_endpoint(settings),
        metadata_port=settings.metadata_port,
        dns_port=settings.dns_port,
    )


def _endpoint(settings: Settings) -> tuple[IPv4Address, int] | None:
    """Where guests reach the AWS endpoint, if they are to."""
    host, _, port = settings.listen.rpartition(":")
    try:
        address = IPv4Address(host)
    except ValueError:
        return None
    return (address, int(port)) if settings.guest_endpoint and not address.is_loopback and port.isdigit() else None


def gateway(subnet: Subnet) -> IPv4Interface:
    """The host's address in a subnet: the first, as EC2's router has it."""
    network = IPv4Network(subnet.cidr)
    return IPv4Interface(f"{network.network_address + 1}/{network.prefixlen}")


def _unfiltered(interface: Interface) -> bool:
    """A network load balancer may be without security groups: then nothing keeps anybody from it."""
    return bool(interface.load_balancer_id) and not interface.group_ids


def _everything() -> Group:
    every = (Permission(ANY, -1, -1, IPv4Network("0.0.0.0/0")),)
    return Group(_OPEN, every, every)


def _port(interface: Interface, for_clients: Collection[str]) -> Port:
    return Port(
        tap=guest_spec.tap(interface),
        mac=interface.mac,
        network_id=interface.subnet_id,
        addresses=tuple(IPv4Address(address) for address in (interface.address, *interface.secondary)),
        group_ids=(_OPEN,) if _unfiltered(interface) else tuple(interface.group_ids),
        strict=interface.source_dest_check,
        for_clients=guest_spec.tap(interface) in for_clients,
    )


def _group(group_id: str, rules: Sequence[SecurityGroupRule]) -> Group:
    """Rules for IPv6 let nothing through: guests have no IPv6."""
    permissions: dict[bool, list[Permission]] = {True: [], False: []}
    for rule in rules:
        if not rule.cidr6:
            permissions[rule.egress].append(_permission(rule))
    return Group(group_id, tuple(permissions[False]), tuple(permissions[True]))


def _permission(rule: SecurityGroupRule) -> Permission:
    peer = rule.peer_group_id or IPv4Network(rule.cidr)
    return Permission(rule.protocol, rule.from_port, rule.to_port, peer)


def sound(rows: Rows) -> tuple[Rows, dict[str, Exception]]:
    """The rows without those that make no sense, and by id what these raise.

    Without them the firewall only lets less through: what comes from or goes to a port that it does not know, and what no rule
    permits, is dropped.
    """
    broken: dict[str, Exception] = {}

    def whole(row: Interface | SecurityGroupRule) -> bool:
        try:
            if isinstance(row, Interface):
                _port(row, rows.for_clients)
            elif not row.cidr6:
                _permission(row)
        except Exception as error:  # noqa: BLE001  it is raised again, for this row alone
            broken[row.id] = error
        return row.id not in broken

    interfaces, rules = list(filter(whole, rows.interfaces)), list(filter(whole, rows.rules))
    return dataclasses.replace(rows, interfaces=interfaces, rules=rules), broken


def spec_of(cloud: Cloud) -> tuple[FirewallSpec, dict[str, Exception]]:
    """The firewall, and the rows that it is without (`sound`)."""
    rows = read(cloud.state)
    try:
        return wanted(rows, cloud.settings), {}
    except Exception:
        rows, broken = sound(rows)
        if not broken:
            raise
        return wanted(rows, cloud.settings), broken


def reconcile(cloud: Cloud, needed: Collection[str] = ()) -> bool:
    """Bring the firewall to what the rows say; whether anything had to be done. Raises HostError, also for a row that makes no
    sense if its id is among those `needed`.
    """
    spec, broken = spec_of(cloud)
    isolation.each(cloud, "rows of the firewall", broken.items(), _raise)
    for failure in (broken[row_id] for row_id in needed if row_id in broken):
        raise host_error(failure)
    if cloud.host.firewall.in_force(spec):
        return False
    with locks.held(cloud.settings.run, "firewall", _WAIT):
        spec, _ = spec_of(cloud)
        if cloud.host.firewall.in_force(spec):
            return False
        cloud.host.firewall.apply(spec)
    return True


def _raise(failure: Exception) -> None:
    raise failure
