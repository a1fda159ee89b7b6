"""What iptables-save and ebtables-save tell, taken apart; and the restore that turns it into what is wanted. Pure functions.

Only chains that are ours by their names and by our mark beside them, and jumps to them from built-in chains, are ever looked
at or changed.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from . import firewall_names

Tables = dict[str, dict[str, list[str]]]

_BUILT_IN = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING"}


@dataclass(frozen=True)
class Hook:
    """Where a chain of ours is jumped to from: it must be the first rule of the built-in chain."""

    table: str
    built_in: str
    chain: str


@dataclass
class Seen:
    """The rules of chains with names of ours by table and chain, the positions of jumps to them in built-in chains, and which
    names of ours (chains by table, sets in the table "") others' rules hold on to."""

    chains: Tables = field(default_factory=dict)
    jumps: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)

    def lines(self) -> list[str]:
        """All of it, in an order that does not depend on the host."""
        found = [f"{table} {name} {rule}" for table, chains in self.chains.items() for name in chains for rule in chains[name]]
        # Rules keep their order in a chain; tables and chains may come in any.
        found.sort(key=lambda line: line.split(" ", 2)[:2])
        found += sorted(f"{table} {name}" for table, chains in self.chains.items() for name in chains)
        return found + sorted(f"{where} {positions}" for where, positions in self.jumps.items())

    def marks(self) -> set[str]:
        """The marks of all miniclouds that have chains here."""
        return {name for chains in self.chains.values() for name in chains if firewall_names.is_mark(name)}

    def left(self) -> bool:
        """Whether there is anything that could be taken away."""
        return bool(self.jumps) or any(self.stale(table, ()) for table in self.chains)

    def stale(self, table: str, wanted: Collection[str]) -> list[str]:
        """The chains of a table that are not wanted, but for what has to stay: empty ones that others hold on to, and our mark
        beside them."""
        unwanted = {name: rules for name, rules in self.chains.get(table, {}).items() if name not in wanted}
        kept = {name for name in unwanted if (table, name) in self.held}
        marks = {name for name in unwanted if firewall_names.is_mark(name)} if kept else set()
        return [name for name, rules in unwanted.items() if rules or name not in kept | marks]


def parse(saved: str) -> Seen:
    """What has names of ours in the output of a save command."""
    seen, table = Seen(), ""
    counts: dict[tuple[str, str], int] = {}
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":") and firewall_names.is_chain(line[1:].split()[0]):
            seen.chains.setdefault(table, {}).setdefault(line[1:].split()[0], [])
        elif line.startswith("-A "):
            _, chain, rule = line.rstrip().split(" ", 2)
            position = counts[table, chain] = counts.get((table, chain), -1) + 1
            _rule(seen, table, chain, rule, position)
    return seen


def _rule(seen: Seen, table: str, chain: str, rule: str, position: int) -> None:
    target = rule.removeprefix("-j ")
    if firewall_names.is_chain(chain):
        seen.chains.setdefault(table, {}).setdefault(chain, []).append(rule)
    elif chain in _BUILT_IN and firewall_names.is_chain(target):
        seen.jumps.setdefault((table, chain, target), []).append(position)
    else:
        words = rule.split()
        seen.held |= {(table, word) for word in words if firewall_names.is_chain(word)}
        seen.held |= {("", word) for word in words if firewall_names.is_set(word)}


def ours(seen: Seen, mark: str, *, unmarked: bool) -> Seen:
    """The part of it that is of the state with this mark; with `unmarked` also where there is no mark at all."""
    good = {mark, firewall_names.NOBODY}
    marks = {table: {name for name in chains if firewall_names.is_mark(name)} for table, chains in seen.chains.items()}
    mine = {table for table, found in marks.items() if found & good or (unmarked and not found)}
    return Seen(
        {table: chains for table, chains in seen.chains.items() if table in mine},
        {where: positions for where, positions in seen.jumps.items() if where[0] in mine},
        seen.held,
    )


def collisions(wanted: Mapping[str, Mapping[str, list[str]]], seen: Seen, mine: Seen) -> list[str]:
    """The chains of others' that have names that we need, in words."""
    return sorted(
        f"the chain {name} in the table {table}" for table, chains in wanted.items() for name in chains
        if name in seen.chains.get(table, {}) and name not in mine.chains.get(table, {})
    )  # fmt: skip


def restore(wanted: Mapping[str, Mapping[str, list[str]]], seen: Seen, hooks: Iterable[Hook], fresh: str, end: str) -> str:
    """The text that makes what was seen, all of it ours, what is wanted, in one go.

    `fresh` is how a chain is declared, after its name; `end` is what ends a table. Chains that are as wanted are left alone.
    Built-in chains are touched only where our jump is not their first rule, or there more than once, or for nothing. A chain
    that is to go, but that others' rules lead to, is emptied: the kernel would refuse to delete it, and all else with it.
    """
    lines: list[str] = []
    for table, chains in wanted.items():
        there = seen.chains.get(table, {})
        stale = seen.stale(table, chains)
        jumps = _jumps(table, chains, seen, hooks)
        changed = {name: rules for name, rules in chains.items() if there.get(name) != rules}
        if not changed and not stale and not jumps:
            continue
        lines += [f"*{table}", *(f":{name} {fresh}" for name in (*changed, *stale))]
        lines += [f"-A {name} {rule}" for name, rules in changed.items() for rule in rules]
        lines += [*jumps, *(f"-X {name}" for name in stale if (table, name) not in seen.held), *([end] if end else [])]
    return "".join(f"{line}\n" for line in lines)


def _jumps(table: str, chains: Mapping[str, list[str]], seen: Seen, hooks: Iterable[Hook]) -> list[str]:
    wanted = {(hook.built_in, hook.chain) for hook in hooks if hook.table == table and chains.get(hook.chain)}
    there = {(built_in, chain): at for (where, built_in, chain), at in seen.jumps.items() if where == table}
    lines: list[str] = []
    for built_in, chain in sorted(wanted | set(there)):
        at = there.get((built_in, chain), [])
        if (built_in, chain) in wanted and at == [0]:
            continue
        lines += [f"-D {built_in} -j {chain}"] * len(at)
        if (built_in, chain) in wanted:
            lines.append(f"-I {built_in} 1 -j {chain}")
    return lines
