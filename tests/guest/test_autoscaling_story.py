"""A group of two real guests behind an application load balancer, from end to end: load inside a guest raises CPUUtilization, an
alarm fires, the group grows, the new guest is registered, becomes healthy and serves; the load ends, it shrinks and drains; a web
server that is stopped costs its guest its place; and target tracking does by itself what alarms and policies did.

The tests of this file run in its order; the last one ends the guests. Periods are short: the daemon looks every five seconds.
"""

import base64
import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from ..crashes import orphans
from ..ssh import BOOT
from ..waits import until
from .scaling_scene import Scene

pytestmark = [pytest.mark.lab, pytest.mark.guest]
CLOUD = "story"
WEB = """#!/bin/sh
mkdir -p /run/www && hostname >/run/www/index.html && httpd -p 80 -h /run/www
"""
BUSY = "(while :; do :; done) >/dev/null 2>&1 & echo $! >/run/load"
LONG = 2 * BOOT


class Story(Scene):
    """The scene with a balancer in front."""

    def __init__(self) -> None:
        super().__init__(CLOUD, sample_seconds=5)
        subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in self("ec2", "DescribeSubnets")["Subnets"]}
        vpc = self("ec2", "DescribeVpcs")["Vpcs"][0]["VpcId"]
        group = self("ec2", "CreateSecurityGroup", GroupName="web", Description="for a test", VpcId=vpc)["GroupId"]
        everyone = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        self("ec2", "AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=everyone)
        zones = [subnets["us-east-1a"], subnets["us-east-1b"]]
        self.balancer = self("elbv2", "CreateLoadBalancer", Name="front", Subnets=zones, SecurityGroups=[group])["LoadBalancers"][
            0
        ]
        self.targets = self(
            "elbv2", "CreateTargetGroup", Name="web", Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=4, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
        self("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=self.targets, Attributes=delay)
        actions = [{"Type": "forward", "TargetGroupArn": self.targets}]
        arn = self.balancer["LoadBalancerArn"]
        self("elbv2", "CreateListener", LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=actions)
        self.template(UserData=base64.b64encode(WEB.encode()).decode(), SecurityGroupIds=[group], Monitoring={"Enabled": True})

    def health(self) -> dict[str, str]:
        """The states of the balancer's targets."""
        found = self("elbv2", "DescribeTargetHealth", TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in found}

    def address(self) -> str:
        """Where the balancer answers."""
        cards = self("ec2", "DescribeNetworkInterfaces")["NetworkInterfaces"]
        (found, *_) = [one for one in cards if one["Description"].startswith("ELB app/front/")]
        return str(found["Association"]["PublicIp"])

    def answer(self) -> str:
        """Which guest answers a request; empty where none does."""
        connection = http.client.HTTPConnection(self.address(), 80, timeout=20)
        try:
            connection.request("GET", "/")
            said = connection.getresponse()
            body = said.read().decode().strip()
        except OSError:
            return ""
        finally:
            connection.close()
        return body if said.status == 200 else ""

    def all_answer(self) -> None:
        """Wait until every guest in service has answered a request to the balancer."""
        wanted = {"ip-" + str(self.ec2.instance(one)["PrivateIpAddress"]).replace(".", "-") for one in self.serving()}
        seen: set[str] = set()

        def so() -> bool:
            seen.add(self.answer())
            return wanted <= seen

        until(f"all of {sorted(wanted)} have answered", so, BOOT)

    def policy(self, name: str, **params: Any) -> str:
        """A scaling policy's ARN."""
        return str(self.asg("PutScalingPolicy", PolicyName=name, **params)["PolicyARN"])

    def alarm(self, name: str, policy: str, comparison: str, threshold: float, periods: int) -> None:
        """An alarm on the group's CPUUtilization."""
        self(
            "cloudwatch", "PutMetricAlarm", AlarmName=name, Namespace="AWS/EC2", MetricName="CPUUtilization",
            Dimensions=[{"Name": "AutoScalingGroupName", "Value": "group"}], Statistic="Average", Period=10,
            EvaluationPeriods=periods, Threshold=threshold, ComparisonOperator=comparison, AlarmActions=[policy],
        )  # fmt: skip


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    made = Story()
    made.serve()
    made.create(TargetGroupARNs=[made.targets], HealthCheckType="ELB", HealthCheckGracePeriod=int(BOOT), MinSize=2)
    yield made
    if made.daemon.is_alive():
        made.kill()


def test_two_guests_serve(story: Story) -> None:
    first, second = story.becomes(2)
    assert story.health() == {first: "healthy", second: "healthy"}
    story.all_answer()


def test_load_makes_it_grow_and_the_new_guest_serves(story: Story) -> None:
    before = story.serving()
    logins = [story.login(instance_id) for instance_id in before]
    up = story.policy("up", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1, Cooldown=int(LONG))
    for login in logins:
        login.run(BUSY)
    story.alarm("busy", up, "GreaterThanThreshold", 60.0, 2)
    (new,) = set(story.becomes(3)) - set(before)
    assert (
        "a monitor alarm busy in state ALARM triggered policy up changing the desired capacity from 2 to 3"
        in (story.causes(new)[0][1])
    )
    assert story.health()[new] == "healthy"
    story.all_answer()
    story("cloudwatch", "DeleteAlarms", AlarmNames=["busy"])
    for login in logins:
        login.run("kill $(cat /run/load)")


def test_the_load_ends_and_it_shrinks_and_drains(story: Story) -> None:
    before = story.serving()
    steps = [{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1}]
    down = story.policy(
        "down", PolicyType="StepScaling", AdjustmentType="ChangeInCapacity", StepAdjustments=steps, EstimatedInstanceWarmup=0
    )
    story.alarm("idle", down, "LessThanThreshold", 40.0, 2)
    drained: set[str] = set()

    def shrunk() -> bool:
        drained.update(one for one, state in story.health().items() if state == "draining")
        return len(story.states()) == 2

    until("the group has shrunk", shrunk, BOOT, pause=0.2)
    story("cloudwatch", "DeleteAlarms", AlarmNames=["idle"])
    (gone,) = set(before) - set(story.serving())
    assert gone in drained
    status, cause = story.causes(gone)[0]
    assert status == "Successful"
    assert "a monitor alarm idle in state ALARM triggered policy down changing the desired capacity from 3 to 2" in cause


def test_a_guest_whose_web_server_stops_is_replaced(story: Story) -> None:
    story.asg("UpdateAutoScalingGroup", HealthCheckGracePeriod=0)
    victim = story.serving()[0]
    story.login(victim).run("killall httpd")
    until("it is found unhealthy", lambda: victim not in story.serving(), BOOT, pause=0.5)
    story.asg("UpdateAutoScalingGroup", HealthCheckGracePeriod=int(BOOT))
    story.becomes(2, victim)
    assert "in response to an ELB system health check failure" in story.causes(victim)[0][1]
    story.all_answer()


def test_target_tracking_follows_the_load(story: Story) -> None:
    metric = {
        "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 10,
        "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "group"}],
    }  # fmt: skip
    story.policy(
        "track", PolicyType="TargetTrackingScaling", EstimatedInstanceWarmup=0,
        TargetTrackingConfiguration={"CustomizedMetricSpecification": metric, "TargetValue": 60.0},
    )  # fmt: skip
    before = story.serving()
    for instance_id in before:
        story.login(instance_id).run(BUSY)
    (new,) = set(story.becomes(3)) - set(before)
    assert "a monitor alarm TargetTracking-group-AlarmHigh-" in story.causes(new)[0][1]


def test_it_goes_and_leaves_nothing(story: Story) -> None:
    story.end()
    story("elbv2", "DeleteLoadBalancer", LoadBalancerArn=story.balancer["LoadBalancerArn"])
    story("elbv2", "DeleteTargetGroup", TargetGroupArn=story.targets)
    story.ec2.look()
    assert orphans(story.make) == []
