"""Which load balancers speak to their targets as their clients, and where to: what the firewall must let them do."""

from ipaddress import IPv4Address

from ..state.lb_registry import Registry
from ..state.rows_lb import Target, forwards
from ..state.store import State
from . import guest_spec

Services = tuple[tuple[IPv4Address, int], ...]


def read(state: State) -> tuple[frozenset[str], Services]:
    """The taps of such balancers, and addresses and ports of their targets. Call it inside a transaction."""
    if not state.load_balancers.find(kind="network"):
        return frozenset(), ()
    registry = Registry(state)
    used: dict[str, list[str]] = {}
    for row in state.listeners.query():
        used.setdefault(row.load_balancer_id, []).extend(arn for arn, _ in forwards(row.actions))
    balancers: set[str] = set()
    places: set[tuple[IPv4Address, int]] = set()
    for balancer_id, arns in used.items():
        for group in filter(None, map(registry.group, arns)):
            if group.attributes.get("preserve_client_ip.enabled") == "true":
                balancers.add(balancer_id)
                # Those that drain still answer to connections that they have.
                rows = [one for one in state.targets.find(group_id=group.id) if registry.unused(group, one) is None]
                places |= {place for one in rows if (place := _place(registry, one))}
    cards = state.interfaces.among("load_balancer_id", sorted(balancers))
    return frozenset(map(guest_spec.tap, cards)), tuple(sorted(places))


def _place(registry: Registry, target: Target) -> tuple[IPv4Address, int] | None:
    address = registry.address_of(target)
    return (IPv4Address(address), target.port) if address else None
