"""Ports that speak as their clients: their numbers, marks and frames. That packets go so is seen in tests/host."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from minicloud.host import firewall_clients, firewall_frames, firewall_rules
from minicloud.host.firewall_spec import FirewallSpec, Lan, Port

LAN = Lan("subnet-0a", IPv4Interface("172.31.0.1/20"), IPv4Network("172.31.0.0/16"))
TARGET = Port("mct", "0a:00:00:00:00:0a", "subnet-0a", (IPv4Address("172.31.0.10"),), ("sg-a",))


def port(number: int) -> Port:
    address = IPv4Address("172.31.1.0") + number
    return Port(f"mclb{number}", f"0a:00:00:00:01:{number % 256:02x}", "subnet-0a", (address,), ("sg-a",), for_clients=True)


def spec(*ports: Port) -> FirewallSpec:
    return FirewallSpec((LAN,), (TARGET, *ports), services=((IPv4Address("172.31.0.10"), 80),))


def test_numbers_are_unique_and_stay() -> None:
    many = firewall_clients.numbers(spec(*map(port, range(200))))
    assert len(set(many.values())) == 200
    assert 1 <= min(many.values()) <= max(many.values()) <= 4095
    few = firewall_clients.numbers(spec(port(0), port(1)))
    assert firewall_clients.numbers(spec(port(1), port(2)))[port(1)] == few[port(1)]


def test_nobody_else_is_marked() -> None:
    assert firewall_clients.chains(spec()) == {"MC-CLIENTS": []}
    assert firewall_rules.render(spec(), ()).chains["mangle"] == {"MC-CLIENTS": []}
    number = firewall_clients.numbers(spec(port(7)))[port(7)]
    mark = f"{number << 20:#x}/0xfff00000"
    assert firewall_clients.chains(spec(port(7)))["MC-CLIENTS"] == [
        f"! -s 172.31.1.7/32 -m physdev --physdev-in mclb7 -m conntrack --ctstate NEW -j CONNMARK --set-xmark {mark}",
        f"-m connmark --mark {mark} -m conntrack --ctdir REPLY"
        " -j CONNMARK --restore-mark --nfmask 0xfff00000 --ctmask 0xfff00000",
    ]


def test_only_such_a_port_may_send_as_others() -> None:
    """By IPv4; never by ARP, and never under another hardware address."""
    frames = firewall_frames.chains(spec(port(7)))["nat"]
    assert "-p IPv4 -j RETURN" in frames["MC-F-mclb7"]
    assert "-p IPv4 -j RETURN" not in frames["MC-F-mct"]
    assert frames["MC-F-mclb7"][0] == "-s ! 0a:00:00:00:01:07 -j DROP"
    assert [line for line in frames["MC-F-mclb7"] if "--arp-ip-src" in line] == [
        "-p ARP --arp-ip-src 0.0.0.0 -j RETURN",
        "-p ARP --arp-ip-src 172.31.1.7 -j RETURN",
    ]


def test_frames_of_services_go_through_the_host() -> None:
    found = [line for line in firewall_frames.chains(spec(port(7)))["nat"]["MC-F-mct"] if "-j dnat" in line]
    assert found == [
        "-p IPv4 -d ! 06:7c:e1:91:e0:48 --ip-src 172.31.0.10 --ip-proto tcp --ip-sport 80"
        " -j dnat --to-destination 06:7c:e1:91:e0:48 --dnat-target CONTINUE"
    ]
    assert not [
        line for line in firewall_frames.chains(replace(spec(port(7)), services=()))["nat"]["MC-F-mct"] if "-j dnat" in line
    ]
