"""AWS's managed policies, as far as they speak of what can be asked of minicloud: exact actions, as AWS lists them.

A statement allows the actions that match one of its patterns, in IAM's names (`elasticloadbalancing:` for both versions of
the balancers' API). Left out is what is for other services and for roles that are linked to a service, and what holds for some
resources only: a policy allows no more here than it does with AWS. No policy that minicloud has denies anything.
"""

import functools
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

PREFIX = "arn:aws:iam::aws:policy/"
PASSING = "iam:PassRole"
_PREFIXES = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}


@dataclass(frozen=True)
class Statement:
    """What is allowed: `actions`, or all but `others`. With `passed_to`, roles may be passed to these services only."""

    actions: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    passed_to: tuple[str, ...] = ()

    def allows(self, action: str, service: str) -> bool:
        """Whether it allows an action; `service` is whom a role is passed to."""
        if self.passed_to and service not in self.passed_to:
            return False
        if self.others:
            return not _matches(action, self.others)
        return _matches(action, self.actions)


def _matches(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in patterns)


def _allow(actions: str) -> tuple[Statement, ...]:
    """One statement: services, each with its actions after a colon, separated by semicolons."""
    found: list[str] = []
    for part in actions.split(";"):
        service, _, names = part.strip().partition(":")
        found += [f"{service}:{name}" for name in names.split()]
    return (Statement(tuple(found)),)


_AUTO_SCALING_READS = (
    "ec2:DescribeAccountAttributes DescribeAvailabilityZones DescribeImages DescribeInstanceAttribute DescribeInstances "
    "DescribeKeyPairs DescribeLaunchTemplateVersions DescribePlacementGroups DescribeSecurityGroups "
    "DescribeSpotInstanceRequests DescribeSubnets DescribeVpcClassicLink"
)
_DOCUMENTS: dict[str, tuple[Statement, ...]] = {
    "AdministratorAccess": (Statement(("*",)),),
    "PowerUserAccess": (Statement(others=("iam:*", "organizations:*", "account:*")), *_allow("iam:ListRoles")),
    "ReadOnlyAccess": _allow(
        "acm:Describe* Get* List*; autoscaling:Describe* GetPredictiveScalingForecast; batch:Describe* List*; "
        "codebuild:BatchGet* Describe* Get* List*; ecs:Describe* List*; events:Describe* List* Test*; "
        "cloudwatch:Describe* GenerateQuery GenerateQueryResultsSummary Get* List*; dlm:Get*; "
        "ec2:Describe* Get* ListImagesInRecycleBin ListSnapshotsInRecycleBin SearchLocalGatewayRoutes "
        "SearchTransitGatewayRoutes; "
        "elasticloadbalancing:Describe*; iam:Generate* Get* List* Simulate*; lambda:Get* List*; sns:Check* Get* List*; "
        "sts:GetAccessKeyInfo GetCallerIdentity GetSessionToken; tag:DescribeReportCreation Get*"
    ),
    "AmazonEC2FullAccess": _allow("ec2:*; elasticloadbalancing:*; cloudwatch:*; autoscaling:*"),
    "AmazonEC2ReadOnlyAccess": _allow(
        "ec2:Describe* GetSecurityGroupsForVpc; elasticloadbalancing:Describe*; "
        "cloudwatch:ListMetrics GetMetricStatistics Describe*; autoscaling:Describe*"
    ),
    "AutoScalingFullAccess": _allow(
        f"autoscaling:*; cloudwatch:PutMetricAlarm; {_AUTO_SCALING_READS}; "
        "elasticloadbalancing:DescribeLoadBalancers DescribeTargetGroups"
    ),
    "AutoScalingReadOnlyAccess": _allow("autoscaling:Describe*"),
    "CloudWatchFullAccess": _allow("autoscaling:Describe*; cloudwatch:*; sns:*; iam:GetPolicy GetPolicyVersion GetRole"),
    "CloudWatchFullAccessV2": _allow(
        "autoscaling:DescribeAutoScalingGroups DescribePolicies; cloudwatch:*; iam:GetPolicy GetPolicyVersion GetRole; "
        "sns:CreateTopic ListSubscriptions ListSubscriptionsByTopic ListTopics Subscribe"
    ),
    "CloudWatchReadOnlyAccess": _allow(
        "autoscaling:Describe*; cloudwatch:BatchGet* Describe* GenerateQuery Get* List*; sns:Get* List*"
    ),
    "CloudWatchActionsEC2Access": _allow("cloudwatch:Describe*; ec2:Describe* RebootInstances StopInstances TerminateInstances"),
    "CloudWatchAgentServerPolicy": _allow("cloudwatch:PutMetricData; ec2:DescribeVolumes DescribeTags"),
    "ElasticLoadBalancingFullAccess": _allow(
        "elasticloadbalancing:*; ec2:DescribeAccountAttributes DescribeAddresses DescribeInternetGateways DescribeSecurityGroups "
        "DescribeSubnets DescribeVpcs DescribeVpcClassicLink DescribeInstances DescribeNetworkInterfaces "
        "DescribeClassicLinkInstances DescribeRouteTables DescribeCoipPools GetCoipPoolUsage GetSecurityGroupsForVpc "
        "DescribeVpcPeeringConnections DescribeAvailabilityZones"
    ),
    "ElasticLoadBalancingReadOnly": _allow(
        "elasticloadbalancing:Describe* Get*; ec2:DescribeInstances DescribeClassicLinkInstances DescribeSecurityGroups"
    ),
    "AWSCertificateManagerFullAccess": _allow("acm:*"),
    "AWSCertificateManagerReadOnly": _allow(
        "acm:DescribeCertificate ListCertificates GetCertificate ListTagsForCertificate GetAccountConfiguration"
    ),
    "IAMFullAccess": _allow("iam:*"),
    "IAMReadOnlyAccess": _allow(
        "iam:GenerateCredentialReport GenerateServiceLastAccessedDetails Get* List* SimulateCustomPolicy SimulatePrincipalPolicy"
    ),
    "AmazonSNSFullAccess": _allow("sns:*"),
    "service-role/AutoScalingNotificationAccessRole": _allow("sns:Publish"),
    "service-role/AmazonEC2SpotFleetTaggingRole": (
        *_allow(
            "ec2:DescribeImages DescribeSubnets RequestSpotInstances TerminateInstances DescribeInstanceStatus CreateTags "
            "RunInstances; elasticloadbalancing:RegisterInstancesWithLoadBalancer RegisterTargets"
        ),
        Statement((PASSING,), passed_to=("ec2.amazonaws.com",)),
    ),
    "service-role/AWSDataLifecycleManagerServiceRole": _allow(
        "ec2:CreateSnapshot CreateSnapshots DeleteSnapshot DescribeInstances DescribeVolumes DescribeSnapshots "
        "EnableFastSnapshotRestores DescribeFastSnapshotRestores DisableFastSnapshotRestores CopySnapshot "
        "ModifySnapshotAttribute DescribeSnapshotAttribute DescribeSnapshotTierStatus ModifySnapshotTier "
        "DescribeAvailabilityZones"
    ),
    "service-role/AWSDataLifecycleManagerServiceRoleForAMIManagement": _allow(
        "ec2:DescribeImages DescribeInstances DescribeImageAttribute DescribeVolumes DescribeSnapshots DeleteSnapshot "
        "ResetImageAttribute DeregisterImage CreateImage CopyImage ModifyImageAttribute EnableImageDeprecation "
        "DisableImageDeprecation"
    ),
}
NAMES = tuple(_DOCUMENTS)
"""The policies that there are, each with its path within AWS's own."""


def document(policy: str) -> dict[str, Any]:
    """A policy as AWS writes one. Raises KeyError for one that there is not."""
    return {"Version": "2012-10-17", "Statement": [_written(statement) for statement in _DOCUMENTS[policy]]}


def _written(statement: Statement) -> dict[str, Any]:
    which = {"NotAction": list(statement.others)} if statement.others else {"Action": list(statement.actions)}
    to = {"Condition": {"StringEquals": {"iam:PassedToService": list(statement.passed_to)}}} if statement.passed_to else {}
    return {"Effect": "Allow", **which, "Resource": "*", **to}


def action(service: str, operation: str) -> str:
    """IAM's name of an operation."""
    return f"{_PREFIXES.get(service, service)}:{operation}"


@functools.cache
def allows(policy: str, wanted: str, service: str = "") -> bool:
    """Whether a policy allows an action; one that there is not allows nothing."""
    return any(statement.allows(wanted, service) for statement in _DOCUMENTS.get(policy, ()))
