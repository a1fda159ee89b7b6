"""iptables, ebtables, ipset and ip as the firewall uses them: what the kernel says of our rules, and what changes them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import Permanent, Retry
from . import firewall_frames, firewall_names, firewall_rules, firewall_seen, iproute
from .bridges import bridge_name
from .firewall_seen import Seen, Tables
from .firewall_spec import FirewallSpec
from .run import run

_RELEASE_SECONDS = 2.0


@dataclass(frozen=True)
class Look:
    """What has names of ours among the rules for packets and for frames, all of it and what is this state's; and our sets.

    `sets` are lines of `ipset save`.
    """

    packets: Seen
    frames: Seen
    our_packets: Seen
    our_frames: Seen
    sets: tuple[str, ...]

    def strangers(self, mark: str) -> list[str]:
        """The marks of other states."""
        return sorted((self.packets.marks() | self.frames.marks()) - {mark, firewall_names.NOBODY})

    def set_names(self) -> set[str]:
        """The sets with names of ours that could be taken away: a rule of somebody else's may need one."""
        return {line.split()[1] for line in self.sets if ("", line.split()[1]) not in self.packets.held}

    def lines(self) -> list[str]:
        """All that is ours, in an order that does not depend on the host."""
        return [*self.our_packets.lines(), *self.our_frames.lines(), *sorted(self.sets)]

    def left(self) -> bool:
        """Whether anything of ours could be taken away."""
        return self.our_packets.left() or self.our_frames.left() or bool(self.set_names())


def look(mark: str, *, unmarked: bool) -> Look:
    """Look at the host. With `unmarked`, chains that nobody's mark stands beside are ours."""
    packets, frames = (firewall_seen.parse(run([command]).text) for command in ("iptables-save", "ebtables-nft-save"))
    sets = [line for line in run(["ipset", "save"]).text.splitlines() if firewall_names.is_set(line.split()[1])]
    our_packets, our_frames = (firewall_seen.ours(seen, mark, unmarked=unmarked) for seen in (packets, frames))
    return Look(packets, frames, our_packets, our_frames, tuple(sets))


def refuse_strangers(seen: Look, mark: str, packets: Tables, frames: Tables) -> None:
    """Raise Permanent if what is wanted would change what is not ours."""
    if strangers := seen.strangers(mark):
        raise Permanent(
            f"this host has the rules of another minicloud (chain {strangers[0]}); take them away with its own MINICLOUD_HOME: "
            "minicloud uninstall. If that is gone, a restart of the host takes them away"
        )
    taken = [f"{one} of iptables" for one in firewall_seen.collisions(packets, seen.packets, seen.our_packets)]
    taken += [f"{one} of ebtables" for one in firewall_seen.collisions(frames, seen.frames, seen.our_frames)]
    if taken:
        raise Permanent(f"{taken[0]} is not minicloud's, which needs that name: rename the chain")


def restore(seen: Look, packets: Tables, frames: Tables) -> None:
    """Make both kinds of rules so."""
    text = firewall_seen.restore(packets, seen.our_packets, firewall_rules.HOOKS, "- [0:0]", "COMMIT")
    if text:
        run(["iptables-restore", "--noflush", "--wait", "10"], input=text.encode())
    text = firewall_seen.restore(frames, seen.our_frames, firewall_frames.HOOKS, "RETURN", "")
    if text:
        run(["ebtables-nft-restore", "--noflush"], input=text.encode())


def destroy_sets(stale: Iterable[str]) -> None:
    """Rules that were replaced let go of their sets a moment after the restore has returned."""
    end = time.monotonic() + _RELEASE_SECONDS
    left = set(stale)
    while left := {name for name in left if run(["ipset", "destroy", name], check=False).status != 0} & _set_names():
        if time.monotonic() > end:
            raise Retry(f"the kernel does not let go of the set {min(left)}")
        time.sleep(0.02)


def _set_names() -> set[str]:
    return set(run(["ipset", "list", "-name"]).text.split())


def wanted_flags(spec: FirewallSpec) -> list[tuple[str, str]]:
    """The devices that must have a flag of the kernel's, and how ip(8) sets it: bridges filter, some ports give frames back."""
    bridges = [(name, "bridge nf_call_iptables 1") for name in sorted(bridge_name(lan.network_id) for lan in spec.lans)]
    return bridges + sorted((port.tap, "bridge_slave hairpin on") for port in firewall_frames.hairpins(spec))


def set_flags(spec: FirewallSpec) -> None:
    """Set those that are not. A subnet's bridge may not be there: it could not be made. It filters from the moment when it is.
    Nor may a guest's port."""
    there = flags()
    lines = [f"link set dev {name} type {kind}" for name, kind in wanted_flags(spec) if there.get(name) is False]
    if lines:
        run(["ip", "-batch", "-"], input="\n".join(lines).encode())


def flags() -> dict[str, bool]:
    """All bridges of the host, and whether their frames pass through iptables; all their ports, and whether they are hairpins."""
    links = iproute.rows(run(["ip", "-json", "-details", "link", "show"]).text)
    found: dict[str, bool] = {}
    for link in links:
        about = link.get("linkinfo", {})
        if about.get("info_kind") == "bridge":
            found[link["ifname"]] = bool(about.get("info_data", {}).get("nf_call_iptables"))
        elif about.get("info_slave_kind") == "bridge":
            found[link["ifname"]] = bool(about.get("info_slave_data", {}).get("hairpin"))
    return found
