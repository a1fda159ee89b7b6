"""What tools that look through an account ask IAM first: who there is, which policies there are, who has them."""

import csv
import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud.aws import managed_policies
from tests.endpoint_fixtures import Served, error_of

from .rights_scene import trust

READ = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"


@pytest.fixture
def iam(served: Served) -> Any:
    client = served.boto("iam")
    client.create_role(RoleName="reader", AssumeRolePolicyDocument=trust())
    client.attach_role_policy(RoleName="reader", PolicyArn=READ)
    client.create_instance_profile(InstanceProfileName="web")
    return client


def test_nobody_but_the_account(iam: Any) -> None:
    assert iam.list_users()["Users"] == iam.list_groups()["Groups"] == iam.list_account_aliases()["AccountAliases"] == []
    assert iam.list_users()["IsTruncated"] is False
    assert list(iam.get_paginator("list_users").paginate().search("Users[]")) == []
    assert iam.list_mfa_devices(UserName="root")["MFADevices"] == iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.get_user()["User"]["Arn"].endswith(":root")
    summary = iam.get_account_summary()["SummaryMap"]
    there = (summary["Users"], summary["Roles"], summary["InstanceProfiles"], summary["AccountAccessKeysPresent"])
    assert there == (0, 1, 1, 1)
    assert (
        iam.list_role_tags(RoleName="reader")["Tags"] == iam.list_instance_profile_tags(InstanceProfileName="web")["Tags"] == []
    )


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_user", {"UserName": "me"}),
        ("list_mfa_devices", {"UserName": "me"}),
        ("list_attached_user_policies", {"UserName": "me"}),
        ("get_group", {"GroupName": "admins"}),
        ("list_role_tags", {"RoleName": "nobody"}),
        ("get_role_policy", {"RoleName": "reader", "PolicyName": "inline"}),
        ("get_policy", {"PolicyArn": "arn:aws:iam::aws:policy/Nothing"}),
        ("get_policy_version", {"PolicyArn": READ, "VersionId": "v7"}),
        ("get_account_password_policy", {}),
        ("get_saml_provider", {"SAMLProviderArn": "arn:aws:iam::000000000000:saml-provider/x"}),
    ],
)
def test_what_there_is_not(iam: Any, operation: str, params: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(iam, operation)(**params)
    assert error_of(caught) == ("NoSuchEntity", 404)


def test_policies_and_who_has_them(iam: Any) -> None:
    pages = iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 7})
    every = {policy["Arn"]: policy for page in pages for policy in page["Policies"]}
    assert len(every) == len(managed_policies.NAMES)
    assert [policy["Arn"] for policy in iam.list_policies(OnlyAttached=True)["Policies"]] == [READ]
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert every["arn:aws:iam::aws:policy/service-role/AmazonEC2SpotFleetTaggingRole"]["Path"] == "/service-role/"
    assert iam.get_policy(PolicyArn=READ)["Policy"]["AttachmentCount"] == 1
    roles = iam.list_entities_for_policy(PolicyArn=READ)["PolicyRoles"]
    assert [role["RoleName"] for role in roles] == ["reader"]
    version = iam.list_policy_versions(PolicyArn=READ)["Versions"][0]["VersionId"]
    document = iam.get_policy_version(PolicyArn=READ, VersionId=version)["PolicyVersion"]["Document"]
    document = json.loads(document) if isinstance(document, str) else document
    assert "ec2:Describe*" in document["Statement"][0]["Action"]
    power = managed_policies.document("PowerUserAccess")["Statement"][0]
    assert power["NotAction"] == ["iam:*", "organizations:*", "account:*"]


def test_the_credential_report_is_a_table_with_one_line(iam: Any) -> None:
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    (line,) = csv.DictReader(io.StringIO(report["Content"].decode()))
    assert (line["user"], line["mfa_active"], line["access_key_1_active"]) == ("<root_account>", "false", "true")
    assert (line["access_key_2_active"], line["cert_2_last_rotated"]) == ("false", "N/A")
    key = iam.list_access_keys()["AccessKeyMetadata"][0]
    assert line["access_key_1_last_rotated"].startswith(f"{key['CreateDate']:%Y-%m-%dT%H:%M:%S}")


def test_all_roles_and_policies_at_once(iam: Any) -> None:
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="reader")
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1}))
    assert len(pages) == 2
    (role,) = [one for page in pages for one in page["RoleDetailList"]]
    (policy,) = [one for page in pages for one in page["Policies"]]
    assert (role["RoleName"], [one["InstanceProfileName"] for one in role["InstanceProfileList"]]) == ("reader", ["web"])
    assert (role["AttachedManagedPolicies"][0]["PolicyArn"], policy["Arn"]) == (READ, READ)
    assert policy["PolicyVersionList"][0]["IsDefaultVersion"]
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert (len(only["RoleDetailList"]), only["Policies"], only["UserDetailList"]) == (1, [], [])
