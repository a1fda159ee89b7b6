"""A cloud whose daemon is a process of its own, for groups of real, tiny guests."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.reconcile import daemon
from minicloud.reconcile.worker import wake

from ..cloud_fixtures import Ec2
from ..crashes import Point, arm
from ..real_cloud import cloud_at, image_named
from ..ssh import BOOT, Login
from ..waits import until

_FORK = multiprocessing.get_context("fork")


class Scene:
    """A cloud by its name. `serve` starts its daemon, which a test may kill; operations are those of commands."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.name, self.settings = name, settings
        self.cloud = self.make()
        self.ec2 = Ec2(self.cloud)
        self.daemon: Any = None
        self.private = self.ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]

    def make(self) -> Cloud:
        """The cloud, for one process."""
        return cloud_at(self.name, **self.settings)

    def serve(self, point: Point | None = None) -> None:
        """Start the daemon; it kills itself at a point where one is given."""

        def run() -> None:
            cloud = self.make()
            if point is not None:
                arm(cloud, point)
            daemon.run(cloud, lambda: False)

        self.daemon = _FORK.Process(target=run, daemon=True)
        self.daemon.start()
        until("the daemon listens", lambda: wake(self.cloud), BOOT)

    def kill(self) -> None:
        """End the daemon as `kill -9` does."""
        self.daemon.kill()
        self.daemon.join(30)

    def died(self) -> None:
        """Wait until the daemon has killed itself."""
        self.daemon.join(BOOT)
        assert self.daemon.exitcode == -signal.SIGKILL, self.daemon.exitcode

    def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """An operation."""
        return api.call(self.cloud, service, operation, params)

    def asg(self, operation: str, **params: Any) -> dict[str, Any]:
        """An operation on the group."""
        return self("autoscaling", operation, AutoScalingGroupName="group", **params)

    def template(self, **data: Any) -> None:
        """The launch template."""
        whole = {"ImageId": image_named("tiny"), "InstanceType": "t2.nano", "KeyName": "k", **data}
        self("ec2", "CreateLaunchTemplate", LaunchTemplateName="template", LaunchTemplateData=whole)

    def create(self, **params: Any) -> None:
        """The group, of two of at most three."""
        whole = {
            "MinSize": 0, "MaxSize": 3, "DesiredCapacity": 2, "AvailabilityZones": ["us-east-1a", "us-east-1b"],
            "LaunchTemplate": {"LaunchTemplateName": "template"}, **params,
        }  # fmt: skip
        self.asg("CreateAutoScalingGroup", **whole)

    def states(self) -> dict[str, str]:
        """The lifecycle states of the group's instances."""
        (group,) = self("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=["group"])["AutoScalingGroups"]
        return {one["InstanceId"]: one["LifecycleState"] for one in group["Instances"]}

    def serving(self) -> list[str]:
        """The instances in service."""
        return [instance_id for instance_id, state in self.states().items() if state == "InService"]

    def becomes(self, size: int, *without: str) -> list[str]:
        """Wait until the group is so large, with all in service and without some; its instances."""

        def so() -> bool:
            states = self.states()
            return list(states.values()) == ["InService"] * size and not set(without) & set(states)

        until(f"the group has {size} in service", so, BOOT, pause=0.5)
        return self.serving()

    def login(self, instance_id: str) -> Login:
        """The account of a guest."""
        return Login.of(self.ec2, instance_id, "root", self.private)

    def causes(self, instance_id: str) -> list[tuple[str, str]]:
        """Status and cause of the activities about an instance, newest first."""
        found = self.asg("DescribeScalingActivities")["Activities"]
        return [(one["StatusCode"], one["Cause"]) for one in found if instance_id in one["Description"]]

    def alive(self) -> set[str]:
        """All instances of the cloud that have not ended."""
        found = self("ec2", "DescribeInstances")["Reservations"]
        return {
            one["InstanceId"] for entry in found for one in entry["Instances"]
            if one["State"]["Name"] not in ("terminated", "shutting-down")
        }  # fmt: skip

    def end(self) -> None:
        """The group goes, with its guests, and the daemon."""
        self.asg("DeleteAutoScalingGroup", ForceDelete=True)

        def gone() -> bool:
            return not self("autoscaling", "DescribeAutoScalingGroups")["AutoScalingGroups"] and not self.alive()

        until("the group is gone", gone, BOOT, pause=0.5)
        self.kill()


def kill_qemu(instance_id: str) -> None:
    """End a guest's hypervisor as `kill -9` does."""
    (pid,) = Path("/run/libvirt/qemu").glob(f"*{instance_id}.pid")
    os.kill(int(pid.read_text()), signal.SIGKILL)
