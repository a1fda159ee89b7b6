"""Launch configurations: parameters of RunInstances under a name, which never change."""

from collections.abc import Mapping
from typing import Any, TypedDict

from ... import api
from ...api import Answer, Call, operation
from ...aws import instance_types
from ...errors import ApiError
from ...state.rows_autoscaling import LaunchConfiguration
from ..ec2.launch import decode_user_data
from . import from_instance, passing
from .finding import arn, in_use, invalid

MOST_CONFIGURATIONS = 200


class EbsInput(TypedDict, total=False):
    """The volume of a mapping."""

    SnapshotId: str
    VolumeSize: int
    VolumeType: str
    DeleteOnTermination: bool
    Iops: int
    Throughput: int


class BlockDeviceInput(TypedDict, total=False):
    """A block device; `NoDevice` takes away the one of that name."""

    DeviceName: str
    Ebs: EbsInput
    NoDevice: bool
    VirtualName: str


class MonitoringInput(TypedDict, total=False):
    """Whether metrics are kept by the minute."""

    Enabled: bool


class MetadataInput(TypedDict, total=False):
    """How the metadata service may be asked."""

    HttpTokens: str
    HttpPutResponseHopLimit: int
    HttpEndpoint: str


@operation()
def create_launch_configuration(
    call: Call,
    *,
    launch_configuration_name: str,
    image_id: str | None = None,
    key_name: str | None = None,
    security_groups: list[str] | None = None,
    user_data: str | None = None,
    instance_id: str | None = None,
    instance_type: str | None = None,
    block_device_mappings: list[BlockDeviceInput] | None = None,
    instance_monitoring: MonitoringInput | None = None,
    iam_instance_profile: str | None = None,
    ebs_optimized: bool | None = None,
    associate_public_ip_address: bool | None = None,
    placement_tenancy: str | None = None,
    metadata_options: MetadataInput | None = None,
) -> Answer:
    """CreateLaunchConfiguration. What an instance has, stands for what is not given where `instance_id` is."""
    name = launch_configuration_name
    given = {
        "ImageId": image_id, "KeyName": key_name, "SecurityGroups": security_groups, "UserData": user_data,
        "InstanceType": instance_type, "BlockDeviceMappings": block_device_mappings, "InstanceMonitoring": instance_monitoring,
        "IamInstanceProfile": iam_instance_profile, "EbsOptimized": ebs_optimized,
        "AssociatePublicIpAddress": associate_public_ip_address, "PlacementTenancy": placement_tenancy,
        "MetadataOptions": metadata_options,
    }  # fmt: skip
    data = {key: value for key, value in given.items() if value is not None}
    if instance_id:
        data = from_instance.parameters(call, instance_id) | data
    make(call, name, data)
    return {}


def make(call: Call, name: str, data: Mapping[str, Any]) -> None:
    """Keep a launch configuration, once everything in it is there. Raises ApiError."""
    table = call.cloud.state.launch_configurations
    if not name.strip() or len(name) > 255 or not name.isprintable():
        raise invalid("A launch configuration's name has 1 to 255 printable characters")
    if table.get(name) is not None:
        raise ApiError(
            "AlreadyExists",
            f"Launch Configuration by this name already exists - A launch configuration already exists with the name {name}",
        )
    if len(table.query()) >= MOST_CONFIGURATIONS:
        raise ApiError("LimitExceeded", f"You have reached the limit of {MOST_CONFIGURATIONS} launch configurations")
    if not data.get("ImageId") or not data.get("InstanceType"):
        raise invalid(
            "Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType parameters."
        )
    _there(call, data)
    shown = {"SecurityGroups": [], "BlockDeviceMappings": [], "EbsOptimized": False, "KeyName": "", "UserData": "", **data}
    shown.setdefault("InstanceMonitoring", {"Enabled": True})
    table.add(LaunchConfiguration(name, arn(call, "launchConfiguration", f"launchConfigurationName/{name}"), shown, call.now))


def _there(call: Call, data: Mapping[str, Any]) -> None:
    """Whether all that is named exists. Raises ApiError."""
    try:
        api.find("ec2", "DescribeImages").function(call, image_ids=[data["ImageId"]])
        instance_types.get(data["InstanceType"])
        if data.get("UserData"):
            decode_user_data(data["UserData"])
    except ApiError as error:
        raise invalid(error.message) from error
    state = call.cloud.state
    if data.get("KeyName") and not state.key_pairs.find(name=data["KeyName"]):
        raise invalid(f"The key pair '{data['KeyName']}' does not exist")
    for group in data.get("SecurityGroups") or []:
        if state.security_groups.get(group) is None and not state.security_groups.find(name=group):
            raise invalid(f"The security group '{group}' does not exist")
    passing.profile(call, data.get("IamInstanceProfile", ""))
    if data.get("PlacementTenancy", "default") != "default":
        raise ApiError("UnsupportedOperation", "minicloud has one host, so PlacementTenancy is always default")


@operation()
def delete_launch_configuration(call: Call, *, launch_configuration_name: str) -> Answer:
    """DeleteLaunchConfiguration."""
    state, name = call.cloud.state, launch_configuration_name
    if state.launch_configurations.get(name) is None:
        raise invalid(f"Launch configuration name not found - Launch configuration {name} not found")
    users = [row.name for row in state.scaling_groups.query() if row.settings.get("LaunchConfigurationName") == name]
    if users:
        raise in_use(f"Cannot delete launch configuration {name} because it is attached to AutoScalingGroup {users[0]}")
    state.launch_configurations.remove(name)
    return {}


@operation(items="LaunchConfigurations", key="LaunchConfigurationName")
def describe_launch_configurations(call: Call, *, launch_configuration_names: list[str] | None = None) -> Answer:
    """DescribeLaunchConfigurations. Names that nothing has are left out, as AWS does."""
    table = call.cloud.state.launch_configurations
    rows = table.among("name", launch_configuration_names) if launch_configuration_names else table.query(order="name")
    nothing = {"ClassicLinkVPCSecurityGroups": [], "KernelId": "", "RamdiskId": ""}
    return {
        "LaunchConfigurations": [
            {
                "LaunchConfigurationName": row.name, "LaunchConfigurationARN": row.arn, "CreatedTime": row.created,
                **nothing, **row.data,
            }
            for row in rows
        ]
    }  # fmt: skip
