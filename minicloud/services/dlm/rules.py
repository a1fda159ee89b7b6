"""What a policy of one's own (PolicyLanguage STANDARD) may say: targets by tags, schedules, what is kept.

What AWS knows and minicloud does not have is refused by name through the annotations here: copies to other regions, fast
snapshot restore, the archive tier, scripts in guests, policies on events.
"""

import re
from typing import Any, TypedDict

from ...aws import schedule
from ...errors import ApiError

SNAPSHOTS, IMAGES = "EBS_SNAPSHOT_MANAGEMENT", "IMAGE_MANAGEMENT"
MOST_SCHEDULES = 4
INTERVALS = (1, 2, 3, 4, 6, 8, 12, 24)
MOST_KEPT = 1000
MOST_DAYS = 36500
"""A hundred years, the longest that AWS keeps anything."""
VARIABLES = ("$(instance-id)", "$(timestamp)")
_NAME = re.compile(r"[0-9A-Za-z _-]+")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ACCOUNT = re.compile(r"[0-9]{12}")


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


class AgeOrCountInput(TypedDict, total=False):
    """How many, or for how long: what is kept, or what of it counts as deprecated."""

    Count: int
    Interval: int
    IntervalUnit: str


class ShareRuleInput(TypedDict, total=False):
    """The accounts that may make volumes of the snapshots, and after how long they may no more."""

    TargetAccounts: list[str]
    UnshareInterval: int
    UnshareIntervalUnit: str


class ScheduleInput(TypedDict, total=False):
    """When what is made, how it is tagged and shared, and what is kept."""

    Name: str
    CopyTags: bool
    TagsToAdd: list[TagInput]
    VariableTags: list[TagInput]
    CreateRule: CreateRuleInput
    RetainRule: AgeOrCountInput
    ShareRules: list[ShareRuleInput]
    DeprecateRule: AgeOrCountInput


class ParametersInput(TypedDict, total=False):
    """Which of an instance's volumes, and whether it is rebooted."""

    ExcludeBootVolume: bool
    NoReboot: bool
    ExcludeDataVolumeTags: list[TagInput]


class ExclusionsInput(TypedDict, total=False):
    """What a default policy leaves out."""

    ExcludeBootVolumes: bool
    ExcludeVolumeTypes: list[str]
    ExcludeTags: list[TagInput]


class DetailsInput(TypedDict, total=False):
    """What a policy does: of one's own with schedules, or a default one with an interval."""

    PolicyType: str
    PolicyLanguage: str
    ResourceTypes: list[str]
    ResourceLocations: list[str]
    TargetTags: list[TagInput]
    Schedules: list[ScheduleInput]
    Parameters: ParametersInput
    ResourceType: str
    CreateInterval: int
    RetainInterval: int
    CopyTags: bool
    ExtendDeletion: bool
    Exclusions: ExclusionsInput


def refused(text: str) -> ApiError:
    """What DLM answers to a request that makes no sense."""
    return ApiError("InvalidRequestException", text)


def check(details: dict[str, Any]) -> dict[str, Any]:
    """The details, with the policy type that is meant where none is given. Raises ApiError."""
    kind = details.get("PolicyType", SNAPSHOTS)
    if kind not in (SNAPSHOTS, IMAGES):
        raise ApiError("UnsupportedOperation", f"minicloud does not have policies of the type {kind}")
    if details.get("PolicyLanguage", "STANDARD") != "STANDARD":
        raise refused("A policy of one's own has the policy language STANDARD.")
    for name in ("ResourceType", "CreateInterval", "RetainInterval", "CopyTags", "ExtendDeletion", "Exclusions"):
        if name in details:
            raise refused(f"{name} is for default policies.")
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
    names = [_schedule(one, kind, resources) for one in schedules]
    if len(set(names)) != len(names):
        raise refused("The schedules of a policy have different names.")
    return {**details, "PolicyType": kind}


def _parameters(given: dict[str, Any], kind: str, resources: list[str]) -> None:
    if "NoReboot" in given and kind != IMAGES:
        raise refused("NoReboot is for policies that make images.")
    if resources == ["VOLUME"] and given:
        raise refused("Parameters are for policies of instances.")
    if kind == IMAGES and set(given) - {"NoReboot"}:
        raise refused("ExcludeBootVolume and ExcludeDataVolumeTags are for policies that make snapshots.")


def _schedule(one: dict[str, Any], kind: str, resources: list[str]) -> str:
    """The name of a schedule that makes sense."""
    name: str = one.get("Name", "")
    if not _NAME.fullmatch(name):
        raise refused("A schedule has a name of letters, digits, blanks, '_' and '-'.")
    _tags(one, resources)
    _create_rule(one.get("CreateRule"))
    retained = _age_or_count(one.get("RetainRule"), "RetainRule", most_days=MOST_DAYS)
    if one.get("ShareRules"):
        if kind == IMAGES:
            raise refused("ShareRules are for policies that make snapshots.")
        _share_rule(one["ShareRules"][0])
    if "DeprecateRule" in one:
        if kind != IMAGES:
            raise refused("A DeprecateRule is for policies that make images.")
        deprecated = _age_or_count(one["DeprecateRule"], "DeprecateRule", most_days=3650)
        if deprecated[0] != retained[0] or deprecated[1] > retained[1]:
            raise refused("A DeprecateRule counts as the RetainRule does, by number or by age, and is not larger.")
    return name


def _tags(one: dict[str, Any], resources: list[str]) -> None:
    variable = one.get("VariableTags", [])
    for tag in [*one.get("TagsToAdd", []), *variable]:
        if tag["Key"].lower().startswith("aws:"):
            raise refused("Tag keys starting with 'aws:' are reserved.")
    if variable and resources != ["INSTANCE"]:
        raise refused("VariableTags are for policies of instances.")
    if any(tag["Value"] not in VARIABLES for tag in variable):
        raise refused(f"The value of a variable tag is {' or '.join(VARIABLES)}.")


def _create_rule(rule: dict[str, Any] | None) -> None:
    if not rule:
        raise refused("A schedule has a CreateRule.")
    if rule.get("Location", "CLOUD") != "CLOUD":
        raise ApiError("UnsupportedOperation", "minicloud has the location CLOUD only")
    if ("CronExpression" in rule) == ("Interval" in rule):
        raise refused("A CreateRule has either an Interval or a CronExpression.")
    if "CronExpression" in rule:
        if rule.get("Times") or "IntervalUnit" in rule:
            raise refused("A CreateRule with a CronExpression has neither Times nor an IntervalUnit.")
        schedule.Cron(rule["CronExpression"])
        return
    if rule["Interval"] not in INTERVALS or rule.get("IntervalUnit") != "HOURS":
        raise refused(f"An interval is one of {', '.join(map(str, INTERVALS))} HOURS.")
    if any(not _TIME.fullmatch(time) for time in rule.get("Times", [])):
        raise refused("A time of day is written hh:mm, from 00:00 to 23:59.")


def _age_or_count(rule: dict[str, Any] | None, what: str, *, most_days: int) -> tuple[str, int]:
    """By what a rule counts, and how many or how many days. Raises ApiError."""
    if not rule:
        raise refused(f"A schedule has a {what}.")
    if bool(rule.get("Count")) == bool(rule.get("Interval")):
        raise refused(f"A {what} has either a Count or an Interval.")
    if count := rule.get("Count"):
        if not 1 <= count <= MOST_KEPT:
            raise refused(f"A count is 1 to {MOST_KEPT}.")
        return "count", count
    if "IntervalUnit" not in rule:
        raise refused("An interval has a unit.")
    length = schedule.days(rule["Interval"], rule["IntervalUnit"])
    if length > most_days:
        raise refused(f"The interval of a {what} is at most {most_days} days.")
    return "age", length


def _share_rule(rule: dict[str, Any]) -> None:
    if strange := [account for account in rule["TargetAccounts"] if not _ACCOUNT.fullmatch(account)]:
        raise refused(f"{strange[0]!r} is not the number of an account, which has 12 digits.")
    if ("UnshareInterval" in rule) != ("UnshareIntervalUnit" in rule):
        raise refused("An UnshareInterval has an UnshareIntervalUnit.")
