"""What `minicloud doctor` says of the firewall: its tools, whether it is in force, and what on the host may stand in its way."""

import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ..host.facts import Facts as _Facts
from ..host.facts import fact, got
from .doctor_checks import FAIL, OK, WARN, Check, guarded

if TYPE_CHECKING:
    from ..cloud import Cloud

TOOLS = {"iptables-restore": "iptables", "ebtables-nft-restore": "iptables", "ipset": "ipset", "conntrack": "conntrack"}
"""Programs, and the packages that they come in."""
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


@dataclass(frozen=True)
class Facts(_Facts):
    """What was seen."""

    missing: tuple[str, ...]
    in_force: bool
    guests: int
    uplink: str
    uplink_there: bool
    haproxy: bool = True
    stranger: str = ""
    """The mark of another minicloud's rules."""
    taken: tuple[tuple[str, str], ...] = ()
    """Subnets whose addresses this host has another use for, and which."""
    dns_port: int = 53
    dns: tuple[str, ...] = ()
    """Other programs at port 53."""
    dns_taken: tuple[str, ...] = ()
    """Other programs at the port of our DNS."""
    strangers: Mapping[str, str] = field(default_factory=dict)
    """Networks of other states, each with its state's identity."""
    damaged: tuple[str, ...] = ()
    """Networks that are not as they should be."""


def gather(cloud: "Cloud") -> Facts:
    """Look at the host; changes nothing. What cannot be found out keeps nothing else from being so."""
    from ..host import doctor
    from ..reconcile import firewall, networks

    missing = tuple(sorted({package for tool, package in TOOLS.items() if shutil.which(tool, path=_PATH) is None}))
    spec = fact(lambda: firewall.spec_of(cloud)[0])
    uplink, port = cloud.settings.public_interface, cloud.settings.dns_port
    return Facts(
        missing=missing,
        in_force=fact(lambda: not missing and cloud.host.firewall.in_force(got(spec))),
        guests=fact(lambda: len(got(spec).ports)),
        uplink=uplink,
        uplink_there=fact(lambda: not uplink or uplink in {name for _, name in socket.if_nameindex()}),
        haproxy=shutil.which("haproxy", path=_PATH) is not None,
        stranger=fact(lambda: "" if missing else cloud.host.firewall.stranger()),
        taken=fact(lambda: _taken(cloud)),
        dns_port=port,
        dns=fact(lambda: tuple(doctor.listeners(53))),
        dns_taken=fact(lambda: tuple(doctor.listeners(port)) if port != 53 else ()),
        strangers=fact(lambda: dict(cloud.host.networks.strangers())),
        damaged=fact(lambda: tuple(networks.damaged(cloud))),
    )


def _taken(cloud: "Cloud") -> tuple[tuple[str, str], ...]:
    from ..host import doctor

    subnets = {IPv4Network(subnet.cidr): subnet.id for subnet in cloud.state.subnets.query()}
    found = doctor.taken(subnets)
    return tuple((f"{subnets[network]} ({network})", what) for network, what in found.items() if what is not None)


def judge(facts: Facts) -> list[Check]:
    """The checks. A fact that could not be had fails those that need it."""
    return [
        *guarded("networks", lambda: _networks(facts)),
        *guarded("firewall", lambda: [_rules(facts)]),
        *guarded("DNS", lambda: [_dns(facts)]),
        *guarded("subnets", lambda: _subnets(facts)),
        *guarded("haproxy", lambda: _haproxy(facts)),
        *guarded("public_interface", lambda: _uplink(facts)),
    ]


def _subnets(facts: Facts) -> Iterator[Check]:
    for subnet, what in facts.taken:
        remedy = "take that route away, or use a subnet with another range: once its bridge is gone, none starts there"
        yield Check("subnets", WARN, f"this host has another use for addresses of {subnet}: {what}", remedy)


def _haproxy(facts: Facts) -> Iterator[Check]:
    if not facts.haproxy:
        yield Check("haproxy", WARN, "HAProxy is not installed; no load balancer works", "apt-get install haproxy")


def _uplink(facts: Facts) -> Iterator[Check]:
    if not facts.uplink_there:
        remedy = "correct public_interface in /etc/minicloud/config.toml; interfaces: ip -brief link"
        yield Check("public_interface", FAIL, f"there is no interface {facts.uplink}", remedy)


def _networks(facts: Facts) -> Iterator[Check]:
    if facts.strangers:
        name, other = min(facts.strangers.items())
        found = f"those of this host belong to another minicloud, the state {other} (one is {name}): no instance starts here"
        yield Check("networks", FAIL, found, "use its MINICLOUD_HOME, or stop its instances there")
    elif facts.damaged:
        found = f"{', '.join(facts.damaged)}: the bridge, its DHCP or DNS, or the cable of a guest is not as it should be"
        yield Check("networks", WARN, found, "any command mends them: minicloud status")


def _rules(facts: Facts) -> Check:
    if facts.missing:
        return Check("firewall", FAIL, "its tools are missing; no guest starts", f"apt-get install {' '.join(facts.missing)}")
    if facts.stranger:
        found = f"this host has the rules of another minicloud (chain {facts.stranger}); no guest of this one starts"
        remedy = "minicloud uninstall with its own MINICLOUD_HOME; if that is gone, restart the host"
        return Check("firewall", FAIL, found, remedy)
    if not facts.in_force:
        return Check("firewall", WARN, "its rules are not as they should be", "any command mends them: minicloud status")
    return Check("firewall", OK, f"in force for {facts.guests} interfaces" if facts.guests else "nothing to enforce yet")


def _dns(facts: Facts) -> Check:
    if facts.dns_taken:
        found = f"port {facts.dns_port}, of guests' DNS, is taken by {', '.join(facts.dns_taken)}: networks cannot be made"
        return Check("DNS", FAIL, found, "set dns_port in /etc/minicloud/config.toml to a free one")
    if facts.dns and facts.dns_port == 53:
        found = f"port 53 is taken by {', '.join(facts.dns)}: networks cannot be made"
        return Check("DNS", FAIL, found, "leave dns_port in /etc/minicloud/config.toml at its default")
    owner = f", as port 53 is for {', '.join(facts.dns)}" if facts.dns else ""
    return Check("DNS", OK, f"guests' questions go to port {facts.dns_port} of the gateways{owner}")


def checks(cloud: "Cloud") -> list[Check]:
    """All checks of the network."""
    return judge(gather(cloud))
