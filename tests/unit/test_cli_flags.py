"""From the words of a command line to the parameters of an operation."""

import base64
from pathlib import Path
from typing import Any

import pytest

from minicloud.aws import model
from minicloud.cli import parse
from minicloud.cli.operations import OperationCommand
from minicloud.errors import UsageError


def parameters(operation: str, *words: str) -> dict[str, Any]:
    command = OperationCommand("ec2", model.service("ec2").operation(operation))
    return command.parameters(parse.parse(command.flags, words))


def refusal(operation: str, *words: str) -> str:
    with pytest.raises(UsageError, match=r"\A[^\n]*\Z") as caught:
        parameters(operation, *words)
    return str(caught.value)


def test_lists_structures_truths_and_numbers() -> None:
    given = parameters(
        "RunInstances", "--image-id=ami-1", "--security-group-ids", "sg-1", "sg-2", "--dry-run", "--no-ebs-optimized",
        "--placement", "AvailabilityZone=us-east-1a", "--monitoring", "Enabled=true", "--count", "2:5",
        "--block-device-mappings", "DeviceName=/dev/xvda,Ebs={VolumeSize=8,DeleteOnTermination=false}",
        '{"DeviceName": "/dev/xvdb"}',
        "--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=a b}]",
    )  # fmt: skip
    assert given == {
        "ImageId": "ami-1",
        "SecurityGroupIds": ["sg-1", "sg-2"],
        "DryRun": True,
        "EbsOptimized": False,
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "Monitoring": {"Enabled": True},
        "MinCount": 2,
        "MaxCount": 5,
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": False}},
            {"DeviceName": "/dev/xvdb"},
        ],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "a b"}]}],
    }


def test_one_instance_if_no_count_is_given() -> None:
    assert parameters("RunInstances") == {"MinCount": 1, "MaxCount": 1}


def test_a_single_value_in_shorthand_becomes_a_list_where_a_list_is_wanted() -> None:
    assert parameters("DescribeInstances", "--filters", "Name=tag:Name,Values=x")["Filters"] == [
        {"Name": "tag:Name", "Values": ["x"]}
    ]


def test_a_list_may_be_one_json_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "ids").write_text('["i-1", "i-2"]')
    (tmp_path / "lines").write_text("i-3\ni-4\n")
    assert parameters("DescribeInstances", "--instance-ids", '["i-1"]') == {"InstanceIds": ["i-1"]}
    assert parameters("DescribeInstances", "--instance-ids", f"file://{tmp_path}/ids") == {"InstanceIds": ["i-1", "i-2"]}
    assert parameters("DescribeInstances", "--instance-ids", f"file://{tmp_path}/lines") == {"InstanceIds": ["i-3", "i-4"]}


def test_an_empty_list_is_not_sent() -> None:
    assert parameters("DescribeInstances", "--instance-ids") == {}


def test_of_a_flag_given_twice_the_last_one_counts() -> None:
    assert parameters("DescribeInstances", "--instance-ids", "i-1", "--instance-ids", "i-2") == {"InstanceIds": ["i-2"]}


@pytest.mark.parametrize("data", [b"#!/bin/sh\necho \xc3\xa4\n", bytes(range(256))])
@pytest.mark.parametrize("prefix", ["file://", "fileb://"])
def test_user_data_of_a_file_is_exact_to_the_byte(tmp_path: Path, data: bytes, prefix: str) -> None:
    (tmp_path / "data").write_bytes(data)
    given = parameters("RunInstances", "--user-data", f"{prefix}{tmp_path}/data")["UserData"]
    assert base64.b64decode(given) == data


def test_user_data_as_text_may_look_like_a_flag_after_an_equals_sign() -> None:
    assert base64.b64decode(parameters("RunInstances", "--user-data=--x\ny")["UserData"]) == b"--x\ny"
    assert base64.b64decode(parameters("RunInstances", "--user-data", "--x y")["UserData"]) == b"--x y"


def test_public_key_material_is_bytes(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"ssh-ed25519 AAAA x\n")
    for prefix in ("file://", "fileb://"):
        given = parameters("ImportKeyPair", "--key-name", "k", "--public-key-material", f"{prefix}{tmp_path}/key")
        assert given["PublicKeyMaterial"] == b"ssh-ed25519 AAAA x\n"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--instance-type", "t3.small"), {"InstanceType": {"Value": "t3.small"}}),
        (("--instance-type", "Value=t3.small"), {"InstanceType": {"Value": "t3.small"}}),
        (("--instance-type", '{"Value": "t3.small"}'), {"InstanceType": {"Value": "t3.small"}}),
        (("--disable-api-termination",), {"DisableApiTermination": {"Value": True}}),
        (("--disable-api-termination", "Value=false"), {"DisableApiTermination": {"Value": False}}),
        (("--no-disable-api-termination",), {"DisableApiTermination": {"Value": False}}),
        (("--enable-api-termination",), {"DisableApiTermination": {"Value": False}}),
        (("--user-data", "Value=abc"), {"UserData": {"Value": b"abc"}}),
        (("--attribute", "instanceType", "--value", "t3.small"), {"Attribute": "instanceType", "Value": "t3.small"}),
    ],
)
def test_attributes_take_plain_values(words: tuple[str, ...], wanted: dict[str, Any]) -> None:
    assert parameters("ModifyInstanceAttribute", *words) == wanted


def test_flags_of_a_single_interface_gather_what_belongs_to_it() -> None:
    given = parameters(
        "RunInstances", "--subnet-id", "subnet-1", "--security-group-ids", "sg-1", "--private-ip-address", "10.0.0.5",
        "--secondary-private-ip-addresses", "10.0.0.6", "10.0.0.7", "--associate-public-ip-address",
    )  # fmt: skip
    assert given["NetworkInterfaces"] == [
        {
            "DeviceIndex": 0, "SubnetId": "subnet-1", "Groups": ["sg-1"], "AssociatePublicIpAddress": True,
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "10.0.0.5", "Primary": True}, {"PrivateIpAddress": "10.0.0.6", "Primary": False},
                {"PrivateIpAddress": "10.0.0.7", "Primary": False},
            ],
        }
    ]  # fmt: skip
    assert "SubnetId" not in given


def test_a_private_address_alone_stays_where_it_is() -> None:
    assert parameters("RunInstances", "--private-ip-address", "10.0.0.5")["PrivateIpAddress"] == "10.0.0.5"


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("--protocol tcp --port 22 --cidr 10.0.0.0/8", {"FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}),
        ("--protocol tcp --port 22-25", {"FromPort": 22, "ToPort": 25}),
        ("--protocol tcp --port -1", {"FromPort": -1, "ToPort": -1}),
        ("--protocol tcp --source-group sg-1", {"UserIdGroupPairs": [{"GroupId": "sg-1"}]}),
        ("--protocol tcp --source-group web --group-owner 1", {"UserIdGroupPairs": [{"GroupName": "web", "UserId": "1"}]}),
    ],
)
def test_rules_of_security_groups_in_short(words: str, rule: dict[str, Any]) -> None:
    given = parameters("AuthorizeSecurityGroupIngress", "--group-id", "sg-2", *words.split())
    assert given == {"GroupId": "sg-2", "IpPermissions": [{"IpProtocol": "tcp", **rule}]}


@pytest.mark.parametrize(
    ("operation", "words", "said"),
    [
        ("RunInstances", "--imge-id ami-1", "unknown flag --imge-id; did you mean --image-id?"),
        ("RunInstances", "--min-count 1", "unknown flag --min-count; did you mean --count?"),
        ("RunInstances", "ami-1", "'ami-1' belongs to no flag; values stand after the flag they are for"),
        ("RunInstances", "--image-id", "--image-id needs a value"),
        ("RunInstances", "--image-id a b", "--image-id takes one value, but 'b' follows 'a'; quote a value that has spaces"),
        ("RunInstances", "--dry-run true", "--dry-run takes no value, but 'true' follows it"),
        ("RunInstances", "--output xml", "--output is one of json, text, table, yaml, yaml-stream, off, not 'xml'"),
        ("RunInstances", "--count x", "--count is a number or a range (1 or 1:10), not 'x'"),
        ("RunInstances", "--count 1:", "--count is a number or a range (1 or 1:10), not '1:'"),
        ("RunInstances", "--ipv6-address-count x", "--ipv6-address-count: 'x' is not a whole number"),
        ("RunInstances", "--placement Zone", "--placement: '=' was expected, there is the end"),
        ("RunInstances", "--placement {", "--placement: this is not JSON: "),
        ("RunInstances", "--placement Tenacy=x", "--placement: Tenacy is not known; did you mean Tenancy?"),
        ("RunInstances", "--block-device-mappings Ebs={Size=1}", "--block-device-mappings: Ebs.Size is not known; "),
        ("RunInstances", "--monitoring Enabled=maybe", "--monitoring: Enabled: 'maybe' is neither true nor false"),
        ("RunInstances", "--user-data file:///no/such", "cannot read /no/such: No such file or directory"),
        ("RunInstances", "--image-id file:///no/such", "--image-id: cannot read /no/such: No such file or directory"),
        ("AuthorizeSecurityGroupIngress", "--protocol tcpp", "--protocol is tcp, udp, icmp, all, or a number"),
        ("AuthorizeSecurityGroupIngress", "--cidr x --ip-permissions []", "--cidr does not go with --ip-permissions"),
    ],
)
def test_a_mistake_gets_one_line(operation: str, words: str, said: str) -> None:
    assert refusal(operation, *words.split()).startswith(said)


def test_flags_win_over_an_input_file(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"ImageId": "ami-1", "InstanceType": "t3.nano", "UserData": "x"}')
    (tmp_path / "in.yaml").write_text("ImageId: ami-1\nInstanceType: t3.nano\nUserData: x\n")
    for form in ("json", "yaml"):
        given = parameters("RunInstances", f"--cli-input-{form}", f"file://{tmp_path}/in.{form}", "--instance-type", "t3.small")
        assert given == {"ImageId": "ami-1", "InstanceType": "t3.small", "UserData": "eA==", "MinCount": 1, "MaxCount": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [("[]", "--cli-input-json: the parameters must be"), ("{", "this is not JSON"), ('{"ImagId": 1}', "ImagId is not known")],
)
def test_an_input_that_makes_no_sense_is_refused(content: str, said: str) -> None:
    assert refusal("RunInstances", "--cli-input-json", content).startswith(said)
