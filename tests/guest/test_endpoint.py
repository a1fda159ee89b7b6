"""A real guest through `minicloud serve` as a process of its own: boto3 and the remote command line, over HTTPS."""

import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from minicloud import api
from minicloud.host.run import run

from ..real_cloud import cloud_at, image_named
from ..waits import until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
CLOUD = "endpoint"
ADDRESS = "127.0.0.1:8843"
_SECONDS = 300


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The settings of the daemon, and the keys of a client, for other processes."""
    cloud = cloud_at(CLOUD)
    key = api.call(cloud, "iam", "CreateAccessKey", {})["AccessKey"]
    return {
        **os.environ,
        "MINICLOUD_HOME": str(cloud.settings.home),
        "MINICLOUD_RUN": str(cloud.settings.run),
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CA_BUNDLE": str(cloud.settings.home / "endpoint.pem"),
        "HOME": str(tmp_path),
    }


@pytest.fixture
def daemon(environment: dict[str, str], tmp_path: Path) -> Iterator[int]:
    """`minicloud serve`, ready."""
    log = tmp_path / "serve.log"
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, str(tmp_path / "access.log"), os.O_WRONLY | os.O_CREAT, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT, 0o600),
    ]
    argv = [sys.executable, "-m", "minicloud", "serve", "--tls", "--listen", ADDRESS]
    pid = os.posix_spawn(sys.executable, argv, environment, file_actions=actions)
    until("the endpoint listens", lambda: log.exists() and "endpoint is https" in log.read_text(), _SECONDS, pause=0.2)
    yield pid
    os.kill(pid, signal.SIGTERM)
    handle = os.pidfd_open(pid)
    ended = select.select([handle], [], [], 60)[0]
    os.close(handle)
    assert ended, log.read_text()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert environment["AWS_SECRET_ACCESS_KEY"] not in log.read_text() + (tmp_path / "access.log").read_text()


def minicloud(environment: dict[str, str], *args: str) -> Any:
    """A command over the wire; its answer."""
    done = run(
        [sys.executable, "-m", "minicloud", "--endpoint-url", f"https://{ADDRESS}", *args], timeout=_SECONDS, env=environment
    )
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_a_guest_lives_and_answers(daemon: int, environment: dict[str, str]) -> None:
    session = boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    ec2 = session.client("ec2", endpoint_url=f"https://{ADDRESS}", verify=environment["AWS_CA_BUNDLE"])
    image = image_named("tiny")
    until("the image is registered", lambda: ec2.describe_images()["Images"], _SECONDS, pause=0.5)
    private = ec2.create_key_pair(KeyName="k", KeyType="ed25519")["KeyMaterial"]
    assert "PRIVATE KEY" in private
    run = {"MinCount": 1, "MaxCount": 1, "ImageId": image, "InstanceType": "t3.nano", "KeyName": "k"}
    made = ec2.run_instances(**run, ClientToken="t")["Instances"][0]["InstanceId"]
    assert ec2.run_instances(**run, ClientToken="t")["Instances"][0]["InstanceId"] == made
    ec2.get_waiter("instance_running").wait(InstanceIds=[made], WaiterConfig={"Delay": 1, "MaxAttempts": _SECONDS})
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=[made], WaiterConfig={"Delay": 1, "MaxAttempts": _SECONDS})
    (shown,) = minicloud(environment, "describe-instances", "--query", "Reservations[].Instances[]")
    assert (shown["InstanceId"], shown["State"]["Name"]) == (made, "running")
    until("the console says something", lambda: ec2.get_console_output(InstanceId=made)["Output"], _SECONDS, pause=1.0)
    minicloud(environment, "terminate-instances", "--instance-ids", made)
    minicloud(environment, "wait", "instance-terminated", "--instance-ids", made)
    assert ec2.describe_instances()["Reservations"][0]["Instances"][0]["State"]["Name"] == "terminated"
