"""An AWS endpoint on loopback over a cloud with a fake host, with keys, and clients that speak to it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from minicloud import api
from minicloud.aws.client import Client, Keys
from minicloud.cloud import Cloud
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen


@dataclass
class Served:
    """An endpoint that runs."""

    cloud: Cloud
    url: str
    keys: Keys
    config: Config = field(default_factory=lambda: Config(retries={"max_attempts": 1}, parameter_validation=False))

    def boto(self, service: str = "ec2", keys: Keys | None = None, **more: Any) -> Any:
        """A boto3 client."""
        used = keys or self.keys
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=used.access_key,
            aws_secret_access_key=used.secret,
            aws_session_token=used.token or None,
            config=self.config,
            **more,
        )

    @property
    def own(self) -> Client:
        """Our own client."""
        return Client(self.url, "us-east-1", self.keys)

    def environment(self, directory: Path) -> dict[str, str]:
        """What a process needs to speak to the endpoint, and nothing of this user's."""
        return {
            "AWS_ACCESS_KEY_ID": self.keys.access_key,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(directory / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(directory / "no-credentials"),
            "HOME": str(directory),
            "ANSIBLE_REMOTE_TEMP": str(directory / ".ansible"),  # else in the home that the user database names
        }


def new_keys(cloud: Cloud) -> Keys:
    """A fresh access key."""
    made = api.call(cloud, "iam", "CreateAccessKey", {})["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture
def served(cloud: Cloud) -> Iterator[Served]:
    """An endpoint whose requests do the work themselves, as commands do."""
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
    where = server.start()
    yield Served(cloud, where.url, new_keys(cloud))
    server.stop()


def error_of(caught: Any) -> tuple[str, int]:
    """Code and status of a boto3 error."""
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def same(left: Any, right: Any) -> bool:
    """Whether two answers are the same, members' order included."""
    return json.dumps(left, default=repr) == json.dumps(right, default=repr)
