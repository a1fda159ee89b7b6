"""`minicloud serve` as a process of its own in a laboratory, and the clients that speak to it over HTTPS.

One daemon for all tests of a file. It must end in order, leave no guest, and have told nobody the secret key.
"""

import io
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import paramiko
import pytest

from minicloud import api
from minicloud.cloud import Idle
from minicloud.host.run import Completed, run

from ..cloud_fixtures import Ec2
from ..real_cloud import cloud_at, image_named
from ..ssh import Login
from ..waits import until

CLOUD = "endpoint"
ADDRESS = "127.0.0.1:8843"
URL = f"https://{ADDRESS}"
SECONDS = 300
BIN = Path(sys.executable).parent


@dataclass
class Scene:
    """The endpoint, the image of the tiny guest, and what other processes need to know."""

    environment: dict[str, str]
    directory: Path
    image: str
    ec2: Any
    """boto3's client."""

    def run(self, *argv: str) -> Completed:
        """A command, as somebody who has only the endpoint's address and keys; it must succeed."""
        return run(list(argv), timeout=2 * SECONDS, env=self.environment, cwd=self.directory)

    def minicloud(self, *args: str) -> Any:
        """Our own command over the wire; its answer."""
        said = self.run(sys.executable, "-m", "minicloud", "--endpoint-url", URL, *args).stdout
        return json.loads(said) if said.strip() else None

    def aws(self, *args: str) -> str:
        """The aws CLI; its answer as text, without the line's end."""
        return self.run(str(BIN / "aws"), "--endpoint-url", URL, "ec2", *args, "--output", "text").text.strip()

    def wait(self, waiter: str, **params: Any) -> None:
        """One of boto3's waiters."""
        self.ec2.get_waiter(waiter).wait(**params, WaiterConfig={"Delay": 1, "MaxAttempts": SECONDS})

    def aws_wait(self, waiter: str, kind: str, *ids: str) -> None:
        """One of the aws CLI's waiters. It looks every 15 seconds, so boto3's looks first, and this one once."""
        self.wait(waiter.replace("-", "_"), **{f"{kind.title()}Ids": list(ids)})
        self.aws("wait", waiter, f"--{kind}-ids", *ids)

    def login(self, instance_id: str, key: str) -> Login:
        """SSH to a guest as root, with a private key in PEM. The host key is checked against the guest's console."""
        cloud = cloud_at(CLOUD)
        cloud.worker = Idle()
        return Login(Ec2(cloud), instance_id, "root", paramiko.Ed25519Key.from_private_key(io.StringIO(key)))


def _environment(directory: Path) -> dict[str, str]:
    cloud = cloud_at(CLOUD)
    key = api.call(cloud, "iam", "CreateAccessKey", {})["AccessKey"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **plain,
        "MINICLOUD_HOME": str(cloud.settings.home),
        "MINICLOUD_RUN": str(cloud.settings.run),
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CA_BUNDLE": str(cloud.settings.home / "endpoint.pem"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": URL,
        "PYTHONPATH": os.getcwd(),
        "LC_ALL": "C.UTF-8",  # without a locale of UTF-8 Ansible does nothing
        "HOME": str(directory),
        "ANSIBLE_REMOTE_TEMP": str(directory / ".ansible"),  # else in the home that the user database names
    }


def _ends(pid: int) -> bool:
    os.kill(pid, signal.SIGTERM)
    handle = os.pidfd_open(pid)
    ended = bool(select.select([handle], [], [], 60)[0])
    os.close(handle)
    return ended and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The daemon, ready, with the tiny guest's image."""
    directory = tmp_path_factory.mktemp("scene")
    environment, log, access = _environment(directory), directory / "serve.log", directory / "access.log"
    actions = [
        (os.POSIX_SPAWN_OPEN, number, str(path), os.O_WRONLY | os.O_CREAT, 0o600) for number, path in ((1, access), (2, log))
    ]
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "minicloud", "serve", "--tls", "--listen", ADDRESS],
        environment,
        file_actions=actions,
    )
    until("the endpoint listens", lambda: log.exists() and "endpoint is https" in log.read_text(), SECONDS, pause=0.2)
    session = boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    ec2 = session.client("ec2", endpoint_url=URL, verify=environment["AWS_CA_BUNDLE"])
    until("the image is registered", lambda: ec2.describe_images()["Images"], SECONDS, pause=0.5)
    yield Scene(environment, directory, image_named("tiny"), ec2)
    assert _ends(pid), log.read_text()
    host = cloud_at(CLOUD).host
    assert (set(host.guests.list()), set(host.networks.list())) == (set(), set())
    assert environment["AWS_SECRET_ACCESS_KEY"] not in log.read_text() + access.read_text()
    assert access.read_text().count('"code": "InternalError"') == 0, log.read_text()
