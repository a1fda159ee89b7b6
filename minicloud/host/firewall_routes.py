"""Public addresses in the host's routing: a /32 route to the bridge behind which each one's holder lives, and, where public
addresses are the LAN's, an answer to the LAN's ARP questions for it.

Routes carry a protocol number of ours, by which they are known again. Forwarding is switched on for the devices by which the
host reaches the outside, because answers to guests come in there; nothing else of the host's becomes a router.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .bridges import bridge_name
from .firewall_spec import FirewallSpec
from .run import run

PROTOCOL = "77"
_FORWARDING = Path("/proc/sys/net/ipv4/conf")


def wanted_routes(spec: FirewallSpec) -> dict[str, tuple[str, str]]:
    """Device and source address by public address."""
    lans = {lan.network_id: lan for lan in spec.lans}
    found = {}
    for pair in spec.publics:
        port = spec.port_of(pair.private)
        if port is not None:
            found[str(pair.public)] = (bridge_name(port.network_id), str(lans[port.network_id].gateway.ip))
    return found


def _routes() -> dict[str, tuple[str, str]]:
    there = json.loads(run(["ip", "-json", "-4", "route", "show", "proto", PROTOCOL]).text or "[]")
    return {route["dst"]: (route["dev"], route.get("prefsrc", "")) for route in there}


def _uplinks(spec: FirewallSpec) -> set[str]:
    if not spec.lans:
        return set()
    there: list[dict[str, Any]] = json.loads(run(["ip", "-json", "-4", "route", "show", "default"]).text or "[]")
    return {route["dev"] for route in there if "dev" in route} | ({spec.uplink} if spec.uplink else set())


def _closed(devices: Iterable[str]) -> list[Path]:
    paths = [_FORWARDING / device / "forwarding" for device in devices]
    return [path for path in paths if path.exists() and path.read_text().strip() == "0"]


def in_force(spec: FirewallSpec) -> bool:
    """Whether the host's routing is as it must be."""
    return _routes() == wanted_routes(spec) and not _closed(_uplinks(spec))


def apply(spec: FirewallSpec, answered_before: Iterable[str], opened_before: Iterable[str]) -> list[str]:
    """Make it so. `answered_before` are the public addresses whose ARP questions we answered until now, as `device address`;
    `opened_before` are the devices on which we switched forwarding on. Returns those on which we have now.
    """
    want, have = wanted_routes(spec), _routes()
    lines = [f"route del {public}/32 proto {PROTOCOL}" for public in have if public not in want]
    lines += [
        f"route replace {public}/32 dev {device} src {source} proto {PROTOCOL}"
        for public, (device, source) in want.items()
        if have.get(public) != (device, source)
    ]
    answered = set(answers(spec))
    for line in set(answered_before) - answered:
        device, public = line.split()
        lines.append(f"neigh del proxy {public} dev {device}")
    lines += [f"neigh replace proxy {public} dev {device}" for device, public in map(str.split, sorted(answered))]
    if lines:
        run(["ip", "-force", "-batch", "-"], input="\n".join(lines).encode(), check=False)
    return _forward(_uplinks(spec), set(opened_before))


def _forward(uplinks: set[str], opened_before: set[str]) -> list[str]:
    """Forwarding on where it must be, and off again where it was we who switched it on and nobody needs it any more."""
    opened = opened_before & uplinks
    for path in _closed(uplinks):
        path.write_text("1")
        opened.add(path.parent.name)
    for device in opened_before - uplinks:
        path = _FORWARDING / device / "forwarding"
        if path.exists():
            path.write_text("0")
    return sorted(opened)


def answers(spec: FirewallSpec) -> list[str]:
    """The public addresses that we answer for on the LAN, as `device address`."""
    return [f"{spec.uplink} {pair.public}" for pair in spec.publics] if spec.uplink else []
