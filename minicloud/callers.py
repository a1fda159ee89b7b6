"""Who asks, and what they may do: the account itself, a session of a role, or a service that acts for whoever made something.

- A row that acts later (an alarm, a group, a launch template's version) keeps its `makers`: the principals that are behind
  what it does, none for the account itself. What it does is allowed if all of them may do it, at that moment.
- A principal is a role by its unique id. A role that is made again under the same name is another one; who made something as
  the one that is gone may do nothing any more.
- A role is handed to a service only by who may pass it (iam:PassRole).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .aws import arns, managed_policies, model, refusals
from .aws.managed_policies import PASSING
from .cloud import Cloud
from .state.rows_access import Role

_FOR_EVERYBODY = {"sts:GetCallerIdentity"}


@dataclass(frozen=True)
class Principal:
    """A session of a role: AWS's user id (the role's id, a colon, the session's name), its ARN, and the role's policies now."""

    id: str
    arn: str
    policies: tuple[str, ...]

    def may(self, action: str, service: str = "") -> bool:
        """Whether one of its policies allows an action; `service` is whom a role is passed to."""
        return any(managed_policies.allows(policy, action, service) for policy in self.policies)


@dataclass(frozen=True)
class Caller:
    """Who asks. Without `principals` it is the account itself, which may do everything; else what all of them may do."""

    arn: str
    user_id: str
    access_key: str = ""
    principals: tuple[Principal, ...] = ()


def root(cloud: Cloud, access_key: str = "") -> Caller:
    """The account itself."""
    account = cloud.settings.account_id
    return Caller(arns.root(account), account, access_key)


def of_session(cloud: Cloud, role: Role, name: str, access_key: str) -> Caller:
    """A session of a role."""
    principal = _principal(cloud, role, name)
    return Caller(principal.arn, principal.id, access_key, (principal,))


def _principal(cloud: Cloud, role: Role, name: str) -> Principal:
    arn = arns.assumed_role(cloud.settings.account_id, role.name, name)
    return Principal(f"{role.id}:{name}", arn, tuple(role.policies))


def makers(caller: Caller | None) -> list[str]:
    """What is kept of a caller in what it makes."""
    return [principal.id for principal in caller.principals] if caller else []


def joined(*parts: Iterable[str]) -> list[str]:
    """The makers of all parts, each once: for what several had a hand in."""
    return list(dict.fromkeys(maker for part in parts for maker in part))


def acting(cloud: Cloud, made_by: Iterable[str], arn: str = "", user_id: str = "") -> Caller:
    """Whoever acts for these makers, under an ARN and a user id of its own."""
    found = tuple(_maker(cloud, maker) for maker in made_by)
    first = found[0] if found else root(cloud)
    own = first.id if isinstance(first, Principal) else first.user_id
    return Caller(arn or first.arn, user_id or own, principals=found)


def _maker(cloud: Cloud, maker: str) -> Principal:
    role_id, _, name = maker.partition(":")
    roles = cloud.state.roles.find(id=role_id)
    # AWS, too, shows the id of a principal that is gone.
    return _principal(cloud, roles[0], name) if roles else Principal(maker, maker, ())


def lacking(caller: Caller | None, action: str, service: str = "") -> str:
    """The ARN of the first principal that may not do an action; empty where it may be done."""
    if caller is None or action in _FOR_EVERYBODY:
        return ""
    return next((principal.arn for principal in caller.principals if not principal.may(action, service)), "")


def check(caller: Caller | None, service: str, action: str, resource: str = "") -> None:
    """Refuse, in the words of a service, what a caller may not do. Raises ApiError (UnauthorizedOperation, AccessDenied, ...)."""
    if who := lacking(caller, action):
        raise refusals.of(model.service(service)).denied(who, action, resource)


def authorize(caller: Caller | None, service: str, operation: str) -> None:
    """The same for an operation."""
    check(caller, service, managed_policies.action(service, operation))


def check_pass(caller: Caller | None, service: str, role_arn: str, to: str) -> None:
    """Refuse, in the words of a service, to pass a role on to `to` (ec2.amazonaws.com) if the caller may not. Raises ApiError."""
    if who := lacking(caller, PASSING, to):
        raise refusals.of(model.service(service)).denied(who, PASSING, role_arn)
