"""Clouds over a fake host, and a client of them that holds every answer against AWS's model.

`ec2` has the worker that commands have, so that what is wished for is done before an answer is given; `idle` has none, so that
rows stay as an operation wrote them. `Ec2.refused` gives the error of a request that must be refused.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minicloud import api
from minicloud.cloud import Cloud, Idle
from minicloud.config import Settings
from minicloud.errors import ApiError
from minicloud.host import fake
from minicloud.host.contracts import BaseImage, BootSpec
from minicloud.host.fake import FakeHost
from minicloud.reconcile import loop
from minicloud.reconcile.worker import worker_for
from minicloud.state.rows import Instance

IMAGE = BaseImage(
    image_id="ami-0123456789abcdef0",
    name="debian-12",
    description="Debian 12 for tests",
    architecture="x86_64",
    boot_mode="uefi-preferred",
    default_user="debian",
    root_device_name="/dev/xvda",
    virtual_size=3 << 30,
    created="2026-01-02T03:04:05.000Z",
    source="test",
    path="fake:image",
    boot=BootSpec(),
)
RUN = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1}


def waited(cloud: Cloud) -> None:
    """What has failed has waited long enough, and is tried by the next pass."""
    for failure in cloud.state.failures.query():
        cloud.state.failures.change(failure.part, failure.subject, retry_at="")


@dataclass
class Ec2:
    """A client of one cloud."""

    cloud: Cloud

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        """The answer, which is what AWS's model says."""
        return api.call(self.cloud, "ec2", operation, params)

    def refused(self, operation: str, **params: Any) -> ApiError:
        """The error."""
        with pytest.raises(ApiError) as caught:
            self(operation, **params)
        return caught.value

    def run(self, **params: Any) -> str:
        """Launch one instance; its id."""
        return str(self("RunInstances", **{**RUN, **params})["Instances"][0]["InstanceId"])

    def instance(self, instance_id: str) -> dict[str, Any]:
        """What DescribeInstances says of one."""
        found: dict[str, Any] = self("DescribeInstances", InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return found

    def state(self, instance_id: str) -> str:
        """The name of an instance's state."""
        return str(self.instance(instance_id)["State"]["Name"])

    def row(self, instance_id: str) -> Instance:
        """The row of an instance, looked up and nothing done."""
        row = self.cloud.state.instances.get(instance_id)
        assert row is not None
        return row

    def look(self) -> None:
        """One pass, as the daemon makes it when what has failed has waited long enough."""
        waited(self.cloud)
        loop.run_pass(self.cloud, look=True)


def settings(directory: Path, **changes: Any) -> Settings:
    """Settings of a cloud that lives in one directory."""
    own = Settings(home=directory / "home", run=directory / "run", images=directory / "images", listen="127.0.0.1:0")
    return dataclasses.replace(own, **changes)


def cloud_in(directory: Path, host: FakeHost | None = None, *, work: bool = True) -> Cloud:
    """A cloud over a fake host; without `host` over the one that all processes share which use this directory."""
    drivers = host or fake.host(directory / "host")
    cloud = Cloud(settings(directory), lambda *_: drivers)
    cloud.worker = worker_for(cloud) if work else Idle()
    return cloud


@pytest.fixture
def host() -> FakeHost:
    """A host with one image."""
    made = fake.host()
    made.add_image(IMAGE)
    return made


@pytest.fixture
def cloud(tmp_path: Path, host: FakeHost) -> Cloud:
    """A cloud whose commands do the work themselves."""
    return cloud_in(tmp_path, host)


@pytest.fixture
def ec2(cloud: Cloud) -> Ec2:
    """A client of `cloud`."""
    return Ec2(cloud)


@pytest.fixture
def idle(tmp_path: Path, host: FakeHost) -> Ec2:
    """A client of a cloud that knows its images and where nobody does any work."""
    loop.run_pass(cloud_in(tmp_path, host))
    return Ec2(cloud_in(tmp_path, host, work=False))
