"""Launching: instances, members and activities come to be in one transaction, or nothing does and a failed activity says why.

So no client token is needed to tell after a crash what was launched: whatever was, is a member.
"""

import logging
import sqlite3
from collections.abc import Mapping
from typing import Any

from .. import api
from ..aws import autoscaling_texts as texts
from ..aws import group_launches, times
from ..aws.group_launches import Place
from ..callers import acting, joined
from ..cloud import Cloud
from ..errors import ApiError, HostError, host_error
from ..state.rows import Tag
from ..state.rows_autoscaling import ScalingActivity, ScalingGroup, ScalingMember
from . import autoscaling_tell, autoscaling_warm
from .autoscaling_actions import Launch
from .autoscaling_health import pause
from .autoscaling_lifecycle import NOT_LAUNCHED
from .autoscaling_refresh import launch_makers, launch_source
from .autoscaling_view import GONE, HELD, View

log = logging.getLogger(__name__)

GROUP_TAG = "aws:autoscaling:groupName"
_FULL = "InsufficientInstanceCapacity"


def launch(cloud: Cloud, view: View, action: Launch) -> bool:
    """Launch; whether anything was done. A failure makes the next launch wait."""
    try:
        return _launched(cloud, view, action)
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        full = isinstance(error, ApiError) and error.code == _FULL
        if full and any(_makes_room(view, row) for row in view.members):
            return False
        if not isinstance(error, (ApiError, HostError)):
            log.exception("%s: a launch failed", view.group.name)
        _refused(cloud, view, action, error.message if isinstance(error, ApiError) else host_error(error).message)
        return True


def _makes_room(view: View, row: ScalingMember) -> bool:
    """Whether a member that is just leaving holds what another could have."""
    return row.state.startswith("Terminating") and view.sight(row).state not in GONE


def _launched(cloud: Cloud, view: View, action: Launch) -> bool:
    state = cloud.state
    source, data_of = _source(cloud, view)
    full: ApiError | None = None
    for params in group_launches.requests(source, action.place, len(action.causes), data_of):
        try:
            with state.transaction():
                if not _as_planned(view, state.scaling_groups.get(view.group.name)) or not _room(cloud, view, action):
                    return False
                made = [_activity(view, action, cause) for cause in action.causes]
                answer = api.call(cloud, "ec2", "RunInstances", params, caller=acting(cloud, _makers(cloud, view, params)))
                for activity, instance in zip(made, answer["Instances"], strict=False):
                    _record(cloud, view, action, activity, instance)
        except ApiError as error:
            if error.code != _FULL:
                raise
            full = error
        else:
            return True
    if full is not None:
        raise full
    return False


def _makers(cloud: Cloud, view: View, params: Mapping[str, Any]) -> list[str]:
    """Who is behind a launch: who said how the group launches; of a version that moves, also who made and chose it."""
    makers, wanted = launch_makers(view), params.get("LaunchTemplate")
    template = cloud.state.launch_templates.get(wanted["LaunchTemplateId"]) if wanted else None
    if wanted is None or template is None or not wanted["Version"].startswith("$"):
        return makers
    versions = {row.version: row for row in cloud.state.launch_template_versions.find(template_id=template.id)}
    if wanted["Version"] == "$Default":
        return joined(makers, template.makers, versions[template.default_version].makers)
    return joined(makers, versions[max(versions)].makers)


def _as_planned(view: View, now: ScalingGroup | None) -> bool:
    """Whether a group still wants what was planned."""
    planned = view.group
    return now is not None and (now.desired, now.deleting, now.settings, now.suspended) == (
        planned.desired, planned.deleting, planned.settings, planned.suspended,
    )  # fmt: skip


def _room(cloud: Cloud, view: View, action: Launch) -> bool:
    """Whether nobody else has launched meanwhile what was planned: several commands may see the same group."""
    rows, new = cloud.state.scaling_members.find(group_name=view.group.name), len(action.causes)
    if action.warm:
        pooled = [row for row in rows if row.state.startswith("Warmed:") and "Terminating" not in row.state]
        return len(pooled) + new <= autoscaling_warm.size(view)
    counted = [row for row in rows if row.state in HELD]
    if action.surge:
        return sum(row.surge for row in counted) == sum(row.surge for row in view.counted)
    return len(counted) + new <= view.group.desired


def _source(cloud: Cloud, view: View) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """How the group launches, with the data of its launch configuration or of the templates' versions. Raises ApiError."""
    source = launch_source(view)
    if "LaunchConfigurationName" in source:
        found = cloud.state.launch_configurations.get(source["LaunchConfigurationName"])
        if found is None:
            raise ApiError("ValidationError", f"The launch configuration {source['LaunchConfigurationName']} does not exist")
        return {"LaunchConfiguration": found.data, "LaunchConfigurationName": found.name}, {}
    data_of: dict[str, Any] = {}
    for specification, _ in group_launches.choices(source):
        wanted = {"LaunchTemplateId": specification["LaunchTemplateId"], "Versions": [specification["Version"]]}
        versions = api.call(cloud, "ec2", "DescribeLaunchTemplateVersions", wanted)["LaunchTemplateVersions"]
        if not versions:
            raise ApiError(
                "ValidationError", f"The launch template {wanted['LaunchTemplateId']} has no version {specification['Version']}"
            )
        data_of[specification["LaunchTemplateId"]] = versions[0]["LaunchTemplateData"]
    return source, data_of


def _activity(view: View, action: Launch, cause: str) -> ScalingActivity:
    what = "Launching a new EC2 instance into warm pool" if action.warm else "Launching a new EC2 instance"
    return ScalingActivity.begun(
        view.group, view.moment, what, cause, details=_details(action.place), status="PreInService", progress=30
    )


def _details(place: Place) -> str:
    return texts.details(place.subnet_id, place.zone)


def _record(cloud: Cloud, view: View, action: Launch, activity: ScalingActivity, instance: Mapping[str, Any]) -> None:
    state, instance_id = cloud.state, instance["InstanceId"]
    activity.instance_id = instance_id
    activity.description = f"{activity.description}: {instance_id}"
    state.scaling_activities.add(activity)
    wanted = {tag.key: tag.value for tag in state.scaling_tags.find(group_name=view.group.name) if tag.propagate}
    for key, value in {**wanted, GROUP_TAG: view.group.name}.items():
        state.tags.remove(instance_id, key)
        state.tags.add(Tag(instance_id, key, value, "instance"))
    state.scaling_members.add(
        ScalingMember(
            instance_id=instance_id, group_name=view.group.name, state="Warmed:Pending" if action.warm else "Pending",
            zone=action.place.zone, subnet_id=action.place.subnet_id, instance_type=instance["InstanceType"],
            image_id=instance["ImageId"], joined=view.moment, changed=view.moment, activity_id=activity.id, surge=action.surge,
            protected=bool(view.setting("NewInstancesProtectedFromScaleIn")), **_origin(cloud, view, instance_id),
        )
    )  # fmt: skip


def _origin(cloud: Cloud, view: View, instance_id: str) -> dict[str, Any]:
    """What an instance was launched from; of a template the version that was meant at that moment."""
    source = launch_source(view)
    if "LaunchConfigurationName" in source:
        return {"launch_configuration": source["LaunchConfigurationName"]}
    marks = {tag.key: tag.value for tag in cloud.state.tags.find(resource_id=instance_id)}
    template_id = marks.get("aws:ec2launchtemplate:id", "")
    template = cloud.state.launch_templates.get(template_id)
    return {
        "launch_template": {
            "LaunchTemplateId": template_id, "LaunchTemplateName": template.name if template else "",
            "Version": marks.get("aws:ec2launchtemplate:version", ""),
        }
    }  # fmt: skip


def _refused(cloud: Cloud, view: View, action: Launch, message: str) -> None:
    """A failed activity, and a pause that grows with each failure."""
    state = cloud.state
    activity = _activity(view, action, action.causes[0])
    activity.status, activity.progress, activity.ended = "Failed", 100, view.moment
    activity.message = f"{message.rstrip('.')}. Launching EC2 instance failed."
    with state.transaction():
        group = state.scaling_groups.get(view.group.name)
        if group is None:
            return
        state.scaling_activities.add(activity)
        count_failure(cloud, view, group, pause(group.failures + 2))
        autoscaling_tell.of_activity(cloud, activity, NOT_LAUNCHED)


def count_failure(cloud: Cloud, view: View, group: ScalingGroup, seconds: float) -> None:
    """Note that a launch came to nothing, and when the next may be."""
    until = times.text(view.now + seconds) if seconds else ""
    cloud.state.scaling_groups.change(group.name, failures=group.failures + 1, retry_at=until)
