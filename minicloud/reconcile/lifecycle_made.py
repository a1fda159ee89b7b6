"""What a lifecycle policy has made of each source, and what of that it keeps no longer.

- The newest backup of a source from which all can be restored is only deleted when there is a newer one, whatever its age: a
  volume may be damaged, each new snapshot may fail, and the backup of a source that is well is replaced before it goes.
- Snapshots that were taken together are as good as the worst of them: what failed, or was damaged since, counts for nothing.
- Of a source that is gone, a rule of number deletes none, as with AWS. ExtendDeletion of a default policy is how a user asks
  for the last one to go, too, when its source or the policy has ended.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..aws import times
from ..state.rows import Image
from ..state.rows_storage import Snapshot
from ..state.store import State
from . import lifecycle_targets

POLICY_TAG, SCHEDULE_TAG = "aws:dlm:lifecycle-policy-id", "aws:dlm:lifecycle-schedule-name"


@dataclass(frozen=True)
class Made:
    """A snapshot or an image: `at` in seconds since 1970 by the steady clock; `whole` where it can be restored from.

    `entire` where all that was taken with it can be, too; `void` where nothing is in it.
    """

    id: str
    at: float
    whole: bool
    entire: bool
    void: bool = False


def said(policy_id: str, schedule: str) -> str:
    """The description of what a schedule makes."""
    return f"Created for policy: {policy_id} schedule: {schedule}"


def prefix(policy_id: str, instance_id: str) -> str:
    """How the names of images begin that a policy makes of an instance."""
    return f"{policy_id}_{instance_id}_"


def own(state: State, policy_id: str, schedule: str = "") -> set[str]:
    """The ids of the snapshots and images that a policy, or one schedule of it, made itself.

    Its tags alone do not tell: a copy may have them that was made when they were still copied. A snapshot's description and an
    image's name cannot be changed.
    """
    ids = {tag.resource_id for tag in state.tags.find(key=POLICY_TAG, value=policy_id)}
    if schedule:
        ids &= {tag.resource_id for tag in state.tags.find(key=SCHEDULE_TAG, value=schedule)}
    begins = said(policy_id, schedule)
    found = {row.id for row in state.snapshots.among("id", ids) if row.description.startswith(begins) and row.batch}
    return found | {row.id for row in state.images.among("id", ids) if row.name.startswith(prefix(policy_id, row.instance_id))}


def made(state: State, policy_id: str, schedule: str, *, images: bool) -> dict[str, list[Made]]:
    """Of all that a schedule made, what is there by its source, in the order in which it was made, whatever the clock said.

    What is still being made is left out.
    """
    ids, found = own(state, policy_id, schedule), dict[str, list[Made]]()
    if images:
        for image in (row for row in state.images.query() if row.id in ids and row.state in ("available", "failed")):
            found.setdefault(image.instance_id, []).append(_of_image(state, image))
        return found
    snapshots = [row for row in state.snapshots.query() if row.id in ids]
    sets: dict[str, list[Snapshot]] = {}
    for row in snapshots:
        sets.setdefault(row.batch, []).append(row)
    for row in (row for row in snapshots if row.state != "pending"):
        found.setdefault(row.volume_id, []).append(_of_snapshot(row, sets[row.batch]))
    return found


def _of_image(state: State, image: Image) -> Made:
    needed = {device["Ebs"]["SnapshotId"] for device in image.devices if "SnapshotId" in device.get("Ebs", {})}
    whole = image.state == "available"
    entire = whole and _all_whole(state.snapshots.among("id", needed), needed)
    return Made(image.id, times.seconds(image.created) - image.ahead, whole, entire, void=not whole)


def _all_whole(rows: Iterable[Snapshot], needed: Collection[str]) -> bool:
    return {row.id for row in rows if row.state == "completed"} == set(needed)


def _of_snapshot(row: Snapshot, together: Sequence[Snapshot]) -> Made:
    """One that never came to be stays as long as another of its set does, so that it is known that the set is not entire."""
    entire = all(other.state == "completed" for other in together)
    void = row.state == "error" and not row.layer_id and not any(other.layer_id for other in together)
    return Made(row.id, times.seconds(row.started) - row.ahead, row.state == "completed", entire, void)


def remaining(state: State, sources: Collection[str]) -> set[str]:
    """Those of the volumes or instances that have not been deleted."""
    volumes = {row.id for row in state.volumes.among("id", sources)}
    return volumes | {row.id for row in state.instances.among("id", sources) if row.state != "terminated"}


def too_many(rule: Mapping[str, Any], found: Sequence[Made], now: float, *, there: bool, last_goes: bool) -> list[str]:
    """What a RetainRule does not keep of one source's backups. What is void goes in any case; what is damaged, with the whole
    ones that are older than those that are kept.
    """
    going = [one.id for one in found if one.void]
    left = [one for one in found if not one.void]
    if count := rule.get("Count"):
        return going + ([one.id for one in _replaced(left, count)] if there else [])
    limit = lifecycle_targets.before(rule["Interval"], rule["IntervalUnit"], now)
    return going + [one.id for one in (left if last_goes else _replaced(left, 1)) if one.at < limit]


def _replaced(found: Sequence[Made], count: int) -> list[Made]:
    """Of one source's backups those of which there are so many newer ones, and so many newer entire ones if they are entire."""
    whole = [one for one in found if one.whole]
    kept = [one for one in whole if one.entire][-count:]
    return [one for one in found[: found.index(whole[-count])] if one not in kept] if len(whole) >= count else []


def outdated(found: Sequence[Made], count: int = 1) -> list[Made]:
    """The whole ones of which there are so many newer ones."""
    return [one for one in _replaced([one for one in found if not one.void], count) if one.whole]
