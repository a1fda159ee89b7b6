"""What there is of each kind: limits, adjustment types, notification types, metrics, and so on."""

from ...api import Answer, Call, operation
from ...aws.scaling_math import ADJUSTMENT_TYPES
from .group_request import TERMINATION_POLICIES
from .groups import MOST_GROUPS
from .hook_rules import TRANSITIONS
from .launch_configurations import MOST_CONFIGURATIONS
from .metrics import METRICS
from .notifications import NOTIFICATIONS


@operation()
def describe_account_limits(call: Call) -> Answer:
    """DescribeAccountLimits."""
    state = call.cloud.state
    return {
        "MaxNumberOfAutoScalingGroups": MOST_GROUPS,
        "MaxNumberOfLaunchConfigurations": MOST_CONFIGURATIONS,
        "NumberOfAutoScalingGroups": len(state.scaling_groups.query()),
        "NumberOfLaunchConfigurations": len(state.launch_configurations.query()),
    }


@operation()
def describe_adjustment_types(call: Call) -> Answer:
    """DescribeAdjustmentTypes."""
    del call
    return {"AdjustmentTypes": [{"AdjustmentType": name} for name in ADJUSTMENT_TYPES]}


@operation()
def describe_auto_scaling_notification_types(call: Call) -> Answer:
    """DescribeAutoScalingNotificationTypes."""
    del call
    return {"AutoScalingNotificationTypes": list(NOTIFICATIONS)}


@operation()
def describe_lifecycle_hook_types(call: Call) -> Answer:
    """DescribeLifecycleHookTypes."""
    del call
    return {"LifecycleHookTypes": list(TRANSITIONS)}


@operation()
def describe_metric_collection_types(call: Call) -> Answer:
    """DescribeMetricCollectionTypes."""
    del call
    return {"Metrics": [{"Metric": name} for name in METRICS], "Granularities": [{"Granularity": "1Minute"}]}


@operation()
def describe_termination_policy_types(call: Call) -> Answer:
    """DescribeTerminationPolicyTypes."""
    del call
    return {"TerminationPolicyTypes": list(TERMINATION_POLICIES)}
