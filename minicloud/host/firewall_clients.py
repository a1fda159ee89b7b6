"""Ports that may speak as their clients: load balancers that show their targets the client's own address.

What such a port sends as somebody else opens a connection that is marked with the port's number; the answers to it, which are
addressed to the client, are led back to the port by a routing table of that number. A target's answer to a client of its own
subnet would go past the host: frames that come from a target's service port are therefore given to the host, which routes them
all. Only the upper 12 bits of marks are ours.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from . import iproute
from .bridges import bridge_name, hardware_address
from .firewall_seen import Hook
from .firewall_spec import FirewallSpec, Port
from .run import run

HOOK = Hook("mangle", "PREROUTING", "MC-CLIENTS")
_MASK = 0xFFF00000
_SHIFT = 20
_PREFERENCE = 7700
_TABLE = 770000
_PROTOCOL = "77"
_CONF = Path("/proc/sys/net/ipv4/conf")


def numbers(spec: FirewallSpec) -> dict[Port, int]:
    """A number from 1 to 4095 for each of these ports, which follows from its name: others come and go."""
    found: dict[int, Port] = {}
    for port in sorted((port for port in spec.ports if port.for_clients), key=lambda port: port.tap):
        number = int.from_bytes(hashlib.sha256(port.tap.encode()).digest()[:4]) % 4095 + 1
        while number in found:
            number = number % 4095 + 1
        found[number] = port
    return {port: number for number, port in found.items()}


def chains(spec: FirewallSpec) -> dict[str, list[str]]:
    """The chain of the table mangle; empty where there is no such port."""
    return {HOOK.chain: [line for port, number in numbers(spec).items() for line in _marks(port, number)]}


def _marks(port: Port, number: int) -> Iterator[str]:
    mark = f"{number << _SHIFT:#x}/{_MASK:#x}"
    own = f"! -s {port.addresses[0]}/32"
    yield f"{own} -m physdev --physdev-in {port.tap} -m conntrack --ctstate NEW -j CONNMARK --set-xmark {mark}"
    restore = f"-j CONNMARK --restore-mark --nfmask {_MASK:#x} --ctmask {_MASK:#x}"
    yield f"-m connmark --mark {mark} -m conntrack --ctdir REPLY {restore}"


def frames(spec: FirewallSpec, port: Port) -> Iterator[str]:
    """What ebtables does to frames that come from a port's services, so that the host routes them."""
    bridge = hardware_address(port.network_id)
    for address, number in spec.services:
        if address in port.addresses:
            service = f"-p IPv4 -d ! {bridge} --ip-src {address} --ip-proto tcp --ip-sport {number}"
            yield f"{service} -j dnat --to-destination {bridge} --dnat-target CONTINUE"


def _wanted(spec: FirewallSpec) -> dict[int, tuple[str, str]]:
    """Bridge and gateway of each routing table, by number."""
    return {number: (bridge_name(port.network_id), str(port.addresses[0])) for port, number in numbers(spec).items()}


def _seen() -> tuple[set[int], dict[int, tuple[str, str]]]:
    """The numbers for which there is a rule, and the tables that there are."""
    rules = iproute.rows(run(["ip", "-json", "-4", "rule", "show", "pref", str(_PREFERENCE)]).text)
    words = ["ip", "-json", "-4", "route", "show", "table", "all", "proto", _PROTOCOL]
    routes = iproute.rows(run(words).text)
    tables = {int(one["table"]) - _TABLE: one for one in routes if str(one.get("table", "")).isdigit()}
    ruled = {int(rule["table"]) - _TABLE for rule in rules if str(rule.get("table", "")).isdigit()}
    return ruled, {number: (one["dev"], one.get("gateway", "")) for number, one in tables.items() if number > 0}


def _strict(spec: FirewallSpec) -> list[Path]:
    """Bridges that would not take packets in the name of somebody who lives elsewhere."""
    paths = {_CONF / bridge_name(port.network_id) / "rp_filter" for port in numbers(spec)}
    both = (_CONF / "all/rp_filter").read_text().strip()
    return sorted(path for path in paths if path.exists() and max(both, path.read_text().strip()) == "1")


def in_force(spec: FirewallSpec) -> bool:
    """Whether answers are led back as they must be. Where none are to be, whoever took the last such port away has seen to it."""
    wanted = _wanted(spec)
    if not wanted:
        return True
    ruled, tables = _seen()
    return ruled == set(wanted) and tables == wanted and not _strict(spec)


def apply(spec: FirewallSpec) -> None:
    """Lead them so. A bridge that is not there yet has its route when it is: this is not in force before."""
    ruled, tables = _seen()
    wanted = _wanted(spec)
    lines = [f"rule del pref {_PREFERENCE} lookup {_TABLE + number}" for number in ruled - set(wanted)]
    lines += [f"route flush table {_TABLE + number}" for number in tables.keys() - wanted.keys()]
    for number, (bridge, address) in wanted.items():
        table = _TABLE + number
        if tables.get(number) != (bridge, address):
            lines.append(f"route replace default via {address} dev {bridge} table {table} proto {_PROTOCOL}")
        if number not in ruled:
            lines.append(f"rule add pref {_PREFERENCE} fwmark {number << _SHIFT:#x}/{_MASK:#x} lookup {table}")
    if lines:
        run(["ip", "-4", "-force", "-batch", "-"], input="\n".join(lines).encode(), check=False)
    for path in _strict(spec):
        path.write_text("2")
