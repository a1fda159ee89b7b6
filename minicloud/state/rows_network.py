"""What a row of each table of the network is."""

from dataclasses import dataclass


@dataclass
class SecurityGroupRule:
    """A rule: of `cidr`, `cidr6` and `peer_group_id` exactly one is not empty. Ports that do not matter are -1."""

    id: str
    group_id: str
    egress: bool
    protocol: str
    from_port: int
    to_port: int
    cidr: str
    cidr6: str
    peer_group_id: str
    description: str
    created: str


@dataclass
class InternetGateway:
    """A gateway; the VPC that it is attached to names it."""

    id: str
    created: str


@dataclass
class PublicAddress:
    """A public address that is taken: an Elastic IP (it has an `allocation_id`), or one that an interface has for a while.

    `private_address` is the one that it stands for, empty while it stands for none.
    """

    address: str
    allocation_id: str
    interface_id: str
    private_address: str
    association_id: str
    created: str


@dataclass
class RouteTable:
    """A route table; the VPC names its main one. That all of a VPC reaches each other is no row."""

    id: str
    vpc_id: str
    created: str


@dataclass
class Route:
    """Where a table leads what goes to a range: an internet gateway, which may have been detached since."""

    table_id: str
    cidr: str
    gateway_id: str


@dataclass
class RouteAssociation:
    """The table of a subnet that does not use its VPC's main one."""

    id: str
    table_id: str
    subnet_id: str
