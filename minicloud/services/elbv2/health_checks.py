"""Health checks of target groups: defaults by protocol, and what goes together. Times in seconds."""

import re
from dataclasses import dataclass
from typing import Any, TypedDict

from .attributes import within
from .refusals import invalid

HTTP = ("HTTP", "HTTPS")
_CODES = re.compile(r"\d{1,3}(-\d{1,3})?(,\d{1,3}(-\d{1,3})?)*")
_PATH = re.compile(r"/[A-Za-z0-9_.~!$&'()*+,;=:@%/?#-]*")


class MatcherInput(TypedDict, total=False):
    """The codes that say that a target is well."""

    HttpCode: str
    GrpcCode: str


@dataclass(frozen=True)
class Wanted:
    """What a request says of a health check; None for what it does not."""

    enabled: bool | None = None
    protocol: str | None = None
    port: str | None = None
    path: str | None = None
    interval: int | None = None
    timeout: int | None = None
    healthy: int | None = None
    unhealthy: int | None = None
    matcher: MatcherInput | None = None


def columns(wanted: Wanted, protocol: str, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """The check's columns of a target group of this protocol; `before` has those of one that is changed. Raises ApiError."""
    application = protocol in HTTP
    kind = wanted.protocol or (before or {}).get("check_protocol") or ("HTTP" if application else "TCP")
    if kind not in (*HTTP, "TCP"):
        raise invalid(f"Health check protocol '{kind}' must be one of 'HTTP, HTTPS, TCP'")
    if kind == "TCP" and application:
        raise invalid(f"Health check protocol 'TCP' is not supported for target groups with the protocol '{protocol}'")
    if wanted.enabled is False:
        raise invalid("Health checks cannot be disabled for target groups of the target types 'instance' and 'ip'")
    found = _defaults(kind, application=application)
    if before is not None:
        # What goes with the old protocol only (a path, codes, ...) does not outlive it.
        found |= {name: value for name, value in before.items() if before["check_protocol"] == kind or name not in _OF_PROTOCOL}
    given = {
        "check_port": wanted.port, "check_path": wanted.path, "check_interval": wanted.interval,
        "check_timeout": wanted.timeout, "healthy_count": wanted.healthy, "unhealthy_count": wanted.unhealthy,
    }  # fmt: skip
    found |= {name: value for name, value in given.items() if value is not None}
    found["check_protocol"] = kind
    if wanted.matcher:
        found["check_codes"] = _codes(wanted.matcher, kind, application=application)
    _check(found, wanted, application=application)
    return found


_OF_PROTOCOL = {"check_path", "check_codes"}


def _defaults(kind: str, *, application: bool) -> dict[str, Any]:
    timeout = 5 if application else 6 if kind == "HTTP" else 10
    return {
        "check_enabled": True,
        "check_port": "traffic-port",
        "check_path": "" if kind == "TCP" else "/",
        "check_interval": 30,
        "check_timeout": timeout,
        "healthy_count": 5,
        "unhealthy_count": 2,
        "check_codes": "" if kind == "TCP" else "200" if application else "200-399",
    }


def _check(found: dict[str, Any], wanted: Wanted, *, application: bool) -> None:
    timeout, interval, port = found["check_timeout"], found["check_interval"], found["check_port"]
    if timeout > interval or (application and timeout == interval):
        raise invalid(f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'")
    if port != "traffic-port" and not within(port, 1, 65535):
        raise invalid(f"Health check port '{port[:80]}' must be in the range 1-65535, or 'traffic-port'")
    if found["check_protocol"] == "TCP" and (wanted.path or wanted.matcher):
        raise invalid("A health check path or matcher cannot be specified for health checks with the protocol 'TCP'")
    if found["check_path"] and not _PATH.fullmatch(found["check_path"]):
        raise invalid(f"Health check path '{found['check_path'][:80]}' is not valid: it is the path of a URI and begins with '/'")


def _codes(matcher: MatcherInput, kind: str, *, application: bool) -> str:
    """The codes of a matcher, such as 200-299,301. Raises ApiError."""
    if "GrpcCode" in matcher or "HttpCode" not in matcher:
        raise invalid("The matcher of a target group that does not speak GRPC has an HttpCode")
    text = matcher["HttpCode"]
    low, high = (200, 499) if application else (200, 599)
    if kind == "TCP":
        raise invalid("A matcher cannot be specified for health checks with the protocol 'TCP'")
    if not _CODES.fullmatch(text):
        raise invalid(f"Health check matcher '{text[:80]}' must be codes such as 200, 200,202 or 200-299")
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not low <= int(first) <= int(last or first) <= high:
            raise invalid(f"Health check matcher code '{part}' must be within the range {low}-{high}")
    return text
