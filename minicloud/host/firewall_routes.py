"""Public addresses in the host's routing: a /32 route to the bridge behind which each one's holder lives, and, where public
addresses are the LAN's, an answer to the LAN's ARP questions for it.

Routes carry a protocol number of ours, by which they are known again. Forwarding is switched on for our bridges and for the
uplinks, the devices by which the host reaches the outside, because answers to guests come in there; nothing else of the host's
becomes a router.
"""

from collections.abc import Iterable
from pathlib import Path

from . import iproute, routes
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
    there = iproute.rows(run(["ip", "-json", "-4", "route", "show", "proto", PROTOCOL]).text)
    return {route["dst"]: (route["dev"], route.get("prefsrc", "")) for route in there}


def uplinks(spec: FirewallSpec) -> list[str]:
    """The devices by which this host reaches the outside, now: those of default routes in any table (a VPN has one of its own),
    and the one on which public addresses are answered for."""
    if not spec.lans:
        return []
    others = [
        route for route in routes.all_tables() if route.get("dst") in routes.EVERYWHERE and route.get("protocol") != PROTOCOL
    ]
    ours = {bridge_name(lan.network_id) for lan in spec.lans}
    return sorted(({name for route in others for name in routes.devices(route)} | {spec.uplink}) - ours - {"", "lo"})


def _closed(devices: Iterable[str]) -> list[Path]:
    paths = [_FORWARDING / device / "forwarding" for device in devices]
    return [path for path in paths if path.exists() and path.read_text().strip() == "0"]


def closed(devices: Iterable[str]) -> list[str]:
    """Those of these devices from which the host does not forward."""
    return [path.parent.name for path in _closed(devices)]


def in_force(spec: FirewallSpec, routers: Iterable[str]) -> bool:
    """Whether the host's routing is as it must be."""
    return _routes() == wanted_routes(spec) and not _closed(routers)


def apply(spec: FirewallSpec, routers: Iterable[str], answered_before: Iterable[str], opened_before: Iterable[str]) -> list[str]:
    """Make it so, with forwarding on the devices `routers`. `answered_before` are the public addresses whose ARP questions we
    answered until now, as `device address`; `opened_before` are the devices on which we switch forwarding on, or have. Returns
    those on which we have now.
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
    return _forward(set(routers), set(opened_before))


def _forward(routers: set[str], opened_before: set[str]) -> list[str]:
    """Forwarding on where it must be, and off again where it was we who switched it on and nobody needs it any more: a host that
    became a router meanwhile forwards everywhere."""
    for path in _closed(routers):
        path.write_text("1")
    everywhere = (_FORWARDING / "all/forwarding").read_text().strip() != "0"
    for device in opened_before - routers:
        path = _FORWARDING / device / "forwarding"
        if path.exists() and not everywhere:
            path.write_text("0")
    return sorted(opened_before & routers)


def answers(spec: FirewallSpec) -> list[str]:
    """The public addresses that we answer for on the LAN, as `device address`."""
    return [f"{spec.uplink} {pair.public}" for pair in spec.publics] if spec.uplink else []
