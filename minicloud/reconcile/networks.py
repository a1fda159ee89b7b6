"""Networks: a subnet is on the host while an interface of an instance lives in it, and serves exactly who lives there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from ..aws.names import hostname, public_dns_name
from ..cloud import Cloud
from ..config import Settings
from ..errors import HostError
from ..host.contracts import Name, NetworkSpec, Reservation
from ..state.rows import Interface, Subnet
from ..state.store import State
from . import locks

_WAIT = 30.0


@dataclass(frozen=True)
class Named:
    """A public address that has a name, and whom it leads to: a private address in a VPC."""

    name: str
    public: str
    private: str
    vpc_id: str

    def seen_from(self, vpc_id: str) -> Name:
        """Inside its own VPC the name is that of the private address, elsewhere of the public one, as on EC2."""
        return Name(self.name, IPv4Address(self.private if vpc_id == self.vpc_id else self.public))


def public_names(state: State, settings: Settings) -> list[Named]:
    """The public addresses that lead to somebody in a VPC that gives them names, by name."""
    publics = state.public_addresses.query("interface_id != ''", order="address")
    homes = {row.id: row.vpc_id for row in state.interfaces.among("id", {row.interface_id for row in publics})}
    naming = {vpc.id for vpc in state.vpcs.query() if vpc.dns_hostnames}
    found = [(row, homes[row.interface_id]) for row in publics if homes.get(row.interface_id) in naming]
    named = [Named(public_dns_name(row.address, settings), row.address, row.private_address, vpc_id) for row, vpc_id in found]
    return sorted(named, key=lambda one: one.name)


def wanted(subnet: Subnet, interfaces: Sequence[Interface], domain: str, named: Sequence[Named] = ()) -> NetworkSpec:
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
        names=tuple(one.seen_from(subnet.vpc_id) for one in named),
    )


def plan(want: Mapping[str, NetworkSpec], have: Mapping[str, NetworkSpec | None]) -> tuple[list[NetworkSpec], list[str]]:
    """Which networks to (re)make, and which to take away."""
    return [spec for name, spec in want.items() if have.get(name) != spec], [name for name in have if name not in want]


def _wanted(cloud: Cloud) -> dict[str, NetworkSpec]:
    living: dict[str, list[Interface]] = {}
    with cloud.state.transaction(write=False):
        for interface in cloud.state.interfaces.query("instance_id != '' or load_balancer_id != ''"):
            living.setdefault(interface.subnet_id, []).append(interface)
        subnets, named = cloud.state.subnets.among("id", living), public_names(cloud.state, cloud.settings)
    domain = cloud.settings.private_domain
    return {subnet.id: wanted(subnet, living[subnet.id], domain, named) for subnet in subnets}


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
