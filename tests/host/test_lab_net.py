"""What a failed test leaves on its laboratory's host does not stop the next file's cloud."""

import pytest

from .. import lab_net
from ..cloud_fixtures import Ec2
from ..real_cloud import cloud_at, launch

pytestmark = [pytest.mark.lab, pytest.mark.guest]


def launched(name: str) -> Ec2:
    ec2 = Ec2(cloud_at(name))
    ec2("DescribeImages")
    instance = ec2("RunInstances", **launch("tiny"))["Instances"][0]["InstanceId"]
    assert ec2.instance(instance)["State"]["Name"] == "running"
    return ec2


def test_the_next_cloud_is_taken_by_the_host() -> None:
    launched("left-by-one")
    assert len(lab_net.left()) >= 2  # the guest and its bridge
    lab_net.clear()
    assert lab_net.left() == []
    launched("left-by-another")
    lab_net.clear()
