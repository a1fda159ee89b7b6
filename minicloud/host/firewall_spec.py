"""What a firewall is asked to enforce: plain values, in EC2's terms and the host's names. No rule syntax here.

A port is the host's end of a guest's cable. Addresses of ports are unique on a host, whatever their VPC: subnets do not
overlap (`Networks.ensure` refuses it).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

ANY = "-1"
"""The protocol that stands for all."""


@dataclass(frozen=True)
class Permission:
    """One thing that a group lets through: to or from `peer`, a range of addresses or the id of a group.

    `protocol` is tcp, udp, icmp, a number as text, or ANY. For tcp and udp `low` and `high` are ports; for icmp they are
    type and code, -1 for any; for other protocols both are -1.
    """

    protocol: str
    low: int
    high: int
    peer: IPv4Network | str


@dataclass(frozen=True)
class Group:
    """A security group. Its members are the ports that name it."""

    group_id: str
    ingress: tuple[Permission, ...] = ()
    egress: tuple[Permission, ...] = ()


@dataclass(frozen=True)
class Port:
    """A guest's interface. With `strict` it may only speak as itself, and only hears what is for itself."""

    tap: str
    mac: str
    network_id: str
    addresses: tuple[IPv4Address, ...]
    group_ids: tuple[str, ...]
    strict: bool = True
    for_clients: bool = False
    """It may speak as those who speak to it, by TCP, and gets the answers to that."""


@dataclass(frozen=True)
class Lan:
    """A subnet on this host: the host's address in it, and the range of the VPC that it belongs to."""

    network_id: str
    gateway: IPv4Interface
    vpc: IPv4Network
    outside: bool = True
    """Whether it reaches anything but its VPC."""


@dataclass(frozen=True)
class Public:
    """A public address and the private one that it stands for, which is a port's."""

    public: IPv4Address
    private: IPv4Address


@dataclass(frozen=True)
class FirewallSpec:
    """All of it. Empty, it means that nothing of ours is on the host."""

    lans: tuple[Lan, ...] = ()
    ports: tuple[Port, ...] = ()
    groups: tuple[Group, ...] = ()
    publics: tuple[Public, ...] = ()
    uplink: str = ""
    """The interface of the LAN on which public addresses are answered for; empty where they are this host's own affair."""
    metadata_port: int = 0
    """Where on the gateways' addresses the metadata service listens; 0 for nowhere."""
    dns_port: int = 53
    """Where on the gateways' addresses DNS listens, for which guests ask at port 53."""
    endpoint: tuple[IPv4Address, int] | None = None
    """The AWS endpoint, which guests may reach then; 0.0.0.0 is any of the host's addresses."""
    services: tuple[tuple[IPv4Address, int], ...] = ()
    """Addresses and TCP ports to which ports speak as their clients."""

    def port_of(self, address: IPv4Address) -> Port | None:
        """The port that has a private address."""
        return next((port for port in self.ports if address in port.addresses), None)
