"""Rows of access: keys, roles, instance profiles, and of the launch templates and placement groups beside them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class AccessKey:
    """A long-term access key of the account. Its secret is derived, never kept."""

    id: str
    status: str
    created: str


@dataclass
class Role:
    """An IAM role: who may assume it (AWS's JSON text) and the AWS-managed policies that it has."""

    name: str
    id: str
    path: str
    description: str
    trust: str
    max_session: int
    created: str
    policies: list[str] = field(default_factory=list)


@dataclass
class InstanceProfile:
    """An instance profile, which holds one role at most."""

    name: str
    id: str
    path: str
    created: str
    role: str = ""


@dataclass
class ProfileAssociation:
    """An instance profile on an instance."""

    id: str
    instance_id: str
    profile: str
    created: str


@dataclass
class LaunchTemplate:
    """A launch template: names its default and its newest version. `makers` are who chose the default."""

    id: str
    name: str
    default_version: int
    latest_version: int
    created: str
    makers: list[str] = field(default_factory=list)


@dataclass
class LaunchTemplateVersion:
    """One version: parameters of RunInstances by AWS's names."""

    template_id: str
    version: int
    description: str
    data: dict[str, Any]
    created: str
    makers: list[str] = field(default_factory=list)


@dataclass
class PlacementGroup:
    """A placement group."""

    id: str
    name: str
    strategy: str
    created: str


@dataclass
class AccountSetting:
    """A setting of the account: a map, by its name."""

    name: str
    chosen: dict[str, Any]


@dataclass
class CapacityReservation:
    """Room for `count` instances of a type. `matches` is open or targeted, `state` active, cancelled or expired.

    `ended` is when it was cancelled.
    """

    id: str
    instance_type: str
    zone: str
    count: int
    matches: str
    state: str
    ends: str
    ebs_optimized: bool
    created: str
    ended: str = ""
