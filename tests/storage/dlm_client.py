"""A client of DLM over a fake host, and a clock of the tests' own."""

from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.reconcile import lifecycle, lifecycle_made

from ..cloud_fixtures import Ec2

HOUR, DAY = 3600.0, 86400.0
HOURLY = {"Interval": 1, "IntervalUnit": "HOURS", "Times": ["00:00"]}
NOON = times.seconds("2099-03-01T12:00:30Z")
ROLE = "arn:aws:iam::000000000000:role/dlm"


class Dlm:
    """A client, and a clock."""

    def __init__(self, ec2: Ec2) -> None:
        self.ec2, self.now = ec2, NOON

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(self.ec2.cloud, "dlm", operation, params)

    def policy(self, kind: str = "VOLUME", retain: dict[str, Any] | None = None, **changes: Any) -> str:
        schedule = {"Name": "hourly", "CreateRule": HOURLY, "RetainRule": retain or {"Count": 3}, **changes.pop("schedule", {})}
        details = {
            "ResourceTypes": [kind], "TargetTags": [{"Key": "backup", "Value": "yes"}], "Schedules": [schedule], **changes,
        }  # fmt: skip
        made = self(
            "CreateLifecyclePolicy", ExecutionRoleArn=ROLE, Description="d", State="ENABLED",
            PolicyDetails=details, Tags={"team": "a"},
        )["PolicyId"]  # fmt: skip
        self.ec2.cloud.state.policies.change(made, modified=times.text(self.now))
        return str(made)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        lifecycle.reconcile(self.ec2.cloud, lambda: self.now)

    def snapshots(self) -> list[dict[str, Any]]:
        found = self.ec2("DescribeSnapshots", Filters=[{"Name": "tag-key", "Values": [lifecycle_made.POLICY_TAG]}])["Snapshots"]
        return sorted(found, key=lambda one: str(one["StartTime"]))


@pytest.fixture
def dlm(ec2: Ec2) -> Dlm:
    return Dlm(ec2)


def tagged(ec2: Ec2, **tags: str) -> str:
    given = [{"Key": key, "Value": value} for key, value in {"backup": "yes", **tags}.items()]
    made = ec2(
        "CreateVolume", AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": given}]
    )
    return str(made["VolumeId"])
