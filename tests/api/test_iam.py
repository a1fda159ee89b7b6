"""IAM and STS through boto3: pages, waiters, and refusals in the codes of the query protocol."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.endpoint_fixtures import Served, error_of

TRUST = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}}'
)
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
LONG = "x" * 65


@pytest.fixture
def iam(served: Served) -> Any:
    return served.boto("iam")


def paged(iam: Any, operation: str, member: str, **params: Any) -> list[Any]:
    pages = iam.get_paginator(operation).paginate(**params, PaginationConfig={"PageSize": 2})
    found = [(page[member], page["IsTruncated"]) for page in pages]
    assert [more for _, more in found] == [True] * (len(found) - 1) + [False]
    assert all(len(items) <= 2 for items, _ in found)
    return [item for items, _ in found for item in items]


def test_lists_come_in_pages_that_survive_changes(served: Served, iam: Any) -> None:
    for number in range(5):
        iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=TRUST)
        iam.create_instance_profile(InstanceProfileName=f"p{number}")
        iam.add_role_to_instance_profile(InstanceProfileName=f"p{number}", RoleName="r0")
        iam.create_access_key()
    for name in ("AmazonEC2ReadOnlyAccess", "ReadOnlyAccess", "PowerUserAccess"):
        iam.attach_role_policy(RoleName="r0", PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    assert [role["RoleName"] for role in paged(iam, "list_roles", "Roles")] == [f"r{number}" for number in range(5)]
    assert len(paged(iam, "list_instance_profiles", "InstanceProfiles")) == 5
    assert len(paged(iam, "list_instance_profiles_for_role", "InstanceProfiles", RoleName="r0")) == 5
    assert len(paged(iam, "list_attached_role_policies", "AttachedPolicies", RoleName="r0")) == 3
    assert paged(iam, "list_role_policies", "PolicyNames", RoleName="r0") == []
    assert len(paged(iam, "list_access_keys", "AccessKeyMetadata")) == 6
    first = iam.list_roles(MaxItems=2)
    iam.delete_role(RoleName="r1")
    iam.create_role(RoleName="r00", AssumeRolePolicyDocument=TRUST)
    rest = iam.list_roles(Marker=first["Marker"])["Roles"]
    assert [role["RoleName"] for role in rest] == ["r2", "r3", "r4"]


def test_waiters_wait(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="p")
    iam.get_waiter("role_exists").wait(RoleName="r", WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="p", WaiterConfig={"Delay": 1, "MaxAttempts": 2})


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("list_roles", {"Marker": "never given out"}, ("ValidationError", 400)),
        ("list_roles", {"MaxItems": 0}, ("ValidationError", 400)),
        ("list_roles", {"MaxItems": 1001}, ("ValidationError", 400)),
        ("get_role", {}, ("ValidationError", 400)),
        ("create_role", {"RoleName": LONG, "AssumeRolePolicyDocument": TRUST}, ("ValidationError", 400)),
        ("create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": TRUST}, ("ValidationError", 400)),
        ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{"}, ("MalformedPolicyDocument", 400)),
        ("update_access_key", {"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "Status": "Sleeping"}, ("ValidationError", 400)),
        ("get_role", {"RoleName": "nobody"}, ("NoSuchEntity", 404)),
        ("attach_role_policy", {"RoleName": "nobody", "PolicyArn": READ_ONLY}, ("NoSuchEntity", 404)),
        ("create_user", {"UserName": "me"}, ("UnsupportedOperation", 400)),
    ],
)
def test_refusals(iam: Any, operation: str, params: dict[str, Any], expected: tuple[str, int]) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(iam, operation)(**params)
    assert error_of(caught) == expected


def test_sts_refuses_in_the_same_family(served: Served) -> None:
    sts = served.boto("sts")
    for params in ({}, {"RoleArn": "x", "RoleSessionName": "session"}, {"RoleArn": "arn:aws:iam::000000000000:role/r"}):
        with pytest.raises(ClientError) as caught:
            sts.assume_role(**params)
        assert error_of(caught) == ("ValidationError", 400)
    with pytest.raises(ClientError) as caught:
        sts.get_session_token(DurationSeconds=1)
    assert error_of(caught) == ("ValidationError", 400)
