"""The rules of the firewall as text: golden files, and what follows from specs that matter."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from minicloud.host import firewall_frames, firewall_rules, firewall_seen
from minicloud.host.firewall_sets import Sets
from minicloud.host.firewall_spec import ANY, FirewallSpec, Group, Lan, Permission, Port, Public

from ..golden_file import check

ALL = IPv4Network("0.0.0.0/0")
VPC = IPv4Network("172.31.0.0/16")
LANS = (
    Lan("subnet-0a", IPv4Interface("172.31.0.1/20"), VPC),
    Lan("subnet-0b", IPv4Interface("10.9.0.1/24"), IPv4Network("10.9.0.0/16")),
)
OUT = (Permission(ANY, -1, -1, ALL),)
WEB = Group(
    "sg-0000000000000000a",
    (
        Permission("tcp", 80, 80, ALL),
        Permission("tcp", 22, 22, IPv4Network("192.0.2.0/24")),
        Permission("tcp", 22, 22, IPv4Network("198.51.100.7/32")),
        Permission("tcp", 8000, 8999, "sg-0000000000000000b"),
        Permission("udp", 0, 65535, IPv4Network("203.0.113.0/24")),
        Permission("icmp", 8, -1, ALL),
        Permission("icmp", 3, 4, ALL),
        Permission("icmp", -1, -1, IPv4Network("192.0.2.1/32")),
        Permission("47", -1, -1, IPv4Network("192.0.2.1/32")),
    ),
    OUT,
)
APP = Group("sg-0000000000000000b", (Permission(ANY, -1, -1, "sg-0000000000000000b"),), (Permission("tcp", 443, 443, ALL),))
PORTS = (
    Port("mc0a", "0a:00:00:00:00:0a", "subnet-0a", (IPv4Address("172.31.0.10"),), (WEB.group_id, APP.group_id)),
    Port("mc0b", "0a:00:00:00:00:0b", "subnet-0a", (IPv4Address("172.31.0.11"), IPv4Address("172.31.0.12")), (APP.group_id,)),
    Port("mc0c", "0a:00:00:00:00:0c", "subnet-0b", (IPv4Address("10.9.0.13"),), (WEB.group_id,), strict=False),
)
PUBLICS = (Public(IPv4Address("203.0.113.10"), IPv4Address("172.31.0.10")),)
WHOLE = FirewallSpec(LANS, PORTS, (WEB, APP), PUBLICS, "eth0", 16925)
SMALL = FirewallSpec(LANS[:1], PORTS[1:2], (APP,))
NOTHING = firewall_seen.Seen()


def rules_text(spec: FirewallSpec) -> str:
    chains = firewall_rules.render(spec).chains
    return firewall_seen.restore(chains, NOTHING, firewall_rules.HOOKS, "- [0:0]", "COMMIT")


def frames_text(spec: FirewallSpec) -> str:
    return firewall_seen.restore(firewall_frames.chains(spec), NOTHING, firewall_frames.HOOKS, "RETURN", "")


@pytest.mark.parametrize(("name", "spec"), [("whole", WHOLE), ("small", SMALL)])
def test_golden(name: str, spec: FirewallSpec) -> None:
    check(f"firewall-{name}.rules", rules_text(spec))
    check(f"firewall-{name}.sets", firewall_rules.render(spec).sets_text)
    check(f"firewall-{name}.frames", frames_text(spec))


def test_nothing_wanted_is_nothing_said() -> None:
    assert rules_text(FirewallSpec()) == frames_text(FirewallSpec()) == ""


def test_names_of_chains_fit() -> None:
    port = Port("mc0123456789a", "0a:00:00:00:00:0a", "subnet-0a", (IPv4Address("172.31.0.10"),), ("sg-0123456789abcdef0",))
    spec = FirewallSpec(LANS, (port,), (Group("sg-0123456789abcdef0", (), OUT),), PUBLICS)
    for chains in (*firewall_rules.render(spec).chains.values(), *firewall_frames.chains(spec).values()):
        assert max(map(len, chains), default=0) <= 28


class TestSets:
    def test_nobody_one_all_and_several(self) -> None:
        sets = Sets()
        one, two = IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.0/24")
        assert sets.match([], "src") is None
        assert sets.match([one], "src") == " -s 10.0.0.0/8"
        assert sets.match([one], "dst") == " -d 10.0.0.0/8"
        assert sets.match([one, ALL], "src") == ""
        assert sets.match([one, two], "src") == sets.match([two, one, IPv4Network("10.1.0.0/16")], "src")
        assert len(sets.entries) == 1

    def test_the_name_says_what_is_in_it(self) -> None:
        sets = Sets()
        first = sets.match([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.0/24")], "src")
        assert first != sets.match([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.3.0/24")], "src")
        assert all(len(name) <= 31 for name in sets.entries)


class TestRestore:
    HOOKS = (firewall_seen.Hook("filter", "FORWARD", "MC-X"),)

    def restore(self, saved: str, chains: dict[str, list[str]]) -> str:
        return firewall_seen.restore({"filter": chains}, firewall_seen.parse(saved), self.HOOKS, "-", "COMMIT")

    def test_on_an_empty_host(self) -> None:
        text = self.restore("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", {"MC-X": ["-j DROP"]})
        assert text == "*filter\n:MC-X -\n-A MC-X -j DROP\n-I FORWARD 1 -j MC-X\nCOMMIT\n"

    def test_where_all_is_there_built_in_chains_are_not_touched(self) -> None:
        saved = "*filter\n:MC-X - [0:0]\n-A FORWARD -j MC-X\n-A FORWARD -j DOCKER\n-A MC-X -j DROP\nCOMMIT\n"
        assert "FORWARD" not in self.restore(saved, {"MC-X": ["-j DROP"]})

    def test_a_jump_that_is_not_the_first_or_there_twice(self) -> None:
        for rules in ("-A FORWARD -j DOCKER\n-A FORWARD -j MC-X\n", "-A FORWARD -j MC-X\n-A FORWARD -j MC-X\n"):
            text = self.restore(f"*filter\n:MC-X - [0:0]\n{rules}COMMIT\n", {"MC-X": []})
            assert text.count("-D FORWARD -j MC-X") == rules.count("MC-X")
            assert text.count("-I FORWARD 1 -j MC-X") == 1

    def test_what_is_stale_goes_and_what_is_others_stays(self) -> None:
        saved = "*filter\n:DOCKER - [0:0]\n:MC-OLD - [0:0]\n-A FORWARD -j MC-OLD\n-A DOCKER -j MC-OLD\nCOMMIT\n"
        text = self.restore(saved, {})
        assert text == "*filter\n:MC-OLD -\n-D DOCKER -j MC-OLD\n-D FORWARD -j MC-OLD\n-X MC-OLD\nCOMMIT\n"

    def test_nothing_to_do_is_nothing_said(self) -> None:
        assert self.restore("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j DOCKER\nCOMMIT\n", {}) == ""

    def test_two_readings_are_the_same_in_any_order_of_chains(self) -> None:
        one = "*filter\n:MC-A - [0:0]\n:MC-B - [0:0]\n-A MC-A -j DROP\n-A MC-A -j ACCEPT\n-A MC-B -j DROP\n"
        two = "*filter\n:MC-B - [0:0]\n:MC-A - [0:0]\n-A MC-B -j DROP\n-A MC-A -j DROP\n-A MC-A -j ACCEPT\n"
        assert firewall_seen.parse(one).lines() == firewall_seen.parse(two).lines()
        other = two.replace("-A MC-A -j DROP\n-A MC-A -j ACCEPT\n", "-A MC-A -j ACCEPT\n-A MC-A -j DROP\n")
        assert firewall_seen.parse(one).lines() != firewall_seen.parse(other).lines()
