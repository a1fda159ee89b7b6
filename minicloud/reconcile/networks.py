"""Networks: a subnet is on the host while an interface of an instance lives in it, and serves exactly who lives there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from ..aws.names import hostname, public_dns_name
from ..cloud import Cloud
from ..config import Settings
from ..errors import HostError, host_error
from ..host.contracts import Name, NetworkSpec, Reservation
from ..state.rows import Interface, Subnet
from ..state.store import State
from . import isolation, locks

_WAIT = 30.0
_PART = "networks"


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


def _wanted(cloud: Cloud) -> dict[str, NetworkSpec | Exception]:
    """The networks that there are to be; of one whose rows make no sense, what was raised."""
    living: dict[str, list[Interface]] = {}
    with cloud.state.transaction(write=False):
        for interface in cloud.state.interfaces.query("instance_id != '' or load_balancer_id != ''"):
            living.setdefault(interface.subnet_id, []).append(interface)
        subnets, named = cloud.state.subnets.among("id", living), public_names(cloud.state, cloud.settings)
    domain = cloud.settings.private_domain
    found: dict[str, NetworkSpec | Exception] = {}
    for subnet in subnets:
        try:
            found[subnet.id] = wanted(subnet, living[subnet.id], domain, named)
        except Exception as error:  # noqa: BLE001  it is raised again for this network alone
            found[subnet.id] = error
    return found


def _planned(cloud: Cloud) -> list[tuple[str, NetworkSpec | Exception | None]]:
    """What is to be done about which network: make it so, take it away (None), or say that its rows make no sense."""
    want, have = _wanted(cloud), cloud.host.networks.list()
    broken = {name: found for name, found in want.items() if isinstance(found, Exception)}
    make, remove = plan(
        {name: found for name, found in want.items() if isinstance(found, NetworkSpec)},
        {name: found for name, found in have.items() if name not in broken},
    )
    return [*broken.items(), *((spec.network_id, spec) for spec in make), *((name, None) for name in remove)]


def _ours(cloud: Cloud, network_id: str) -> bool:
    """Whether a network that is not wanted is ours to remove: one without an identity only where we have its subnet."""
    return network_id not in cloud.host.networks.unmarked() or cloud.state.subnets.get(network_id) is not None


def damaged(cloud: Cloud) -> list[str]:
    """The networks that are not on the host as they should be: their bridge, DHCP, DNS, or the cable of a guest in them."""
    return [name for name, wanted in _planned(cloud) if wanted is not None]


def reconcile(cloud: Cloud) -> bool:
    """Bring the networks to what the rows say; whether anything was done."""
    if _planned(cloud):
        return assure(cloud)
    isolation.over(cloud, _PART)
    return False


def assure(cloud: Cloud, needed: Collection[str] = ()) -> bool:
    """The same after everybody else who is at it: what a row that was there before needs is there afterwards, and stays.

    Subnets are few and quick to make: one lock for them all, and the rows are read under it. One that cannot be made keeps
    no other from being made. Raises HostError for one that is `needed` and could not be made.
    """
    failed: dict[str, HostError] = {}

    def see_to(network: tuple[str, NetworkSpec | Exception | None]) -> bool:
        try:
            return _see_to(cloud, *network)
        except Exception as error:
            failed[network[0]] = host_error(error)
            raise

    with locks.held(cloud.settings.run, "networks", _WAIT):
        rows = [(network[0], network) for network in _planned(cloud)]
        acted = isolation.each(cloud, _PART, rows, see_to, at_once=needed)
    for network_id in needed:
        if network_id in failed:
            raise failed[network_id]
    return acted


def _see_to(cloud: Cloud, network_id: str, wanted: NetworkSpec | Exception | None) -> bool:
    if isinstance(wanted, Exception):
        raise wanted
    if wanted is None:
        if not _ours(cloud, network_id):
            return False
        cloud.host.networks.remove(network_id)
    else:
        cloud.host.networks.ensure(wanted)
    return True
