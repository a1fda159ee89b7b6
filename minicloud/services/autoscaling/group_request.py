"""What CreateAutoScalingGroup and UpdateAutoScalingGroup take, and the checks of it.

One host has no spot market, no other capacity and one of each zone: parameters that speak of these are refused by name.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

from ...api import Call
from ...callers import check
from ...errors import ApiError
from ..ec2.launch_template_rows import LaunchTemplateSpecification, named, version_of
from . import passing
from .finding import invalid

TERMINATION_POLICIES = (
    "AllocationStrategy", "ClosestToNextInstanceHour", "Default", "NewestInstance", "OldestInstance",
    "OldestLaunchConfiguration", "OldestLaunchTemplate",
)  # fmt: skip
SHORTEST_LIFETIME, LONGEST_LIFETIME = 86_400, 31_536_000
SOURCES = ("LaunchTemplate", "LaunchConfigurationName", "InstanceId", "MixedInstancesPolicy")
LAUNCH = ("LaunchTemplate", "LaunchConfigurationName", "MixedInstancesPolicy")


class OverrideInput(TypedDict, total=False):
    """Another instance type, or another template for it."""

    InstanceType: str
    LaunchTemplateSpecification: LaunchTemplateSpecification


class MixedTemplateInput(TypedDict, total=False):
    """A template and the types that it is launched as, the first that fits."""

    LaunchTemplateSpecification: LaunchTemplateSpecification
    Overrides: list[OverrideInput]


class DistributionInput(TypedDict, total=False):
    """How much is on-demand, which here is all."""

    OnDemandAllocationStrategy: str
    OnDemandBaseCapacity: int
    OnDemandPercentageAboveBaseCapacity: int


class MixedInstancesInput(TypedDict, total=False):
    """Several instance types."""

    LaunchTemplate: MixedTemplateInput
    InstancesDistribution: DistributionInput


class HookInput(TypedDict, total=False):
    """A lifecycle hook that a group begins with."""

    LifecycleHookName: str
    LifecycleTransition: str
    NotificationMetadata: str
    HeartbeatTimeout: int
    DefaultResult: str
    NotificationTargetARN: str
    RoleARN: str


class TagInput(TypedDict, total=False):
    """A tag of a group."""

    ResourceId: str
    ResourceType: str
    Key: str
    Value: str
    PropagateAtLaunch: bool


class TrafficSourceInput(TypedDict, total=False):
    """A target group or a classic load balancer."""

    Identifier: str
    Type: str


def sizes(minimum: int, maximum: int, desired: int) -> None:
    """Refuse bounds that contradict each other. Raises ApiError."""
    for value in (minimum, maximum, desired):
        if value < 0:
            raise invalid("Sizes of a group must be 0 or more")
    if minimum > maximum:
        raise invalid(f"Max bound, {maximum}, must be greater than or equal to min bound, {minimum}")
    if not minimum <= desired <= maximum:
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{minimum} and max size:{maximum}")


def template(call: Call, given: Mapping[str, str]) -> dict[str, str]:
    """A template's id, name and version as they are kept. Raises ApiError for one that is not there."""
    state = call.cloud.state
    try:
        row = named(state, given.get("LaunchTemplateId"), given.get("LaunchTemplateName"))
        version_of(state, row, given.get("Version") or "$Default")
    except ApiError as error:
        raise invalid(f"You must use a valid fully-formed launch template. {error.message}") from error
    return {
        "LaunchTemplateId": row.id,
        "LaunchTemplateName": row.name,
        "Version": given.get("Version") or "$Default",
    }


def mixed(call: Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """A policy as it is kept. Raises ApiError for what one host cannot do."""
    part = given.get("LaunchTemplate") or {}
    if not part.get("LaunchTemplateSpecification"):
        raise invalid("MixedInstancesPolicy.LaunchTemplate must have a LaunchTemplateSpecification")
    spread = given.get("InstancesDistribution") or {}
    if spread.get("OnDemandPercentageAboveBaseCapacity", 100) != 100:
        raise ApiError(
            "UnsupportedOperation",
            "minicloud has no spot instances: OnDemandPercentageAboveBaseCapacity of MixedInstancesPolicy is always 100",
        )
    if spread.get("OnDemandAllocationStrategy", "prioritized") != "prioritized":
        raise ApiError(
            "UnsupportedOperation",
            "minicloud has the on-demand allocation strategy prioritized only: instance types in their order",
        )
    overrides = []
    for one in part.get("Overrides") or []:
        other = one.get("LaunchTemplateSpecification")
        overrides.append({**one, **({"LaunchTemplateSpecification": template(call, other)} if other else {})})
    return {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": template(call, part["LaunchTemplateSpecification"]), "Overrides": overrides,
        },
        "InstancesDistribution": {
            "OnDemandAllocationStrategy": "prioritized", "OnDemandBaseCapacity": spread.get("OnDemandBaseCapacity", 0),
            "OnDemandPercentageAboveBaseCapacity": 100,
        },
    }  # fmt: skip


def launch_source(call: Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """LaunchTemplate, LaunchConfigurationName or MixedInstancesPolicy of a request, as they are kept. Raises ApiError.

    A group launches with the rights of who says how, so whoever says it may launch that himself: of a launch configuration
    this is checked here, of templates by `rehearsal`, which needs to know where.
    """
    found = [name for name in LAUNCH if given.get(name)]
    if len(found) > 1:
        raise invalid(f"Valid requests must contain either {', '.join(SOURCES[:-1])} or {SOURCES[-1]} parameter.")
    if "LaunchTemplate" in found:
        return {"LaunchTemplate": template(call, given["LaunchTemplate"])}
    if "MixedInstancesPolicy" in found:
        return {"MixedInstancesPolicy": mixed(call, given["MixedInstancesPolicy"])}
    if found:
        name = given["LaunchConfigurationName"]
        found_one = call.cloud.state.launch_configurations.get(name)
        if found_one is None:
            raise invalid(f"Launch configuration name not found - A launch configuration with the name: {name} does not exist")
        check(call.caller, "autoscaling", "ec2:RunInstances")
        passing.profile(call, found_one.data.get("IamInstanceProfile", ""))
        return {"LaunchConfigurationName": name}
    return {}


def places(call: Call, identifiers: str | None, zones: list[str] | None) -> dict[str, Any]:
    """AvailabilityZones and VPCZoneIdentifier as they are kept. Raises ApiError."""
    state, known = call.cloud.state, call.cloud.settings.zone_names
    subnets = [word.strip() for word in (identifiers or "").split(",") if word.strip()]
    if not subnets and not zones:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    if strange := [zone for zone in zones or [] if zone not in known]:
        raise invalid(f"Invalid Availability Zone(s): {', '.join(strange)}")
    rows = {row.id: row for row in state.subnets.among("id", subnets)}
    if missing := [subnet for subnet in subnets if subnet not in rows]:
        raise invalid(f"The subnet ID '{missing[0]}' does not exist")
    if len({row.vpc_id for row in rows.values()}) > 1:
        raise invalid("The subnets must all be in the same VPC.")
    if subnets:
        of_subnets = list(dict.fromkeys(rows[subnet].zone for subnet in subnets))
        if zones and set(zones) != set(of_subnets):
            raise invalid("The availability zones of the specified subnets and the Auto Scaling group do not match")
        return {"AvailabilityZones": of_subnets, "VPCZoneIdentifier": ",".join(subnets)}
    return {"AvailabilityZones": list(dict.fromkeys(zones or [])), "VPCZoneIdentifier": ""}


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The plain settings of a request, by AWS's names. Raises ApiError."""
    policies = given.get("TerminationPolicies")
    if policies is not None and (strange := [one for one in policies if one not in TERMINATION_POLICIES]):
        raise invalid(f"Invalid termination policy: {strange[0]}. Allowed: {', '.join(TERMINATION_POLICIES)}")
    kinds = str(given.get("HealthCheckType") or "EC2").split(",")
    if strange := [kind for kind in kinds if kind not in ("EC2", "ELB")]:
        raise invalid(f"Unsupported health check type: {strange[0]}. minicloud has EC2 and ELB.")
    lifetime = given.get("MaxInstanceLifetime") or 0
    if lifetime and not SHORTEST_LIFETIME <= lifetime <= LONGEST_LIFETIME:
        raise invalid(f"Max instance lifetime must be 0, or {SHORTEST_LIFETIME} to {LONGEST_LIFETIME} seconds")
    for name in ("DefaultCooldown", "HealthCheckGracePeriod"):
        if (given.get(name) or 0) < 0:
            raise invalid(f"{name} must be 0 or more")
    if (given.get("DefaultInstanceWarmup") or 0) < -1:
        raise invalid("DefaultInstanceWarmup must be 0 or more, or -1 to remove it")
    if given.get("DesiredCapacityType") not in (None, "units"):
        raise ApiError("UnsupportedOperation", "minicloud counts the capacity of a group in units only (DesiredCapacityType)")
    if given.get("CapacityRebalance"):
        raise ApiError("UnsupportedOperation", "minicloud has no spot instances, so no CapacityRebalance")
    return {name: value for name, value in given.items() if value is not None}
