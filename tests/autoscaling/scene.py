"""A client of Auto Scaling over a fake host, and a clock that a test moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from minicloud import api
from minicloud.callers import Caller
from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from minicloud.host.fake import FakeHost
from minicloud.reconcile import loop

from ..clocks import Clock
from ..cloud_fixtures import IMAGE, Ec2

ZONES = ["us-east-1a", "us-east-1b"]
ALARM = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:hot"


@dataclass
class Scaling:
    """A client."""

    cloud: Cloud
    host: FakeHost
    ec2: Ec2
    clock: Clock

    def __call__(self, operation: str, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
        """The answer, which is what AWS's model says."""
        return api.call(self.cloud, "autoscaling", operation, params, caller=caller)

    def refused(self, operation: str, **params: Any) -> ApiError:
        """The error."""
        with pytest.raises(ApiError) as caught:
            self(operation, **params)
        return caught.value

    def template(self, name: str = "template", **data: Any) -> str:
        """A launch template; its id."""
        made = self.ec2(
            "CreateLaunchTemplate", LaunchTemplateName=name,
            LaunchTemplateData={"ImageId": IMAGE.image_id, "InstanceType": "t3.nano", **data},
        )  # fmt: skip
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def create(self, name: str = "group", **params: Any) -> None:
        """A group of the template; of two unless said otherwise."""
        whole = {
            "MinSize": 0, "MaxSize": 10, "DesiredCapacity": 2, "AvailabilityZones": ZONES,
            "LaunchTemplate": {"LaunchTemplateName": "template"}, **params,
        }  # fmt: skip
        self("CreateAutoScalingGroup", AutoScalingGroupName=name, **{key: val for key, val in whole.items() if val is not None})

    def look(self, seconds: float = 0.0) -> None:
        """Let time pass, then one pass of the loop."""
        self.clock.pass_(seconds)
        loop.run_pass(self.cloud)

    def group(self, name: str = "group") -> dict[str, Any]:
        """What DescribeAutoScalingGroups says of one."""
        (found,) = self("DescribeAutoScalingGroups", AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return dict(found)

    def states(self, name: str = "group") -> dict[str, str]:
        """The lifecycle states of a group's instances."""
        return {one["InstanceId"]: one["LifecycleState"] for one in self.group(name)["Instances"]}

    def in_service(self, name: str = "group") -> list[str]:
        """The instances that serve."""
        return [instance_id for instance_id, state in self.states(name).items() if state == "InService"]

    def activities(self, name: str = "group") -> list[dict[str, Any]]:
        """A group's activities, newest first."""
        found = self("DescribeScalingActivities", AutoScalingGroupName=name, IncludeDeletedGroups=True)["Activities"]
        return list(found)

    def about(self, instance_id: str, name: str = "group") -> list[dict[str, Any]]:
        """A group's activities about one instance, newest first."""
        return [one for one in self.activities(name) if instance_id in one["Description"]]

    def alarmed(self, policy_arn: str, value: float, threshold: float = 0.0) -> None:
        """An alarm's action executes a policy."""
        caller = Caller(ALARM, "cloudwatch.amazonaws.com")
        self("ExecutePolicy", caller, PolicyName=policy_arn, MetricValue=value, BreachThreshold=threshold)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test moves."""
    return Clock(monkeypatch)


@pytest.fixture
def scaling(cloud: Cloud, host: FakeHost, ec2: Ec2, clock: Clock) -> Iterator[Scaling]:
    """A client with a launch template named `template`."""
    made = Scaling(cloud, host, ec2, clock)
    made.template()
    yield made
    cloud.state.close()
