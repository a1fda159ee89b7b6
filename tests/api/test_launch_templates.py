"""Launch templates in all their versions, and instances of them; profiles, credits, placement groups, the parts of a VPC."""

from typing import Any

import pytest

from minicloud import api
from minicloud.services.sts import sessions
from tests.cloud_fixtures import IMAGE, Ec2

DATA = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano", "DisableApiStop": True}
TRUST = '{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'


WEB, NAME, ID = {"LaunchTemplateName": "web"}, "InvalidLaunchTemplateName", "InvalidLaunchTemplateId"


def tagged(kind: str, **tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def template(ec2: Ec2, name: str = "web", **data: Any) -> str:
    made = ec2("CreateLaunchTemplate", LaunchTemplateName=name, LaunchTemplateData={**DATA, **data})
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def numbers(answer: dict[str, Any]) -> list[int]:
    return [version["VersionNumber"] for version in answer["LaunchTemplateVersions"]]


def test_versions_are_made_chosen_and_deleted(ec2: Ec2) -> None:
    made = template(ec2, TagSpecifications=tagged("instance", Role="a"))
    second = ec2(
        "CreateLaunchTemplateVersion",
        LaunchTemplateId=made,
        SourceVersion="1",
        VersionDescription="bigger",
        LaunchTemplateData={"InstanceType": "t3.micro"},
    )["LaunchTemplateVersion"]
    assert (second["VersionNumber"], second["DefaultVersion"]) == (2, False)
    assert second["LaunchTemplateData"] == {**DATA, "InstanceType": "t3.micro", "TagSpecifications": tagged("instance", Role="a")}
    ec2("CreateLaunchTemplateVersion", LaunchTemplateName="web", LaunchTemplateData={"InstanceType": "t3.small"})
    of = {"LaunchTemplateId": made}
    assert numbers(ec2("DescribeLaunchTemplateVersions", **of)) == [3, 2, 1]
    assert numbers(ec2("DescribeLaunchTemplateVersions", **of, Versions=["$Latest", "$Default", "2"])) == [3, 1, 2]
    assert numbers(ec2("DescribeLaunchTemplateVersions", **of, MinVersion="2", MaxVersion="$Latest")) == [3, 2]
    assert numbers(ec2("DescribeLaunchTemplateVersions", Versions=["$Latest"])) == [3]
    only = [{"Name": "is-default-version", "Values": ["true"]}]
    assert numbers(ec2("DescribeLaunchTemplateVersions", **of, Filters=only)) == [1]
    assert ec2("ModifyLaunchTemplate", **of, DefaultVersion="2")["LaunchTemplate"]["DefaultVersionNumber"] == 2
    gone = ec2("DeleteLaunchTemplateVersions", **of, Versions=["3", "2", "9"])
    assert [version["VersionNumber"] for version in gone["SuccessfullyDeletedLaunchTemplateVersions"]] == [3]
    assert [version["VersionNumber"] for version in gone["UnsuccessfullyDeletedLaunchTemplateVersions"]] == [2, 9]
    assert ec2("DescribeLaunchTemplates", LaunchTemplateIds=[made])["LaunchTemplates"][0]["LatestVersionNumber"] == 2
    again = ec2("CreateLaunchTemplateVersion", **of, LaunchTemplateData={"EbsOptimized": False})["LaunchTemplateVersion"]
    assert again["VersionNumber"] == 4
    ec2("DeleteLaunchTemplate", LaunchTemplateName="web")
    assert ec2("DescribeLaunchTemplates")["LaunchTemplates"] == []


def test_pages_of_versions_lose_none(ec2: Ec2) -> None:
    made = template(ec2)
    for _ in range(11):
        ec2("CreateLaunchTemplateVersion", LaunchTemplateId=made, LaunchTemplateData={"EbsOptimized": False})
    found, token = list[int](), None
    while True:
        page = ec2("DescribeLaunchTemplateVersions", LaunchTemplateId=made, MaxResults=5, NextToken=token)
        found += numbers(page)
        if not (token := page.get("NextToken")):
            break
    assert found == list(range(1, 13))


def test_an_instance_is_what_its_template_says_unless_the_request_says_otherwise(ec2: Ec2) -> None:
    made = template(ec2, TagSpecifications=[*tagged("instance", Role="a"), *tagged("volume", V="1")], UserData="aGk=")
    ec2("CreateLaunchTemplateVersion", LaunchTemplateId=made, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.micro"})
    first = ec2("RunInstances", MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateId": made})["Instances"][0]
    assert first["InstanceType"] == "t3.nano"
    assert {tag["Key"]: tag["Value"] for tag in ec2.instance(first["InstanceId"])["Tags"]} == {
        "Role": "a",
        "aws:ec2launchtemplate:id": made,
        "aws:ec2launchtemplate:version": "1",
    }
    assert (ec2.row(first["InstanceId"]).user_data, ec2.row(first["InstanceId"]).protect_stop) == (b"hi", True)
    wanted = {"LaunchTemplateName": "web", "Version": "$Latest"}
    run = {"MinCount": 1, "MaxCount": 1, "LaunchTemplate": wanted, "TagSpecifications": tagged("instance", Mine="x")}
    second = ec2("RunInstances", **run, DisableApiStop=False)["Instances"][0]
    assert second["InstanceType"] == "t3.micro"
    assert {tag["Key"] for tag in second["Tags"]} == {"Mine", "aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version"}
    assert not ec2.row(second["InstanceId"]).protect_stop
    once = ec2("RunInstances", **run, ClientToken="t")["Instances"][0]["InstanceId"]
    ec2("CreateLaunchTemplateVersion", LaunchTemplateId=made, LaunchTemplateData={"EbsOptimized": False})
    assert ec2("RunInstances", **run, ClientToken="t")["Instances"][0]["InstanceId"] == once


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("CreateLaunchTemplate", {**WEB, "LaunchTemplateData": {"EbsOptimized": False}}, NAME + ".AlreadyExistsException"),
        ("CreateLaunchTemplate", {"LaunchTemplateName": "new", "LaunchTemplateData": {"KernelId": "a"}}, "UnsupportedOperation"),
        ("DescribeLaunchTemplates", {"LaunchTemplateNames": ["none"]}, NAME + ".NotFoundException"),
        ("DescribeLaunchTemplates", {"LaunchTemplateIds": ["lt-0123456789abcdef0"]}, ID + ".NotFound"),
        ("DescribeLaunchTemplates", {"LaunchTemplateIds": ["x"]}, ID + ".Malformed"),
        ("DescribeLaunchTemplateVersions", {}, "MissingParameter"),
        ("DescribeLaunchTemplateVersions", {**WEB, "Versions": ["7"]}, ID + ".VersionNotFound"),
        ("DescribeLaunchTemplateVersions", {**WEB, "Versions": ["x"]}, ID + ".VersionNotFound"),
        ("ModifyLaunchTemplate", {**WEB, "DefaultVersion": "7"}, ID + ".VersionNotFound"),
        ("RunInstances", {"MinCount": 1, "MaxCount": 1, "LaunchTemplate": {}}, "MissingParameter"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_templates_is_said(ec2: Ec2, operation: str, params: dict[str, Any], code: str) -> None:
    template(ec2)
    assert ec2.refused(operation, **params).code == code


def test_a_template_has_so_many_versions_at_most(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    template(ec2)
    monkeypatch.setattr("minicloud.services.ec2.launch_templates.MOST_VERSIONS", 2)
    ec2("CreateLaunchTemplateVersion", **WEB, LaunchTemplateData={"EbsOptimized": False})
    refused = ec2.refused("CreateLaunchTemplateVersion", **WEB, LaunchTemplateData={"EbsOptimized": False})
    assert (refused.code, refused.status) == ("MaxTemplateVersionLimitExceeded", 400)
    assert len(ec2("DescribeLaunchTemplateVersions", **WEB)["LaunchTemplateVersions"]) == 2


def test_a_profile_gives_an_instance_its_role(ec2: Ec2) -> None:
    def iam(name: str, **params: Any) -> dict[str, Any]:
        return api.call(ec2.cloud, "iam", name, params)

    for name in ("one", "two"):
        iam("CreateInstanceProfile", InstanceProfileName=name)
        iam("CreateRole", RoleName=f"role-{name}", AssumeRolePolicyDocument=TRUST)
        iam("AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=f"role-{name}")
    instance = ec2.run(IamInstanceProfile={"Name": "one"})
    shown = ec2.instance(instance)["IamInstanceProfile"]
    assert shown["Arn"] == "arn:aws:iam::000000000000:instance-profile/one"
    guest = sessions.of_guest(ec2.cloud, instance, 1e9)
    assert guest is not None
    assert guest[0] == "role-one"
    known = sessions.recognize(ec2.cloud, guest[1]["AccessKeyId"], guest[1]["SessionToken"], 1e9 + 60)
    assert known is not None
    assert known[1].arn == f"arn:aws:sts::000000000000:assumed-role/role-one/{instance}"
    (association,) = ec2("DescribeIamInstanceProfileAssociations")["IamInstanceProfileAssociations"]
    assert (
        ec2.refused("AssociateIamInstanceProfile", InstanceId=instance, IamInstanceProfile={"Name": "two"}).code
        == "IncorrectState"
    )
    replaced = ec2(
        "ReplaceIamInstanceProfileAssociation",
        AssociationId=association["AssociationId"],
        IamInstanceProfile={"Arn": "arn:aws:iam::000000000000:instance-profile/two"},
    )["IamInstanceProfileAssociation"]
    assert ec2.instance(instance)["IamInstanceProfile"]["Arn"].endswith("/two")
    ec2("DisassociateIamInstanceProfile", AssociationId=replaced["AssociationId"])
    assert "IamInstanceProfile" not in ec2.instance(instance)
    assert sessions.of_guest(ec2.cloud, instance, 1e9) is None
    for wrong in ({"Name": "no"}, {"Arn": "arn:aws:iam::000000000000:instance-profile/x/one"}):
        assert (
            ec2.refused("AssociateIamInstanceProfile", InstanceId=instance, IamInstanceProfile=wrong).code
            == "InvalidParameterValue"
        )


def test_credits_and_passwords(ec2: Ec2) -> None:
    first = ec2.run()
    assert ec2("DescribeInstanceCreditSpecifications")["InstanceCreditSpecifications"] == [
        {"InstanceId": first, "CpuCredits": "unlimited"}
    ]
    changes = [{"InstanceId": first, "CpuCredits": "standard"}, {"InstanceId": "i-0123456789abcdef0", "CpuCredits": "standard"}]
    changed = ec2("ModifyInstanceCreditSpecification", InstanceCreditSpecifications=changes)
    assert changed["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": first}]
    assert changed["UnsuccessfulInstanceCreditSpecifications"][0]["Error"]["Code"] == "InvalidInstanceID.NotFound"
    assert (
        ec2("DescribeInstanceCreditSpecifications", InstanceIds=[first])["InstanceCreditSpecifications"][0]["CpuCredits"]
        == "standard"
    )
    assert ec2("GetPasswordData", InstanceId=first)["PasswordData"] == ""


def test_placement_groups_are_as_close_as_one_host(ec2: Ec2) -> None:
    made = ec2("CreatePlacementGroup", GroupName="g", TagSpecifications=tagged("placement-group", A="b"))["PlacementGroup"]
    assert (made["Strategy"], made["Tags"]) == ("cluster", [{"Key": "A", "Value": "b"}])
    assert ec2.refused("CreatePlacementGroup", GroupName="g").code == "InvalidPlacementGroup.Duplicate"
    assert ec2.refused("CreatePlacementGroup", GroupName="h", Strategy="spread").code == "UnsupportedOperation"
    assert ec2("DescribePlacementGroups", GroupNames=["g"])["PlacementGroups"][0]["GroupId"] == made["GroupId"]
    ec2("DeletePlacementGroup", GroupName="g")
    assert ec2.refused("DescribePlacementGroups", GroupNames=["g"]).code == "InvalidPlacementGroup.Unknown"


def test_the_parts_of_the_default_vpc_fit_together(ec2: Ec2) -> None:
    vpc = ec2("DescribeVpcs")["Vpcs"][0]
    only = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    (table,) = ec2("DescribeRouteTables", Filters=only)["RouteTables"]
    (gateway,) = ec2("DescribeInternetGateways")["InternetGateways"]
    assert [route["GatewayId"] for route in table["Routes"]] == ["local", gateway["InternetGatewayId"]]
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}]
    (acl,) = ec2("DescribeNetworkAcls", Filters=only)["NetworkAcls"]
    assert {entry["SubnetId"] for entry in acl["Associations"]} == {
        subnet["SubnetId"] for subnet in ec2("DescribeSubnets")["Subnets"]
    }
    (options,) = ec2("DescribeDhcpOptions", DhcpOptionsIds=[vpc["DhcpOptionsId"]])["DhcpOptions"]
    assert {"Key": "domain-name", "Values": [{"Value": "ec2.internal"}]} in options["DhcpConfigurations"]
    assert ec2("DescribeVpcAttribute", VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")["EnableDnsHostnames"] == {
        "Value": True
    }
    assert ec2.refused("DescribeRouteTables", RouteTableIds=["rtb-0123456789abcdef0"]).code == "InvalidRouteTableID.NotFound"
    assert ec2.refused("DescribeNetworkAcls", NetworkAclIds=["x"]).code == "InvalidNetworkAclId.Malformed"
    assert ec2("DescribePrefixLists")["PrefixLists"] == ec2("DescribeManagedPrefixLists")["PrefixLists"] == []
    assert ec2.refused("DescribePrefixLists", PrefixListIds=["pl-0123456789abcdef0"]).code == "InvalidPrefixListId.NotFound"
