"""The firewall of a host by iptables, ebtables and ipset: chains and sets with names of ours, and jumps from built-in chains.

- Rules change in one iptables-restore, which the kernel carries out as a whole; so do the rules for frames.
- After each change what the kernel says of it is read back, and a digest of that is kept: whatever anybody changes in it
  later, a flush or a second jump, is seen by comparing, on every version of the tools.
- An empty chain beside ours carries the identity of the state that they enforce. The rules of another state, and chains of
  somebody else's that have a name that we need, are told by name and left alone.
- Only bridges of ours hand their frames to iptables (`nf_call_iptables` of the bridge); the host's other bridges do not
  notice.
- Connections of an address that has another holder now are forgotten by the kernel; all others go on.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .. import files
from . import (
    bridges,
    failures,
    firewall_clients,
    firewall_frames,
    firewall_names,
    firewall_routes,
    firewall_rules,
    firewall_tools,
    firewalld,
)
from .bridge_netfilter import BridgeNetfilter
from .bridges import bridge_name
from .firewall_rules import Rules
from .firewall_seen import Tables
from .firewall_spec import FirewallSpec
from .firewall_tools import Look
from .run import run

_STATE = "state.json"


@dataclass
class Applied:
    """What was last applied: digests of the text and of what the kernel said of it, and whose addresses were whose."""

    wanted: str = ""
    seen: str = ""
    publics: dict[str, str] = field(default_factory=dict)
    private: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """All that is to be on the host: the rules of a spec, and what makes them somebody's."""

    spec: FirewallSpec
    uplinks: list[str]
    rules: Rules
    packets: Tables
    frames: Tables

    def digest(self) -> str:
        """Another value for anything else."""
        return _digest([json.dumps([self.packets, self.frames]), self.rules.sets.text(), *firewall_routes.answers(self.spec)])

    def bridges(self) -> list[str]:
        """The bridges that it is about."""
        return sorted(bridge_name(lan.network_id) for lan in self.spec.lans)

    def routers(self) -> list[str]:
        """The devices from which the host forwards."""
        return [*self.uplinks, *self.bridges()]


class IptablesFirewall:
    """The firewall of this host, for the state with an identity (hexadecimal digits).

    What was applied is noted in `directory`, which is lost when the host restarts, as rules are.
    """

    def __init__(self, directory: Path, identity: str, module: BridgeNetfilter | None = None) -> None:
        self._directory = directory
        self._identity = identity
        self._mark = firewall_names.mark(identity)
        self._module = module or BridgeNetfilter(directory)

    @failures.of_system()
    def in_force(self, spec: FirewallSpec) -> bool:
        """Whether exactly this is enforced now. What is there for another state's networks is no affair of one that has none."""
        return self._is_in_force(spec) or (not spec.lans and bool(bridges.strangers(self._identity)))

    def _is_in_force(self, spec: FirewallSpec) -> bool:
        state = self._read()
        seen = self._look(state)
        if state is None:
            return not spec.lans and (bool(seen.strangers(self._mark)) or not self._left(seen))
        want = self._wanted(spec)
        if state.wanted != want.digest() or state.seen != _seen_digest(seen, want):
            return False
        kept = firewall_clients.in_force(spec) and firewalld.in_force(want.bridges())
        return kept and firewall_routes.in_force(spec, want.routers())

    @failures.of_system()
    def apply(self, spec: FirewallSpec) -> None:
        """Enforce this and nothing else. Raises Permanent where that would change somebody else's rules."""
        bridges.refuse_strange(self._identity)
        before, want = self._read(), self._wanted(spec)
        seen = self._look(before)
        firewall_tools.refuse_strangers(seen, self._mark, want.packets, want.frames)
        if spec.lans:
            self._module.load()
            firewall_tools.set_flags(spec)
        if sets := want.rules.sets.strangers("\n".join(seen.sets)) + want.rules.sets.text():
            run(["ipset", "restore", "-exist"], input=sets.encode())
        firewall_tools.restore(seen, want.packets, want.frames)
        firewall_tools.destroy_sets(seen.set_names() - set(want.rules.sets.entries))
        self._finish(want, before or Applied())

    def stranger(self) -> str:
        """The mark of another state whose rules are on this host; empty if there are none."""
        return next(iter(self._look(self._read()).strangers(self._mark)), "")

    def _finish(self, want: Wanted, before: Applied) -> None:
        """All that is not rules, and the note of what was done."""
        spec = want.spec
        firewall_clients.apply(spec)
        firewalld.apply(want.bridges())
        # Noted first: what is found now is what the host gets back, whatever becomes of this process.
        before.opened = sorted({*before.opened, *firewall_routes.closed(want.routers())})
        before.answers = sorted({*before.answers, *firewall_routes.answers(spec)})
        self._write(before)
        opened = firewall_routes.apply(spec, want.routers(), before.answers, before.opened)
        after = _applied(want, self._look(before), opened)
        _forget_connections(before, after)
        if not spec.lans:
            self._module.release()
        self._write(after if spec.lans else None)

    def _look(self, state: Applied | None) -> Look:
        """Rules without a mark are those of an older minicloud, if there is a note of any."""
        return firewall_tools.look(self._mark, unmarked=state is not None)

    def _left(self, seen: Look) -> bool:
        """Whether anything of ours is on the host, whatever is noted of it."""
        elsewhere = not firewalld.in_force(()) or not firewall_routes.in_force(FirewallSpec(), ())
        return elsewhere or seen.left() or self._module.loaded_by_us()

    def _wanted(self, spec: FirewallSpec) -> Wanted:
        uplinks = firewall_routes.uplinks(spec)
        rules = firewall_rules.render(spec, uplinks)
        marked = (
            {table: {**chains, self._mark: []} if chains else {} for table, chains in tables.items()}
            for tables in (rules.chains, firewall_frames.chains(spec))
        )
        return Wanted(spec, uplinks, rules, *marked)

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
        files.directory(self._directory, 0o750)
        new = path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state.__dict__, file)
        new.rename(path)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _seen_digest(seen: Look, want: Wanted) -> str:
    there = firewall_tools.flags()
    flagged = (f"{name} {there[name]}" for name, _ in firewall_tools.wanted_flags(want.spec) if not there.get(name, True))
    return _digest([*seen.lines(), *flagged])


def _applied(want: Wanted, seen: Look, opened: list[str]) -> Applied:
    spec = want.spec
    return Applied(
        wanted=want.digest(),
        seen=_seen_digest(seen, want),
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
