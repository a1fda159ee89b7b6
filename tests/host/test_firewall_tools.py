"""The golden rules are accepted by the real tools; and the firewall lives beside others' rules."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.host import bridges, firewall
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.host.run import run

from ..unit.test_firewall_rules import LANS, SMALL, WHOLE, frames_text, rules_text

pytestmark = pytest.mark.lab
GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[firewall.IptablesFirewall]:
    for lan in LANS:
        bridges.ensure(lan.network_id, lan.gateway)
    made = firewall.IptablesFirewall(tmp_path)
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
        ["iptables", "-D", "MC-GUEST", "1"],
        ["iptables", "-I", "MC-I-mc0a", "-j", "ACCEPT"],
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
