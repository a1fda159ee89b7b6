"""Networks: a subnet is on the host while an interface of an instance lives in it, and serves exactly who lives there."""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from ..aws.names import hostname
from ..cloud import Cloud
from ..errors import HostError
from ..host.contracts import NetworkSpec, Reservation
from ..state.rows import Interface, Subnet
from . import locks

_WAIT = 30.0


def wanted(subnet: Subnet, interfaces: Sequence[Interface], domain: str) -> NetworkSpec:
    """The network of a subnet with these interfaces. The host has the subnet's first address, as EC2's router has."""
    network = IPv4Network(subnet.cidr)
    reservations = [
        Reservation(interface.mac, IPv4Address(interface.address), hostname(interface.address)) for interface in interfaces
    ]
    return NetworkSpec(
        network_id=subnet.id,
        gateway=IPv4Interface(f"{network.network_address + 1}/{network.prefixlen}"),
        domain=domain,
        reservations=tuple(sorted(reservations, key=lambda reservation: reservation.address)),
    )


def plan(want: Mapping[str, NetworkSpec], have: Mapping[str, NetworkSpec | None]) -> tuple[list[NetworkSpec], list[str]]:
    """Which networks to (re)make, and which to take away."""
    return [spec for name, spec in want.items() if have.get(name) != spec], [name for name in have if name not in want]


def _wanted(cloud: Cloud) -> dict[str, NetworkSpec]:
    living: dict[str, list[Interface]] = {}
    for interface in cloud.state.interfaces.query("instance_id != '' or load_balancer_id != ''"):
        living.setdefault(interface.subnet_id, []).append(interface)
    domain = cloud.settings.private_domain
    return {subnet.id: wanted(subnet, living[subnet.id], domain) for subnet in cloud.state.subnets.among("id", living)}


def reconcile(cloud: Cloud) -> bool:
    """Bring the networks to what the rows say; whether anything had to be done. Raises HostError."""
    return any(plan(_wanted(cloud), cloud.host.networks.list())) and assure(cloud)


def assure(cloud: Cloud, needed: Collection[str] | None = None) -> bool:
    """The same after everybody else who is at it: what a row that was there before needs is there afterwards, and stays.

    Subnets are few and quick to make: one lock for them all, and the rows are read under it. One that cannot be made keeps
    no other from being made. Raises HostError for one that is `needed` (None: any) and could not be made.
    """
    failed: dict[str, HostError] = {}
    with locks.held(cloud.settings.run, "networks", _WAIT):
        make, remove = plan(_wanted(cloud), cloud.host.networks.list())
        for spec in make:
            try:
                cloud.host.networks.ensure(spec)
            except HostError as error:
                failed[spec.network_id] = error
        for network_id in remove:
            cloud.host.networks.remove(network_id)
    for network_id, failure in failed.items():
        if needed is None or network_id in needed:
            raise failure
    return bool(make or remove)
