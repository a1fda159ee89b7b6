"""Sets of peers, named after what is in them: a set never changes. Rules go over from one to another in one restore, and so
a packet sees either the old rules with the old sets or the new with the new.
"""

import hashlib
from collections.abc import Iterable
from ipaddress import IPv4Network, collapse_addresses

from .firewall_names import PREFIX

_ALL = IPv4Network("0.0.0.0/0")


class Sets:
    """The sets that one rendering needs, by name."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[IPv4Network, ...]] = {}

    def match(self, peers: Iterable[IPv4Network], side: str) -> str | None:
        """The words of a rule by which `side` (src or dst) must be one of `peers`: no words where all are, None where none is."""
        networks = tuple(peers)
        if len(networks) > 1:
            networks = tuple(collapse_addresses(networks))
        if not networks:
            return None
        if networks[0] == _ALL:
            return ""
        if len(networks) == 1:
            return f" -{side[0]} {networks[0]}"
        return f" -m set --match-set {self.name(networks)} {side}"

    def name(self, networks: tuple[IPv4Network, ...]) -> str:
        """The set of these networks."""
        digest = hashlib.sha256(" ".join(map(str, networks)).encode()).hexdigest()[:20]
        self.entries[PREFIX + digest] = networks
        return PREFIX + digest

    def text(self) -> str:
        """What makes the sets that are not there yet, for `ipset restore -exist`."""
        lines: list[str] = []
        for name, networks in sorted(self.entries.items()):
            # A set that a crash left half full is filled: its name says what must be in it.
            size = max(64, 1 << (len(networks) - 1).bit_length())
            lines.append(f"create {name} hash:net family inet hashsize {size} maxelem {max(65536, len(networks))}")
            lines += [f"add {name} {network}" for network in networks]
        return "".join(f"{line}\n" for line in lines)

    def strangers(self, saved: str) -> str:
        """Of what `ipset save` tells: what takes out of these sets whatever somebody else has put in."""
        found = [line.split() for line in saved.splitlines() if line.startswith("add ")]
        extra = [(name, member) for _, name, member, *_ in found if name in self.entries and not self._has(name, member)]
        return "".join(f"del {name} {member}\n" for name, member in extra)

    def _has(self, name: str, member: str) -> bool:
        return member.count(".") == 3 and IPv4Network(member) in self.entries[name]
