"""Amazon resource names that more than one service speaks of."""


def root(account_id: str) -> str:
    """Of the account itself."""
    return f"arn:aws:iam::{account_id}:root"


def role(account_id: str, path: str, name: str) -> str:
    """Of a role; `path` begins and ends with a slash."""
    return f"arn:aws:iam::{account_id}:role{path}{name}"


def assumed_role(account_id: str, role_name: str, session: str) -> str:
    """Of a session of a role."""
    return f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session}"


def instance_profile(account_id: str, path: str, name: str) -> str:
    """Of an instance profile; `path` begins and ends with a slash."""
    return f"arn:aws:iam::{account_id}:instance-profile{path}{name}"


def load_balancer(region: str, account_id: str, kind: str, name: str, digits: str) -> str:
    """Of a load balancer; `kind` application, network or classic (whose ARN has no digits)."""
    start = f"arn:aws:elasticloadbalancing:{region}:{account_id}:loadbalancer/"
    return start + (name if kind == "classic" else f"{_LB_KINDS[kind]}/{name}/{digits}")


_LB_KINDS = {"application": "app", "network": "net"}


def target_group(region: str, account_id: str, name: str, digits: str) -> str:
    """Of a target group."""
    return f"arn:aws:elasticloadbalancing:{region}:{account_id}:targetgroup/{name}/{digits}"


def listener(load_balancer_arn: str, digits: str) -> str:
    """Of a listener of a balancer."""
    return f"{load_balancer_arn.replace(':loadbalancer/', ':listener/', 1)}/{digits}"


def rule(listener_arn: str, digits: str) -> str:
    """Of a rule of a listener."""
    return f"{listener_arn.replace(':listener/', ':listener-rule/', 1)}/{digits}"
