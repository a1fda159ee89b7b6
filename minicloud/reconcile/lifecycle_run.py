"""One run of one schedule of a lifecycle policy.

- What a policy made is known by its tags, `aws:dlm:lifecycle-policy-id` and `aws:dlm:lifecycle-schedule-name`, and by what it
  said when it made it (`lifecycle_made.own`); it deletes nothing else. Something that cannot be made or deleted does not keep
  the rest from being done.
- It acts as the policy's execution role, with what that role may do at this moment.
- Each step looks at what there is, so a run that was cut short does what is left when it is carried out again.
"""

import functools
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from .. import api
from ..aws import tags, times
from ..callers import acting
from ..cloud import Cloud
from ..errors import ApiError, HostError
from ..state.rows import Tag
from ..state.rows_storage import Policy, PolicyRun
from . import clock, lifecycle_made, lifecycle_targets
from .lifecycle_made import POLICY_TAG, SCHEDULE_TAG, Made

log = logging.getLogger(__name__)

SOON = 60
"""Seconds from now to a deprecation that is due now: the time must not lie in the past when it is asked for."""


def schedules(policy: Policy) -> list[dict[str, Any]]:
    """The schedules of a policy; of a default one the one that its settings amount to, without a CreateRule."""
    details = policy.details
    if "Schedules" in details:
        found: list[dict[str, Any]] = details["Schedules"]
        return found
    retain = {"Interval": details["RetainInterval"], "IntervalUnit": "DAYS"}
    return [{"Name": "default", "CopyTags": details["CopyTags"], "RetainRule": retain}]


class Work:
    """One run of one schedule."""

    def __init__(self, cloud: Cloud, policy: Policy, one: dict[str, Any], run: PolicyRun) -> None:
        self._cloud, self._policy, self._schedule, self._run = cloud, policy, one, run
        self._details = policy.details
        self._images = self._details["PolicyType"] == "IMAGE_MANAGEMENT"

    def carry_out(self, now: float) -> None:
        """Make, then share, deprecate and delete, then say so."""
        if self._policy.state == "ENABLED":
            for target in lifecycle_targets.of(self._cloud.state, self._details, self._run.due, now):
                if f"of {target}" not in self._run.failed and not self._made_of(target):
                    self._attempt(functools.partial(self._make, target), f"of {target}")
        sources, steady = self._sources(), clock.steady(self._cloud)
        for rule in self._schedule.get("ShareRules", []):
            self._share(rule, sources, steady)
        if rule := self._schedule.get("DeprecateRule"):
            self._deprecate(rule, sources, now)
        self._retain(sources, steady)
        self._save(ran=times.text(now))
        failed = "; ".join(self._run.failed)
        self._cloud.state.policies.change(self._policy.id, message=f"The last run did not do all: {failed}" if failed else "")

    def _call(self, name: str, **params: Any) -> dict[str, Any]:
        return api.call(self._cloud, "ec2", name, params, caller=acting(self._cloud, self._policy.makers))

    def _attempt(self, act: Callable[[], object], what: str) -> None:
        try:
            act()
        except sqlite3.OperationalError:
            raise
        except Exception as error:
            foreseen = isinstance(error, (ApiError, HostError))
            log.warning("%s: %s: %s", self._policy.id, what, error, exc_info=None if foreseen else error)
            self._run.failed += [what, str(error)]
            self._save()

    def _save(self, **fields: str) -> None:
        run = self._run
        self._cloud.state.policy_runs.change(
            run.policy_id, run.schedule, run.due, made=run.made, removed=run.removed, failed=run.failed, **fields
        )

    def _made_of(self, target: str) -> bool:
        """Whether this run, before it was cut short, made what it makes of a target."""
        state = self._cloud.state
        snapshots = state.snapshots.among("id", self._run.made)
        volumes = {volume.id for volume in state.volumes.find(instance_id=target)} | {target}
        images = state.images.among("id", self._run.made)
        return any(row.volume_id in volumes for row in snapshots) or any(row.instance_id == target for row in images)

    def _make(self, target: str) -> None:
        said = lifecycle_made.said(self._policy.id, self._schedule["Name"])
        if self._images:
            stamp = self._run.due.replace(":", ".").replace("-", ".")
            name = f"{lifecycle_made.prefix(self._policy.id, target)}{stamp}"
            no_reboot = self._details.get("Parameters", {}).get("NoReboot", True)
            made = self._call("CreateImage", InstanceId=target, Name=name, Description=said, NoReboot=no_reboot)
            self._keep(made["ImageId"], "image", target, target)
        elif target.startswith("vol-"):
            made = self._call("CreateSnapshot", VolumeId=target, Description=said)
            self._keep(made["SnapshotId"], "snapshot", target, target)
        else:
            which = lifecycle_targets.specification(self._cloud.state, self._details, target)
            made = self._call("CreateSnapshots", InstanceSpecification=which, Description=said)
            for snapshot in made["Snapshots"]:
                self._keep(snapshot["SnapshotId"], "snapshot", snapshot["VolumeId"], target)

    def _keep(self, made: str, kind: str, source: str, target: str) -> None:
        """Note what was made, and tag it."""
        state, one = self._cloud.state, self._schedule
        copied = state.tags.find(resource_id=source) if one.get("CopyTags") else []
        variables = {"$(instance-id)": target, "$(timestamp)": self._run.due}
        wanted = {tag.key: tag.value for tag in copied if not tags.is_reserved(tag.key)}
        wanted |= {tag["Key"]: tag["Value"] for tag in one.get("TagsToAdd", [])}
        wanted |= {tag["Key"]: variables[tag["Value"]] for tag in one.get("VariableTags", [])}
        wanted |= {POLICY_TAG: self._policy.id, SCHEDULE_TAG: one["Name"]}
        with state.transaction():
            (state.images if kind == "image" else state.snapshots).change(made, ahead=clock.ahead(self._cloud))
            for key, value in wanted.items():
                state.tags.add(Tag(made, key, value, kind))
            self._run.made.append(made)
            self._save()

    def _sources(self) -> dict[str, list[Made]]:
        """All that this schedule has made, by the volume or the instance that it was made of, the oldest first."""
        return lifecycle_made.made(self._cloud.state, self._policy.id, self._schedule["Name"], images=self._images)

    def _retain(self, sources: dict[str, list[Made]], now: float) -> None:
        """Of each source, what the RetainRule does not keep is deleted, the oldest first."""
        there, rule = lifecycle_made.remaining(self._cloud.state, sources), self._schedule["RetainRule"]
        extended, enabled = bool(self._details.get("ExtendDeletion")), self._policy.state == "ENABLED"
        for source, found in sources.items():
            if not lifecycle_targets.managed(self._cloud.state, self._details, source):
                continue
            last_goes = extended and not (enabled and source in there)
            for old in lifecycle_made.too_many(rule, found, now, there=source in there, last_goes=last_goes):
                self._attempt(functools.partial(self._remove, old), f"deleting {old}")

    def _remove(self, old: str) -> None:
        if self._images:
            self._call("DeregisterImage", ImageId=old, DeleteAssociatedSnapshots=True)
        else:
            self._call("DeleteSnapshot", SnapshotId=old)
        self._run.removed.append(old)
        self._save()

    def _share(self, rule: dict[str, Any], sources: dict[str, list[Made]], now: float) -> None:
        """What this run made is shared; what was shared long enough is shared no more."""
        accounts = set(rule["TargetAccounts"])
        over = lifecycle_targets.before(rule.get("UnshareInterval"), rule.get("UnshareIntervalUnit"), now)
        for one in (one for found in sources.values() for one in found if one.whole):
            row = self._cloud.state.snapshots.get(one.id)
            users = set(row.users) if row else set()
            if one.at < over:
                change = {"Remove": [{"UserId": user} for user in sorted(accounts & users)]}
            else:
                change = {"Add": [{"UserId": user} for user in sorted(accounts - users)]} if one.id in self._run.made else {}
            if any(change.values()):
                act = functools.partial(self._call, "ModifySnapshotAttribute", SnapshotId=one.id, CreateVolumePermission=change)
                self._attempt(act, f"sharing {one.id}")

    def _deprecate(self, rule: dict[str, Any], sources: dict[str, list[Made]], now: float) -> None:
        """By age: each image when there is a newer one. By number: all but as many of the newest as the rule leaves, or one."""
        kept = 1 if "Interval" in rule else max(1, self._schedule["RetainRule"].get("Count", 0) - rule.get("Count", 0))
        for found in sources.values():
            for one in lifecycle_made.outdated(found, kept):
                row = self._cloud.state.images.get(one.id)
                if row is None or row.deprecated_at:
                    continue
                age = lifecycle_targets.seconds(rule["Interval"], rule["IntervalUnit"]) if "Interval" in rule else 0.0
                at = times.text(max(one.at + age + clock.ahead(self._cloud), now + SOON))
                act = functools.partial(self._call, "EnableImageDeprecation", ImageId=one.id, DeprecateAt=at)
                self._attempt(act, f"deprecating {one.id}")
