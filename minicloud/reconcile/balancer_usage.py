"""What went through load balancers between two looks, in the metrics of AWS/ApplicationELB, AWS/NetworkELB and AWS/ELB.

Pure functions. Responses that a listener gave and no target did are the balancer's own. As AWS does, codes and errors have a
datapoint only where there were some; counts of requests and of hosts always have one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..host.contracts_lb import Statistics, Traffic
from ..state.rows_lb import LoadBalancer, TargetGroup

Figures = dict[str, tuple[str, float]]
NAMESPACES = {"application": "AWS/ApplicationELB", "network": "AWS/NetworkELB", "classic": "AWS/ELB"}
_MILLISECONDS = 1000.0


@dataclass(frozen=True)
class Passed:
    """What went through in an interval: of the listeners together, and by group."""

    whole: Traffic
    groups: Mapping[str, Traffic] = field(default_factory=dict)


def between(before: Statistics, after: Statistics) -> Passed | None:
    """The difference, None where a count has begun anew."""
    listeners = [_less(now, before.listeners.get(port)) for port, now in after.listeners.items()]
    groups = {group: _less(now, before.groups.get(group)) for group, now in after.groups.items()}
    if any(one is None for one in [*listeners, *groups.values()]):
        return None
    return Passed(_together([one for one in listeners if one]), {group: one for group, one in groups.items() if one})


def _less(now: Traffic, before: Traffic | None) -> Traffic | None:
    then = before or Traffic()
    codes = {code: count - then.codes.get(code, 0) for code, count in now.codes.items()}
    found = Traffic(
        now.connections - then.connections,
        now.requests - then.requests,
        now.active,
        now.bytes_in - then.bytes_in,
        now.bytes_out - then.bytes_out,
        codes,
        now.response_time,
        now.failed - then.failed,
    )
    counts = (found.connections, found.requests, found.bytes_in, found.bytes_out, found.failed, *codes.values())
    return found if min(counts) >= 0 else None


def _together(many: Sequence[Traffic]) -> Traffic:
    codes: dict[int, int] = {}
    for one in many:
        for code, count in one.codes.items():
            codes[code] = codes.get(code, 0) + count
    requests = sum(one.requests for one in many)
    weighed = sum(one.response_time * one.requests for one in many)
    return Traffic(
        sum(one.connections for one in many),
        requests,
        sum(one.active for one in many),
        sum(one.bytes_in for one in many),
        sum(one.bytes_out for one in many),
        codes,
        weighed / requests if requests else 0.0,
        sum(one.failed for one in many),
    )


def _codes(name: str, counts: Mapping[int, int]) -> Figures:
    return {name.format(code): ("Count", float(count)) for code, count in counts.items() if count > 0}


def of_application(passed: Passed) -> Figures:
    """The whole of an application load balancer."""
    whole, targets = passed.whole, _together(list(passed.groups.values()))
    own = {code: whole.codes.get(code, 0) - targets.codes.get(code, 0) for code in (3, 4, 5)}
    return {
        "RequestCount": ("Count", float(whole.requests)),
        "ActiveConnectionCount": ("Count", float(whole.active)),
        "NewConnectionCount": ("Count", float(whole.connections)),
        "ProcessedBytes": ("Bytes", float(whole.bytes_in + whole.bytes_out)),
        **_codes("HTTPCode_ELB_{}XX_Count", own),
        **_of_targets(targets),
    }


def _of_targets(traffic: Traffic) -> Figures:
    found = _codes("HTTPCode_Target_{}XX_Count", traffic.codes)
    if traffic.requests:
        found["TargetResponseTime"] = ("Seconds", traffic.response_time / _MILLISECONDS)
    if traffic.failed:
        found["TargetConnectionErrorCount"] = ("Count", float(traffic.failed))
    return found


def of_application_group(traffic: Traffic, healthy: int) -> Figures:
    """A target group of one; `healthy` is how many targets shared the requests."""
    found = {"RequestCount": ("Count", float(traffic.requests)), **_of_targets(traffic)}
    if healthy:
        found["RequestCountPerTarget"] = ("Count", traffic.requests / healthy)
    return found


def of_network(passed: Passed) -> Figures:
    """The whole of a network load balancer: a connection is a flow."""
    whole = passed.whole
    return {
        "ActiveFlowCount": ("Count", float(whole.active)),
        "NewFlowCount": ("Count", float(whole.connections)),
        "ProcessedBytes": ("Bytes", float(whole.bytes_in + whole.bytes_out)),
    }


def of_classic(passed: Passed) -> Figures:
    """The whole of a classic load balancer; a request of TCP is a connection."""
    whole, targets = passed.whole, _together(list(passed.groups.values()))
    own = {code: whole.codes.get(code, 0) - targets.codes.get(code, 0) for code in (4, 5)}
    found = {
        "RequestCount": ("Count", float(whole.requests or whole.connections)),
        **_codes("HTTPCode_ELB_{}XX", own),
        **_codes("HTTPCode_Backend_{}XX", targets.codes),
    }
    if targets.requests:
        found["Latency"] = ("Seconds", targets.response_time / _MILLISECONDS)
    if targets.failed:
        found["BackendConnectionErrors"] = ("Count", float(targets.failed))
    return found


def of_health(standings: Sequence[str]) -> Figures:
    """How many hosts are healthy and how many are not, of those that are probed."""
    return {
        "HealthyHostCount": ("Count", float(standings.count("healthy"))),
        "UnHealthyHostCount": ("Count", float(standings.count("unhealthy"))),
    }


def about(row: LoadBalancer) -> dict[str, str]:
    """The dimension of a balancer: the end of its ARN, or a classic one's name."""
    if row.kind == "classic":
        return {"LoadBalancerName": row.name}
    return {"LoadBalancer": row.arn.partition(":loadbalancer/")[2]}


def about_group(row: LoadBalancer, group: TargetGroup) -> dict[str, str]:
    """The dimensions of a target group at a balancer."""
    return {**about(row), "TargetGroup": group.arn.rpartition(":")[2]}
