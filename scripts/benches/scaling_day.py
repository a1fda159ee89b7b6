"""A day of groups that follow their load, by a virtual clock: the operations and the reconciler are the real ones, only EC2's
guests are of the imagination and obey at once.

Each group's load is a curve with a little noise; its average over the instances in service is what the alarms of its policy
see: one over the target at every look, and one far enough below it after three looks in a row. A third of the groups each has
target tracking (which AWS makes alarms at nine tenths of the target for), a step policy, and two simple ones (at seven tenths:
one instance less of a few must not be one too few).
"""

import contextlib
import dataclasses
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minicloud import api
from minicloud.cloud import Cloud, Idle
from minicloud.config import Settings
from minicloud.errors import ApiError
from minicloud.host import fake
from minicloud.host.contracts import BaseImage, BootSpec, Capacity
from minicloud.host.fake_drivers import FakeMachine
from minicloud.reconcile import autoscaling, loop

DAY, TARGET, COOLDOWN, WARMUP = 86400.0, 50.0, 900.0, 300
MOST, LEAST, MEAN = 20, 3, 10
IMAGE = BaseImage(
    image_id="ami-0123456789abcdef0", name="simulated", description="", architecture="x86_64", boot_mode="uefi-preferred",
    default_user="nobody", root_device_name="/dev/xvda", virtual_size=1 << 30, created="2026-01-02T03:04:05.000Z",
    source="simulation", path="fake:image", boot=BootSpec(),
)  # fmt: skip
ALARM = api.Caller("arn:aws:cloudwatch:us-east-1:000000000000:alarm:load", "cloudwatch.amazonaws.com")
KINDS = ("tracking", "steps", "simple")


@dataclasses.dataclass
class Curve:
    """A group's load over the day, and how long it has been low."""

    name: str
    kind: str
    phase: float
    noise: random.Random
    low: int = 0

    def load(self, moment: float) -> float:
        """In per cent of one instance: 100 is one that is wholly busy."""
        swing = 1.0 + 0.4 * math.sin(2 * math.pi * (moment / DAY + self.phase))
        return TARGET * MEAN * 0.9 * swing * self.noise.uniform(0.98, 1.02)


class Day:
    """Groups and their instances in a directory."""

    def __init__(self, directory: Path, groups: int) -> None:
        host = fake.host()
        host.add_image(IMAGE)
        host.set_capacity(Capacity(100_000, 1 << 30))
        self.cloud = Cloud(Settings(home=directory / "home", run=directory / "run", listen="none"), lambda *_: host, Idle())
        self.now = self.start = 1_800_000_000.0
        self.curves = [
            Curve(f"group-{number:04}", KINDS[number % 3], number / groups, random.Random(number)) for number in range(groups)
        ]
        self.passes: list[float] = []
        self.sizes: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.policies: dict[str, tuple[str, str]] = {}

    @contextlib.contextmanager
    def clock(self) -> Iterator[None]:
        """The virtual clock in place of the real one."""
        real = time.time, FakeMachine.uptime
        time.time, FakeMachine.uptime = lambda: self.now, lambda _: self.now - self.start  # type: ignore[method-assign]
        try:
            yield
        finally:
            time.time, FakeMachine.uptime = real  # type: ignore[method-assign]

    def __call__(self, service: str, operation: str, caller: api.Caller | None = None, **params: Any) -> dict[str, Any]:
        """An operation."""
        return api.call(self.cloud, service, operation, params, caller=caller)

    def make(self) -> None:
        """The template, the groups, their policies, and their first instances."""
        # What is measured is the loop and not this machine's disk.
        self.cloud.state._connection().execute("PRAGMA synchronous=OFF")  # noqa: SLF001
        loop.run_pass(self.cloud)
        for subnet in self("ec2", "DescribeSubnets")["Subnets"]:
            self("ec2", "ModifySubnetAttribute", SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": False})
        data = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}
        self("ec2", "CreateLaunchTemplate", LaunchTemplateName="template", LaunchTemplateData=data)
        for curve in self.curves:
            self._group(curve)
        self.settle()

    def _group(self, curve: Curve) -> None:
        self(
            "autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName=curve.name, MinSize=LEAST, MaxSize=MOST,
            DesiredCapacity=MEAN, LaunchTemplate={"LaunchTemplateName": "template"},
            AvailabilityZones=["us-east-1a", "us-east-1b", "us-east-1c"], DefaultInstanceWarmup=WARMUP,
        )  # fmt: skip
        simple = {"AdjustmentType": "ChangeInCapacity", "Cooldown": int(COOLDOWN)}
        steps = [
            {"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 20.0, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": 20.0, "ScalingAdjustment": 3},
        ]
        metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": TARGET}
        of_kind: dict[str, list[dict[str, Any]]] = {
            "tracking": [{"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": metric}],
            "steps": [{"PolicyType": "StepScaling", "AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps}],
            "simple": [{**simple, "ScalingAdjustment": 2}, {**simple, "ScalingAdjustment": -1}],
        }
        made = [
            self("autoscaling", "PutScalingPolicy", AutoScalingGroupName=curve.name, PolicyName=f"policy-{at}", **policy)
            for at, policy in enumerate(of_kind[curve.kind])
        ]
        self.policies[curve.name] = (made[0]["PolicyARN"], made[-1]["PolicyARN"])

    def settle(self) -> None:
        """Passes until there is nothing left to do; the last of them, which only looks, is timed (this process's own time)."""
        acted = True
        while acted:
            began = time.process_time()
            acted = autoscaling.reconcile(self.cloud)
            if not acted:
                self.passes.append(time.process_time() - began)
            self._obey()

    def _obey(self) -> None:
        """What EC2's own reconciler would do: what shall run runs, what shall end is gone with all that was its own."""
        state = self.cloud.state
        with state.transaction():
            for row in state.instances.query("state = 'pending'"):
                state.instances.change(row.id, state="running")
            gone = "in (select id from instances where wish = 'terminated')"
            state.interfaces.remove_where(f"instance_id {gone}")
            state.tags.remove_where(f"resource_id {gone}")
            state.layers.remove_where(f"id in (select layer_id from volumes where instance_id {gone})")
            state.volumes.remove_where(f"instance_id {gone}")
            state.instances.remove_where("wish = 'terminated'")

    def step(self, seconds: float) -> None:
        """Time passes, alarms see the load, groups follow."""
        self.now += seconds
        serving: dict[str, int] = defaultdict(int)
        for member in self.cloud.state.scaling_members.find(state="InService"):
            serving[member.group_name] += 1
        for curve in self.curves:
            self._alarm(curve, curve.load(self.now - self.start) / max(1, serving[curve.name]))
        self.settle()
        for group in self.cloud.state.scaling_groups.query():
            if not self.sizes[group.name] or self.sizes[group.name][-1][1] != group.desired:
                self.sizes[group.name].append((self.now, group.desired))

    def _alarm(self, curve: Curve, value: float) -> None:
        outward, inward = self.policies[curve.name]
        floor = TARGET * (0.9 if curve.kind == "tracking" else 0.7)
        curve.low = curve.low + 1 if value < floor else 0
        if value <= TARGET and curve.low < 3:
            return
        threshold = TARGET if value > TARGET else floor
        with contextlib.suppress(ApiError):  # a cooldown, which an alarm's history would tell
            policy = outward if value > TARGET else inward
            params = {"PolicyName": policy, "MetricValue": min(100.0, value), "BreachThreshold": threshold}
            self("autoscaling", "ExecutePolicy", ALARM, **params)

    def close(self) -> None:
        """End it."""
        self.cloud.state.close()
