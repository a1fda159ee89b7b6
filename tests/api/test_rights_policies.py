"""AWS's managed policies, by their exact actions: policy x operation, at the door."""

import pytest

from minicloud import api, callers
from minicloud.aws import managed_policies
from minicloud.callers import Caller, Principal
from minicloud.errors import ApiError

from .rights_scene import Rights, shared

__all__ = ["shared"]

SECRETS = {
    ("ec2", "GetConsoleOutput"),
    ("ec2", "GetConsoleScreenshot"),
    ("ec2", "GetPasswordData"),
    ("ec2", "GetLaunchTemplateData"),
}
"""What instances said and were told; AWS gives it to those with `ec2:Get*` only, which of its read-only policies is one."""
READS = ("Describe", "Get", "List", "Search", "Generate")
TABLE = [
    ("AmazonEC2ReadOnlyAccess", "ec2:DescribeInstances DescribeInstanceAttribute GetSecurityGroupsForVpc; elbv2:DescribeRules; "
     "cloudwatch:ListMetrics GetMetricStatistics DescribeAlarms; autoscaling:DescribePolicies",
     "ec2:GetConsoleOutput GetConsoleScreenshot GetPasswordData GetLaunchTemplateData GetCapacityReservationUsage RunInstances; "
     "cloudwatch:GetMetricData GetDashboard ListDashboards PutMetricAlarm; iam:ListRoles; dlm:GetLifecyclePolicies; "
     "acm:ListCertificates"),
    ("ReadOnlyAccess", "ec2:DescribeInstances DescribeNatGateways GetConsoleOutput GetPasswordData SearchTransitGatewayRoutes; "
     "lambda:ListFunctions; resourcegroupstaggingapi:GetResources; dlm:GetLifecyclePolicies; iam:ListAccessKeys; "
     "acm:GetCertificate; cloudwatch:GetMetricData; elb:DescribeLoadBalancers",
     "ec2:CreateTags; resourcegroupstaggingapi:TagResources; "
     "dlm:ListTagsForResource; sts:AssumeRole; iam:CreateAccessKey; cloudwatch:SetAlarmState"),
    ("PowerUserAccess", "ec2:RunInstances; dlm:CreateLifecyclePolicy; acm:ImportCertificate; iam:ListRoles",
     "iam:CreateRole GetRole ListAccessKeys AttachRolePolicy"),
    ("AmazonEC2FullAccess", "ec2:TerminateInstances; elb:CreateLoadBalancer; elbv2:CreateRule; autoscaling:ExecutePolicy; "
     "cloudwatch:PutMetricAlarm", "iam:ListRoles; dlm:GetLifecyclePolicies; acm:ListCertificates; sts:AssumeRole"),
    ("CloudWatchFullAccess", "cloudwatch:SetAlarmState; autoscaling:DescribePolicies; iam:GetRole",
     "ec2:DescribeInstances; autoscaling:ExecutePolicy; iam:ListRoles"),
    ("CloudWatchFullAccessV2", "cloudwatch:SetAlarmState; autoscaling:DescribePolicies DescribeAutoScalingGroups",
     "ec2:StopInstances; autoscaling:DescribeLifecycleHooks"),
    ("CloudWatchReadOnlyAccess", "cloudwatch:GetDashboard; autoscaling:DescribePolicies",
     "cloudwatch:PutMetricData EnableAlarmActions; ec2:DescribeInstances"),
    ("CloudWatchActionsEC2Access", "ec2:StopInstances TerminateInstances RebootInstances DescribeVolumes",
     "ec2:StartInstances GetConsoleOutput; cloudwatch:PutMetricAlarm"),
    ("CloudWatchAgentServerPolicy", "cloudwatch:PutMetricData; ec2:DescribeVolumes DescribeTags",
     "cloudwatch:GetMetricData; ec2:DescribeInstances"),
    ("ElasticLoadBalancingFullAccess", "elbv2:RegisterTargets; elb:CreateLoadBalancer; ec2:DescribeInstances DescribeSubnets",
     "ec2:DescribeImages RunInstances; autoscaling:AttachLoadBalancers; acm:ListCertificates"),
    ("ElasticLoadBalancingReadOnly", "elbv2:DescribeRules; ec2:DescribeInstances DescribeSecurityGroups",
     "elbv2:CreateRule; ec2:DescribeVpcs"),
    ("AutoScalingFullAccess", "autoscaling:CreateAutoScalingGroup; cloudwatch:PutMetricAlarm; ec2:DescribeInstances",
     "ec2:RunInstances TerminateInstances; cloudwatch:DeleteAlarms SetAlarmState; elbv2:RegisterTargets"),
    ("AutoScalingReadOnlyAccess", "autoscaling:DescribePolicies", "autoscaling:ExecutePolicy; ec2:DescribeInstances"),
    ("AWSCertificateManagerFullAccess", "acm:ImportCertificate", "iam:GetRole; elbv2:DescribeListeners"),
    ("AWSCertificateManagerReadOnly", "acm:ListCertificates GetCertificate DescribeCertificate ListTagsForCertificate",
     "acm:ImportCertificate ListTagsForResource"),
    ("IAMFullAccess", "iam:CreateAccessKey AttachRolePolicy", "ec2:DescribeInstances; sts:AssumeRole"),
    ("IAMReadOnlyAccess", "iam:GetRole ListAccessKeys", "iam:CreateAccessKey DeleteRole"),
    ("service-role/AWSDataLifecycleManagerServiceRole", "ec2:CreateSnapshot CreateSnapshots DeleteSnapshot",
     "ec2:CreateImage CreateTags DeleteVolume TerminateInstances"),
    ("service-role/AWSDataLifecycleManagerServiceRoleForAMIManagement", "ec2:CreateImage DeregisterImage EnableImageDeprecation",
     "ec2:CreateSnapshot CreateTags RunInstances"),
]  # fmt: skip


def caller(*policies: str) -> Caller:
    arn = "arn:aws:sts::000000000000:assumed-role/r/me"
    return Caller(arn, "AROA:me", principals=(Principal("AROA:me", arn, policies),))


def operations(text: str) -> list[tuple[str, str]]:
    parts = (part.strip().partition(":") for part in text.split(";"))
    return [(service, name) for service, _, names in parts for name in names.split()]


@pytest.mark.parametrize(("policy", "allowed", "denied"), TABLE, ids=[row[0] for row in TABLE])
def test_policies_allow_what_aws_lists(policy: str, allowed: str, denied: str) -> None:
    who = caller(policy)
    for service, name in operations(allowed):
        assert name in api.operations(service)
        callers.authorize(who, service, name)
    for service, name in operations(denied):
        assert name in api.operations(service)
        with pytest.raises(ApiError) as caught:
            callers.authorize(who, service, name)
        assert caught.value.code in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")


@pytest.mark.parametrize("policy", [name for name in managed_policies.NAMES if "ReadOnly" in name])
def test_who_only_reads_changes_nothing_and_reads_no_secrets(policy: str) -> None:
    who = caller(policy)
    may = {
        (service, name)
        for service in api.services()
        for name in api.operations(service)
        if not callers.lacking(who, managed_policies.action(service, name))
    }
    assert may
    # GetSessionToken gives a session no more than it has: it is refused to sessions.
    assert not {(service, name) for service, name in may if not name.startswith(READS)}
    assert not may & SECRETS or policy == "ReadOnlyAccess"


def test_roles_are_passed_to_whom_a_policy_names_only() -> None:
    fleet, ec2 = "service-role/AmazonEC2SpotFleetTaggingRole", "ec2.amazonaws.com"
    for policy, to, may in (
        ("AdministratorAccess", ec2, True), ("IAMFullAccess", ec2, True), (fleet, ec2, True), (fleet, "dlm.amazonaws.com", False),
        ("PowerUserAccess", ec2, False), ("AmazonEC2FullAccess", ec2, False), ("AutoScalingFullAccess", ec2, False),
        ("CloudWatchFullAccessV2", ec2, False),
    ):  # fmt: skip
        assert (callers.lacking(caller(policy), managed_policies.PASSING, to) == "") == may


def test_joint_callers_may_what_all_of_them_may(shared: Rights) -> None:
    cloud = shared.served.cloud
    ids = []
    for name, policy in (("a", "AmazonEC2ReadOnlyAccess"), ("b", "CloudWatchAgentServerPolicy")):
        shared.role(name, policy)
        (row,) = cloud.state.roles.find(name=name)
        ids.append(f"{row.id}:me")
    both = callers.acting(cloud, callers.joined(ids, ids[:1]))
    assert callers.makers(both) == ids
    callers.authorize(both, "ec2", "DescribeVolumes")
    for name, who in (("DescribeVpcs", "/b/"), ("CreateTags", "/a/")):
        with pytest.raises(ApiError, match=f"assumed-role{who}me"):
            callers.authorize(both, "ec2", name)
    nobody = callers.acting(cloud, [])
    assert nobody.arn == "arn:aws:iam::000000000000:root"
    callers.authorize(nobody, "iam", "CreateAccessKey")


def test_a_reader_of_ec2_gets_no_console_no_screenshot_and_no_password(shared: Rights) -> None:
    instance_id, who = shared.instance(), shared.session("AmazonEC2ReadOnlyAccess")
    for _, name in sorted(SECRETS):
        code, message = who.refused("ec2", name, InstanceId=instance_id)
        assert code == "UnauthorizedOperation"
        assert f"is not authorized to perform: ec2:{name}" in message
        assert who.refused("ec2", name, InstanceId=instance_id, DryRun=True)[0] == "UnauthorizedOperation"


def test_policies_of_services_are_attached_by_their_whole_arn(shared: Rights) -> None:
    shared.role("r", "service-role/AWSDataLifecycleManagerServiceRole")
    (shown,) = shared.root("iam", "ListAttachedRolePolicies", RoleName="r")["AttachedPolicies"]
    assert shown == {
        "PolicyName": "AWSDataLifecycleManagerServiceRole",
        "PolicyArn": "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole",
    }
    with pytest.raises(ApiError, match="does not exist"):
        shared.role("s", "AWSDataLifecycleManagerServiceRole")
