"""Launch configurations after the pattern of an instance that runs."""

import base64
from typing import Any

from ... import api
from ...api import Call
from ...errors import ApiError
from ...state.rows import Instance, Interface
from .finding import invalid


def _found(call: Call, instance_id: str) -> tuple[Instance, Interface]:
    state = call.cloud.state
    row = state.instances.get(instance_id)
    cards = state.interfaces.find(instance_id=instance_id)
    if row is None or row.state not in ("running", "stopped", "pending", "stopping") or not cards:
        raise invalid(f"Invalid Instance ID: {instance_id}")
    return row, min(cards, key=lambda card: card.device_index)


def parameters(call: Call, instance_id: str) -> dict[str, Any]:
    """What a launch configuration of an instance holds; volumes come from its image, as with AWS."""
    row, card = _found(call, instance_id)
    data: dict[str, Any] = {
        "ImageId": row.image_id,
        "InstanceType": row.instance_type,
        "SecurityGroups": card.group_ids,
        "InstanceMonitoring": {"Enabled": row.monitoring == "enabled"},
        "EbsOptimized": row.ebs_optimized,
    }
    if row.key_name:
        data["KeyName"] = row.key_name
    if row.user_data:
        data["UserData"] = base64.b64encode(row.user_data).decode()
    profile = call.cloud.state.profile_associations.find(instance_id=instance_id)
    if profile:
        data["IamInstanceProfile"] = profile[0].profile
    return data


def subnet(call: Call, instance_id: str) -> str:
    """The subnet that it lives in."""
    return _found(call, instance_id)[1].subnet_id


def configuration(call: Call, name: str, instance_id: str) -> str:
    """A launch configuration for the group `name` after an instance; its name is the group's. Raises ApiError."""
    try:
        api.find("autoscaling", "CreateLaunchConfiguration").function(
            call, launch_configuration_name=name, instance_id=instance_id
        )
    except ApiError as error:
        if error.code == "AlreadyExists":
            raise invalid(f"A launch configuration with the name {name} already exists") from error
        raise
    return name
