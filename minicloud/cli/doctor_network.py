"""What `minicloud doctor` says of the firewall: its tools, whether it is in force, and what on the host may stand in its way."""

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import HostError
from .doctor_checks import FAIL, OK, SKIP, WARN, Check

if TYPE_CHECKING:
    from ..cloud import Cloud

TOOLS = {"iptables-restore": "iptables", "ebtables-nft-restore": "iptables", "ipset": "ipset", "conntrack": "conntrack"}
"""Programs, and the packages that they come in."""
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


@dataclass(frozen=True)
class Facts:
    """What was seen. `in_force` is the failure's text where it could not be found out."""

    missing: tuple[str, ...]
    in_force: bool | str
    guests: int
    uplink: str
    uplink_there: bool
    haproxy: bool = True


def gather(cloud: "Cloud") -> Facts:
    """Look at the host; changes nothing."""
    import socket

    from ..reconcile import firewall

    spec = firewall.wanted(firewall.read(cloud.state), cloud.settings)
    missing = tuple(sorted({package for tool, package in TOOLS.items() if shutil.which(tool, path=_PATH) is None}))
    try:
        found: bool | str = not missing and cloud.host.firewall.in_force(spec)
    except HostError as error:
        found = error.message
    uplink = cloud.settings.public_interface
    there = {name for _, name in socket.if_nameindex()}
    haproxy = shutil.which("haproxy", path=_PATH) is not None
    return Facts(missing, found, len(spec.ports), uplink, not uplink or uplink in there, haproxy)


def judge(facts: Facts) -> list[Check]:
    """The checks."""
    checks = [_rules(facts)]
    if not facts.haproxy:
        checks.append(Check("haproxy", WARN, "HAProxy is not installed; no load balancer works", "apt-get install haproxy"))
    if not facts.uplink_there:
        remedy = "correct public_interface in /etc/minicloud/config.toml; interfaces: ip -brief link"
        checks.append(Check("public_interface", FAIL, f"there is no interface {facts.uplink}", remedy))
    return checks


def _rules(facts: Facts) -> Check:
    if facts.missing:
        return Check("firewall", FAIL, "its tools are missing; no guest starts", f"apt-get install {' '.join(facts.missing)}")
    if isinstance(facts.in_force, str):
        return Check("firewall", SKIP, f"could not be looked at: {facts.in_force}", "see above")
    if not facts.in_force:
        return Check("firewall", WARN, "its rules are not as they should be", "any command mends them: minicloud status")
    return Check("firewall", OK, f"in force for {facts.guests} interfaces" if facts.guests else "nothing to enforce yet")


def checks(cloud: "Cloud") -> list[Check]:
    """All checks of the network."""
    return judge(gather(cloud))
