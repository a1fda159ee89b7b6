"""Bridges by iproute2, in batches: one process, however many changes.

A bridge carries as its alias its network's id and the identity of the state that made it. One without an identity was made by
a minicloud that gave none. One with another identity is never changed, and while there is one the networks of this host are
that state's: no other makes any, or changes the firewall that keeps them (`refuse_strange`).

Nothing here looks into /sys/class/net: in a network namespace it can show another namespace's devices.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from ..errors import Permanent
from . import iproute, routes
from .run import run

_ALIAS = "minicloud "
_TAP = re.compile("mc[^x].*")
"""A tap of a guest's; `mcx` is how the names of cables begin that were cut (`libvirt_cards`)."""
_SYSCTL = Path("/proc/sys/net")


@dataclass(frozen=True)
class Bridge:
    """A bridge of ours as it is now."""

    name: str
    network_id: str
    up: bool
    addresses: frozenset[IPv4Interface]
    identity: str = ""


@dataclass(frozen=True)
class Tap:
    """The host's end of a guest's cable: what it is plugged into (empty for nothing), and whether it is up."""

    name: str
    bridge: str
    up: bool


def bridge_name(network_id: str) -> str:
    """`mc` and 12 hexadecimal digits that follow from the network's id: 14 characters, and the kernel allows 15."""
    return "mc" + hashlib.sha256(network_id.encode()).hexdigest()[:12]


def hardware_address(network_id: str) -> str:
    """The bridge's own address. Without one of its own a bridge takes the lowest of its ports', and guests lose their gateway."""
    digest = hashlib.sha256(network_id.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x06, *digest[:5]))


def bridges() -> dict[str, Bridge]:
    """All bridges of minicloud, whichever state's, by network id."""
    return look()[0]


def look() -> tuple[dict[str, Bridge], dict[str, Tap]]:
    """The same, and the taps of guests by hardware address (the guest's; libvirt gives the host's end fe as its first byte)."""
    return _parse(_links())


def _parse(links: Iterable[dict[str, Any]]) -> tuple[dict[str, Bridge], dict[str, Tap]]:
    found: dict[str, Bridge] = {}
    taps: dict[str, Tap] = {}
    for link in links:
        network_id = str(link.get("ifalias", "")).removeprefix(_ALIAS).partition(" ")[0]
        if link["ifname"] == bridge_name(network_id):
            found[network_id] = _bridge(link, network_id)
        elif link.get("linkinfo", {}).get("info_kind") == "tun" and _TAP.fullmatch(link["ifname"]):
            taps[link.get("address", "")[2:]] = Tap(link["ifname"], link.get("master", ""), "UP" in link["flags"])
    return found, taps


def loose(network_id: str, macs: Iterable[str], taps: Mapping[str, Tap]) -> list[str]:
    """The taps of these guests' cards that are not in the network's bridge, or not up."""
    there = [taps[mac.lower()[2:]] for mac in macs if mac.lower()[2:] in taps]
    return [tap.name for tap in there if (tap.bridge, tap.up) != (bridge_name(network_id), True)]


def strangers(identity: str) -> dict[str, str]:
    """The networks that another state than this one has on the host, each with that state's identity."""
    return _strange(bridges(), identity)


def _strange(seen: Mapping[str, Bridge], identity: str) -> dict[str, str]:
    return {name: bridge.identity for name, bridge in seen.items() if bridge.identity not in ("", identity)}


def refuse_strange(identity: str) -> None:
    """Raise Permanent where the networks of this host are another state's."""
    _refuse(_strange(bridges(), identity))


def _refuse(strange: Mapping[str, str]) -> None:
    if strange:
        name, other = min(strange.items())
        raise Permanent(
            f"the networks of this host belong to another minicloud, the state {other} (one is {name}): stop its instances, "
            "or use its MINICLOUD_HOME"
        )


def ensure(network_id: str, gateway: IPv4Interface, identity: str = "", macs: Iterable[str] = ()) -> None:
    """A bridge with exactly this address, up, without IPv6, forwarding IPv4. Its ports stay plugged in; so are the taps of
    the guests' cards with these hardware addresses, whoever took them out.

    Raises Permanent if the host already uses addresses of a network that is not there yet elsewhere, and where its networks are
    another state's. One that is there goes on whatever joins the host's routing later.
    """
    name, links = bridge_name(network_id), _links()
    seen_bridges, taps = _parse(links)
    _refuse(_strange(seen_bridges, identity))
    link = next((link for link in links if link["ifname"] == name), None)
    seen = _bridge(link, network_id) if link else Bridge(name, network_id, False, frozenset())
    if gateway not in seen.addresses:
        _refuse_overlap(name, gateway.network)
    if link is None:
        words = ["name", name, "address", hardware_address(network_id), "type", "bridge", "stp_state", "0"]
        run(["ip", "link", "add", *words, "mcast_snooping", "0", "nf_call_iptables", "1"])
    _set_kernel(name)
    changes = [f"address delete {address} dev {name}" for address in seen.addresses - {gateway}]
    if gateway not in seen.addresses:
        changes.append(f"address add {gateway} broadcast + dev {name}")
    if not seen.up:
        changes.append(f"link set dev {name} up")
    changes += [f"link set dev {tap} master {name} up" for tap in loose(network_id, macs, taps)]
    if changes:
        run(["ip", "-batch", "-"], input="\n".join(changes).encode())
    alias = f"{_ALIAS}{network_id} {identity}".strip()
    if link is None or link.get("ifalias") != alias:
        run(["ip", "link", "set", "dev", name, "alias", alias])


def remove(network_id: str, identity: str = "") -> None:
    """Delete the bridge; what was plugged into it stays, unplugged. Raises Permanent where it is another state's."""
    if network_id in strangers(identity):
        refuse_strange(identity)
    name = bridge_name(network_id)
    if any(link["ifname"] == name for link in _links()):
        run(["ip", "link", "delete", "dev", name, "type", "bridge"])


def _links() -> list[dict[str, Any]]:
    links = iproute.rows(run(["ip", "-json", "-details", "address", "show"]).text)
    return [link for link in links if "ifname" in link]


def _bridge(link: dict[str, Any], network_id: str) -> Bridge:
    addresses = frozenset(
        IPv4Interface(f"{address['local']}/{address['prefixlen']}")
        for address in link.get("addr_info", [])
        if address.get("family") == "inet"
    )
    identity = str(link.get("ifalias", "")).removeprefix(_ALIAS).partition(" ")[2]
    return Bridge(link["ifname"], network_id, "UP" in link["flags"], addresses, identity)


def _set_kernel(name: str) -> None:
    """IPv6 is off before the bridge is up, so that it never has a link-local address by which guests reach the host."""
    if (ipv6 := _SYSCTL / "ipv6/conf" / name / "disable_ipv6").exists():
        ipv6.write_text("1")
    (_SYSCTL / "ipv4/conf" / name / "forwarding").write_text("1")


def _refuse_overlap(name: str, network: IPv4Network) -> None:
    if (taken := routes.overlapping(routes.all_tables(), {name}, network)) is not None:
        raise Permanent(
            f"this host already uses addresses of {network}: {taken}; choose another range, or vpc_cidr in the settings",
            "InvalidSubnet.Conflict",
        )
