"""Commands that are killed at points of a scaling activity: the next one finds the group whole, nothing doubled, nothing lost."""

from pathlib import Path
from typing import Any

import pytest

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.host import fake

from ..cloud_fixtures import IMAGE, Ec2, cloud_in
from ..crashes import Point, arm, both, orphans
from ..processes import killed, together, values

LAUNCHES = "minicloud.reconcile.autoscaling_launches"
POINTS = [
    *both(f"{LAUNCHES}:launch", f"{LAUNCHES}:_record", "minicloud.reconcile.autoscaling_execute:_move"),
    Point("minicloud.reconcile.autoscaling_execute:_move", "before", 2),
    Point("minicloud.reconcile.autoscaling_execute:_record", "after"),
    *(Point("minicloud.services.ec2.launch:_record", when, 2) for when in ("before", "after")),  # the first is a rehearsal
    *both("guests.start", "StartGuest"),
    Point("minicloud.reconcile.worker:SelfOrDaemon.work", "before"),
]
ENDS = [
    *both("minicloud.reconcile.autoscaling_execute:_move", "minicloud.reconcile.autoscaling_execute:_record", "guests.remove"),
    Point("minicloud.reconcile.autoscaling_execute:_move", "after", 2),
    Point("minicloud.reconcile.autoscaling_execute:_record", "after", 3),
    *both("minicloud.services.ec2.instance_states:_touch"),
]


class Where:
    """A cloud that several processes share; each call is a command in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        host = fake.host(directory / "host")
        host.add_image(IMAGE)
        self("ec2", "CreateLaunchTemplate", LaunchTemplateName="template",
             LaunchTemplateData={"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"})  # fmt: skip

    def make(self) -> Cloud:
        """The cloud, for one process."""
        return cloud_in(self.directory)

    def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """A command's answer."""
        (answer,) = values(together(lambda: api.call(self.make(), service, operation, params)))
        return dict(answer)

    def killed(self, point: Point, operation: str, **params: Any) -> None:
        """A command that dies at a point. Fails if it does not come to it."""

        def command() -> None:
            cloud = self.make()
            arm(cloud, point)
            api.call(cloud, "autoscaling", operation, params)

        assert killed(command), f"{operation} does not come to {point}"

    def agrees(self, size: int) -> None:
        """The group has its size, and there is nothing that is not the group's."""
        (group,) = self("autoscaling", "DescribeAutoScalingGroups")["AutoScalingGroups"]
        assert [one["LifecycleState"] for one in group["Instances"]] == ["InService"] * size
        found = Ec2(self.make())("DescribeInstances")["Reservations"]
        alive = {
            one["InstanceId"] for entry in found for one in entry["Instances"] if one["State"]["Name"] not in ("terminated",)
        }
        assert alive == {one["InstanceId"] for one in group["Instances"]}
        assert orphans(self.make) == []
        activities = self("autoscaling", "DescribeScalingActivities")["Activities"]
        assert {one["StatusCode"] for one in activities} <= {"Successful"}
        described = [one["Description"] for one in activities]
        assert len(described) == len(set(described)), "no activity twice"


@pytest.fixture
def where(tmp_path: Path) -> Where:
    """A cloud with a template."""
    return Where(tmp_path)


def create(size: int) -> dict[str, Any]:
    return {
        "AutoScalingGroupName": "group", "MinSize": 0, "MaxSize": 4, "DesiredCapacity": size,
        "AvailabilityZones": ["us-east-1a"], "LaunchTemplate": {"LaunchTemplateName": "template"},
    }  # fmt: skip


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_launch_that_is_killed(where: Where, point: Point) -> None:
    where.killed(point, "CreateAutoScalingGroup", **create(2))
    where("autoscaling", "DescribeAccountLimits")
    where.agrees(2)


@pytest.mark.parametrize("point", ENDS, ids=str)
def test_a_termination_that_is_killed(where: Where, point: Point) -> None:
    where("autoscaling", "CreateAutoScalingGroup", **create(3))
    where.killed(point, "SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    where("autoscaling", "DescribeAccountLimits")
    where.agrees(1)


def test_several_at_once(where: Where) -> None:
    """Commands that all see the same group, each of which could fulfil its wishes."""
    where("autoscaling", "CreateAutoScalingGroup", **create(1))

    def set_to(size: int) -> Any:
        params = {"AutoScalingGroupName": "group", "DesiredCapacity": size}
        return lambda: api.call(where.make(), "autoscaling", "SetDesiredCapacity", params)

    values(together(*(set_to(size) for size in (3, 3, 3, 3, 3, 3))))
    where("autoscaling", "DescribeAccountLimits")
    where.agrees(3)
