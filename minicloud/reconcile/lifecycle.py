"""Lifecycle policies: what is due is made, then what is too much or too old is deleted. By the operations that a user has.

- A schedule that was due several times while nobody ran it is due once.
- A run has its row before it begins and is marked when it is over, so a run that a crash cut short goes on where it was.
- What a policy made is known by its tags, `aws:dlm:lifecycle-policy-id` and `aws:dlm:lifecycle-schedule-name`; it deletes
  nothing else. Something that cannot be made or deleted does not keep the rest from being done.
"""

import functools
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from .. import api
from ..aws import schedule, times
from ..cloud import Cloud
from ..errors import ApiError, HostError
from ..state.rows import Tag
from ..state.rows_storage import Policy, PolicyRun
from . import locks

log = logging.getLogger(__name__)

POLICY_TAG, SCHEDULE_TAG = "aws:dlm:lifecycle-policy-id", "aws:dlm:lifecycle-schedule-name"
RUNS_KEPT = 100
_DAYS = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30, "YEARS": 365}


def reconcile(cloud: Cloud, clock: Callable[[], float] = time.time) -> bool:
    """Carry out what is due by now; whether anything was."""
    acted = False
    for policy in cloud.state.policies.find(state="ENABLED"):
        for one in policy.details["Schedules"]:
            try:
                with locks.held(cloud.settings.run, f"{policy.id} {one['Name']}"):
                    run = _due(cloud, policy, one, datetime.fromtimestamp(clock(), UTC))
                    if run is not None:
                        acted = True
                        Work(cloud, policy, one, run).carry_out(clock())
            except locks.Busy:
                continue
    return acted


def last_due(rule: dict[str, Any], since: datetime, now: datetime) -> datetime | None:
    """The latest time, after `since` and not after `now`, at which a CreateRule is due; None if there is none."""
    if "CronExpression" in rule:
        step: Callable[[datetime], datetime | None] = schedule.Cron(rule["CronExpression"]).after
    else:
        time_of_day = (rule.get("Times") or ["00:00"])[0]
        step = lambda moment: schedule.every(rule["Interval"], time_of_day, moment)  # noqa: E731
    # A long time off is not gone through run by run: no rule that is due at all is due less often than what is looked at here.
    for back in (timedelta(hours=2), timedelta(days=2), timedelta(days=40), now - since):
        found, moment = None, step(max(since, now - back))
        while moment is not None and moment <= now:
            found, moment = moment, step(moment)
        if found is not None:
            return found
    return None


def _due(cloud: Cloud, policy: Policy, one: dict[str, Any], now: datetime) -> PolicyRun | None:
    """The run that is to be made or gone on with, in its row."""
    runs = cloud.state.policy_runs.query("policy_id = ? and schedule = ?", (policy.id, one["Name"]), order="due")
    if runs and not runs[-1].ran:
        return runs[-1]
    latest = max([policy.modified, *(run.due for run in runs)], key=times.seconds)
    due = last_due(one["CreateRule"], datetime.fromtimestamp(times.seconds(latest), UTC), now)
    if due is None:
        return None
    with cloud.state.transaction():
        for old in runs[:-RUNS_KEPT]:
            cloud.state.policy_runs.remove(old.policy_id, old.schedule, old.due)
        return cloud.state.policy_runs.add(PolicyRun(policy.id, one["Name"], times.text(due.timestamp()), ""))


class Work:
    """One run of one schedule."""

    def __init__(self, cloud: Cloud, policy: Policy, one: dict[str, Any], run: PolicyRun) -> None:
        self._cloud, self._policy, self._schedule, self._run = cloud, policy, one, run
        self._details = policy.details
        self._images = self._details["PolicyType"] == "IMAGE_MANAGEMENT"

    def carry_out(self, now: float) -> None:
        """Make, then delete, then say so."""
        for target in self._targets():
            if f"of {target}" not in self._run.failed and not self._made_of(target):
                self._attempt(functools.partial(self._make, target), f"of {target}")
        self._retain(now)
        self._save(ran=times.text(now))
        failed = "; ".join(self._run.failed)
        self._cloud.state.policies.change(self._policy.id, message=f"The last run did not do all: {failed}" if failed else "")

    def _call(self, name: str, **params: Any) -> dict[str, Any]:
        return api.call(self._cloud, "ec2", name, params)

    def _attempt(self, act: Callable[[], None], what: str) -> None:
        try:
            act()
        except (ApiError, HostError) as error:
            log.warning("%s: %s: %s", self._policy.id, what, error)
            self._run.failed += [what, str(error)]
            self._save()

    def _save(self, **fields: str) -> None:
        run = self._run
        self._cloud.state.policy_runs.change(
            run.policy_id, run.schedule, run.due, made=run.made, removed=run.removed, failed=run.failed, **fields
        )

    def _targets(self) -> list[str]:
        """The volumes, or the instances, that have one of the target tags."""
        kind = self._details["ResourceTypes"][0].lower()
        wanted = {(tag["Key"], tag["Value"]) for tag in self._details["TargetTags"]}
        tagged = {tag.resource_id for tag in self._cloud.state.tags.find(resource_type=kind) if (tag.key, tag.value) in wanted}
        if kind == "volume":
            rows = self._cloud.state.volumes.among("id", tagged)
            return sorted(row.id for row in rows if row.state in ("available", "in-use"))
        return sorted(row.id for row in self._cloud.state.instances.among("id", tagged) if row.state in ("running", "stopped"))

    def _made_of(self, target: str) -> bool:
        """Whether this run, before it was cut short, made what it makes of a target."""
        state = self._cloud.state
        snapshots = state.snapshots.among("id", self._run.made)
        volumes = {volume.id for volume in state.volumes.find(instance_id=target)} | {target}
        images = state.images.among("id", self._run.made)
        return any(row.volume_id in volumes for row in snapshots) or any(row.instance_id == target for row in images)

    def _make(self, target: str) -> None:
        said = f"Created for policy: {self._policy.id} schedule: {self._schedule['Name']}"
        if self._images:
            stamp = self._run.due.replace(":", ".").replace("-", ".")
            name, no_reboot = f"{self._policy.id}_{target}_{stamp}", self._details.get("Parameters", {}).get("NoReboot", True)
            made = self._call("CreateImage", InstanceId=target, Name=name, Description=said, NoReboot=no_reboot)
            self._keep(made["ImageId"], "image", target)
        elif self._details["ResourceTypes"] == ["VOLUME"]:
            made = self._call("CreateSnapshot", VolumeId=target, Description=said)
            self._keep(made["SnapshotId"], "snapshot", target)
        else:
            made = self._call("CreateSnapshots", InstanceSpecification=self._specification(target), Description=said)
            for snapshot in made["Snapshots"]:
                self._keep(snapshot["SnapshotId"], "snapshot", snapshot["VolumeId"])

    def _specification(self, instance_id: str) -> dict[str, Any]:
        given = self._details.get("Parameters", {})
        unwanted = {(tag["Key"], tag["Value"]) for tag in given.get("ExcludeDataVolumeTags", [])}
        volumes = [volume.id for volume in self._cloud.state.volumes.find(instance_id=instance_id)]
        tags = self._cloud.state.tags.among("resource_id", volumes)
        return {
            "InstanceId": instance_id,
            "ExcludeBootVolume": given.get("ExcludeBootVolume", False),
            "ExcludeDataVolumeIds": sorted({tag.resource_id for tag in tags if (tag.key, tag.value) in unwanted}),
        }

    def _keep(self, made: str, kind: str, source: str) -> None:
        """Note what was made, and tag it."""
        state, one = self._cloud.state, self._schedule
        copied = state.tags.find(resource_id=source) if one.get("CopyTags") else []
        wanted = {tag.key: tag.value for tag in copied if not tag.key.startswith("aws:")}
        wanted |= {tag["Key"]: tag["Value"] for tag in one.get("TagsToAdd", [])}
        wanted |= {POLICY_TAG: self._policy.id, SCHEDULE_TAG: one["Name"]}
        with state.transaction():
            for key, value in wanted.items():
                state.tags.add(Tag(made, key, value, kind))
            self._run.made.append(made)
            self._save()

    def _own(self, kind: str) -> set[str]:
        """All that this schedule has made."""
        tags = self._cloud.state.tags
        of_policy = {tag.resource_id for tag in tags.find(key=POLICY_TAG, value=self._policy.id, resource_type=kind)}
        return of_policy & {tag.resource_id for tag in tags.find(key=SCHEDULE_TAG, value=self._schedule["Name"])}

    def _retain(self, now: float) -> None:
        """Of each volume, or of each instance, what the RetainRule does not keep is deleted, the oldest first."""
        state = self._cloud.state
        made: dict[str, list[tuple[str, str]]] = {}
        if self._images:
            for image in state.images.among("id", self._own("image")):
                if image.state == "available":
                    made.setdefault(image.instance_id, []).append((image.created, image.id))
        else:
            for snapshot in state.snapshots.among("id", self._own("snapshot")):
                if snapshot.state != "pending":
                    made.setdefault(snapshot.volume_id, []).append((snapshot.started, snapshot.id))
        for found in made.values():
            for old in self._too_many(sorted(found, key=lambda one: times.seconds(one[0])), now):
                self._attempt(functools.partial(self._remove, old), f"deleting {old}")

    def _too_many(self, found: list[tuple[str, str]], now: float) -> list[str]:
        rule = self._schedule["RetainRule"]
        if rule.get("Count"):
            return [one for _, one in found[: -rule["Count"]]]
        oldest = now - rule["Interval"] * _DAYS[rule["IntervalUnit"]] * 86400
        return [one for started, one in found if times.seconds(started) < oldest]

    def _remove(self, old: str) -> None:
        if self._images:
            self._call("DeregisterImage", ImageId=old, DeleteAssociatedSnapshots=True)
        else:
            self._call("DeleteSnapshot", SnapshotId=old)
        self._run.removed.append(old)
        self._save()
