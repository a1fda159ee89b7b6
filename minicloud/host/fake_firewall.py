"""The firewall of a fake host: it remembers what it was asked to enforce."""

import dataclasses
import json

from .fake_drivers import refuse_strange, strange_networks
from .fake_store import Store
from .firewall_spec import FirewallSpec


def _text(spec: FirewallSpec) -> str:
    return json.dumps(dataclasses.asdict(spec), default=str)


class FakeFirewall:
    """Implements contracts.Firewall."""

    def __init__(self, store: Store, identity: str = "") -> None:
        self._store = store
        self._identity = identity

    def in_force(self, spec: FirewallSpec) -> bool:
        """Whether this was applied last."""
        with self._store.call("firewall.in_force") as held:
            none = not spec.lans and bool(strange_networks(held, self._identity))
            return none or bool(held.get("firewall", _text(FirewallSpec())) == _text(spec))

    def apply(self, spec: FirewallSpec) -> None:
        """Remember it."""
        with self._store.call("firewall.apply") as held:
            refuse_strange(held, self._identity)
            held["firewall"] = _text(spec)

    def stranger(self) -> str:
        """Nobody else is on a fake host."""
        with self._store.call("firewall.stranger"):
            return ""
