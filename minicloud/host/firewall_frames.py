"""What a guest may put on the wire, frame by frame, as text for ebtables-restore: a pure function.

A frame that enters the bridge through a guest's port must come from the guest's hardware address. ARP must speak for the
guest's own addresses (0.0.0.0 is the question whether an address is free), IPv4 must come from them; DHCP it may ask, never
answer. Everything else, IPv6 with its router advertisements among it, is dropped: what the firewall has no rules for, no
guest receives.

A guest with a public address reaches itself by it: its port gives frames back (`hairpin`), but only IPv4 ones that are for
the guest, never what it sends to all.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address

from . import firewall_clients
from .firewall_seen import Hook
from .firewall_spec import FirewallSpec, Port

_NOBODY = IPv4Address("0.0.0.0")  # noqa: S104  an address in a frame, not one to listen on
HOOKS = (Hook("nat", "PREROUTING", "MC-FRAMES"), Hook("filter", "FORWARD", "MC-BACK"))


def chains(spec: FirewallSpec) -> dict[str, dict[str, list[str]]]:
    """The chains of ebtables: in the table nat, which sees all that comes in, for the host and for others; and in filter."""
    if not spec.lans:
        return {"nat": {}, "filter": {}}
    entry = {"MC-FRAMES": [f"-i {port.tap} -j MC-F-{port.tap}" for port in spec.ports]}
    return {
        "nat": entry | {f"MC-F-{port.tap}": list(_frames(spec, port)) for port in spec.ports},
        "filter": {"MC-BACK": [rule for port in hairpins(spec) for rule in _back(port)]},
    }


def hairpins(spec: FirewallSpec) -> list[Port]:
    """The ports that give frames back: those of guests with a public address."""
    private = {pair.private for pair in spec.publics}
    return [port for port in spec.ports if private.intersection(port.addresses)]


def _back(port: Port) -> Iterator[str]:
    yield f"-p IPv4 -d {port.mac} -i {port.tap} -o {port.tap} -j RETURN"
    yield f"-i {port.tap} -o {port.tap} -j DROP"


def _frames(spec: FirewallSpec, port: Port) -> Iterator[str]:
    yield f"-s ! {port.mac} -j DROP"
    yield f"-p ARP --arp-mac-src ! {port.mac} -j DROP"
    for address in (_NOBODY, *port.addresses):
        yield f"-p ARP --arp-ip-src {address} -j RETURN"
    yield "-p IPv4 --ip-proto udp --ip-sport 67 --ip-dport 68 -j DROP"
    yield from firewall_clients.frames(spec, port)
    if port.strict and not port.for_clients:
        yield f"-p IPv4 --ip-src {_NOBODY} --ip-proto udp --ip-sport 68 --ip-dport 67 -j RETURN"
        for address in port.addresses:
            yield f"-p IPv4 --ip-src {address} -j RETURN"
    else:
        yield "-p IPv4 -j RETURN"
    yield "-j DROP"
