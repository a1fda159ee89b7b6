"""What a rule of a security group may say, in the one spelling in which rules are kept and compared.

`TCP` and `6` are `tcp`; a CIDR loses its host bits; a protocol without ports has -1 for both; for ICMP the two are type and
code, -1 for any. What AWS refuses is refused in its words.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from ..errors import ApiError

ALL = "-1"
_NAMES = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_IPV4 = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}")
_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]*")


@dataclass(frozen=True)
class Traffic:
    """A protocol with its ports, or its type and code."""

    protocol: str
    low: int
    high: int


def _bad(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)


def protocol(said: str) -> str:
    """-1, tcp, udp, icmp, icmpv6, or the number of another protocol. Raises ApiError."""
    word = said.lower()
    if word.isascii() and word.isdigit() and int(word) <= 255:
        return _NAMES.get(str(int(word)), str(int(word)))
    if word not in (ALL, *_NAMES.values()):
        raise _bad(f"Invalid value '{said}' for IP protocol. Unknown protocol.")
    return word


def traffic(said: str, low: int | None, high: int | None) -> Traffic:
    """A protocol and its ports as they are kept. Raises ApiError."""
    kind = protocol(said)
    if kind in ("tcp", "udp"):
        return _ports(kind, low, high)
    if kind in ("icmp", "icmpv6"):
        return _icmp(kind, -1 if low is None else low, -1 if high is None else high)
    return Traffic(kind, -1, -1)


def _ports(kind: str, low: int | None, high: int | None) -> Traffic:
    if low is None or high is None:
        raise _bad("Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
    for side, port in (("from", low), ("to", high)):
        if not 0 <= port <= 65535:
            raise _bad(f"TCP/UDP ({side}) port ({port}) out of range")
    if low > high:
        raise _bad(f"Invalid TCP/UDP port range ({low}:{high})")
    return Traffic(kind, low, high)


def _icmp(kind: str, number: int, code: int) -> Traffic:
    for what, value in (("type", number), ("code", code)):
        if not -1 <= value <= 255:
            raise _bad(f"ICMP {what} ({value}) out of range")
    if number == -1 and code != -1:
        raise _bad(f"ICMP code ({code}) is not allowed where the type is -1, any")
    return Traffic(kind, number, code)


def cidr(said: str) -> str:
    """An IPv4 range without host bits. Raises ApiError."""
    try:
        if _IPV4.fullmatch(said):
            return str(IPv4Network(said, strict=False))
    except ValueError:
        pass
    raise _bad(f"CIDR block {said} is malformed")


def cidr6(said: str) -> str:
    """The same of IPv6."""
    try:
        if "/" in said and "%" not in said:
            return str(IPv6Network(said, strict=False))
    except ValueError:
        pass
    raise _bad(f"CIDR block {said} is malformed")


def description(said: str, what: str) -> str:
    """A description that AWS takes. `what` is said in the error: `security group`, `rule`. Raises ApiError."""
    if len(said) > 255 or not _DESCRIPTION.fullmatch(said):
        raise _bad(
            f"Invalid {what} description. Valid descriptions are strings less than 256 characters from the following set:"
            "  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
        )
    return said


def label(peer: str, given: Traffic) -> str:
    """A rule in the words of AWS's InvalidPermission.Duplicate."""
    if given.protocol == ALL:
        return f"peer: {peer}, ALL, ALLOW"
    name = given.protocol.upper()
    if given.protocol in ("icmp", "icmpv6"):
        return f"peer: {peer}, {name}, type: {_or_all(given.low)}, code: {_or_all(given.high)}, ALLOW"
    if given.protocol in ("tcp", "udp"):
        return f"peer: {peer}, {name}, from port: {given.low}, to port: {given.high}, ALLOW"
    return f"peer: {peer}, protocol: {name}, ALLOW"


def _or_all(value: int) -> str:
    return "ALL" if value == -1 else str(value)
