"""What a default policy (PolicyLanguage SIMPLIFIED) may say: all volumes, or all instances, that have no recent backup.

What it says stands in the request itself or in its PolicyDetails, not in both. There is one of each kind at most.
"""

from typing import Any

from ...errors import ApiError
from .rules import IMAGES, SNAPSHOTS, refused

LANGUAGE = "SIMPLIFIED"
KINDS = {"VOLUME": SNAPSHOTS, "INSTANCE": IMAGES}
MOST_CREATE, LEAST_RETAIN, MOST_RETAIN = 7, 2, 14
"""Days: from one backup to the next, and that one is kept."""
_SETTINGS = ("CreateInterval", "RetainInterval", "CopyTags", "ExtendDeletion", "Exclusions")
_START = {"CreateInterval": 1, "RetainInterval": 7, "CopyTags": False, "ExtendDeletion": False}


def is_default(details: dict[str, Any]) -> bool:
    """Whether a policy is a default one."""
    return bool(details.get("PolicyLanguage") == LANGUAGE)


def resource_types(details: dict[str, Any]) -> list[str]:
    """What a policy of either kind makes backups of."""
    return [details["ResourceType"]] if is_default(details) else list(details["ResourceTypes"])


def wanted(kind: str | None, beside: dict[str, Any], details: dict[str, Any] | None) -> dict[str, Any]:
    """The details of a new default policy from either place. Raises ApiError."""
    if details and (beside or set(details) - {"PolicyLanguage", "PolicyType", "ResourceType", *_SETTINGS}):
        raise refused("A default policy is described in the request or in its PolicyDetails, and has no targets and schedules.")
    within = dict(details or {})
    resource = kind or within.get("ResourceType")
    if resource is None or within.get("ResourceType", resource) != resource:
        raise refused("A default policy is of one resource type, VOLUME or INSTANCE.")
    if within.get("PolicyType", KINDS[resource]) != KINDS[resource]:
        raise refused(f"A default policy of the resource type {resource} has the policy type {KINDS[resource]}.")
    if within.get("PolicyLanguage", LANGUAGE) != LANGUAGE:
        raise refused(f"A default policy has the policy language {LANGUAGE}.")
    fixed = {"PolicyLanguage": LANGUAGE, "PolicyType": KINDS[resource], "ResourceType": resource}
    return check({**_START, **within, **beside, **fixed})


def changed(before: dict[str, Any], beside: dict[str, Any], details: dict[str, Any] | None) -> dict[str, Any]:
    """The details of a default policy after a request to change it. Raises ApiError."""
    within = dict(details or {})
    if beside and within:
        raise refused("A default policy is described in the request or in its PolicyDetails.")
    if strange := sorted(set(within) - {*_SETTINGS, "PolicyLanguage", "PolicyType", "ResourceType"}):
        raise refused(f"{strange[0]} is not for default policies.")
    if any(within.get(name, before[name]) != before[name] for name in ("PolicyLanguage", "PolicyType", "ResourceType")):
        raise refused("The kind of a policy cannot be changed.")
    return check({**before, **within, **beside})


def check(details: dict[str, Any]) -> dict[str, Any]:
    """The details of a default policy that makes sense. Raises ApiError."""
    create, retain = details["CreateInterval"], details["RetainInterval"]
    if not 1 <= create <= MOST_CREATE:
        raise refused(f"A CreateInterval is 1 to {MOST_CREATE} days.")
    if not LEAST_RETAIN <= retain <= MOST_RETAIN:
        raise refused(f"A RetainInterval is {LEAST_RETAIN} to {MOST_RETAIN} days.")
    if retain <= create:
        raise refused("A RetainInterval is longer than the CreateInterval.")
    exclusions = details.get("Exclusions", {})
    of_volumes = {"ExcludeBootVolumes", "ExcludeVolumeTypes"} & set(exclusions)
    if of_volumes and details["ResourceType"] != "VOLUME":
        raise refused(f"{sorted(of_volumes)[0]} is for default policies of volumes.")
    return details


def only_default(beside: dict[str, Any]) -> None:
    """Refuse what is for default policies in the request of another. Raises ApiError."""
    if beside:
        raise refused(f"{sorted(beside)[0]} is for default policies.")


def taken(existing: list[dict[str, Any]], details: dict[str, Any]) -> ApiError | None:
    """The refusal of a second default policy of one kind."""
    if any(is_default(one) and one["ResourceType"] == details["ResourceType"] for one in existing):
        return refused(f"There is a default policy for {details['ResourceType']} already.")
    return None
