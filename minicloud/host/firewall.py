"""The firewall of a host by iptables, ebtables and ipset: chains and sets with our prefix, and one jump from each built-in chain.

- Rules change in one iptables-restore, which the kernel carries out as a whole; so do the rules for frames.
- After each change what the kernel says of it is read back, and a digest of that is kept: whatever anybody changes in it
  later, a flush or a second jump, is seen by comparing, on every version of the tools.
- Only bridges of ours hand their frames to iptables (`nf_call_iptables` of the bridge); the host's other bridges do not
  notice.
- Connections of an address that has another holder now are forgotten by the kernel; all others go on.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Retry
from . import failures, firewall_clients, firewall_frames, firewall_routes, firewall_rules, firewall_seen, firewalld
from .bridges import bridge_name
from .firewall_rules import Rules
from .firewall_sets import PREFIX
from .firewall_spec import FirewallSpec
from .run import run

_STATE = "state.json"
_BRIDGE_SYSCTL = Path("/proc/sys/net/bridge")
_RELEASE_SECONDS = 2.0


@dataclass
class Applied:
    """What was last applied: digests of the text and of what the kernel said of it, and whose addresses were whose."""

    wanted: str = ""
    seen: str = ""
    publics: dict[str, str] = field(default_factory=dict)
    private: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)


class IptablesFirewall:
    """The firewall of this host. What was applied is noted in `directory`, which is lost when the host restarts, as rules are."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @failures.of_system()
    def in_force(self, spec: FirewallSpec) -> bool:
        """Whether exactly this is enforced now."""
        state = self._read()
        if state is None:
            return not spec.lans and not _left()
        if state.wanted != _wanted_digest(spec, firewall_rules.render(spec)):
            return False
        kept = firewall_routes.in_force(spec) and firewall_clients.in_force(spec) and firewalld.in_force(_bridges(spec))
        return state.seen == _seen_digest(spec) and kept

    @failures.of_system()
    def apply(self, spec: FirewallSpec) -> None:
        """Enforce this and nothing else."""
        before = self._read() or Applied()
        rules, frames = firewall_rules.render(spec), firewall_frames.chains(spec)
        _prepare(spec)
        if rules.sets_text:
            run(["ipset", "restore", "-exist"], input=rules.sets_text.encode())
        _restore_rules(rules)
        _restore_frames(frames)
        _destroy_sets(keep=rules.sets)
        firewall_clients.apply(spec)
        firewalld.apply(_bridges(spec))
        opened = firewall_routes.apply(spec, before.answers, before.opened)
        after = _applied(spec, rules, opened)
        _forget_connections(before, after)
        self._write(after if spec.lans else None)

    def _read(self) -> Applied | None:
        try:
            return Applied(**json.loads((self._directory / _STATE).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _write(self, state: Applied | None) -> None:
        path = self._directory / _STATE
        if state is None:
            path.unlink(missing_ok=True)
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        new = path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state.__dict__, file)
        new.rename(path)


def _prepare(spec: FirewallSpec) -> None:
    if not spec.lans:
        return
    if not _BRIDGE_SYSCTL.exists():
        run(["modprobe", "br_netfilter"])
    there = _flags()
    # A subnet's bridge may not be there: it could not be made. It filters from the moment when it is. Nor may a guest's port.
    lines = [f"link set dev {name} type {kind}" for name, kind in _wanted_flags(spec) if there.get(name) is False]
    if lines:
        run(["ip", "-batch", "-"], input="\n".join(lines).encode())


def _left() -> bool:
    """Whether anything of ours is on the host, whatever is noted of it."""
    if not firewalld.in_force(()):
        return True
    saved = any(_parse(command).chains for command in ("iptables-save", "ebtables-nft-save"))
    return saved or bool(_set_names()) or not firewall_routes.in_force(FirewallSpec())


def _parse(command: str) -> firewall_seen.Seen:
    return firewall_seen.parse(run([command]).text)


def _restore_rules(rules: Rules) -> None:
    text = firewall_seen.restore(rules.chains, _parse("iptables-save"), firewall_rules.HOOKS, "- [0:0]", "COMMIT")
    if text:
        run(["iptables-restore", "--noflush", "--wait", "10"], input=text.encode())


def _restore_frames(chains: firewall_seen.Tables) -> None:
    seen = _parse("ebtables-nft-save")
    text = firewall_seen.restore(chains, seen, firewall_frames.HOOKS, "RETURN", "")
    if text:
        run(["ebtables-nft-restore", "--noflush"], input=text.encode())


def _set_names() -> list[str]:
    return [name for name in run(["ipset", "list", "-name"]).text.split() if name.startswith(PREFIX)]


def _destroy_sets(keep: Iterable[str]) -> None:
    """Rules that were replaced let go of their sets a moment after the restore has returned."""
    end = time.monotonic() + _RELEASE_SECONDS
    stale = set(_set_names()) - set(keep)
    while stale := {name for name in stale if run(["ipset", "destroy", name], check=False).status != 0} & set(_set_names()):
        if time.monotonic() > end:
            raise Retry(f"the kernel does not let go of the set {min(stale)}")
        time.sleep(0.02)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _wanted_digest(spec: FirewallSpec, rules: Rules) -> str:
    return _digest([json.dumps([rules.chains, firewall_frames.chains(spec)]), rules.sets_text, *firewall_routes.answers(spec)])


def _seen_digest(spec: FirewallSpec) -> str:
    lines = _parse("iptables-save").lines() + _parse("ebtables-nft-save").lines()
    lines += sorted(line for line in run(["ipset", "save"]).text.splitlines() if line.split()[1].startswith(PREFIX))
    there = _flags()
    return _digest([*lines, *(f"{name} {there[name]}" for name, _ in _wanted_flags(spec) if not there.get(name, True))])


def _bridges(spec: FirewallSpec) -> list[str]:
    return sorted(bridge_name(lan.network_id) for lan in spec.lans)


def _wanted_flags(spec: FirewallSpec) -> list[tuple[str, str]]:
    """The devices that must have a flag of the kernel's, and how ip(8) sets it: bridges filter, some ports give frames back."""
    bridges = [(name, "bridge nf_call_iptables 1") for name in _bridges(spec)]
    return bridges + sorted((port.tap, "bridge_slave hairpin on") for port in firewall_frames.hairpins(spec))


def _flags() -> dict[str, bool]:
    """All bridges of the host, and whether their frames pass through iptables; all their ports, and whether they are hairpins."""
    links: list[dict[str, Any]] = json.loads(run(["ip", "-json", "-details", "link", "show"]).text or "[]")
    found: dict[str, bool] = {}
    for link in links:
        about = link.get("linkinfo", {})
        if about.get("info_kind") == "bridge":
            found[link["ifname"]] = bool(about.get("info_data", {}).get("nf_call_iptables"))
        elif about.get("info_slave_kind") == "bridge":
            found[link["ifname"]] = bool(about.get("info_slave_data", {}).get("hairpin"))
    return found


def _applied(spec: FirewallSpec, rules: Rules, opened: list[str]) -> Applied:
    return Applied(
        wanted=_wanted_digest(spec, rules),
        seen=_seen_digest(spec),
        publics={str(pair.public): str(pair.private) for pair in spec.publics},
        private={str(address): port.mac for port in spec.ports for address in port.addresses},
        answers=firewall_routes.answers(spec),
        opened=opened,
    )


def _forget_connections(before: Applied, after: Applied) -> None:
    """What the kernel remembers of addresses that have gone from their holders."""
    for public in (address for address, private in before.publics.items() if after.publics.get(address) != private):
        for side in ("--orig-dst", "--reply-dst"):
            run(["conntrack", "-D", side, public], check=False)
    for private in (address for address, mac in before.private.items() if after.private.get(address) != mac):
        for side in ("--orig-src", "--orig-dst", "--reply-src", "--reply-dst"):
            run(["conntrack", "-D", side, private], check=False)
