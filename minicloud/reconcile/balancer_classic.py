"""Classic load balancers: each listener has a group of its own, because policies are a listener's. Pure functions of rows."""

from collections.abc import Mapping

from ..host.load_balancer_spec import Check, Forward, Group, Listener, Stickiness, Target, Tls
from ..state.rows_lb import LbPolicy, LoadBalancer, TargetGroup
from ..state.rows_lb import Listener as Row

_COOKIE = ("AWSELB",)
_PROTOCOLS = {"HTTP": "HTTP", "HTTPS": "HTTPS", "TCP": "TCP", "SSL": "TLS"}


def group_id(row: Row) -> str:
    """The name of a listener's group."""
    return f"classic-{row.port}"


def listener(row: Row, balancer: LoadBalancer, tls: Tls | None) -> Listener:
    """A listener."""
    protocol = "HTTP" if row.protocol in ("HTTP", "HTTPS") else "TCP"
    idle = int(balancer.attributes["idle_timeout.timeout_seconds"])
    return Listener(row.port, protocol, Forward(((group_id(row), 1),)), tls=tls, idle=idle)


def group(
    row: Row, first: Row, rest: tuple[LoadBalancer, TargetGroup, Mapping[str, LbPolicy]], targets: tuple[Target, ...]
) -> Group:
    """The group of a listener; that of the `first` one probes for all, because a classic balancer has one health check.

    It does not turn to targets that are not healthy, even where no other is.
    """
    balancer, checked, policies = rest
    of_port = balancer.backend_policies.get(str(row.instance_port), [])
    return Group(
        group_id=group_id(row),
        protocol=_PROTOCOLS[row.instance_protocol],
        targets=targets,
        check=_check(checked) if row.id == first.id else None,
        follows=None if row.id == first.id else (group_id(first), first.instance_port),
        stickiness=_stickiness([policies[name] for name in row.policies if name in policies]),
        cross_zone=balancer.attributes["load_balancing.cross_zone.enabled"] == "true",
        proxy_protocol=1 if any(_says_proxy(policies, name) for name in of_port) else 0,
        fewest=0,
        log_name=balancer.name,
    )


def _says_proxy(policies: Mapping[str, LbPolicy], name: str) -> bool:
    return name in policies and policies[name].attributes.get("ProxyProtocol") == "true"


def _check(group: TargetGroup) -> Check:
    return Check(
        protocol=group.check_protocol,
        port=0 if group.check_port == "traffic-port" else int(group.check_port),
        path=group.check_path or "/",
        codes=group.check_codes or "200",
        interval=group.check_interval,
        timeout=group.check_timeout,
        healthy=group.healthy_count,
        unhealthy=group.unhealthy_count,
    )


def _stickiness(policies: list[LbPolicy]) -> Stickiness | None:
    for policy in policies:
        if policy.kind == "LBCookieStickinessPolicyType":
            return Stickiness("cookie", int(policy.attributes.get("CookieExpirationPeriod") or 0), cookies=_COOKIE)
        if policy.kind == "AppCookieStickinessPolicyType":
            return Stickiness("application", 0, policy.attributes["CookieName"], _COOKIE)
    return None
