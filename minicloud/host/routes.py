"""Whether the host's routing has another use for the addresses of a network: a LAN, a VPN, containers, an address of its own.

All routing tables count, because policy rules may ask any of them before `main` (WireGuard, Tailscale's 52, a VRF). A wider
route counts as a narrower one does: the bridge's own would take its part away from whoever is there. Only in `main` a wider
route to nowhere (a `blackhole` for private addresses) is harmless, as the narrower one of the bridge comes first there. Default
routes, and the two halves by which a VPN stands for one, are for what nobody else has; `throw` routes send nothing anywhere.
"""

from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Any

from . import iproute
from .run import run

EVERYWHERE = ("default", "0.0.0.0/1", "128.0.0.0/1")
"""Destinations of default routes."""
_NOWHERE = frozenset({"blackhole", "unreachable", "prohibit"})


def all_tables(timeout: float = 60.0) -> list[dict[str, Any]]:
    """The IPv4 routes of all tables, as iproute2 has them. Raises HostError."""
    return iproute.rows(run(["ip", "-json", "-4", "route", "show", "table", "all"], timeout=timeout).text)


def devices(route: dict[str, Any]) -> Iterator[str]:
    """The devices by which a route leads; several where it has several next hops, none where it leads nowhere."""
    yield from (str(hop["dev"]) for hop in (route, *route.get("nexthops", ())) if "dev" in hop)


def overlapping(routes: Sequence[dict[str, Any]], ours: Collection[str], network: IPv4Network) -> str | None:
    """What already has a part of `network`: the name of a device, or words. `ours` are devices that may have it."""
    for route in routes:
        kind, table, through = route.get("type", "unicast"), str(route.get("table", "main")), list(devices(route))
        if kind == "throw" or route.get("dst") in (None, *EVERYWHERE) or set(through) & set(ours):
            continue
        other = IPv4Network(route["dst"])
        harmless = table == "main" and kind in _NOWHERE and not other.subnet_of(network)
        if other.overlaps(network) and not harmless:
            what = through[0] if kind in ("unicast", "local", "broadcast") and through else f"a route of type {kind} ({other})"
            return what if table in ("main", "local") else f"{what} (routing table {table})"
    return None
