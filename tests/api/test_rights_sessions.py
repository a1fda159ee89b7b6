"""Sessions are of a role for good: by its unique id, not by its name. Over the wire, with boto3's signatures."""

import dataclasses
import datetime
import json
import time

import pytest

from minicloud.aws import access_keys, times
from minicloud.aws.access_keys import Session as Token
from minicloud.aws.client import Keys
from minicloud.http.metadata_credentials import Credentials
from minicloud.services.sts import sessions
from minicloud.state import master_key

from .rights_scene import Rights, Session, rights, trust

__all__ = ["rights"]

ADMIN = "AdministratorAccess"


def of_guest(rights: Rights, credentials: Credentials, instance_id: str) -> Session:
    """Who an instance is, by what the metadata service gives it."""
    found = json.loads(credentials.of(instance_id, "strong"))
    return Session(rights.served, Keys(found["AccessKeyId"], found["SecretAccessKey"], found["Token"]), "strong")


def renewed(rights: Rights) -> None:
    """The role in the profile is deleted and made again under its name."""
    both = {"InstanceProfileName": "strong", "RoleName": "strong"}
    rights.root("iam", "RemoveRoleFromInstanceProfile", **both)
    rights.delete("strong")
    rights.role("strong", ADMIN, to=("ec2.amazonaws.com",))
    rights.root("iam", "AddRoleToInstanceProfile", **both)


def test_a_session_ends_with_its_role_and_is_nothing_to_another_of_the_same_name(rights: Rights) -> None:
    who = rights.session(ADMIN)
    who("ec2", "DescribeVpcs")
    rights.delete(who.role)
    assert who.refused("ec2", "DescribeVpcs")[0] == "AuthFailure"
    again = rights.assume(who.role, rights.role(who.role, ADMIN))
    assert who.refused("ec2", "DescribeVpcs")[0] == "AuthFailure"
    assert who.refused("iam", "ListRoles")[0] == "InvalidClientTokenId"
    assert who.refused("sts", "GetCallerIdentity")[0] == "InvalidClientTokenId"
    again("ec2", "DescribeVpcs")


def test_credentials_of_a_guest_are_of_the_role_that_is_in_its_profile(rights: Rights) -> None:
    instance_id, credentials = rights.instance(IamInstanceProfile={"Name": "strong"}), Credentials(rights.served.cloud)
    before = of_guest(rights, credentials, instance_id)
    before("ec2", "DescribeVpcs")
    renewed(rights)
    assert before.refused("ec2", "DescribeVpcs")[0] == "AuthFailure"
    after = of_guest(rights, credentials, instance_id)
    after("ec2", "DescribeVpcs")
    assert of_guest(rights, credentials, instance_id).keys == after.keys


def test_a_role_that_does_not_let_ec2_in_is_not_given_to_guests(rights: Rights) -> None:
    instance_id = rights.instance(IamInstanceProfile={"Name": "strong"})
    rights.root("iam", "UpdateAssumeRolePolicy", RoleName="strong", PolicyDocument=trust("dlm.amazonaws.com"))
    assert json.loads(Credentials(rights.served.cloud).of(instance_id, "strong"))["Code"] == "AssumeRoleUnauthorizedAccess"


@pytest.mark.parametrize("source", ["", "i-0123456789abcdef0"])
def test_tokens_of_an_older_minicloud_are_good_for_roles_that_are_older_than_they(rights: Rights, source: str) -> None:
    """Such a token names its role by name only."""
    cloud = rights.served.cloud
    master, lasts = master_key.load(cloud.settings.home), sessions.GUEST_SECONDS if source else sessions.LONGEST
    begun = int(time.time()) - 600
    made = Token(access_keys.new_id(access_keys.SESSION), begun + lasts, "", "strong", "me", source)
    old = {name: value for name, value in dataclasses.asdict(made).items() if name != "role_id"}
    sealed = access_keys.seal(master, made)
    head = access_keys._encode(json.dumps(old, separators=(",", ":")).encode())
    token = f"{head}.{access_keys._encode(access_keys._mac(master, access_keys._decode(head)))}"
    assert access_keys.unseal(master, token) == access_keys.unseal(master, sealed)
    for created, good in ((begun - 60, True), (begun + 60, False)):
        cloud.state.roles.change("strong", created=times.text(created))
        assert (sessions.recognize(cloud, made.access_key, token, time.time()) is not None) == good


def test_what_a_session_may_is_looked_up_at_each_request(rights: Rights) -> None:
    who = rights.session("AmazonEC2ReadOnlyAccess")
    who("ec2", "DescribeVpcs")
    rights.without(who.role)
    assert who.refused("ec2", "DescribeVpcs")[0] == "UnauthorizedOperation"
    assert who("sts", "GetCallerIdentity")["Arn"].endswith(f":assumed-role/{who.role}/me")


def test_an_access_key_that_is_gone_takes_its_sessions_along(rights: Rights) -> None:
    made = rights.root("iam", "CreateAccessKey")["AccessKey"]
    key = Session(rights.served, Keys(made["AccessKeyId"], made["SecretAccessKey"]), "")
    arn = rights.role("r", ADMIN)
    found = key("sts", "AssumeRole", RoleArn=arn, RoleSessionName="me")["Credentials"]
    assert found["Expiration"] > datetime.datetime.now(datetime.UTC)
    who = Session(rights.served, Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]), "r")
    who("ec2", "DescribeVpcs")
    rights.root("iam", "DeleteAccessKey", AccessKeyId=made["AccessKeyId"])
    assert who.refused("ec2", "DescribeVpcs")[0] == "AuthFailure"
