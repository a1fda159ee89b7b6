"""What a policy may say. Everything that AWS knows and minicloud does not do is refused by name, wherever it stands."""

from collections.abc import Iterable
from typing import Any, TypedDict

from ...aws import schedule
from ...errors import ApiError

SNAPSHOTS, IMAGES = "EBS_SNAPSHOT_MANAGEMENT", "IMAGE_MANAGEMENT"
MOST_SCHEDULES = 4
INTERVALS = (1, 2, 3, 4, 6, 8, 12, 24)
MOST_KEPT = 1000


class TagInput(TypedDict, total=False):
    """A tag."""

    Key: str
    Value: str


class CreateRuleInput(TypedDict, total=False):
    """When a schedule is due: every so many hours from a time of day, or by a cron expression."""

    Location: str
    Interval: int
    IntervalUnit: str
    Times: list[str]
    CronExpression: str


class RetainRuleInput(TypedDict, total=False):
    """How many are kept, or for how long."""

    Count: int
    Interval: int
    IntervalUnit: str


class ScheduleInput(TypedDict, total=False):
    """When what is made, how it is tagged, and what is kept."""

    Name: str
    CopyTags: bool
    TagsToAdd: list[TagInput]
    CreateRule: CreateRuleInput
    RetainRule: RetainRuleInput


class ParametersInput(TypedDict, total=False):
    """Which of an instance's volumes, and whether it is rebooted."""

    ExcludeBootVolume: bool
    NoReboot: bool
    ExcludeDataVolumeTags: list[TagInput]


class DetailsInput(TypedDict, total=False):
    """What a policy does."""

    PolicyType: str
    ResourceTypes: list[str]
    ResourceLocations: list[str]
    TargetTags: list[TagInput]
    Schedules: list[ScheduleInput]
    Parameters: ParametersInput
    PolicyLanguage: str


def refused(text: str) -> ApiError:
    """What DLM answers to a request that makes no sense."""
    return ApiError("InvalidRequestException", text)


def _only(given: dict[str, Any], known: Iterable[str], where: str) -> None:
    if strange := sorted(set(given) - set(known)):
        raise ApiError("UnsupportedOperation", f"minicloud does not support the parameter {where}.{strange[0]} of a policy")


def check(details: dict[str, Any]) -> dict[str, Any]:
    """The details, with the policy type that is meant where none is given. Raises ApiError."""
    _only(details, DetailsInput.__annotations__, "PolicyDetails")
    kind = details.get("PolicyType", SNAPSHOTS)
    if kind not in (SNAPSHOTS, IMAGES):
        raise ApiError("UnsupportedOperation", f"minicloud does not have policies of the type {kind}")
    if details.get("PolicyLanguage", "STANDARD") != "STANDARD":
        raise ApiError("UnsupportedOperation", "minicloud does not have default policies")
    if details.get("ResourceLocations", ["CLOUD"]) != ["CLOUD"]:
        raise ApiError("UnsupportedOperation", "minicloud has the resource location CLOUD only")
    resources = details.get("ResourceTypes", [])
    if resources not in (["VOLUME"], ["INSTANCE"]) or (kind == IMAGES and resources != ["INSTANCE"]):
        raise refused("ResourceTypes is VOLUME or INSTANCE, and INSTANCE for a policy that makes images.")
    if not details.get("TargetTags"):
        raise refused("A policy has at least one target tag.")
    _parameters(details.get("Parameters", {}), kind, resources)
    schedules = details.get("Schedules", [])
    if not 1 <= len(schedules) <= MOST_SCHEDULES:
        raise refused(f"A policy has 1 to {MOST_SCHEDULES} schedules.")
    names = [_schedule(one) for one in schedules]
    if len(set(names)) != len(names):
        raise refused("The schedules of a policy have different names.")
    return {**details, "PolicyType": kind}


def _parameters(given: dict[str, Any], kind: str, resources: list[str]) -> None:
    _only(given, ParametersInput.__annotations__, "PolicyDetails.Parameters")
    if "NoReboot" in given and kind != IMAGES:
        raise refused("NoReboot is for policies that make images.")
    if resources == ["VOLUME"] and given:
        raise refused("Parameters are for policies of instances.")


def _schedule(one: dict[str, Any]) -> str:
    """The name of a schedule that makes sense."""
    _only(one, ScheduleInput.__annotations__, "PolicyDetails.Schedules")
    name: str = one.get("Name", "")
    if not name:
        raise refused("A schedule has a name.")
    for tag in one.get("TagsToAdd", []):
        _only(tag, TagInput.__annotations__, "PolicyDetails.Schedules.TagsToAdd")
        if tag["Key"].lower().startswith("aws:"):
            raise refused("Tag keys starting with 'aws:' are reserved.")
    _create_rule(one.get("CreateRule"))
    _retain_rule(one.get("RetainRule"))
    return name


def _create_rule(rule: dict[str, Any] | None) -> None:
    if not rule:
        raise refused("A schedule has a CreateRule.")
    _only(rule, CreateRuleInput.__annotations__, "PolicyDetails.Schedules.CreateRule")
    if rule.get("Location", "CLOUD") != "CLOUD":
        raise ApiError("UnsupportedOperation", "minicloud has the location CLOUD only")
    if ("CronExpression" in rule) == ("Interval" in rule):
        raise refused("A CreateRule has either an Interval or a CronExpression.")
    if "CronExpression" in rule:
        schedule.Cron(rule["CronExpression"])
        return
    if rule["Interval"] not in INTERVALS or rule.get("IntervalUnit") != "HOURS":
        raise refused(f"An interval is one of {', '.join(map(str, INTERVALS))} HOURS.")
    if len(rule.get("Times", [])) > 1:
        raise refused("A CreateRule has at most one time of day.")


def _retain_rule(rule: dict[str, Any] | None) -> None:
    if not rule:
        raise refused("A schedule has a RetainRule.")
    _only(rule, RetainRuleInput.__annotations__, "PolicyDetails.Schedules.RetainRule")
    if bool(rule.get("Count")) == bool(rule.get("Interval")):
        raise refused("A RetainRule has either a Count or an Interval.")
    if rule.get("Count") and not 1 <= rule["Count"] <= MOST_KEPT:
        raise refused(f"A count is 1 to {MOST_KEPT}.")
    if rule.get("Interval") and "IntervalUnit" not in rule:
        raise refused("An interval has a unit.")
