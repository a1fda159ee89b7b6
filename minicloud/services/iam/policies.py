"""What a role may do: a few of AWS's own managed policies, by what they come down to here.

Policies that are written in JSON are not evaluated, so they are refused when they are attached: a role that seems to be
allowed less than it is would be worse than none. A role without policies may do nothing but ask who it is.
"""

from collections.abc import Callable

from ...api import Answer, Call, Caller, operation
from ...aws import model, refusals
from ...errors import ApiError
from . import roles
from .pages import page

_READS = ("Describe", "Get", "List")
_BALANCERS = ("elb", "elbv2")
_EC2 = ("ec2", "elb", "elbv2", "autoscaling", "cloudwatch")
_AGENT = {("cloudwatch", "PutMetricData"), ("ec2", "DescribeVolumes"), ("ec2", "DescribeTags")}
_PREFIX = "arn:aws:iam::aws:policy/"
_ALLOWS: dict[str, Callable[[str, str], bool]] = {
    "AdministratorAccess": lambda _service, _name: True,
    "PowerUserAccess": lambda service, _name: service not in ("iam", "sts"),
    "ReadOnlyAccess": lambda service, name: service != "sts" and name.startswith(_READS),
    "AmazonEC2FullAccess": lambda service, _name: service in _EC2,
    "CloudWatchFullAccess": lambda service, _name: service == "cloudwatch",
    "CloudWatchFullAccessV2": lambda service, _name: service == "cloudwatch",
    "CloudWatchReadOnlyAccess": lambda service, name: service == "cloudwatch" and name.startswith(_READS),
    "CloudWatchAgentServerPolicy": lambda service, name: (service, name) in _AGENT,
    "AmazonEC2ReadOnlyAccess": lambda service, name: service in _EC2 and name.startswith(_READS),
    "ElasticLoadBalancingFullAccess": lambda service, _name: service in _BALANCERS,
    "ElasticLoadBalancingReadOnly": lambda service, name: service in _BALANCERS and name.startswith(_READS),
    "AWSCertificateManagerFullAccess": lambda service, _name: service == "acm",
    "AWSCertificateManagerReadOnly": lambda service, name: service == "acm" and name.startswith(_READS),
}


def authorize(caller: Caller, service: str, name: str) -> None:
    """Refuse what the caller may not do. Raises ApiError (UnauthorizedOperation of EC2, AccessDenied of most others)."""
    if caller.policies is None or (service, name) == ("sts", "GetCallerIdentity"):
        return
    if any(_ALLOWS[policy](service, name) for policy in caller.policies if policy in _ALLOWS):
        return
    raise refusals.of(model.service(service)).denied(caller.arn, f"{service}:{name}")


def _known(arn: str) -> str:
    name = arn.removeprefix(_PREFIX)
    if not arn.startswith(_PREFIX) or name not in _ALLOWS:
        raise ApiError(
            "NoSuchEntity",
            f"Policy {arn} does not exist or is not attachable. minicloud has: {', '.join(_PREFIX + known for known in _ALLOWS)}",
            404,
        )
    return name


@operation()
def attach_role_policy(call: Call, *, role_name: str, policy_arn: str) -> Answer:
    """AttachRolePolicy."""
    role, name = roles.existing(call, role_name), _known(policy_arn)
    call.cloud.state.roles.change(role.name, policies=list(dict.fromkeys([*role.policies, name])))
    return {}


@operation()
def detach_role_policy(call: Call, *, role_name: str, policy_arn: str) -> Answer:
    """DetachRolePolicy: it holds at once, for sessions that there are too."""
    role, name = roles.existing(call, role_name), policy_arn.removeprefix(_PREFIX)
    if name not in role.policies:
        raise ApiError("NoSuchEntity", f"Policy {policy_arn} was not found.", 404)
    call.cloud.state.roles.change(role.name, policies=[kept for kept in role.policies if kept != name])
    return {}


@operation()
def list_attached_role_policies(call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListAttachedRolePolicies."""
    found = roles.existing(call, role_name).policies
    views = [{"PolicyName": name, "PolicyArn": _PREFIX + name} for name in found]
    return page("AttachedPolicies", views, lambda view: view["PolicyName"], marker, max_items)


@operation()
def list_role_policies(call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListRolePolicies: inline policies, of which there are none."""
    roles.existing(call, role_name)
    return page("PolicyNames", [], str, marker, max_items)
