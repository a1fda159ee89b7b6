"""Load balancers are reconciled: the plan, what probes mean for a target's row, and a cloud over a fake host."""

from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.errors import Permanent
from minicloud.host.contracts_lb import Health
from minicloud.reconcile import load_balancers, loop
from minicloud.reconcile.load_balancers import judged, plan
from minicloud.state.rows_lb import Target, TargetGroup

from ..cloud_fixtures import Ec2

NOW = times.seconds("2026-01-02T00:00:00Z")
GROUP = TargetGroup(
    "tg-a", "arn", "a", "HTTP", "HTTP1", 80, "vpc-a", "instance", "ipv4",
    True, "HTTP", "traffic-port", "/", 30, 5, 5, 2, "200", {}, "",
)  # fmt: skip
FAILED = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
STARTING = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
WAITING = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")


def target(health: str, reason: str = "", description: str = "", ago: float = 10) -> Target:
    return Target("tg-a", "i-a", 80, "", "", health=health, reason=reason, description=description, since=times.text(NOW - ago))


def after(before: Target, health: Health | None, *, idle: bool = False) -> tuple[str, str, str] | None:
    """What the row says then; None where it stays."""
    fields = judged(before, GROUP, health, NOW, idle=idle)
    return (fields["health"], fields["reason"], fields["description"]) if fields else None


def test_the_plan_is_the_difference() -> None:
    assert plan({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "1", "d": "1"}) == (["b", "c"], ["d"])
    assert plan({"a": "1"}, {"a": None}) == (["a"], [])
    assert plan({"a": "1"}, {"a": "1"}) == ([], [])


@pytest.mark.parametrize(
    ("before", "health", "wanted"),
    [
        (target(*WAITING), Health(False, None), STARTING),
        (target(*WAITING), Health(True, ""), ("healthy", "", "")),
        (target(*WAITING, ago=99), Health(False, "failed"), STARTING),
        (target(*STARTING, ago=10), Health(False, "failed"), None),
        (target(*STARTING, ago=61), Health(False, "failed"), FAILED),
        (target("healthy"), Health(True, "failed"), None),
        (target("healthy"), Health(False, "timeout"), ("unhealthy", "Target.Timeout", "Request timed out")),
        (target(*FAILED), Health(False, None), None),
        (
            target(*FAILED),
            Health(False, "codes", 500),
            ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"),
        ),
        (target(*FAILED), Health(True, ""), ("healthy", "", "")),
        (target("healthy"), None, None),
    ],
)
def test_what_probes_mean(before: Target, health: Health | None, wanted: tuple[str, str, str] | None) -> None:
    assert after(before, health) == wanted


def test_who_is_not_in_use_begins_anew() -> None:
    assert after(target("healthy"), Health(True, ""), idle=True) == WAITING
    assert after(target(*WAITING), None, idle=True) is None


def test_since_is_when_health_changed() -> None:
    assert "since" in judged(target("healthy"), GROUP, Health(False, "failed"), NOW, idle=False)
    assert "since" in judged(target(*FAILED), GROUP, Health(True, ""), NOW, idle=False)
    changed = judged(target(*FAILED), GROUP, Health(False, "timeout"), NOW, idle=False)
    assert changed["reason"] == "Target.Timeout"


class Balanced:
    """A cloud with one balancer, its group and an instance in it."""

    def __init__(self, ec2: Ec2) -> None:
        self.ec2 = ec2
        subnets = [one["SubnetId"] for one in ec2("DescribeSubnets")["Subnets"]][:2]
        vpc = ec2("DescribeVpcs")["Vpcs"][0]["VpcId"]
        self.instance = ec2.run(SubnetId=subnets[0])
        made = self("CreateLoadBalancer", Name="a", Subnets=subnets, Scheme="internal")["LoadBalancers"][0]
        self.arn, self.id = made["LoadBalancerArn"], f"elb-{made['LoadBalancerArn'].rpartition('/')[2]}"
        group = self("CreateTargetGroup", Name="g", Protocol="HTTP", Port=80, VpcId=vpc, UnhealthyThresholdCount=2)
        self.group = group["TargetGroups"][0]["TargetGroupArn"]
        forward = {"Type": "forward", "TargetGroupArn": self.group}
        listener = {"LoadBalancerArn": self.arn, "Protocol": "HTTP", "Port": 80, "DefaultActions": [forward]}
        self("CreateListener", **listener)
        self("RegisterTargets", TargetGroupArn=self.group, Targets=[{"Id": self.instance}])

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(self.ec2.cloud, "elbv2", operation, params)

    @property
    def place(self) -> tuple[str, str]:
        """Its target."""
        return f"tg-{self.group.rpartition('/')[2]}", f"{self.ec2.instance(self.instance)['PrivateIpAddress']}:80"

    def health(self) -> dict[str, str]:
        """The only target's."""
        found = self("DescribeTargetHealth", TargetGroupArn=self.group)["TargetHealthDescriptions"]
        return dict(found[0]["TargetHealth"]) if found else {}

    def state(self) -> dict[str, str]:
        """The balancer's."""
        return dict(self("DescribeLoadBalancers")["LoadBalancers"][0]["State"])


@pytest.fixture
def balanced(ec2: Ec2) -> Balanced:
    return Balanced(ec2)


def test_health_reaches_the_rows(balanced: Balanced) -> None:
    host: Any = balanced.ec2.cloud.host
    assert balanced.state() == {"Code": "active"}
    assert balanced.health()["State"] == "initial"
    host.probe(balanced.id, balanced.place, "", up=True)
    assert balanced.health() == {"State": "healthy"}
    host.probe(balanced.id, balanced.place, "codes", up=False, code=503)
    assert balanced.health()["Description"] == "Health checks failed with these codes: [503]"


def test_a_stopped_instance_is_no_target_and_returns_as_a_new_one(balanced: Balanced) -> None:
    host: Any = balanced.ec2.cloud.host
    host.probe(balanced.id, balanced.place, "", up=True)
    place = balanced.place
    assert balanced.health()["State"] == "healthy"
    balanced.ec2("StopInstances", InstanceIds=[balanced.instance])
    host.power_off_by_guest(balanced.instance)
    assert balanced.health()["State"] == "unused"
    assert place not in host.balancers.health(balanced.id)
    balanced.ec2("StartInstances", InstanceIds=[balanced.instance])
    loop.run_pass(balanced.ec2.cloud)
    assert balanced.health()["State"] == "initial"


def test_a_target_that_drains_is_forgotten_when_its_time_is_over(balanced: Balanced) -> None:
    state = balanced.ec2.cloud.state
    balanced("DeregisterTargets", TargetGroupArn=balanced.group, Targets=[{"Id": balanced.instance}])
    assert balanced.health()["State"] == "draining"
    row = state.targets.query()[0]
    assert load_balancers.due(balanced.ec2.cloud) == times.seconds(row.drain_until)
    state.targets.change(row.group_id, row.target_id, row.port, drain_until="2026-01-02T00:00:00.000Z")
    loop.run_pass(balanced.ec2.cloud)
    assert state.targets.query() == []


def test_what_the_host_refuses_is_told_and_tried_again_when_it_changes(balanced: Balanced) -> None:
    host: Any = balanced.ec2.cloud.host
    host.fail("balancers.ensure", Permanent("it makes no sense"), times=1)
    host.kill_balancer(balanced.id)
    loop.run_pass(balanced.ec2.cloud)
    assert balanced.state() == {"Code": "active_impaired", "Reason": "it makes no sense"}
    balanced.ec2.look()
    assert balanced.state() == {"Code": "active"}
    host.kill_balancer(balanced.id)
    host.fail("balancers.ensure", Permanent("it makes no sense"), times=100)
    loop.run_pass(balanced.ec2.cloud)
    assert balanced.state() == {"Code": "active_impaired", "Reason": "it makes no sense"}


def test_one_that_is_deleted_leaves_the_host(balanced: Balanced) -> None:
    balanced("DeleteLoadBalancer", LoadBalancerArn=balanced.arn)
    loop.run_pass(balanced.ec2.cloud)
    assert balanced.ec2.cloud.host.balancers.list() == {}


@pytest.mark.parametrize("state", ["provisioning", "active_impaired", "failed"])
def test_one_that_was_made_and_not_recorded_is_recorded(balanced: Balanced, state: str) -> None:
    """A command that was killed between the two, or whose state could not be written."""
    balanced.ec2.cloud.state.load_balancers.change(balanced.id, state=state, reason="in the midst")
    loop.run_pass(balanced.ec2.cloud)
    row = balanced.ec2.cloud.state.load_balancers.get(balanced.id)
    assert row is not None
    assert (row.state, row.reason) == ("active", "")
