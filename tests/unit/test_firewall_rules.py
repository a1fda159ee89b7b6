"""The rules of the firewall as text: golden files, and what follows from specs that matter."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from minicloud.host import firewall_frames, firewall_names, firewall_rules, firewall_seen
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
    Port("mc0000000000a", "0a:00:00:00:00:0a", "subnet-0a", (IPv4Address("172.31.0.10"),), (WEB.group_id, APP.group_id)),
    Port(
        "mc0000000000b",
        "0a:00:00:00:00:0b",
        "subnet-0a",
        (IPv4Address("172.31.0.11"), IPv4Address("172.31.0.12")),
        (APP.group_id,),
    ),
    Port("mc0000000000c", "0a:00:00:00:00:0c", "subnet-0b", (IPv4Address("10.9.0.13"),), (WEB.group_id,), strict=False),
)
PUBLICS = (Public(IPv4Address("203.0.113.10"), IPv4Address("172.31.0.10")),)
WHOLE = FirewallSpec(LANS, PORTS, (WEB, APP), PUBLICS, "eth0", 16925, 16953)
SMALL = FirewallSpec(LANS[:1], PORTS[1:2], (APP,))
UPLINKS = ("eth0",)
NOTHING = firewall_seen.Seen()


def rules_text(spec: FirewallSpec) -> str:
    chains = firewall_rules.render(spec, UPLINKS).chains
    return firewall_seen.restore(chains, NOTHING, firewall_rules.HOOKS, "- [0:0]", "COMMIT")


def frames_text(spec: FirewallSpec) -> str:
    return firewall_seen.restore(firewall_frames.chains(spec), NOTHING, firewall_frames.HOOKS, "RETURN", "")


@pytest.mark.parametrize(("name", "spec"), [("whole", WHOLE), ("small", SMALL)])
def test_golden(name: str, spec: FirewallSpec) -> None:
    check(f"firewall-{name}.rules", rules_text(spec))
    check(f"firewall-{name}.sets", firewall_rules.render(spec, UPLINKS).sets.text())
    check(f"firewall-{name}.frames", frames_text(spec))


def test_nothing_wanted_is_nothing_said() -> None:
    assert rules_text(FirewallSpec()) == frames_text(FirewallSpec()) == ""


def test_names_of_chains_fit() -> None:
    port = Port("mc0123456789a", "0a:00:00:00:00:0a", "subnet-0a", (IPv4Address("172.31.0.10"),), ("sg-0123456789abcdef0",))
    spec = FirewallSpec(LANS, (port,), (Group("sg-0123456789abcdef0", (), OUT),), PUBLICS)
    for chains in (*firewall_rules.render(spec, UPLINKS).chains.values(), *firewall_frames.chains(spec).values()):
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

    def test_what_others_put_in_is_taken_out(self) -> None:
        sets = Sets()
        sets.match([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.1/32")], "src")
        name = next(iter(sets.entries))
        saved = f"add {name} 10.0.0.0/8\nadd {name} 192.0.2.1\nadd {name} 128.0.0.0/1\nadd MC-players 192.0.2.9\n"
        assert sets.strangers(saved) == f"del {name} 128.0.0.0/1\n"

    def test_the_name_says_what_is_in_it(self) -> None:
        sets = Sets()
        first = sets.match([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.0/24")], "src")
        assert first != sets.match([IPv4Network("10.0.0.0/8"), IPv4Network("192.0.3.0/24")], "src")
        assert all(len(name) <= 31 for name in sets.entries)


MARK = firewall_names.mark("0123456789abcdef" * 2)
OTHER = firewall_names.mark("fedcba9876543210" * 2)
A, OLD = "MC-I-mc0000000000a", "MC-I-mc0000000000f"


def ours(saved: str, *, unmarked: bool = False) -> firewall_seen.Seen:
    return firewall_seen.ours(firewall_seen.parse(saved), MARK, unmarked=unmarked)


class TestRestore:
    HOOKS = (firewall_seen.Hook("filter", "FORWARD", "MC-FORWARD"),)

    def restore(self, saved: str, chains: dict[str, list[str]]) -> str:
        return firewall_seen.restore({"filter": chains}, ours(saved, unmarked=True), self.HOOKS, "-", "COMMIT")

    def test_on_an_empty_host(self) -> None:
        text = self.restore("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", {"MC-FORWARD": ["-j DROP"]})
        assert text == "*filter\n:MC-FORWARD -\n-A MC-FORWARD -j DROP\n-I FORWARD 1 -j MC-FORWARD\nCOMMIT\n"

    def test_where_all_is_there_built_in_chains_are_not_touched(self) -> None:
        saved = "*filter\n:MC-FORWARD - [0:0]\n-A FORWARD -j MC-FORWARD\n-A FORWARD -j DOCKER\n-A MC-FORWARD -j DROP\nCOMMIT\n"
        assert self.restore(saved, {"MC-FORWARD": ["-j DROP"]}) == ""

    def test_a_jump_that_is_not_the_first_or_there_twice(self) -> None:
        first = "-A FORWARD -j DOCKER\n-A FORWARD -j MC-FORWARD\n"
        for rules in (first, "-A FORWARD -j MC-FORWARD\n-A FORWARD -j MC-FORWARD\n"):
            text = self.restore(f"*filter\n:MC-FORWARD - [0:0]\n{rules}COMMIT\n", {"MC-FORWARD": ["-j DROP"]})
            assert text.count("-D FORWARD -j MC-FORWARD") == rules.count("MC-FORWARD")
            assert text.count("-I FORWARD 1 -j MC-FORWARD") == 1

    def test_an_empty_chain_is_not_jumped_to(self) -> None:
        assert self.restore("*filter\nCOMMIT\n", {"MC-FORWARD": []}) == "*filter\n:MC-FORWARD -\nCOMMIT\n"

    def test_what_is_stale_goes_and_what_is_others_stays(self) -> None:
        saved = f"*filter\n:DOCKER - [0:0]\n:{OLD} - [0:0]\n:{MARK} - [0:0]\n-A FORWARD -j {OLD}\n-A DOCKER -j RETURN\nCOMMIT\n"
        text = self.restore(saved, {})
        assert text == f"*filter\n:{OLD} -\n:{MARK} -\n-D FORWARD -j {OLD}\n-X {OLD}\n-X {MARK}\nCOMMIT\n"

    def test_what_others_hold_on_to_is_emptied_once_and_stays_ours(self) -> None:
        """The kernel would refuse to delete the chain, and the whole change with it."""
        head = f"*filter\n:DOCKER - [0:0]\n:{OLD} - [0:0]\n:{MARK} - [0:0]\n-A DOCKER -s 192.0.2.1/32 -j {OLD}\n"
        assert self.restore(f"{head}-A {OLD} -j DROP\nCOMMIT\n", {}) == f"*filter\n:{OLD} -\nCOMMIT\n"
        assert self.restore(f"{head}COMMIT\n", {}) == ""
        assert not ours(f"{head}COMMIT\n").left()

    def test_nothing_to_do_is_nothing_said(self) -> None:
        assert self.restore("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j DOCKER\nCOMMIT\n", {}) == ""

    def test_two_readings_are_the_same_in_any_order_of_chains(self) -> None:
        one = "*filter\n:MC-TO - [0:0]\n:MC-FROM - [0:0]\n-A MC-TO -j DROP\n-A MC-TO -j ACCEPT\n-A MC-FROM -j DROP\n"
        two = "*filter\n:MC-FROM - [0:0]\n:MC-TO - [0:0]\n-A MC-FROM -j DROP\n-A MC-TO -j DROP\n-A MC-TO -j ACCEPT\n"
        assert firewall_seen.parse(one).lines() == firewall_seen.parse(two).lines()
        other = two.replace("-A MC-TO -j DROP\n-A MC-TO -j ACCEPT\n", "-A MC-TO -j ACCEPT\n-A MC-TO -j DROP\n")
        assert firewall_seen.parse(one).lines() != firewall_seen.parse(other).lines()


class TestNames:
    """Others may use our prefix."""

    @pytest.mark.parametrize("spec", [WHOLE, SMALL, FirewallSpec(LANS[:1])])
    def test_all_that_is_made_has_a_name_of_ours(self, spec: FirewallSpec) -> None:
        rules = firewall_rules.render(spec, UPLINKS)
        tables = (*rules.chains.values(), *firewall_frames.chains(spec).values())
        assert {name for chains in tables for name in chains if not firewall_names.is_chain(name)} == set()
        assert {name for name in rules.sets.entries if not firewall_names.is_set(name)} == set()

    @pytest.mark.parametrize(
        "name",
        ["MC-minecraft", "MC-INPUT2", "MC-I-eth0", "MC-i-web", "MC-I-mc0000000000a2", "MC-", "MC-ID-12", "mc-input", "MC-F-mct"],
    )
    def test_strangers_with_our_prefix_are_not_seen(self, name: str) -> None:
        assert not firewall_names.is_chain(name)
        saved = (
            f"*filter\n:{name} - [0:0]\n:{MARK} - [0:0]\n-A FORWARD -p tcp -j {name}\n-A FORWARD -j {name}\n-A {name} -j DROP\n"
        )
        assert ours(saved, unmarked=True).lines() == [f"filter {MARK}"]

    def test_sets(self) -> None:
        assert firewall_names.is_set("MC-0123456789abcdef0123")
        assert not any(map(firewall_names.is_set, ("MC-players", "MC-0123456789abcdef01234", "MC-0123456789ABCDEF0123")))

    def test_an_exact_name_without_our_mark_is_somebody_elses(self) -> None:
        saved = "*filter\n:MC-INPUT - [0:0]\n-A INPUT -j MC-INPUT\n-A MC-INPUT -p tcp --dport 25565 -j ACCEPT\n"
        seen, mine = firewall_seen.parse(saved), ours(saved)
        assert mine.lines() == []
        assert firewall_seen.collisions({"filter": {"MC-INPUT": [], "MC-TO": []}}, seen, mine) == [
            "the chain MC-INPUT in the table filter"
        ]
        assert firewall_seen.collisions({"filter": {"MC-INPUT": []}}, seen, ours(saved, unmarked=True)) == []

    def test_another_states_rules_are_not_ours(self) -> None:
        saved = f"*filter\n:{A} - [0:0]\n:{OTHER} - [0:0]\n-A {A} -j DROP\n"
        assert ours(saved, unmarked=True).lines() == []
        assert firewall_seen.parse(saved).marks() == {OTHER}
        assert f"filter {A}" in ours(saved.replace(OTHER, firewall_names.NOBODY)).lines()
