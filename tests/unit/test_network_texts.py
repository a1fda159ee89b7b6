"""The files of dnsmasq, the DHCPRELEASE, and which routes of a host stand in the way."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import Permanent
from minicloud.host import bridges, dnsmasq, networks, routes
from minicloud.host.contracts import NetworkSpec, Reservation

from ..golden_file import check

TEN = Reservation("02:00:00:00:00:0A", IPv4Address("172.31.0.10"), "ip-172-31-0-10")
NINE = Reservation("02:00:00:00:00:09", IPv4Address("172.31.0.9"), "ip-172-31-0-9")
SPEC = NetworkSpec("subnet-0a", IPv4Interface("172.31.0.1/20"), "ec2.internal", (TEN, NINE))
SERVICE = dnsmasq.Service(
    "subnet-0a", "mc0a", Path("/run/minicloud/networks/subnet-0a"), Path("/run/minicloud/networks/names"), 16953
)


def test_the_configuration() -> None:
    check("dnsmasq.conf", dnsmasq.configuration_text(SPEC, SERVICE, dnsmasq.Account("dnsmasq", "nogroup", 65534)))


def test_reservations_are_in_the_order_of_their_addresses() -> None:
    assert dnsmasq.hosts_text(SPEC.reservations) == (
        "02:00:00:00:00:09,172.31.0.9,ip-172-31-0-9\n02:00:00:00:00:0a,172.31.0.10,ip-172-31-0-10\n"
    )


def test_names_lead_with_the_whole_name() -> None:
    assert dnsmasq.names_text(SPEC) == (
        "172.31.0.9 ip-172-31-0-9.ec2.internal ip-172-31-0-9\n172.31.0.10 ip-172-31-0-10.ec2.internal ip-172-31-0-10\n"
    )


def test_a_spec_survives_its_file() -> None:
    assert networks.from_json(networks.to_json(SPEC)) == SPEC


def test_leases_without_reservation_are_stale() -> None:
    leases = (
        "1795501714 02:00:00:00:00:0a 172.31.0.10 ip-172-31-0-10 01:02:00:00:00:00:0a\n"
        "1795501714 02:00:00:00:00:0b 172.31.0.9 * *\n"
        "duid 00:01:00:01\n"
        "1795501714 12345 fd00::5 name 00:01:00:01\n"
    )
    assert dnsmasq.stale_leases(leases, SPEC.reservations) == [("02:00:00:00:00:0b", IPv4Address("172.31.0.9"), b"")]
    assert dnsmasq.stale_leases(leases.splitlines()[0], ()) == [
        ("02:00:00:00:00:0a", TEN.address, bytes.fromhex("0102000000000a"))
    ]


def test_a_release_speaks_for_the_holder() -> None:
    message = dnsmasq.release_message(TEN.mac, TEN.address, b"\x01abc", SPEC.gateway.ip)
    assert message[:4] == b"\x01\x01\x06\x00"
    assert message[12:16] == TEN.address.packed
    assert message[28:44] == bytes.fromhex("02000000000a").ljust(16, b"\0")
    assert message[236:] == bytes.fromhex("638253633501073604ac1f00013d0401616263ff")


@pytest.mark.parametrize(
    ("route", "device"),
    [
        ({"dst": "default", "dev": "eth0"}, None),
        ({"dst": "172.31.0.0/20", "dev": "mc0a", "scope": "link"}, None),
        ({"dst": "172.31.0.0/20", "dev": "eth0", "scope": "link"}, "eth0"),
        ({"dst": "172.16.0.0/12", "dev": "eth0", "scope": "link"}, "eth0"),
        ({"dst": "172.16.0.0/12", "gateway": "10.0.0.1", "dev": "eth0"}, "eth0"),
        ({"dst": "172.0.0.0/8", "nexthops": [{"dev": "tun0", "gateway": "10.0.0.1"}]}, "tun0"),
        ({"dst": "10.0.0.0/8", "gateway": "10.0.0.1", "dev": "eth0"}, None),
        ({"dst": "172.16.0.0/12", "type": "blackhole"}, None),
        ({"dst": "172.16.0.0/12", "type": "prohibit"}, None),
        ({"dst": "172.31.4.0/24", "gateway": "10.0.0.1", "dev": "tun0"}, "tun0"),
        ({"dst": "172.31.0.7", "dev": "wg0", "scope": "link"}, "wg0"),
        ({"dst": "172.31.16.0/20", "dev": "mc0b", "scope": "link"}, None),
        ({"dst": "172.31.0.0/20", "type": "blackhole"}, "a route of type blackhole (172.31.0.0/20)"),
        ({"dst": "172.31.4.0/24", "type": "unreachable"}, "a route of type unreachable (172.31.4.0/24)"),
        ({"dst": "172.16.0.0/12", "type": "unreachable"}, None),
        ({"dst": "0.0.0.0/1", "dev": "wg0", "scope": "link"}, None),
        ({"dst": "172.16.0.0/12", "dev": "tailscale0", "table": "52"}, "tailscale0 (routing table 52)"),
        ({"dst": "172.31.8.0/24", "gateway": "10.0.0.1", "dev": "wg0", "table": "51820"}, "wg0 (routing table 51820)"),
        ({"dst": "default", "dev": "wg0", "table": "51820"}, None),
        ({"dst": "172.31.0.0/16", "type": "throw", "table": "52"}, None),
        (
            {"dst": "172.31.0.0/16", "type": "prohibit", "table": "7"},
            "a route of type prohibit (172.31.0.0/16) (routing table 7)",
        ),
        ({"dst": "172.31.9.9", "type": "local", "dev": "lo", "table": "local", "scope": "host"}, "lo"),
        ({"dst": "172.31.0.1", "type": "local", "dev": "mc0a", "table": "local", "scope": "host"}, None),
        ({"dst": "172.31.2.0/24", "nexthops": [{"dev": "eth1", "gateway": "10.0.0.1"}, {"dev": "eth2"}]}, "eth1"),
    ],
)
def test_routes_in_the_way(route: dict[str, Any], device: str | None) -> None:
    assert routes.overlapping([route], {"mc0a"}, IPv4Network("172.31.0.0/20")) == device


@pytest.mark.parametrize("network_id", ["subnet-0a", "subnet-0123456789abcdef0"])
def test_names_of_bridges_fit(network_id: str) -> None:
    assert len(bridges.bridge_name(network_id)) <= 15
    assert bridges.bridge_name(network_id).startswith("mc")
    assert int(bridges.hardware_address(network_id)[:2], 16) & 0b11 == 0b10, "one that is local, and no group's"


@pytest.mark.parametrize(
    ("hostname", "domain", "mac", "address"),
    [
        ("a\ndhcp-option=3", "ec2.internal", TEN.mac, "172.31.0.10"),
        ("a b", "ec2.internal", TEN.mac, "172.31.0.10"),
        ("a", "x/\nserver=1.2.3.4", TEN.mac, "172.31.0.10"),
        ("a", "ec2.internal", "02:00:00:00:00:0a,ignore", "172.31.0.10"),
        ("a", "ec2.internal", TEN.mac, "10.0.0.1"),
        ("a\n", "ec2.internal", TEN.mac, "172.31.0.10"),
    ],
)
def test_words_that_would_be_more_than_words(hostname: str, domain: str, mac: str, address: str) -> None:
    spec = NetworkSpec("subnet-0a", SPEC.gateway, domain, (Reservation(mac, IPv4Address(address), hostname),))
    with pytest.raises(Permanent):
        networks.check(spec)
