"""iam:PassRole, wherever a role is handed on: policy x operation x what it is handed on through.

Each row is an operation that hands a role on, with the error for who may do the operation and may not pass the role.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud_fixtures import RUN

from .rights_scene import LAUNCH, PASSES_TO_EC2, PROFILE, Rights, Session, group, shared, trust

__all__ = ["shared"]

DETAILS = {
    "PolicyType": "EBS_SNAPSHOT_MANAGEMENT", "ResourceTypes": ["VOLUME"], "TargetTags": [{"Key": "b", "Value": "1"}],
    "Schedules": [{"Name": "s", "CreateRule": {"Interval": 1, "IntervalUnit": "HOURS"}, "RetainRule": {"Count": 1}}],
}  # fmt: skip
LIFECYCLE = {"Description": "d", "State": "ENABLED", "PolicyDetails": DETAILS}
STRONG = {"LaunchTemplateName": "strong"}
MIXED = {"LaunchTemplate": {"LaunchTemplateSpecification": {"LaunchTemplateName": "plain"},
                            "Overrides": [{"LaunchTemplateSpecification": STRONG}]}}  # fmt: skip

Act = tuple[str, str, dict[str, Any]]


def _plain(shared: Rights) -> Act:
    return "ec2", "RunInstances", {**RUN, "IamInstanceProfile": PROFILE}


def _by_arn(shared: Rights) -> Act:
    arn = "arn:aws:iam::000000000000:instance-profile/strong"
    return "ec2", "RunInstances", {**RUN, "IamInstanceProfile": {"Arn": arn}}


def _by_template(shared: Rights) -> Act:
    return "ec2", "RunInstances", {"MinCount": 1, "MaxCount": 1, "LaunchTemplate": STRONG}


def _associated(shared: Rights) -> Act:
    return "ec2", "AssociateIamInstanceProfile", {"InstanceId": shared.instance(), "IamInstanceProfile": PROFILE}


def _replaced(shared: Rights) -> Act:
    weak = shared.name()
    shared.profile(weak)
    instance_id = shared.instance(IamInstanceProfile={"Name": weak})
    (row,) = shared.served.cloud.state.profile_associations.find(instance_id=instance_id)
    return "ec2", "ReplaceIamInstanceProfileAssociation", {"AssociationId": row.id, "IamInstanceProfile": PROFILE}


def _configuration(shared: Rights) -> Act:
    return "autoscaling", "CreateLaunchConfiguration", {
        "LaunchConfigurationName": shared.name(), **LAUNCH, "IamInstanceProfile": "strong",
    }  # fmt: skip


def _configuration_of_instance(shared: Rights) -> Act:
    params = {"LaunchConfigurationName": shared.name(), "InstanceId": shared.instance(IamInstanceProfile=PROFILE)}
    return "autoscaling", "CreateLaunchConfiguration", params


def _group_of_template(shared: Rights) -> Act:
    return "autoscaling", "CreateAutoScalingGroup", group(shared.name(), LaunchTemplate=STRONG)


def _group_of_mixed(shared: Rights) -> Act:
    return "autoscaling", "CreateAutoScalingGroup", group(shared.name(), MixedInstancesPolicy=MIXED)


def _group_of_configuration(shared: Rights) -> Act:
    return "autoscaling", "CreateAutoScalingGroup", group(shared.name(), LaunchConfigurationName="strong")


def _group_of_instance(shared: Rights) -> Act:
    return "autoscaling", "CreateAutoScalingGroup", group(shared.name(), InstanceId=shared.instance(IamInstanceProfile=PROFILE))


def _group_updated(shared: Rights) -> Act:
    name = shared.name()
    shared.group(name)
    return "autoscaling", "UpdateAutoScalingGroup", {"AutoScalingGroupName": name, "LaunchTemplate": STRONG}


def _group_updated_to_configuration(shared: Rights) -> Act:
    name = shared.name()
    shared.group(name)
    return "autoscaling", "UpdateAutoScalingGroup", {"AutoScalingGroupName": name, "LaunchConfigurationName": "strong"}


def _refresh(shared: Rights) -> Act:
    name = shared.name()
    shared.group(name)
    params = {"AutoScalingGroupName": name, "DesiredConfiguration": {"LaunchTemplate": STRONG}}
    return "autoscaling", "StartInstanceRefresh", params


TO_EC2: list[tuple[Callable[[Rights], Act], str]] = [
    (_plain, "UnauthorizedOperation"),
    (_by_arn, "UnauthorizedOperation"),
    (_by_template, "UnauthorizedOperation"),
    (_associated, "UnauthorizedOperation"),
    (_replaced, "UnauthorizedOperation"),
    (_configuration, "AccessDenied"),
    (_configuration_of_instance, "AccessDenied"),
    (_group_of_template, "ValidationError"),
    (_group_of_mixed, "ValidationError"),
    (_group_of_configuration, "AccessDenied"),
    (_group_of_instance, "AccessDenied"),
    (_group_updated, "ValidationError"),
    (_group_updated_to_configuration, "AccessDenied"),
    (_refresh, "ValidationError"),
]


def named(value: Any) -> str | None:
    return value.__name__.lstrip("_") if callable(value) else None


def may_not_pass(who: Session, act: Act, code: str) -> None:
    said = who.refused(act[0], act[1], **act[2])
    assert said[0] == code
    assert "is not authorized to perform: iam:PassRole on resource: arn:aws:iam::000000000000:role/" in said[1]


@pytest.mark.parametrize(("act", "code"), TO_EC2, ids=named)
def test_who_may_do_it_but_not_pass_the_role_is_refused(shared: Rights, act: Callable[[Rights], Act], code: str) -> None:
    wanted = act(shared)
    before = (len(shared.served.cloud.state.instances.query()), shared.served.cloud.state.profile_associations.query())
    for policy in ("AmazonEC2FullAccess", "PowerUserAccess"):
        may_not_pass(shared.session(policy), wanted, code)
    after = (len(shared.served.cloud.state.instances.query()), shared.served.cloud.state.profile_associations.query())
    assert after == before
    shared.session("AmazonEC2FullAccess", PASSES_TO_EC2)(wanted[0], wanted[1], **wanted[2])


def test_a_dry_run_is_told_the_same(shared: Rights) -> None:
    service, operation, params = _by_template(shared)
    may_not_pass(shared.session("AmazonEC2FullAccess"), (service, operation, {**params, "DryRun": True}), "UnauthorizedOperation")
    said = shared.session("AdministratorAccess").refused(service, operation, **params, DryRun=True)
    assert said[0] == "DryRunOperation"


def test_nothing_is_passed_with_a_template_that_only_lies_there(shared: Rights) -> None:
    data = {**LAUNCH, "IamInstanceProfile": PROFILE}
    shared.session("AmazonEC2FullAccess")(
        "ec2", "CreateLaunchTemplate", LaunchTemplateName=shared.name(), LaunchTemplateData=data
    )


@pytest.mark.parametrize("policy", ["AmazonEC2FullAccess", "PowerUserAccess"])
def test_what_has_no_role_needs_none(shared: Rights, policy: str) -> None:
    who = shared.session(policy)
    instance_id = who("ec2", "RunInstances", **RUN)["Instances"][0]["InstanceId"]
    mine = shared.name()
    who("autoscaling", "CreateLaunchConfiguration", LaunchConfigurationName=mine, **LAUNCH)
    for source in ({}, {"LaunchConfigurationName": mine}, {"InstanceId": instance_id}):
        who("autoscaling", "CreateAutoScalingGroup", **group(shared.name(), **source))


@pytest.mark.parametrize("operation", ["CreateLifecyclePolicy", "UpdateLifecyclePolicy"])
def test_execution_roles(shared: Rights, operation: str) -> None:
    name = shared.name()
    role = {"ExecutionRoleArn": shared.role(name, to=("dlm.amazonaws.com",))}
    policy = {"PolicyId": shared.root("dlm", "CreateLifecyclePolicy", **LIFECYCLE, **role)["PolicyId"]}
    wanted = {**LIFECYCLE, **role} if operation == "CreateLifecyclePolicy" else {**policy, **role}
    for policies in (["PowerUserAccess"], ["PowerUserAccess", PASSES_TO_EC2]):
        may_not_pass(shared.session(*policies), ("dlm", operation, wanted), "AccessDeniedException")
    shared.session("PowerUserAccess", "IAMFullAccess")("dlm", operation, **wanted)
    nobody = {**wanted, "ExecutionRoleArn": role["ExecutionRoleArn"] + "-nobody"}
    assert shared.session("AdministratorAccess").refused("dlm", operation, **nobody)[0] == "InvalidRequestException"
    shared.root("iam", "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=trust("ec2.amazonaws.com"))
    assert shared.session("AdministratorAccess").refused("dlm", operation, **wanted)[0] == "InvalidRequestException"


def test_other_roles(shared: Rights) -> None:
    """A role comes into a profile, or to Auto Scaling, by who may pass it."""
    shared.group()
    name = shared.name()
    arn = shared.role(name, to=("ec2.amazonaws.com",))
    shared.root("iam", "CreateInstanceProfile", InstanceProfileName=name)
    shared.session("IAMFullAccess")("iam", "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=name)
    launching = "autoscaling:EC2_INSTANCE_LAUNCHING"
    hook = {"AutoScalingGroupName": "group", "LifecycleHookName": "h", "LifecycleTransition": launching}
    who = shared.session("AmazonEC2FullAccess", PASSES_TO_EC2)
    may_not_pass(who, ("autoscaling", "PutLifecycleHook", {**hook, "RoleARN": arn}), "AccessDenied")
    who("autoscaling", "PutLifecycleHook", **hook)
    may_not_pass(who, ("autoscaling", "CreateAutoScalingGroup", group("other", ServiceLinkedRoleARN=arn)), "AccessDenied")
    changed = {"AutoScalingGroupName": "group", "ServiceLinkedRoleARN": arn}
    may_not_pass(who, ("autoscaling", "UpdateAutoScalingGroup", changed), "AccessDenied")
