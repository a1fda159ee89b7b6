"""The path of a request through `api.call`: what is looked at first, and what is refused in which words."""

from typing import Any

import pytest

from minicloud import api
from minicloud.errors import ApiError

from ..cloud_fixtures import IMAGE, RUN, Ec2

TAGS = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}]


def error(ec2: Ec2, operation: str, **params: Any) -> tuple[str, str]:
    refused = ec2.refused(operation, **params)
    assert refused.status == 400
    return refused.code, refused.message


def test_services_and_operations_that_there_are_not(ec2: Ec2) -> None:
    assert error(ec2, "LaunchRocket") == ("InvalidAction", "The action LaunchRocket is not valid for this web service.")
    assert error(ec2, "CreateTransitGateway") == ("UnsupportedOperation", "minicloud does not have CreateTransitGateway")
    for service in ("nosuch", "..", ""):
        with pytest.raises(KeyError):
            api.find(service, "DescribeInstances")


def test_what_is_none_is_not_there(ec2: Ec2) -> None:
    assert ec2("DescribeInstances", InstanceIds=None) == {"Reservations": []}
    assert error(ec2, "DeleteVolume", VolumeId=None)[0] == "MissingParameter"


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"Bogus": 1, "MinCount": "x"}, "UnknownParameter", "The parameter Bogus is not recognized"),
        ({"MaxCount": None, "MinCount": "x"}, "MissingParameter", "The request must contain the parameter MaxCount"),
        ({"MinCount": "1"}, "InvalidParameterValue", "parameter MinCount is invalid"),
        ({"MinCount": True}, "InvalidParameterValue", "parameter MinCount is invalid"),
        ({"MinCount": 2**70}, "InvalidParameterValue", "32 bits"),
        ({"ImageId": 5}, "InvalidParameterValue", "parameter ImageId is invalid. It must be text"),
        ({"SecurityGroupIds": "sg-1"}, "InvalidParameterValue", "parameter SecurityGroupId is invalid. It must be a list"),
        ({"SecurityGroupIds": ["sg-1", 2]}, "InvalidParameterValue", "parameter SecurityGroupId.2 is invalid"),
        ({"Placement": "here"}, "InvalidParameterValue", "parameter Placement is invalid. It must be a structure"),
        ({"Placement": {"Zone": "a"}}, "UnknownParameter", "The parameter Placement.Zone is not recognized"),
        ({"EbsOptimized": "true"}, "InvalidParameterValue", "parameter EbsOptimized is invalid. It must be true or false"),
        ({"InstanceInitiatedShutdownBehavior": "burn"}, "InvalidParameterValue", "Allowed: stop, terminate."),
        (
            {"Monitoring": {"MetricCategoryIds": ["x"]}},
            "MissingParameter",
            "The request must contain the parameter Monitoring.Enabled",
        ),
        (
            {"BlockDeviceMappings": [{"Ebs": {"VolumeSize": 8.5}}]},
            "InvalidParameterValue",
            "BlockDeviceMapping.1.Ebs.VolumeSize",
        ),
    ],
)
def test_parameters_are_held_against_the_model(ec2: Ec2, params: dict[str, Any], code: str, words: str) -> None:
    found, message = error(ec2, "RunInstances", **{**RUN, "DryRun": True, **params})
    assert found == code
    assert words in message


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"KernelId": "aki-12345678"}, "KernelId"),
        ({"Placement": {"HostId": "h-1"}}, "Placement.HostId"),
        ({"BlockDeviceMappings": [{}, {"Ebs": {"KmsKeyId": "k"}}]}, "BlockDeviceMappings.Ebs.KmsKeyId"),
        ({"LicenseSpecifications": [{"LicenseConfigurationArn": "arn"}]}, "LicenseSpecifications"),
        ({"InstanceMarketOptions": {"MarketType": "spot"}}, "InstanceMarketOptions"),
    ],
)
def test_what_aws_has_and_minicloud_has_not_is_refused_by_name(ec2: Ec2, params: dict[str, Any], named: str) -> None:
    message = f"minicloud does not support the parameter {named} of RunInstances"
    assert error(ec2, "RunInstances", **RUN, **params) == ("UnsupportedOperation", message)
    assert ec2("DescribeInstances") == {"Reservations": []}


def test_bounds_of_lists_and_numbers(ec2: Ec2) -> None:
    assert error(ec2, "DescribeInstanceTypes", MaxResults=101)[0] == "InvalidParameterValue"
    assert error(ec2, "DescribeInstanceTypes", MaxResults=4)[0] == "InvalidParameterValue"
    assert len(ec2("DescribeInstanceTypes", MaxResults=5)["InstanceTypes"]) == 5


class TestDryRun:
    def test_it_would_have_succeeded(self, ec2: Ec2) -> None:
        refused = ec2.refused("RunInstances", **RUN, DryRun=True, ClientToken="t", TagSpecifications=TAGS)
        assert (refused.code, refused.status) == ("DryRunOperation", 412)
        assert refused.message == "Request would have succeeded, but DryRun flag is set."

    def test_it_changes_nothing(self, ec2: Ec2) -> None:
        ec2.refused("RunInstances", **RUN, DryRun=True, ClientToken="t")
        ec2.refused("CreateKeyPair", KeyName="k", DryRun=True)
        assert ec2.cloud.state.instances.query() == []
        assert ec2.cloud.state.client_tokens.query() == []
        assert ec2.cloud.state.key_pairs.query() == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"MinCount": "x"},
            {"KernelId": "aki-12345678"},
            {"ClientToken": "x" * 65},
            {"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a"}]}]},
        ],
    )
    def test_what_is_wrong_is_said_all_the_same(self, ec2: Ec2, wrong: dict[str, Any]) -> None:
        assert ec2.refused("RunInstances", **{**RUN, **wrong, "DryRun": True}).code != "DryRunOperation"

    def test_so_is_what_only_the_state_can_tell(self, ec2: Ec2) -> None:
        unknown = "i-0fedcba9876543210"
        assert ec2.refused("TerminateInstances", InstanceIds=[unknown], DryRun=True).code == "InvalidInstanceID.NotFound"
        assert ec2.refused("RunInstances", **{**RUN, "ImageId": "ami-1"}, DryRun=True).code == "InvalidAMIID.Malformed"
        instance = ec2.run(DisableApiTermination=True)
        assert ec2.refused("TerminateInstances", InstanceIds=[instance], DryRun=True).code == "OperationNotPermitted"
        assert ec2.refused("StopInstances", InstanceIds=[instance], DryRun=True).code == "DryRunOperation"
        assert ec2.state(instance) == "running"

    def test_wrong_filters_and_pages_too(self, ec2: Ec2) -> None:
        assert ec2.refused("DescribeInstances", DryRun=True, Filters=[{"Name": "colour", "Values": ["red"]}]).status == 400
        assert ec2.refused("DescribeInstances", DryRun=True, MaxResults=0).status == 400

    def test_false_is_none(self, ec2: Ec2) -> None:
        assert ec2("DescribeInstances", DryRun=False) == {"Reservations": []}


class TestClientToken:
    def test_the_same_again_is_one_instance_and_one_answer(self, ec2: Ec2) -> None:
        first = ec2("RunInstances", **RUN, ClientToken="one", TagSpecifications=TAGS)
        again = ec2("RunInstances", **RUN, ClientToken="one", TagSpecifications=TAGS)
        assert again == first
        assert first["Instances"][0]["ClientToken"] == "one"
        assert len(ec2.cloud.state.instances.query()) == 1

    def test_without_a_token_or_with_another_there_are_two(self, ec2: Ec2) -> None:
        assert len({ec2.run(), ec2.run(), ec2.run(ClientToken="a"), ec2.run(ClientToken="b")}) == 4

    @pytest.mark.parametrize("other", [{"InstanceType": "t3.micro"}, {"MaxCount": 2}, {"TagSpecifications": TAGS}])
    def test_other_parameters(self, ec2: Ec2, other: dict[str, Any]) -> None:
        ec2.run(ClientToken="one")
        code, message = error(ec2, "RunInstances", **{**RUN, **other, "ClientToken": "one"})
        assert code == "IdempotentParameterMismatch"
        assert message.startswith("Arguments on this idempotent request are inconsistent")
        assert len(ec2.cloud.state.instances.query()) == 1

    def test_of_an_instance_that_is_terminated(self, ec2: Ec2) -> None:
        instance = ec2.run(ClientToken="one")
        ec2("TerminateInstances", InstanceIds=[instance])
        assert error(ec2, "RunInstances", **RUN, ClientToken="one")[0] == "IdempotentInstanceTerminated"

    def test_a_request_that_failed_leaves_its_token_free(self, ec2: Ec2) -> None:
        ec2.refused("RunInstances", **{**RUN, "InstanceType": "t9.huge"}, ClientToken="one")
        assert ec2.run(ClientToken="one")

    def test_longest(self, ec2: Ec2) -> None:
        assert ec2.run(ClientToken="x" * 64)
        code, message = error(ec2, "RunInstances", **RUN, ClientToken="x" * 65)
        assert (code, message) == ("InvalidParameterValue", "Client token must be less than or equal to 64 characters.")
        template = {"LaunchTemplateName": "web", "LaunchTemplateData": {"InstanceType": "t3.nano"}}
        assert ec2("CreateLaunchTemplate", **template, ClientToken="x" * 128)
        code, message = error(ec2, "CreateLaunchTemplate", **template, ClientToken="x" * 129)
        assert (code, message) == ("InvalidParameterValue", "Client token must be less than or equal to 128 characters.")


class TestTags:
    @pytest.mark.parametrize(
        ("specifications", "code"),
        [
            ([{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}], "InvalidParameterValue"),
            ([{"ResourceType": "planet", "Tags": [{"Key": "a", "Value": "b"}]}], "InvalidParameterValue"),
            ([{"Tags": [{"Key": "a", "Value": "b"}]}], "MissingParameter"),
            ([{"ResourceType": "instance", "Tags": []}], "InvalidParameterValue"),
            ([{"ResourceType": "instance"}], "InvalidParameterValue"),
            (TAGS + TAGS, "InvalidParameterValue"),
            ([{"ResourceType": "instance", "Tags": [{"Value": "b"}]}], "MissingParameter"),
            ([{"ResourceType": "instance", "Tags": [{"Key": "aws:a", "Value": "b"}]}], "InvalidParameterValue"),
            ([{"ResourceType": "instance", "Tags": [{"Key": "a"}, {"Key": "a"}]}], "InvalidParameterValue"),
            ([{"ResourceType": "instance", "Tags": [{"Key": "k" * 129}]}], "InvalidParameterValue"),
            ([{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v" * 257}]}], "InvalidParameterValue"),
            ([{"ResourceType": "instance", "Tags": [{"Key": f"k{n}"} for n in range(51)]}], "TagLimitExceeded"),
        ],
    )
    def test_refused(self, ec2: Ec2, specifications: list[Any], code: str) -> None:
        assert error(ec2, "RunInstances", **RUN, TagSpecifications=specifications)[0] == code
        assert ec2.cloud.state.instances.query() == []
        assert ec2.cloud.state.tags.query() == []

    def test_each_resource_gets_its_own(self, ec2: Ec2) -> None:
        tags = [
            {"ResourceType": kind, "Tags": [{"Key": "kind", "Value": kind}]}
            for kind in ("instance", "volume", "network-interface")
        ]
        answer = ec2("RunInstances", **{**RUN, "MinCount": 2, "MaxCount": 2}, TagSpecifications=tags)
        assert [one["Tags"] for one in answer["Instances"]] == [[{"Key": "kind", "Value": "instance"}]] * 2
        kinds = [(tag["ResourceType"], tag["Value"]) for tag in ec2("DescribeTags")["Tags"]]
        assert sorted(kinds) == sorted((kind, kind) for kind in ("instance", "volume", "network-interface") * 2)


def test_an_error_inside_an_operation_takes_everything_back(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise ApiError("InternalError", "after half of it", 500)

    monkeypatch.setattr(type(ec2.cloud.state.volumes), "add", _failing_at("volumes", full))
    assert ec2.refused("RunInstances", **RUN, ClientToken="t").code == "InternalError"
    monkeypatch.undo()
    state = ec2.cloud.state
    assert (state.instances.query(), state.interfaces.query(), state.client_tokens.query()) == ([], [], [])
    assert state.images.find(id=IMAGE.image_id) != []


def _failing_at(name: str, fail: Any) -> Any:
    from minicloud.state.table import Table

    genuine = Table.add

    def add(table: Any, row: Any) -> Any:
        return fail() if table.name == name else genuine(table, row)

    return add
