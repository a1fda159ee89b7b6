"""Credentials of an instance's role: given out by the metadata service, taken by botocore, good at the endpoint."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.utils import InstanceMetadataFetcher

from minicloud import api
from minicloud.aws.client import Keys
from minicloud.http.metadata_credentials import Credentials
from minicloud.services.sts import sessions

from ..endpoint_fixtures import Served, error_of
from .metadata_guest import Guest, walk

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
POLICY = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"


def iam(guest: Guest, operation: str, **params: Any) -> dict[str, Any]:
    return api.call(guest.ec2.cloud, "iam", operation, params)


@pytest.fixture
def profiled(guest: Guest) -> Guest:
    """An instance whose profile has a role that may only look."""
    iam(guest, "CreateRole", RoleName="looker", AssumeRolePolicyDocument=TRUST)
    iam(guest, "AttachRolePolicy", RoleName="looker", PolicyArn=POLICY)
    iam(guest, "CreateInstanceProfile", InstanceProfileName="looks")
    iam(guest, "AddRoleToInstanceProfile", InstanceProfileName="looks", RoleName="looker")
    guest.ec2("AssociateIamInstanceProfile", InstanceId=guest.instance_id, IamInstanceProfile={"Name": "looks"})
    return guest


def fetched(guest: Guest) -> dict[str, str]:
    found: dict[str, str] = InstanceMetadataFetcher(
        base_url=f"http://127.0.0.1:{guest.port}/", num_attempts=1
    ).retrieve_iam_role_credentials()
    return found


def test_the_tree(profiled: Guest) -> None:
    status, info = profiled.get("/latest/meta-data/iam/info")
    assert status == 200
    assert json.loads(info)["InstanceProfileArn"] == "arn:aws:iam::000000000000:instance-profile/looks"
    assert profiled.get("/latest/meta-data/iam/security-credentials/")[1] == "looker"
    document = json.loads(profiled.get("/latest/meta-data/iam/security-credentials/looker")[1])
    assert (document["Code"], document["Type"], document["AccessKeyId"][:4]) == ("Success", "AWS-HMAC", "ASIA")
    assert profiled.get("/latest/meta-data/iam/security-credentials/other")[0] == 404
    assert "iam/security-credentials/looker" in dict(walk(profiled, "/latest/meta-data/"))


def test_they_stay_the_same_until_they_are_to_end(profiled: Guest) -> None:
    now = [time.time()]
    kept = Credentials(profiled.ec2.cloud, lambda: now[0])
    first = kept.of(profiled.instance_id, "looker")
    now[0] += sessions.GUEST_SECONDS - 2 * 3600
    assert kept.of(profiled.instance_id, "looker") == first
    now[0] += 3601
    assert json.loads(kept.of(profiled.instance_id, "looker"))["AccessKeyId"] != json.loads(first)["AccessKeyId"]


def test_there_is_none_without_a_profile(guest: Guest) -> None:
    assert guest.get("/latest/meta-data/iam/info")[0] == 404
    assert fetched(guest) == {}


def test_they_go_with_the_profile(profiled: Guest) -> None:
    found = profiled.ec2("DescribeIamInstanceProfileAssociations")["IamInstanceProfileAssociations"][0]
    profiled.ec2("DisassociateIamInstanceProfile", AssociationId=found["AssociationId"])
    assert profiled.get("/latest/meta-data/iam/security-credentials/looker")[0] == 404


def test_they_are_good_at_the_endpoint_and_for_what_the_role_may_do(profiled: Guest, served: Served) -> None:
    found = fetched(profiled)
    assert found["role_name"] == "looker"
    keys = Keys(found["access_key"], found["secret_key"], found["token"])
    who = served.boto("sts", keys).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::000000000000:assumed-role/looker/{profiled.instance_id}"
    assert served.boto("ec2", keys).describe_instances()["Reservations"]
    with pytest.raises(ClientError) as refused:
        served.boto("ec2", keys).terminate_instances(InstanceIds=[profiled.instance_id])
    assert error_of(refused) == ("UnauthorizedOperation", 403)
