"""Waiters that AWS's other SDKs have and botocore's package has not, in the form of its definitions.

Of groups: that there is one, that there is none, and that each has at least as many instances in service as its minimum. A
group that is not there yet is waited for.
"""

from typing import Any

_GROUPS = {"operation": "DescribeAutoScalingGroups", "delay": 5, "maxAttempts": 10}
_THERE = "length(AutoScalingGroups) > `0`"
_TOO_FEW = "contains(AutoScalingGroups[].[length(Instances[?LifecycleState=='InService']) >= MinSize][], `false`)"


def _path(argument: str, expected: bool, state: str) -> dict[str, Any]:
    return {"matcher": "path", "argument": argument, "expected": expected, "state": state}


OWN: dict[str, dict[str, Any]] = {
    "autoscaling": {
        "GroupExists": {**_GROUPS, "acceptors": [_path(_THERE, True, "success"), _path(_THERE, False, "retry")]},
        "GroupNotExists": {
            **_GROUPS, "delay": 15, "maxAttempts": 40,
            "acceptors": [_path(_THERE, False, "success"), _path(_THERE, True, "retry")],
        },
        "GroupInService": {
            **_GROUPS, "delay": 15, "maxAttempts": 40,
            "acceptors": [_path(_THERE, False, "retry"), _path(_TOO_FEW, False, "success"), _path(_TOO_FEW, True, "retry")],
        },
    },
}  # fmt: skip
"""By service and AWS's name."""
