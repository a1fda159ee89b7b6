"""The firewall: what the rows say is enforced on the host, before a guest sends its first packet and after its last."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from ..cloud import Cloud
from ..config import Settings
from ..host.firewall_spec import ANY, FirewallSpec, Group, Lan, Permission, Port, Public
from ..state.rows import Interface, Subnet, Vpc
from ..state.rows_network import PublicAddress, SecurityGroupRule
from ..state.store import State
from . import balancer_clients, guest_spec, locks

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
            peer = rule.peer_group_id or IPv4Network(rule.cidr)
            permissions[rule.egress].append(Permission(rule.protocol, rule.from_port, rule.to_port, peer))
    return Group(group_id, tuple(permissions[False]), tuple(permissions[True]))


def reconcile(cloud: Cloud) -> bool:
    """Bring the firewall to what the rows say; whether anything had to be done. Raises HostError."""
    if cloud.host.firewall.in_force(wanted(read(cloud.state), cloud.settings)):
        return False
    with locks.held(cloud.settings.run, "firewall", _WAIT):
        spec = wanted(read(cloud.state), cloud.settings)
        if cloud.host.firewall.in_force(spec):
            return False
        cloud.host.firewall.apply(spec)
    return True
