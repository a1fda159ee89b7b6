"""Names of what is made: their lengths and characters are AWS's, by its models, its API reference or its page of error codes."""

from typing import Any

import pytest

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.errors import ApiError

from ..cloud_fixtures import IMAGE, Ec2
from ..endpoint_fixtures import Served

TRUST = '{"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
TEMPLATE = {"LaunchTemplateData": {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}}
HOOK = {"AutoScalingGroupName": "group", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}
ROLE = {"AssumeRolePolicyDocument": TRUST}

TAKEN: list[tuple[str, str, str, dict[str, Any], list[str]]] = [
    ("ec2", "CreateLaunchTemplate", "LaunchTemplateName", TEMPLATE, ["abc", "a(b)./-_", "x" * 128]),
    ("ec2", "CreatePlacementGroup", "GroupName", {}, ["a", "a b:c", "x" * 255]),
    ("autoscaling", "PutLifecycleHook", "LifecycleHookName", HOOK, ["a", "a/b-c_d", "x" * 255]),
    ("iam", "CreateRole", "RoleName", ROLE, ["a", "a+=,.@_-", "x" * 64]),
    ("iam", "CreateInstanceProfile", "InstanceProfileName", {}, ["a", "x" * 65, "x" * 128]),
]
REFUSED: list[tuple[str, str, str, dict[str, Any], str, list[str]]] = [
    (
        "ec2", "CreateLaunchTemplate", "LaunchTemplateName", TEMPLATE, "InvalidLaunchTemplateName.MalformedException",
        ["a", "ab", "a b", "a:b", "a\n", "abü", "x" * 129],
    ),
    ("ec2", "CreatePlacementGroup", "GroupName", {}, "InvalidParameterValue", ["ü", "a\tb", "x" * 256]),
    ("autoscaling", "PutLifecycleHook", "LifecycleHookName", HOOK, "ValidationError", ["a b", "ü", "a.b", "x" * 256]),
    ("iam", "CreateRole", "RoleName", ROLE, "ValidationError", ["a b", "a/b", "ü", "x" * 65]),
    ("iam", "CreateRole", "Description", {**ROLE, "RoleName": "role"}, "ValidationError", ["a\x01", "\U0001f600"]),
    ("iam", "CreateInstanceProfile", "InstanceProfileName", {}, "ValidationError", ["a b", "x" * 129]),
]  # fmt: skip


@pytest.fixture
def group(cloud: Cloud) -> None:
    """An Auto Scaling group for hooks."""
    api.call(cloud, "ec2", "CreateLaunchTemplate", {"LaunchTemplateName": "of-the-group", **TEMPLATE})
    api.call(cloud, "autoscaling", "CreateAutoScalingGroup", {
        "AutoScalingGroupName": "group", "MinSize": 0, "MaxSize": 0, "AvailabilityZones": ["us-east-1a"],
        "LaunchTemplate": {"LaunchTemplateName": "of-the-group"},
    })  # fmt: skip


def label(case: tuple[str, ...]) -> str:
    return f"{case[1]}-{case[2]}"


@pytest.mark.parametrize("case", TAKEN, ids=label)
@pytest.mark.usefixtures("group")
def test_names_that_are_taken(cloud: Cloud, case: tuple[str, str, str, dict[str, Any], list[str]]) -> None:
    service, name, member, more, values = case
    for value in values:
        api.call(cloud, service, name, {**more, member: value})


@pytest.mark.parametrize("case", REFUSED, ids=label)
@pytest.mark.usefixtures("group")
def test_names_that_are_refused(cloud: Cloud, case: tuple[str, str, str, dict[str, Any], str, list[str]]) -> None:
    service, name, member, more, code, values = case
    for value in values:
        with pytest.raises(ApiError) as caught:
            api.call(cloud, service, name, {**more, member: value})
        assert (caught.value.code, caught.value.status) == (code, 400), value


def test_a_template_is_named_as_one_is_made(ec2: Ec2) -> None:
    for name, params in (
        ("DescribeLaunchTemplates", {"LaunchTemplateNames": ["a b"]}), ("DeleteLaunchTemplate", {"LaunchTemplateName": "ab"}),
        ("DescribeLaunchTemplateVersions", {"LaunchTemplateName": "x" * 129}),
    ):  # fmt: skip
        assert ec2.refused(name, **params).code == "InvalidLaunchTemplateName.MalformedException"


def test_identifiers_of_associations_have_no_code_for_malformed_ones(ec2: Ec2) -> None:
    for name, member in (
        ("DisassociateAddress", "AssociationId"), ("DisassociateRouteTable", "AssociationId"),
        ("DisassociateIamInstanceProfile", "AssociationId"),
    ):  # fmt: skip
        error = ec2.refused(name, **{member: "nonsense"})
        assert (error.code, error.message) == ("InvalidAssociationID.NotFound", "The association ID 'nonsense' does not exist")


def test_the_documented_interface_type_that_the_enumeration_lacks(ec2: Ec2) -> None:
    subnet = ec2("DescribeSubnets")["Subnets"][0]["SubnetId"]
    assert ec2("CreateNetworkInterface", SubnetId=subnet, InterfaceType="interface")["NetworkInterface"]
    assert ec2.refused("CreateNetworkInterface", SubnetId=subnet, InterfaceType="efa").code == "UnsupportedOperation"
    assert "interface, efa" in ec2.refused("CreateNetworkInterface", SubnetId=subnet, InterfaceType="x").message


def test_every_list_that_botocore_pages_takes_the_size_of_a_page(served: Served) -> None:
    """Of the operations that need no parameters. Those of which the model bounds pages are asked within the bounds."""
    refused = []
    for service in api.services():
        client = served.boto(service)
        for method, name in client.meta.method_to_api_mapping.items():
            found = api.operations(service).get(name)
            if found is None or not client.can_paginate(method) or (found.model.input_shape and found.model.input_shape.required):
                continue
            member = client.get_paginator(method)._pagination_cfg.get("limit_key")
            if member is None:
                continue
            bounds = found.model.input[member].shape.raw
            size = min(max(50, bounds.get("min", 0)), bounds.get("max", 1000))
            try:
                api.checked(found, {member: size}, served.cloud.settings)
            except ApiError as error:
                refused.append((service, name, error.message))
    assert refused == []
