"""The firewall of a fake host: it remembers what it was asked to enforce."""

import dataclasses
import json

from .fake_store import Store
from .firewall_spec import FirewallSpec


def _text(spec: FirewallSpec) -> str:
    return json.dumps(dataclasses.asdict(spec), default=str)


class FakeFirewall:
    """Implements contracts.Firewall."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def in_force(self, spec: FirewallSpec) -> bool:
        """Whether this was applied last."""
        with self._store.call("firewall.in_force") as held:
            return bool(held.get("firewall", _text(FirewallSpec())) == _text(spec))

    def apply(self, spec: FirewallSpec) -> None:
        """Remember it."""
        with self._store.call("firewall.apply") as held:
            held["firewall"] = _text(spec)
