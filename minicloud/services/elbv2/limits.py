"""Quotas, AWS's figures; each of them is enforced where what it counts is made."""

from ...api import Answer, Call, operation
from . import marks

APPLICATION, NETWORK, CLASSIC = "application", "network", "classic"
MOST_BALANCERS = 50
MOST_TARGET_GROUPS = 3000
MOST_LISTENERS = 50
MOST_RULES = 100
MOST_GROUPS_OF_ACTION = {APPLICATION: 5, NETWORK: 1}
MOST_GROUPS_OF_BALANCER = 100
MOST_CERTIFICATES = 25
MOST_CONDITION_VALUES = 5
MOST_WILDCARDS = 5
MOST_TARGETS = 1000
MOST_TAGS = 50

_LIMITS = {
    "application-load-balancers": MOST_BALANCERS,
    "certificates-per-application-load-balancer": MOST_CERTIFICATES,
    "certificates-per-network-load-balancer": MOST_CERTIFICATES,
    "condition-values-per-alb-rule": MOST_CONDITION_VALUES,
    "condition-wildcards-per-alb-rule": MOST_WILDCARDS,
    "listeners-per-application-load-balancer": MOST_LISTENERS,
    "listeners-per-network-load-balancer": MOST_LISTENERS,
    "network-load-balancers": MOST_BALANCERS,
    "rules-per-application-load-balancer": MOST_RULES,
    "target-groups": MOST_TARGET_GROUPS,
    "target-groups-per-action-on-application-load-balancer": MOST_GROUPS_OF_ACTION[APPLICATION],
    "target-groups-per-action-on-network-load-balancer": MOST_GROUPS_OF_ACTION[NETWORK],
    "target-groups-per-application-load-balancer": MOST_GROUPS_OF_BALANCER,
    "targets-per-target-group": MOST_TARGETS,
}


@operation()
def describe_account_limits(call: Call, *, page_size: int | None = None, marker: str | None = None) -> Answer:  # noqa: ARG001
    """DescribeAccountLimits."""
    limits = [{"Name": name, "Max": str(most)} for name, most in _LIMITS.items()]
    return marks.page("Limits", limits, lambda one: str(one["Name"]), page_size, marker)
