"""Refusals in EC2's own form, for every operation that has the parameter: read off the model, not listed."""

import base64
from typing import Any

import pytest

from minicloud import api
from minicloud.api import OperationDef
from minicloud.aws import page_rules, validate, wire
from minicloud.aws.model import Member
from minicloud.errors import ApiError

from ..cloud_fixtures import RUN, Ec2
from ..samples import sample

UNKNOWN = "0fedcba9876543210"
OPERATIONS = list(api.operations("ec2").values())
RULES = {found.name: rule for found in OPERATIONS if (rule := page_rules.of(found.model))}
NOT_WITH = {name: rule.not_with for name, rule in RULES.items() if rule.not_with}


def required(found: OperationDef) -> dict[str, Any]:
    """A value for each parameter that must be there."""
    shape = found.model.input_shape
    return {name: sample(shape.members[name].shape) for name in shape.required} if shape else {}


def refusal(found: OperationDef, given: dict[str, Any]) -> ApiError:
    """What is said before an operation runs."""
    try:
        validate.validate(found.model, given)
        page_rules.check(found.model, given)
    except ApiError as error:
        return error
    pytest.fail(f"{found.name} {given} is not refused")


def needed() -> list[tuple[OperationDef, Member]]:
    """Every parameter without which an operation is refused."""
    shapes = [(found, found.model.input_shape) for found in OPERATIONS]
    return [(found, shape.members[name]) for found, shape in shapes if shape for name in shape.required]


def chosen() -> list[tuple[OperationDef, Member]]:
    """Every parameter that is one of a set of values."""
    members = [(found, member) for found in OPERATIONS for member in found.model.input.values()]
    return [(found, one) for found, one in members if one.shape.enum and one.shape.name not in validate.ENUMS_OF_OPERATIONS]


def label(value: object) -> str:
    return value.name if isinstance(value, OperationDef | Member) else str(value)


@pytest.mark.parametrize(("found", "member"), needed(), ids=label)
def test_what_is_missing_is_called_as_requests_call_it(found: OperationDef, member: Member) -> None:
    name = wire.ec2_name(member.raw, member.name)
    nothing: list[Any] = [None, []] if member.shape.kind == "list" else [None]
    for value in nothing:
        error = refusal(found, {**required(found), member.name: value})
        if member.shape.name == "InstanceIdStringList":
            assert (error.code, error.message) == ("InvalidParameterCombination", "No instances specified")
        else:
            said = "resourceIdSet" if name.lower() == "resourceid" else name
            assert (error.code, error.message) == ("MissingParameter", f"The request must contain the parameter {said}")


def test_names_of_the_issue(ec2: Ec2) -> None:
    for operation, params, name in (
        ("CreateSecurityGroup", {"GroupName": "g"}, "GroupDescription"),
        ("CreateTags", {"Resources": [], "Tags": [{"Key": "a"}]}, "resourceIdSet"),
        ("DeleteTags", {"Resources": []}, "resourceIdSet"),
        ("ImportKeyPair", {"KeyName": "k"}, "PublicKeyMaterial"),
    ):
        with pytest.raises(ApiError, match=f"^MissingParameter: The request must contain the parameter {name}$"):
            api.call(ec2.cloud, "ec2", operation, params)


@pytest.mark.parametrize(("found", "member"), chosen(), ids=label)
def test_values_that_are_none_of_a_set(found: OperationDef, member: Member) -> None:
    error = refusal(found, {member.name: "no such", **{k: v for k, v in required(found).items() if k != member.name}})
    name = wire.ec2_name(member.raw, member.name)
    allowed = ", ".join(validate.BESIDE_ENUMS.get(member.shape.name, []) + member.shape.enum)
    assert error.message == f"Value (no such) for parameter {name} is invalid. Allowed: {allowed}."
    assert error.code == "InvalidParameterValue"


def test_there_are_pages_with_a_least_size_and_such_as_go_with_no_ids() -> None:
    assert {"DescribeInstances", "DescribeVolumes", "DescribeVpcs", "DescribeSubnets", "DescribeTags"} <= RULES.keys()
    assert NOT_WITH == {
        "DescribeHosts": "HostIds",
        "DescribeImages": "ImageIds",
        "DescribeInstanceCreditSpecifications": "InstanceIds",
        "DescribeInstanceEventWindows": "InstanceEventWindowIds",
        "DescribeInstanceStatus": "InstanceIds",
        "DescribeInstanceTopology": "InstanceIds",
        "DescribeInstances": "InstanceIds",
        "DescribeNetworkInterfaces": "NetworkInterfaceIds",
        "DescribeSecurityGroupRules": "SecurityGroupRuleIds",
        "DescribeSecurityGroups": "GroupIds",
        "DescribeSnapshots": "SnapshotIds",
        "DescribeVolumeStatus": "VolumeIds",
        "DescribeVolumes": "VolumeIds",
        "DescribeVpcs": "VpcIds",
    }


@pytest.mark.parametrize("name", RULES)
def test_pages_have_the_least_and_most_that_are_documented(name: str) -> None:
    found, rule = api.find("ec2", name), RULES[name]
    others = {key: value for key, value in required(found).items() if key != "MaxResults"}
    for most in (-1, rule.low - 1, *([rule.most + 1] if rule.bounded else [])):
        error = refusal(found, {"MaxResults": most, **others})
        assert error.code == "InvalidParameterValue"
        assert error.message.startswith(f"Value ( {most} ) for parameter ")
    for most in (rule.low, rule.most, *([] if rule.bounded else [rule.most + 1])):
        page_rules.check(found.model, {"MaxResults": most})


@pytest.mark.parametrize(
    ("name", "low"), [("DescribeInstances", 5), ("DescribeVolumes", 5), ("DescribeLaunchTemplates", 1), ("DescribeTags", 5)]
)
def test_least_sizes(name: str, low: int) -> None:
    assert RULES[name].low == low


@pytest.mark.parametrize("name", NOT_WITH)
def test_a_page_and_ids_exclude_each_other(name: str) -> None:
    found = api.find("ec2", name)
    error = refusal(found, {**required(found), "MaxResults": 20, NOT_WITH[name]: ["x"]})
    assert error.code == "InvalidParameterCombination"
    page_rules.check(found.model, {"MaxResults": 20, NOT_WITH[name]: []})
    page_rules.check(found.model, {NOT_WITH[name]: ["x"]})


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("DescribeInstances", {"InstanceIds": [f"i-{UNKNOWN}"]}, "instancesSet cannot be used with the parameter maxResults"),
        ("DescribeImages", {"ImageIds": [f"ami-{UNKNOWN}"]}, "imageIdsSet cannot be used with the parameter maxResults"),
        ("DescribeVolumes", {"VolumeIds": [f"vol-{UNKNOWN}"]}, "volumeSet cannot be used with the parameter maxResults"),
        ("DescribeSnapshots", {"SnapshotIds": [f"snap-{UNKNOWN}"]}, "snapshotSet cannot be used with the parameter maxResults"),
        ("DescribeVpcs", {"VpcIds": [f"vpc-{UNKNOWN}"]}, "VpcIds cannot be used with the parameter MaxResults"),
    ],
)
def test_their_words(ec2: Ec2, name: str, params: dict[str, Any], text: str) -> None:
    refused = ec2.refused(name, MaxResults=5, **params)
    assert (refused.code, refused.message) == ("InvalidParameterCombination", f"The parameter {text}")


def test_a_small_page_in_aws_words(ec2: Ec2) -> None:
    text = "Value ( 3 ) for parameter maxResults is invalid. Expecting a value greater than 5."
    assert ec2.refused("DescribeInstances", MaxResults=3).message == text
    text = "Value ( 4 ) for parameter MaxResults is invalid. Expecting a value greater than or equal to 5."
    assert ec2.refused("DescribeSubnets", MaxResults=4).message == text


@pytest.mark.parametrize("wanted", [[""], ["", f"i-{UNKNOWN}"]])
def test_empty_identifiers_are_malformed(ec2: Ec2, wanted: list[str]) -> None:
    assert ec2.refused("TerminateInstances", InstanceIds=wanted).code == "InvalidInstanceID.Malformed"


@pytest.fixture
def other(ec2: Ec2) -> str:
    """A group of a VPC that is not the default one."""
    vpc = ec2("CreateVpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    return str(ec2("CreateSecurityGroup", GroupName="other", Description="of another VPC", VpcId=vpc)["GroupId"])


def test_a_group_of_another_vpc(ec2: Ec2, other: str) -> None:
    instance = ec2.instance(ec2.run())
    card, subnet = instance["NetworkInterfaces"][0]["NetworkInterfaceId"], instance["SubnetId"]
    of_subnet = f"Security group {other} and subnet {subnet} belong to different networks."
    of_card = f"Security group {other} and interface {card} belong to different networks."
    nic = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [other]}
    for operation, params, text in (
        ("RunInstances", {**RUN, "SecurityGroupIds": [other], "SubnetId": subnet}, of_subnet),
        ("RunInstances", {**RUN, "NetworkInterfaces": [nic]}, of_subnet),
        ("CreateNetworkInterface", {"SubnetId": subnet, "Groups": [other]}, of_subnet),
        ("ModifyNetworkInterfaceAttribute", {"NetworkInterfaceId": card, "Groups": [other]}, of_card),
        ("ModifyInstanceAttribute", {"InstanceId": instance["InstanceId"], "Groups": [other]}, of_card),
    ):
        refused = ec2.refused(operation, **params)
        assert (refused.code, refused.message) == ("InvalidParameter", text), operation


def test_rules_between_vpcs_and_names_beside_a_subnet(ec2: Ec2, other: str) -> None:
    instance = ec2.instance(ec2.run())
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}
    group = instance["SecurityGroups"][0]["GroupId"]
    refused = ec2.refused("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[rule])
    text = "You have specified two resources that belong to different networks."
    assert (refused.code, refused.message) == ("InvalidGroup.NotFound", text)
    refused = ec2.refused("RunInstances", **RUN, SecurityGroups=["default"], SubnetId=instance["SubnetId"])
    assert refused.message == "The parameter groupName cannot be used with the parameter subnet"


def test_user_data_of_templates_is_read_when_it_is_given(ec2: Ec2) -> None:
    large = base64.b64encode(b"x" * 16385).decode()
    made = ec2("CreateLaunchTemplate", LaunchTemplateName="good", LaunchTemplateData={"UserData": "IyEvYmluL3No"})
    ident = made["LaunchTemplate"]["LaunchTemplateId"]
    for data, code in (("#!/bin/sh", "InvalidUserData.Malformed"), (large, "InvalidParameterValue")):
        refused = ec2.refused("CreateLaunchTemplate", LaunchTemplateName="template", LaunchTemplateData={"UserData": data})
        assert refused.code == code
        refused = ec2.refused("CreateLaunchTemplateVersion", LaunchTemplateId=ident, LaunchTemplateData={"UserData": data})
        assert refused.code == code
    assert [one["LaunchTemplateName"] for one in ec2("DescribeLaunchTemplates")["LaunchTemplates"]] == ["good"]


def test_each_account_attribute_by_its_name(ec2: Ec2) -> None:
    found = ec2("DescribeAccountAttributes")["AccountAttributes"]
    assert len(found) == 6
    documented = api.find("ec2", "DescribeAccountAttributes").model.documentation
    for one in found:
        assert f"<code>{one['AttributeName']}</code>" in documented
        assert ec2("DescribeAccountAttributes", AttributeNames=[one["AttributeName"]])["AccountAttributes"] == [one]
    assert ec2.refused("DescribeAccountAttributes", AttributeNames=["colour"]).code == "InvalidParameterValue"
