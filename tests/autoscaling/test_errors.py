"""What Auto Scaling answers to bad input, through boto3: code, status, and the text where AWS's own is known.

ResourceContention ("two writers on one group") has no row here: writers take turns, and the second sees what the first did.
"""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..cloud_fixtures import IMAGE
from ..endpoint_fixtures import Served
from .scene import ZONES

Params = dict[str, Any]
TEMPLATE = {"LaunchTemplateName": "template"}
GROUP: Params = {
    "AutoScalingGroupName": "new", "MinSize": 0, "MaxSize": 2, "AvailabilityZones": ZONES, "LaunchTemplate": TEMPLATE,
}  # fmt: skip


def _group(**changes: Any) -> tuple[str, Params]:
    return "create_auto_scaling_group", {name: value for name, value in {**GROUP, **changes}.items() if value is not None}


def _there(operation: str, **params: Any) -> tuple[str, Params]:
    return operation, {"AutoScalingGroupName": "there", **params}


OUTSIDE = "Desired capacity:{} must be between the specified min size:0 and max size:2"
NO_SOURCE = (
    "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter."
)
CASES: dict[str, tuple[tuple[str, Params], tuple[str, int, str]]] = {
    "name taken": (
        _group(AutoScalingGroupName="there"),
        ("AlreadyExists", 400, "AutoScalingGroup by this name already exists - A group with the name there already exists"),
    ),
    "minimum over maximum": (
        _group(MinSize=3, DesiredCapacity=3),
        ("ValidationError", 400, "Max bound, 2, must be greater than or equal to min bound, 3"),
    ),
    "minimum over maximum, update": (
        _there("update_auto_scaling_group", MinSize=3),
        ("ValidationError", 400, "Max bound, 2, must be greater than or equal to min bound, 3"),
    ),
    "desired outside, create": (_group(DesiredCapacity=3), ("ValidationError", 400, OUTSIDE.format(3))),
    "desired outside, update": (
        _there("update_auto_scaling_group", DesiredCapacity=5), ("ValidationError", 400, OUTSIDE.format(5)),
    ),
    "desired outside, set": (_there("set_desired_capacity", DesiredCapacity=9), ("ValidationError", 400, OUTSIDE.format(9))),
    "no launch source": (_group(LaunchTemplate=None), ("ValidationError", 400, NO_SOURCE)),
    "two launch sources": (_group(LaunchConfigurationName="lc"), ("ValidationError", 400, NO_SOURCE)),
    "no zone and no subnet": (
        _group(AvailabilityZones=None), ("ValidationError", 400, "At least one Availability Zone or VPC Subnet is required."),
    ),
    "template that is not there": (
        _group(LaunchTemplate={"LaunchTemplateName": "nothing"}),
        (
            "ValidationError", 400,
            "You must use a valid fully-formed launch template. "
            "At least one of the launch templates specified in the request does not exist.",
        ),
    ),
    "template without an image": (
        _group(LaunchTemplate={"LaunchTemplateName": "imageless"}),
        (
            "ValidationError", 400,
            "You must use a valid fully-formed launch template. The request must contain the parameter ImageId",
        ),
    ),
    "delete with instances": (
        _there("delete_auto_scaling_group"),
        (
            "ResourceInUse", 400,
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in "
            "the group.",
        ),
    ),
    "delete with an activity": (
        ("delete_auto_scaling_group", {"AutoScalingGroupName": "busy"}),
        (
            "ScalingActivityInProgress", 400,
            "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
        ),
    ),
    "unknown group, update": (
        ("update_auto_scaling_group", {"AutoScalingGroupName": "none"}),
        ("ValidationError", 400, "AutoScalingGroup name not found - null"),
    ),
    "unknown group, desired": (
        ("set_desired_capacity", {"AutoScalingGroupName": "none", "DesiredCapacity": 1}),
        ("ValidationError", 400, "AutoScalingGroup name not found - null"),
    ),
    "parameter absent": (("create_auto_scaling_group", {"AutoScalingGroupName": "x"}), ("ValidationError", 400, "")),
    "hibernated pool": (_there("put_warm_pool", PoolState="Hibernated"), ("UnsupportedOperation", 400, "")),
    "spot part": (
        _group(
            LaunchTemplate=None,
            MixedInstancesPolicy={
                "LaunchTemplate": {"LaunchTemplateSpecification": TEMPLATE},
                "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 50, "SpotAllocationStrategy": "lowest-price"},
            },
        ),
        ("UnsupportedOperation", 400, ""),
    ),
    "unknown instance": (
        (
            "terminate_instance_in_auto_scaling_group",
            {"InstanceId": "i-0123456789abcdef0", "ShouldDecrementDesiredCapacity": True},
        ),
        ("ValidationError", 400, ""),
    ),
    "bad cron": (
        _there("put_scheduled_update_group_action", ScheduledActionName="s", Recurrence="61 * * * *", MinSize=1),
        ("ValidationError", 400, ""),
    ),
    "bad time zone": (
        _there("put_scheduled_update_group_action", ScheduledActionName="s", Recurrence="1 * * * *", TimeZone="../x", MinSize=1),
        ("ValidationError", 400, ""),
    ),
    "token that nobody gave out": (
        ("describe_auto_scaling_groups", {"NextToken": "nonsense"}), ("InvalidNextToken", 400, ""),
    ),
    "notification to nowhere": (
        _there("put_notification_configuration", TopicARN="http://x", NotificationTypes=["autoscaling:EC2_INSTANCE_LAUNCH"]),
        ("ValidationError", 400, ""),
    ),
    "tag that is reserved": (_group(Tags=[{"Key": "aws:mine", "Value": "x"}]), ("ValidationError", 400, "")),
}  # fmt: skip


@pytest.fixture
def client(served: Served) -> Any:
    """A client of a cloud with a template, a group of one, and a group whose hook is waited for."""
    ec2, made = served.boto("ec2"), served.boto("autoscaling")
    data = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}
    ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData=data)
    ec2.create_launch_template(LaunchTemplateName="imageless", LaunchTemplateData={"InstanceType": "t3.nano"})
    made.create_launch_configuration(LaunchConfigurationName="lc", **data)
    made.create_auto_scaling_group(**{**GROUP, "AutoScalingGroupName": "there", "DesiredCapacity": 1})
    hook = {"LifecycleHookName": "h", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}
    made.create_auto_scaling_group(
        **{**GROUP, "AutoScalingGroupName": "busy", "DesiredCapacity": 1}, LifecycleHookSpecificationList=[hook]
    )
    return made


@pytest.mark.parametrize("case", CASES)
def test_bad_input(client: Any, case: str) -> None:
    (operation, params), (code, status, text) = CASES[case]
    before = client.describe_auto_scaling_groups()["AutoScalingGroups"]
    call: Callable[..., Any] = getattr(client, operation)
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert text in ("", error["Error"]["Message"])
    assert client.describe_auto_scaling_groups()["AutoScalingGroups"] == before, "nothing half made"
