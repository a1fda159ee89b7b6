"""What a lifecycle policy makes backups of, what it has made of each, and what of that it keeps no longer.

Of a source that is gone, a rule of age keeps the last backup, and a rule of number deletes none, as with AWS: nobody loses
the only thing that is left by deleting a volume. ExtendDeletion of a default policy is how a user asks for that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..aws import schedule, times
from ..state.rows import Instance, Volume
from ..state.store import State

_DAY = 86400.0
_SLACK = 3600.0
"""Seconds by which a backup may be younger than the interval of a default policy and count as due: runs take a while."""


@dataclass(frozen=True)
class Made:
    """A snapshot or an image: `at` in seconds since 1970 by the steady clock; `whole` where it can be restored from."""

    id: str
    at: float
    whole: bool


def seconds(interval: int, unit: str) -> float:
    """An interval of AWS's in seconds."""
    return schedule.days(interval, unit) * _DAY


def before(interval: int | None, unit: str | None, now: float) -> float:
    """The moment that lies an interval back; the beginning of all time where there is none."""
    return now - seconds(interval, unit) if interval and unit else float("-inf")


def of(state: State, details: Mapping[str, Any], due: str, now: float) -> list[str]:
    """The volumes or the instances that a run, due at a time, makes backups of. Backups from the future are not recent ones."""
    default = "ResourceType" in details
    kind = details["ResourceType"] if default else details["ResourceTypes"][0]
    if default:
        since = times.seconds(due) - details["CreateInterval"] * _DAY + _SLACK
        exclusions = details.get("Exclusions", {})
        if kind == "VOLUME":
            volumes = [row for row in _volumes(state) if not _excluded(state, row, exclusions)]
            found, recent = {row.id for row in volumes}, _recent_snapshots(state, since, now + times.SLACK)
        else:
            found, recent = {row.id for row in _instances(state)}, _recent_images(state, since, now + times.SLACK)
        return sorted(found - recent - _tagged(state, kind, exclusions.get("ExcludeTags", [])))
    rows: list[Volume] | list[Instance] = _volumes(state) if kind == "VOLUME" else _instances(state)
    return sorted({row.id for row in rows} & _tagged(state, kind, details["TargetTags"]))


def _volumes(state: State) -> list[Volume]:
    return state.volumes.query("state in ('available', 'in-use')")


def _instances(state: State) -> list[Instance]:
    return state.instances.query("state in ('running', 'stopped')")


def _tagged(state: State, kind: str, tags: Sequence[Mapping[str, str]]) -> set[str]:
    """The resources that have one of these tags."""
    wanted = {(tag["Key"], tag["Value"]) for tag in tags}
    return {tag.resource_id for tag in state.tags.find(resource_type=kind.lower()) if (tag.key, tag.value) in wanted}


def _excluded(state: State, volume: Volume, exclusions: Mapping[str, Any]) -> bool:
    if volume.kind in exclusions.get("ExcludeVolumeTypes", []):
        return True
    return bool(exclusions.get("ExcludeBootVolumes")) and is_root(state, volume)


def is_root(state: State, volume: Volume) -> bool:
    """Whether an instance boots from a volume."""
    instance = state.instances.get(volume.instance_id) if volume.instance_id else None
    image = state.images.get(instance.image_id) if instance else None
    return image is not None and image.root_device_name == volume.device


def _recent_snapshots(state: State, since: float, until: float) -> set[str]:
    rows = state.snapshots.query("state != 'error' and batch not like 'backup-%'")  # those go when the host is backed up
    return {row.volume_id for row in rows if since <= times.seconds(row.started) <= until}


def _recent_images(state: State, since: float, until: float) -> set[str]:
    rows = state.images.query("state in ('available', 'pending') and instance_id != ''")
    return {row.instance_id for row in rows if since <= times.seconds(row.created) <= until}


def specification(state: State, details: Mapping[str, Any], instance_id: str) -> dict[str, Any]:
    """Which of an instance's volumes CreateSnapshots is to take."""
    given = details.get("Parameters", {})
    unwanted = _tagged(state, "VOLUME", given.get("ExcludeDataVolumeTags", []))
    volumes = state.volumes.find(instance_id=instance_id)
    return {
        "InstanceId": instance_id,
        "ExcludeBootVolume": given.get("ExcludeBootVolume", False),
        "ExcludeDataVolumeIds": sorted(row.id for row in volumes if row.id in unwanted and not is_root(state, row)),
    }


def made(state: State, own: Collection[str], *, images: bool) -> dict[str, list[Made]]:
    """Of all that a schedule made, what is there by its source, in the order in which it was made, whatever the clock said.

    What is still being made is left out.
    """
    found: dict[str, list[Made]] = {}
    if images:
        for image in state.images.query():
            if image.id in own and image.state in ("available", "failed"):
                one = Made(image.id, times.seconds(image.created) - image.ahead, image.state == "available")
                found.setdefault(image.instance_id, []).append(one)
    else:
        for snapshot in state.snapshots.query():
            if snapshot.id in own and snapshot.state != "pending":
                one = Made(snapshot.id, times.seconds(snapshot.started) - snapshot.ahead, snapshot.state == "completed")
                found.setdefault(snapshot.volume_id, []).append(one)
    return found


def remaining(state: State, sources: Collection[str]) -> set[str]:
    """Those of the volumes or instances that have not been deleted."""
    volumes = {row.id for row in state.volumes.among("id", sources)}
    return volumes | {row.id for row in state.instances.among("id", sources) if row.state != "terminated"}


def too_many(rule: Mapping[str, Any], found: Sequence[Made], now: float, *, there: bool, last_goes: bool) -> list[str]:
    """What a RetainRule does not keep of one source's backups. What failed counts for nothing and goes in any case."""
    whole = [one for one in found if one.whole]
    going = [one.id for one in found if not one.whole]
    if rule.get("Count"):
        return going + ([one.id for one in whole[: -rule["Count"]]] if there else [])
    limit = before(rule["Interval"], rule["IntervalUnit"], now)
    old = [one for one in whole if one.at < limit]
    if len(old) == len(whole) and not there and not last_goes:
        old = old[:-1]
    return going + [one.id for one in old]
