"""What a lifecycle policy makes backups of."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..aws import schedule, times
from ..state.rows import Instance, Volume
from ..state.store import State

_DAY = 86400.0
_SLACK = 3600.0
"""Seconds by which a backup may be younger than the interval of a default policy and count as due: runs take a while."""


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


def managed(state: State, details: Mapping[str, Any], source: str) -> bool:
    """Whether a policy still manages what it made of a volume or an instance: not where somebody took its target tag away.

    What has been deleted stays managed, and so does a volume that no instance has any more, of which nobody took a tag.
    """
    if "TargetTags" not in details:
        return True
    volume = state.volumes.get(source)
    of_instance = details["ResourceTypes"][0] == "INSTANCE"
    target = volume.instance_id if volume is not None and of_instance else source
    there = state.volumes.get(target) or state.instances.get(target)
    if there is None or there.state == "terminated":
        return True
    return target in _tagged(state, details["ResourceTypes"][0], details["TargetTags"])


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
