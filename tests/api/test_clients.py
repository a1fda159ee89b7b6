"""Other people's clients on the endpoint: boto3 with waiters and paginators, the aws CLI."""

import base64
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud.cloud import Cloud, Idle
from minicloud.host.fake import FakeHost
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen
from tests.cloud_fixtures import IMAGE, RUN, cloud_in
from tests.endpoint_fixtures import Served, error_of

QUICK = {"Delay": 1, "MaxAttempts": 5}
RUN = {**RUN, "KeyName": "web"}


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def test_a_life_through_boto3(served: Served) -> None:
    ec2 = served.boto()
    (image,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["debian-*"]}])["Images"]
    assert image["ImageId"] == IMAGE.image_id
    key = ec2.create_key_pair(KeyName="web", KeyType="ed25519")
    assert key["KeyMaterial"].startswith("-----BEGIN")
    specification = [{"ResourceType": "instance", "Tags": tags(Name="<web> & more", Env="ü")}]
    made = ec2.run_instances(**RUN, UserData="#!/bin/sh\n", TagSpecifications=specification)["Instances"][0]
    instance = made["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    filters = [{"Name": "tag:Name", "Values": ["<web>*"]}, {"Name": "instance-state-name", "Values": ["running"]}]
    found = ec2.describe_instances(Filters=filters)["Reservations"][0]["Instances"][0]
    assert (found["InstanceId"], sorted(tag["Value"] for tag in found["Tags"])) == (instance, ["<web> & more", "ü"])
    assert found["LaunchTime"].tzinfo is not None
    ec2.create_tags(Resources=[instance], Tags=tags(More="1"))
    ec2.delete_tags(Resources=[instance], Tags=[{"Key": "Env"}])
    attribute = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
    assert base64.b64decode(attribute["UserData"]["Value"]) == b"#!/bin/sh\n"
    ec2.stop_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "t3.micro"})
    ec2.modify_instance_attribute(InstanceId=instance, UserData={"Value": b"\x00new"})
    ec2.start_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    ec2.reboot_instances(InstanceIds=[instance])
    assert ec2.get_console_output(InstanceId=instance)["InstanceId"] == instance
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    ec2.delete_key_pair(KeyName="web")
    assert ec2.describe_key_pairs()["KeyPairs"] == []


def test_paginators_lose_nothing_while_instances_come_and_go(served: Served) -> None:
    ec2 = served.boto()
    ec2.create_key_pair(KeyName="web")
    there = {ec2.run_instances(**RUN)["Instances"][0]["InstanceId"] for _ in range(12)}
    seen: list[str] = []
    for page in ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}):
        seen += [instance["InstanceId"] for each in page["Reservations"] for instance in each["Instances"]]
        ec2.run_instances(**RUN)
    assert there <= set(seen)
    assert len(seen) == len(set(seen))
    every = ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 50}).search("InstanceTypes[]")
    assert len({kind["InstanceType"] for kind in every}) > 100


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("run_instances", {**RUN, "DryRun": True}, ("DryRunOperation", 412)),
        ("run_instances", {**RUN, "ImageId": "ami-0123456789abcdef9"}, ("InvalidAMIID.NotFound", 400)),
        ("run_instances", {**RUN, "ImageId": "x"}, ("InvalidAMIID.Malformed", 400)),
        ("run_instances", {"MinCount": 1, "MaxCount": 1}, ("MissingParameter", 400)),
        ("run_instances", {**RUN, "KeyName": "no"}, ("InvalidKeyPair.NotFound", 400)),
        ("run_instances", {**RUN, "InstanceType": "x9.huge"}, ("InvalidParameterValue", 400)),
        ("run_instances", {**RUN, "SecurityGroupIds": [""]}, ("InvalidParameterValue", 400)),
        ("run_instances", {**RUN, "SecurityGroupIds": ["sg-0123456789abcdef9"]}, ("InvalidGroup.NotFound", 400)),
        ("run_instances", {**RUN, "SubnetId": "subnet-0123456789abcdef9"}, ("InvalidSubnetID.NotFound", 400)),
        ("run_instances", {**RUN, "MinCount": 9000, "MaxCount": 9000}, ("InsufficientInstanceCapacity", 500)),
        ("run_instances", {**RUN, "ClientToken": "x" * 65}, ("InvalidParameterValue", 400)),
        ("describe_instances", {"NextToken": "garbage"}, ("InvalidNextToken", 400)),
        ("describe_instances", {"Filters": [{"Name": "no", "Values": ["x"]}]}, ("InvalidParameterValue", 400)),
        ("start_instances", {"InstanceIds": ["i-0123456789abcdef9"]}, ("InvalidInstanceID.NotFound", 400)),
        ("stop_instances", {"InstanceIds": ["zzz"]}, ("InvalidInstanceID.Malformed", 400)),
        ("import_key_pair", {"KeyName": "k", "PublicKeyMaterial": b"junk"}, ("InvalidKey.Format", 400)),
        ("create_key_pair", {"KeyName": "web"}, ("InvalidKeyPair.Duplicate", 400)),
    ],
)  # fmt: skip
def test_errors_are_awss(served: Served, operation: str, params: dict[str, Any], expected: tuple[str, int]) -> None:
    ec2 = served.boto()
    ec2.create_key_pair(KeyName="web")
    with pytest.raises(ClientError) as caught:
        getattr(ec2, operation)(**params)
    assert error_of(caught) == expected


def test_a_restart_neither_loses_nor_doubles_a_wish(tmp_path: Path, host: FakeHost) -> None:
    def serve() -> tuple[Server, Cloud, str]:
        cloud = cloud_in(tmp_path, host)
        server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
        return server, cloud, server.start().url

    from tests.endpoint_fixtures import new_keys

    first, cloud, url = serve()
    keys = new_keys(cloud)
    run = {**RUN, "ClientToken": "once"}
    Served(cloud, url, keys).boto().create_key_pair(KeyName="web")
    made = Served(cloud, url, keys).boto().run_instances(**run)["Instances"][0]["InstanceId"]
    first.stop()
    second, cloud, url = serve()
    again = Served(cloud, url, keys).boto()
    assert again.run_instances(**run)["Instances"][0]["InstanceId"] == made
    assert [row.id for row in cloud.state.instances.query()] == [made]
    with pytest.raises(ClientError) as caught:
        again.run_instances(**{**run, "MaxCount": 2})
    assert error_of(caught) == ("IdempotentParameterMismatch", 400)
    second.stop()


def test_a_life_through_the_aws_cli(served: Served, tmp_path: Path) -> None:
    environment = {**served.environment(tmp_path), "PATH": os.environ["PATH"]}

    def aws(*args: str, good: bool = True) -> Any:
        command = [str(Path(sys.executable).with_name("aws")), "--output", "json", *args]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == good, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    assert aws("sts", "get-caller-identity")["Arn"] == "arn:aws:iam::000000000000:root"
    aws("ec2", "create-key-pair", "--key-name", "web", "--key-type", "ed25519")
    made = aws(
        "ec2", "run-instances", "--image-id", IMAGE.image_id, "--instance-type", "t3.nano", "--key-name", "web",
        "--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=web}]", "--user-data", "hello",
    )["Instances"][0]["InstanceId"]  # fmt: skip
    aws("ec2", "wait", "instance-running", "--instance-ids", made)
    name = ["--filters", "Name=tag:Name,Values=w*", "--query", "Reservations[].Instances[].InstanceId"]
    assert aws("ec2", "describe-instances", *name) == [made]
    assert served.cloud.state.instances.query()[0].user_data == b"hello"
    assert "(InvalidInstanceID.Malformed)" in aws("ec2", "describe-instances", "--instance-ids", "x", good=False)
    aws("ec2", "terminate-instances", "--instance-ids", made)
    aws("ec2", "wait", "instance-terminated", "--instance-ids", made)


def test_many_at_once_disturb_each_other_in_nothing(served: Served) -> None:
    served.boto().create_key_pair(KeyName="web")
    served.cloud.worker = Idle()

    def launch(number: int) -> str:
        ec2 = served.boto()
        made = ec2.run_instances(**RUN, ClientToken=f"t{number % 12}")["Instances"][0]["InstanceId"]
        assert ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]["InstanceId"] == made
        return str(made)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(launch, range(24)))
    assert made[:12] == made[12:]
    assert len(set(made)) == 12
    addresses = [interface.address for interface in served.cloud.state.interfaces.query()]
    assert len(addresses) == len(set(addresses)) == 12
