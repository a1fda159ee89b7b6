"""The golden rules are accepted by the real tools; and the firewall lives beside others' rules."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.errors import Permanent
from minicloud.host import bridges, firewall, firewall_names
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.host.run import run

from ..real_cloud import IDENTITY
from ..unit.test_firewall_rules import LANS, SMALL, WHOLE, frames_text, rules_text

pytestmark = pytest.mark.lab
GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[firewall.IptablesFirewall]:
    for lan in LANS:
        bridges.ensure(lan.network_id, lan.gateway)
    made = firewall.IptablesFirewall(tmp_path, IDENTITY)
    yield made
    made.apply(FirewallSpec())
    for lan in LANS:
        bridges.remove(lan.network_id)


def saved() -> str:
    """Others' rules and ours, without counters and comments."""
    text = run(["iptables-save"]).text + run(["ebtables-nft-save"]).text
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("name", ["whole", "small"])
def test_the_tools_accept_the_golden_files(name: str) -> None:
    sets = (GOLDEN / f"firewall-{name}.sets").read_bytes()
    run(["ipset", "restore", "-exist"], input=sets)
    run(["iptables-restore", "--noflush", "--test"], input=(GOLDEN / f"firewall-{name}.rules").read_bytes())
    before = saved()
    run(["ebtables-nft-restore", "--noflush"], input=(GOLDEN / f"firewall-{name}.frames").read_bytes())
    for table in ("nat", "filter"):
        run(["ebtables-nft", "-t", table, "-F"])
        run(["ebtables-nft", "-t", table, "-X"])
    assert "MC-" not in before
    for line in sets.decode().splitlines():
        if line.startswith("create"):
            run(["ipset", "destroy", line.split()[1]])


def test_golden_files_are_what_is_applied() -> None:
    assert rules_text(WHOLE) == (GOLDEN / "firewall-whole.rules").read_text()
    assert frames_text(SMALL) == (GOLDEN / "firewall-small.frames").read_text()


def test_nothing_is_left(wall: firewall.IptablesFirewall) -> None:
    run(["iptables", "-P", "FORWARD", "ACCEPT"])
    run(["iptables", "-t", "nat", "-S"])
    wall.apply(WHOLE)
    assert wall.in_force(WHOLE)
    assert not wall.in_force(SMALL)
    wall.apply(FirewallSpec())
    assert "MC-" not in saved()
    assert "MC-" not in run(["ipset", "list", "-name"]).text
    assert "203.0.113" not in run(["ip", "route"]).text
    assert wall.in_force(FirewallSpec())


def test_a_change_back_and_forth_is_exact(wall: firewall.IptablesFirewall) -> None:
    wall.apply(SMALL)
    small = saved()
    wall.apply(WHOLE)
    wall.apply(SMALL)
    assert saved() == small


@pytest.mark.parametrize(
    "harm",
    [
        ["iptables", "-F", "FORWARD"],
        ["iptables", "-I", "FORWARD", "-j", "ACCEPT"],
        ["iptables", "-A", "FORWARD", "-j", "MC-FORWARD"],
        ["iptables", "-X", firewall_names.mark(IDENTITY)],
        ["iptables", "-t", "security", "-F"],
        ["iptables", "-t", "security", "-D", "MC-GUEST", "1"],
        ["iptables", "-t", "security", "-I", "MC-I-mc0000000000a", "-j", "ACCEPT"],
        ["iptables", "-t", "nat", "-F"],
        ["ebtables-nft", "-t", "nat", "-F"],
        ["ebtables-nft", "-F", "FORWARD"],
        ["ip", "route", "del", "203.0.113.10/32", "proto", "77"],
    ],
    ids=" ".join,
)
def test_harm_is_seen_and_mended_without_duplicates(wall: firewall.IptablesFirewall, harm: list[str]) -> None:
    wall.apply(WHOLE)
    before = [line for line in saved().splitlines() if "MC-" in line]
    run(harm)
    assert not wall.in_force(WHOLE)
    wall.apply(WHOLE)
    assert wall.in_force(WHOLE)
    assert [line for line in saved().splitlines() if "MC-" in line] == before
    run(["iptables", "-F", "FORWARD"])


def test_what_somebody_put_into_a_set_is_taken_out(wall: firewall.IptablesFirewall) -> None:
    wall.apply(WHOLE)
    before = saved(), run(["ipset", "save"]).text
    name = next(name for name in run(["ipset", "list", "-name"]).text.split() if name.startswith("MC-"))
    run(["ipset", "add", name, "128.0.0.0/1"])
    assert not wall.in_force(WHOLE)
    wall.apply(WHOLE)
    assert (saved(), run(["ipset", "save"]).text) == before


def test_what_is_left_of_a_wall_that_nobody_remembers_is_taken_down(wall: firewall.IptablesFirewall, tmp_path: Path) -> None:
    wall.apply(WHOLE)
    for _ in range(2):
        (tmp_path / "state.json").unlink()
        assert not wall.in_force(FirewallSpec())
        run(["iptables", "-F"])
        run(["iptables", "-X"], check=False)
        wall.apply(FirewallSpec())
        assert wall.in_force(FirewallSpec())
        assert "MC-" not in saved() + run(["ipset", "list", "-name"]).text
        wall.apply(WHOLE)


def test_bridges_that_lost_their_filter_are_seen(wall: firewall.IptablesFirewall) -> None:
    wall.apply(WHOLE)
    name = bridges.bridge_name("subnet-0a")
    run(["ip", "link", "set", "dev", name, "type", "bridge", "nf_call_iptables", "0"])
    assert not wall.in_force(WHOLE)
    wall.apply(WHOLE)
    assert wall.in_force(WHOLE)


def test_docker_and_libvirt_keep_their_rules(wall: firewall.IptablesFirewall) -> None:
    theirs = """*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:LIBVIRT_FWO - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j LIBVIRT_FWO
-A DOCKER-USER -j RETURN
-A LIBVIRT_FWO -s 192.168.122.0/24 -j ACCEPT
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
"""
    run(["iptables-restore", "--noflush"], input=theirs.encode())
    before = saved()
    wall.apply(WHOLE)
    assert wall.in_force(WHOLE)
    shown = [line for line in saved().splitlines() if "MC-" not in line]
    assert [line for line in before.splitlines() if line.startswith("-A")] == [line for line in shown if line.startswith("-A")]
    assert ":FORWARD DROP" in saved()
    wall.apply(FirewallSpec())
    mine = [line for line in saved().splitlines() if line.startswith(("-A", ":"))]
    assert [line for line in before.splitlines() if line.startswith("-A")] == [line for line in mine if line.startswith("-A")]
    for command in (["-F"], ["-X"], ["-P", "FORWARD", "ACCEPT"], ["-t", "nat", "-F"], ["-t", "nat", "-X"]):
        run(["iptables", *command])


STRANGERS = """*filter
:MC-minecraft - [0:0]
:MC-I-eth0 - [0:0]
-A INPUT -p tcp -m tcp --dport 25565 -j MC-minecraft
-A INPUT -j MC-minecraft
-A MC-minecraft -m set --match-set MC-players src -j ACCEPT
-A MC-I-eth0 -j DROP
COMMIT
"""


@pytest.fixture
def strangers() -> Iterator[set[str]]:
    """Chains and a set of the user's own whose names begin as ours."""
    run(["ipset", "create", "MC-players", "hash:net"])
    run(["ipset", "add", "MC-players", "192.0.2.0/24"])
    run(["iptables-restore", "--noflush"], input=STRANGERS.encode())
    run(["ebtables-nft", "-N", "MC-mine"])
    run(["ebtables-nft", "-A", "FORWARD", "-j", "MC-mine"])
    yield {line for line in STRANGERS.splitlines() if line.startswith("-A")}
    for argv in (["iptables", "-F"], ["iptables", "-X"], ["ebtables-nft", "-F"], ["ebtables-nft", "-X"]):
        run(argv)
    run(["ipset", "destroy", "MC-players"])


def test_strangers_with_our_prefix_are_left_alone(wall: firewall.IptablesFirewall, strangers: set[str]) -> None:
    for spec in (WHOLE, SMALL, FirewallSpec()):
        wall.apply(spec)
        assert wall.in_force(spec)
        rules = saved()
        assert strangers <= set(rules.splitlines())
        assert "-A FORWARD -j MC-mine" in rules
        assert "add MC-players 192.0.2.0/24" in run(["ipset", "save"]).text


def test_a_rule_of_others_that_leads_to_a_chain_or_a_set_of_ours_blocks_nothing(wall: firewall.IptablesFirewall) -> None:
    wall.apply(WHOLE)
    name = next(name for name in run(["ipset", "list", "-name"]).text.split() if name.startswith("MC-"))
    run(["iptables", "-N", "LOGGED"])
    run(["iptables", "-A", "LOGGED", "-m", "set", "--match-set", name, "src"])
    run(["iptables", "-t", "security", "-A", "INPUT", "-s", "192.0.2.1", "-j", "MC-I-mc0000000000a"])
    for _ in range(2):
        wall.apply(SMALL)
        assert wall.in_force(SMALL)
        assert "-A MC-I-mc0000000000a" not in saved()
        wall.apply(FirewallSpec())
        assert wall.in_force(FirewallSpec())
    wall.apply(WHOLE)
    assert wall.in_force(WHOLE)
    run(["iptables", "-F", "LOGGED"])
    run(["iptables", "-X", "LOGGED"])
    run(["iptables", "-t", "security", "-F", "INPUT"])
    wall.apply(FirewallSpec())
    assert "MC-" not in saved() + run(["ipset", "list", "-name"]).text


@pytest.mark.parametrize("tool", ["iptables", "ebtables-nft"])
def test_a_chain_of_others_with_a_name_that_we_need_is_told_by_name(wall: firewall.IptablesFirewall, tool: str) -> None:
    name = {"iptables": "MC-INPUT", "ebtables-nft": "MC-BACK"}[tool]
    for words in (["-N", name], ["-A", name, "-j", "DROP"], ["-A", "INPUT", "-j", name]):
        run([tool, *words])
    before = saved()
    assert wall.in_force(FirewallSpec())
    with pytest.raises(Permanent, match=f"the chain {name} in the table filter of {tool[:8]}.* is not minicloud's"):
        wall.apply(WHOLE)
    wall.apply(FirewallSpec())
    assert saved() == before
    for words in (["-F"], ["-X"]):
        run([tool, *words])
    wall.apply(WHOLE)


def test_another_states_rules_are_told_and_left(wall: firewall.IptablesFirewall, tmp_path: Path) -> None:
    theirs = firewall.IptablesFirewall(tmp_path / "theirs", "0123456789abcdef" * 2)
    theirs.apply(WHOLE)
    before = saved()
    ours = firewall.IptablesFirewall(tmp_path / "ours", "fedcba9876543210" * 2)
    assert ours.stranger() == "MC-ID-0123456789abcdef012345"
    assert ours.in_force(FirewallSpec()), "there is nothing of ours to take away"
    assert not ours.in_force(SMALL)
    with pytest.raises(Permanent, match="MC-ID-0123456789abcdef012345"):
        ours.apply(SMALL)
    with pytest.raises(Permanent):
        ours.apply(FirewallSpec())
    assert saved() == before
    assert theirs.in_force(WHOLE)
    theirs.apply(FirewallSpec())
    ours.apply(SMALL)
    assert ours.in_force(SMALL)
    ours.apply(FirewallSpec())


def test_rules_of_a_minicloud_that_knew_of_no_identity_are_taken_over(wall: firewall.IptablesFirewall, tmp_path: Path) -> None:
    """With its mark, or with none but a note of what was applied."""
    unknowing = firewall.IptablesFirewall(tmp_path, "")
    knowing = firewall.IptablesFirewall(tmp_path, "0123456789abcdef" * 2)
    for words in ([], ["-X", firewall_names.NOBODY]):
        unknowing.apply(WHOLE)
        if words:
            for table in ("filter", "nat", "mangle", "security"):
                run(["iptables", "-t", table, *words])
            for table in ("filter", "nat"):
                run(["ebtables-nft", "-t", table, *words])
        assert not knowing.in_force(WHOLE)
        knowing.apply(WHOLE)
        assert knowing.in_force(WHOLE)
        knowing.apply(FirewallSpec())
        assert "MC-" not in saved()
