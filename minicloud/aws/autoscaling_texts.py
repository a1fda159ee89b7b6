"""What Auto Scaling says of its activities: descriptions and causes, in AWS's words. Pure functions; times end in Z, in seconds.

A cause is one or more sentences, two spaces apart: why the desired capacity changed, what was done about it, and to whom.
"""

import json
from typing import Any

SERVICE = "AWS Auto Scaling"
UNHEALTHY = {
    "stopped": "an EC2 health check indicating it has been terminated or stopped",
    "impaired": "an EC2 instance status checks failure",
    "balancer": "an ELB system health check failure",
    "user": "a user health-check",
    "hook": "a lifecycle action that was abandoned",
}
"""Why an instance is replaced."""


def at(now: str, what: str) -> str:
    """One sentence with its time."""
    return f"At {now[:19]}Z {what}."


def joined(*sentences: str) -> str:
    """Several, of which some may be empty."""
    return "  ".join(sentence for sentence in sentences if sentence)


def changing(now: str, what: str, before: int, after: int) -> str:
    """Why the desired capacity is another one now; nothing if it is not."""
    return at(now, f"{what} changing the desired capacity from {before} to {after}") if before != after else ""


def constraints(minimum: int, maximum: int, desired: int) -> str:
    """What an update of a group's bounds is called."""
    return f"a user request update of AutoScalingGroup constraints to min: {minimum}, max: {maximum}, desired: {desired}"


def launched(now: str, cause: str, before: int, after: int) -> str:
    """Launches because the group is smaller than it should be."""
    what = "an instance was started in response to a difference between desired and actual capacity, increasing the capacity"
    return joined(cause, at(now, f"{what} from {before} to {after}"))


def replaced(now: str) -> str:
    """A launch in the place of one that was unhealthy."""
    return at(now, "an instance was launched in response to an unhealthy instance needing to be replaced")


def rebalancing(now: str, zones: list[str]) -> str:
    """A launch in a zone that has too few."""
    named = ", ".join(zones)
    return at(
        now,
        f"instances were launched to balance instances in zones {named} with other zones "
        "resulting in more than desired number of instances in the group",
    )


def surplus(now: str, cause: str, before: int, after: int, instance_id: str) -> str:
    """A termination because the group is larger than it should be."""
    what = (
        "an instance was taken out of service in response to a difference between desired and actual capacity, "
        "shrinking the capacity"
    )
    chosen = at(now, f"instance {instance_id} was selected for termination")
    return joined(cause, at(now, f"{what} from {before} to {after}"), chosen)


def unhealthy(now: str, why: str) -> str:
    """A termination of what is not well."""
    return at(now, f"an instance was taken out of service in response to {UNHEALTHY[why]}")


def by_request(now: str, instance_id: str, done: str, before: int | None = None, after: int = 0) -> str:
    """What a user asked for of one instance: `done` is `detached`, `taken out of service`, ..."""
    size = "" if before is None else f", {'shrinking' if after < before else 'increasing'} the capacity from {before} to {after}"
    return at(now, f"instance {instance_id} was {done} in response to a user request{size}")


def details(subnet_id: str, zone: str, **more: Any) -> str:
    """An activity's details."""
    where = {"Subnet ID": subnet_id, "Availability Zone": zone} if subnet_id else {"Availability Zone": zone}
    return json.dumps({**where, **more})
