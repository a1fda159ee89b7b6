"""What iptables-save and ebtables-save tell, taken apart; and the restore that turns it into what is wanted. Pure functions.

Only chains with our prefix, and jumps to them from built-in ones, are ever looked at or changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .firewall_sets import PREFIX

Tables = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Hook:
    """Where a chain of ours is jumped to from: it must be the first rule of the built-in chain."""

    table: str
    built_in: str
    chain: str


@dataclass
class Seen:
    """The rules of ours by table and chain, and the positions of our jumps in the built-in chains."""

    chains: Tables = field(default_factory=dict)
    jumps: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """All of it, in an order that does not depend on the host."""
        found = [f"{table} {name} {rule}" for table, chains in self.chains.items() for name in chains for rule in chains[name]]
        # Rules keep their order in a chain; tables and chains may come in any.
        found.sort(key=lambda line: line.split(" ", 2)[:2])
        found += sorted(f"{table} {name}" for table, chains in self.chains.items() for name in chains)
        return found + sorted(f"{where} {positions}" for where, positions in self.jumps.items())


def parse(saved: str) -> Seen:
    """What is ours in the output of a save command."""
    seen, table = Seen(), ""
    counts: dict[tuple[str, str], int] = {}
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(f":{PREFIX}"):
            seen.chains.setdefault(table, {}).setdefault(line[1:].split()[0], [])
        elif line.startswith("-A "):
            _, chain, rule = line.rstrip().split(" ", 2)
            position = counts[table, chain] = counts.get((table, chain), -1) + 1
            if chain.startswith(PREFIX):
                seen.chains.setdefault(table, {}).setdefault(chain, []).append(rule)
            elif rule.startswith(f"-j {PREFIX}"):
                seen.jumps.setdefault((table, chain, rule.removeprefix("-j ")), []).append(position)
    return seen


def restore(wanted: Mapping[str, Mapping[str, list[str]]], seen: Seen, hooks: Iterable[Hook], fresh: str, end: str) -> str:
    """The text that makes what was seen what is wanted, in one go.

    `fresh` is how a chain is declared, after its name; `end` is what ends a table. Chains that are as wanted are left alone.
    Built-in chains are touched only where our jump is not their first rule, or there more than once, or for nothing.
    """
    lines: list[str] = []
    for table, chains in wanted.items():
        there = seen.chains.get(table, {})
        stale = [name for name in there if name not in chains]
        jumps = _jumps(table, chains, seen, hooks)
        changed = {name: rules for name, rules in chains.items() if there.get(name) != rules}
        if not changed and not stale and not jumps:
            continue
        lines += [f"*{table}", *(f":{name} {fresh}" for name in (*changed, *stale))]
        lines += [f"-A {name} {rule}" for name, rules in changed.items() for rule in rules]
        lines += [*jumps, *(f"-X {name}" for name in stale), *([end] if end else [])]
    return "".join(f"{line}\n" for line in lines)


def _jumps(table: str, chains: Mapping[str, list[str]], seen: Seen, hooks: Iterable[Hook]) -> list[str]:
    wanted = {(hook.built_in, hook.chain) for hook in hooks if hook.table == table and hook.chain in chains}
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
