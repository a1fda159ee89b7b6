"""Bridges by iproute2, in batches: one process, however many changes. A bridge of ours carries its network's id as its alias.

Nothing here looks into /sys/class/net: in a network namespace it can show another namespace's devices.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from ..errors import Permanent
from .run import run

_ALIAS = "minicloud "
_SYSCTL = Path("/proc/sys/net")


@dataclass(frozen=True)
class Bridge:
    """A bridge of ours as it is now."""

    name: str
    network_id: str
    up: bool
    addresses: frozenset[IPv4Interface]


def bridge_name(network_id: str) -> str:
    """`mc` and 12 hexadecimal digits that follow from the network's id: 14 characters, and the kernel allows 15."""
    return "mc" + hashlib.sha256(network_id.encode()).hexdigest()[:12]


def hardware_address(network_id: str) -> str:
    """The bridge's own address. Without one of its own a bridge takes the lowest of its ports', and guests lose their gateway."""
    digest = hashlib.sha256(network_id.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x06, *digest[:5]))


def bridges() -> dict[str, Bridge]:
    """All bridges of ours, by network id."""
    found: dict[str, Bridge] = {}
    for link in _links():
        network_id = str(link.get("ifalias", "")).removeprefix(_ALIAS)
        if link["ifname"] == bridge_name(network_id):
            found[network_id] = _bridge(link, network_id)
    return found


def ensure(network_id: str, gateway: IPv4Interface) -> None:
    """A bridge with exactly this address, up, without IPv6, forwarding IPv4. Its ports stay plugged in.

    Raises Permanent if the host already uses addresses of this network elsewhere.
    """
    name = bridge_name(network_id)
    link = next((link for link in _links() if link["ifname"] == name), None)
    _refuse_overlap(name, gateway.network)
    if link is None:
        words = ["name", name, "address", hardware_address(network_id), "type", "bridge", "stp_state", "0"]
        run(["ip", "link", "add", *words, "mcast_snooping", "0", "nf_call_iptables", "1"])
    seen = _bridge(link, network_id) if link else Bridge(name, network_id, False, frozenset())
    _set_kernel(name)
    changes = [f"address delete {address} dev {name}" for address in seen.addresses - {gateway}]
    if gateway not in seen.addresses:
        changes.append(f"address add {gateway} broadcast + dev {name}")
    if not seen.up:
        changes.append(f"link set dev {name} up")
    if changes:
        run(["ip", "-batch", "-"], input="\n".join(changes).encode())
    if link is None or "ifalias" not in link:
        run(["ip", "link", "set", "dev", name, "alias", _ALIAS + network_id])


def remove(network_id: str) -> None:
    """Delete the bridge; what was plugged into it stays, unplugged."""
    name = bridge_name(network_id)
    if any(link["ifname"] == name for link in _links()):
        run(["ip", "link", "delete", "dev", name, "type", "bridge"])


def _links() -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = json.loads(run(["ip", "-json", "-details", "address", "show", "type", "bridge"]).text or "[]")
    return [link for link in links if "ifname" in link]


def _bridge(link: dict[str, Any], network_id: str) -> Bridge:
    addresses = frozenset(
        IPv4Interface(f"{address['local']}/{address['prefixlen']}")
        for address in link.get("addr_info", [])
        if address.get("family") == "inet"
    )
    return Bridge(link["ifname"], network_id, "UP" in link["flags"], addresses)


def _set_kernel(name: str) -> None:
    """IPv6 is off before the bridge is up, so that it never has a link-local address by which guests reach the host."""
    if (ipv6 := _SYSCTL / "ipv6/conf" / name / "disable_ipv6").exists():
        ipv6.write_text("1")
    (_SYSCTL / "ipv4/conf" / name / "forwarding").write_text("1")


def overlapping(routes: Sequence[dict[str, Any]], name: str, network: IPv4Network) -> str | None:
    """The device that already serves a part of `network`: one that is connected to it, or has a route at least as narrow.

    A wider route through a gateway is none of our business: the bridge's own route, being narrower, wins over it.
    """
    for route in routes:
        if route.get("dev") in (None, name) or route.get("dst") in (None, "default"):
            continue
        other = IPv4Network(route["dst"])
        if other.overlaps(network) and (route.get("scope") == "link" or other.subnet_of(network)):
            return str(route["dev"])
    return None


def _refuse_overlap(name: str, network: IPv4Network) -> None:
    routes = json.loads(run(["ip", "-json", "-4", "route", "show"]).text or "[]")
    if (device := overlapping(routes, name, network)) is not None:
        raise Permanent(
            f"this host already uses addresses of {network} on {device}; choose another vpc_cidr in the settings",
            "InvalidSubnet.Conflict",
        )
