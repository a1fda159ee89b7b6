"""Tags of roles, instance profiles and server certificates, as Terraform and Ansible give them with every creation."""

from typing import Any

import pytest

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.errors import ApiError

from ..cloud_fixtures import Ec2

TRUST = '{"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
TAGS = [{"Key": "Of", "Value": "strangers"}, {"Key": "empty", "Value": ""}]
KINDS = {
    "Role": ("RoleName", {"AssumeRolePolicyDocument": TRUST}),
    "InstanceProfile": ("InstanceProfileName", {}),
}


def iam(cloud: Cloud, operation: str, **params: Any) -> dict[str, Any]:
    return api.call(cloud, "iam", operation, params)


def refused(cloud: Cloud, operation: str, **params: Any) -> str:
    with pytest.raises(ApiError) as caught:
        iam(cloud, operation, **params)
    return caught.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_the_life_of_tags(cloud: Cloud, kind: str) -> None:
    member, more = KINDS[kind]
    named = {member: "it"}
    assert iam(cloud, f"Create{kind}", **named, **more, Tags=TAGS)[kind]["Tags"] == TAGS
    assert iam(cloud, f"Get{kind}", **named)[kind]["Tags"] == TAGS
    assert "Tags" not in iam(cloud, f"List{kind}s")[f"{kind}s"][0]
    iam(cloud, f"Tag{kind}", **named, Tags=[{"Key": "OF", "Value": "us"}])
    assert iam(cloud, f"List{kind}Tags", **named) == {
        "Tags": [{"Key": "OF", "Value": "us"}, {"Key": "empty", "Value": ""}], "IsTruncated": False,
    }  # fmt: skip
    assert iam(cloud, f"List{kind}Tags", **named, MaxItems=1)["IsTruncated"]
    iam(cloud, f"Untag{kind}", **named, TagKeys=["of", "nothing"])
    assert iam(cloud, f"List{kind}Tags", **named)["Tags"] == [{"Key": "empty", "Value": ""}]
    iam(cloud, f"Delete{kind}", **named)
    iam(cloud, f"Create{kind}", **named, **more)
    assert "Tags" not in iam(cloud, f"Get{kind}", **named)[kind]


@pytest.mark.parametrize("kind", [*KINDS, "ServerCertificate"])
def test_of_what_is_not_there(cloud: Cloud, kind: str) -> None:
    named = {f"{kind}Name": "nobody"}
    assert refused(cloud, f"Tag{kind}", **named, Tags=TAGS) == "NoSuchEntity"
    assert refused(cloud, f"Untag{kind}", **named, TagKeys=["a"]) == "NoSuchEntity"
    assert refused(cloud, f"List{kind}Tags", **named) == "NoSuchEntity"


def test_tags_that_are_none(cloud: Cloud) -> None:
    iam(cloud, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    for tags, code in (
        ([{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}], "InvalidInput"),
        ([{"Key": "aws:a", "Value": ""}], "InvalidInput"),
        ([{"Key": "a", "Value": "no, not this"}], "ValidationError"),
        ([{"Key": f"k{number}", "Value": ""} for number in range(51)], "ValidationError"),
    ):
        assert refused(cloud, "TagRole", RoleName="r", Tags=tags) == code
    iam(cloud, "TagRole", RoleName="r", Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])
    assert refused(cloud, "TagRole", RoleName="r", Tags=[{"Key": "one-more", "Value": ""}]) == "LimitExceeded"
    iam(cloud, "TagRole", RoleName="r", Tags=[{"Key": "K7", "Value": "again"}])


def test_the_tagging_api_and_not_ec2_has_them(ec2: Ec2) -> None:
    def tagging(operation: str, **params: Any) -> dict[str, Any]:
        return api.call(ec2.cloud, "resourcegroupstaggingapi", operation, params)

    arn = iam(ec2.cloud, "CreateRole", RoleName="r", Path="/of/", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    assert tagging("TagResources", ResourceARNList=[arn], Tags={"Of": "us"})["FailedResourcesMap"] == {}
    found = tagging("GetResources", ResourceTypeFilters=["iam:role"])["ResourceTagMappingList"]
    assert found == [{"ResourceARN": arn, "Tags": [{"Key": "Of", "Value": "us"}]}]
    assert ec2("DescribeTags")["Tags"] == []
    detail = iam(ec2.cloud, "GetAccountAuthorizationDetails", Filter=["Role"])["RoleDetailList"][0]
    assert detail["Tags"] == [{"Key": "Of", "Value": "us"}]
    assert tagging("UntagResources", ResourceARNList=[arn], TagKeys=["Of"])["FailedResourcesMap"] == {}
    assert tagging("GetResources")["ResourceTagMappingList"] == []
    other = "arn:aws:iam::000000000000:user/u"
    assert tagging("TagResources", ResourceARNList=[other], Tags={"a": ""})["FailedResourcesMap"][other]["StatusCode"] == 400
