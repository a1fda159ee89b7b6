"""Groups behind load balancers, over a fake host: registering, waiting for health, replacement, draining."""

from typing import Any

import pytest

from minicloud import api
from minicloud.reconcile import loop

from .scene import ZONES, Scaling


class Front:
    """An application load balancer with one target group."""

    def __init__(self, scaling: Scaling) -> None:
        self.scaling = scaling
        subnets = [one["SubnetId"] for one in scaling.ec2("DescribeSubnets")["Subnets"] if one["AvailabilityZone"] in ZONES]
        vpc = scaling.ec2("DescribeVpcs")["Vpcs"][0]["VpcId"]
        made = self("CreateTargetGroup", Name="web", Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckPath="/")
        self.group = made["TargetGroups"][0]["TargetGroupArn"]
        self.balancer = self("CreateLoadBalancer", Name="front", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        actions = [{"Type": "forward", "TargetGroupArn": self.group}]
        self("CreateListener", LoadBalancerArn=self.balancer, Protocol="HTTP", Port=80, DefaultActions=actions)
        delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
        self("ModifyTargetGroupAttributes", TargetGroupArn=self.group, Attributes=delay)

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        """An operation of load balancers."""
        return api.call(self.scaling.cloud, "elbv2", operation, params)

    def targets(self) -> dict[str, str]:
        """The states of targets."""
        found = self("DescribeTargetHealth", TargetGroupArn=self.group)["TargetHealthDescriptions"]
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in found}

    def answer(self, instance_id: str, *, well: bool = True) -> None:
        """What the balancer's probes find, until they find something else."""
        state, host = self.scaling.cloud.state, self.scaling.host
        (row,) = state.load_balancers.find(name="front")
        (group,) = state.target_groups.find(name="web")
        address = self.scaling.ec2.instance(instance_id)["PrivateIpAddress"]
        host.probe(row.id, (group.id, f"{address}:80"), "" if well else "timeout", up=well)
        loop.run_pass(self.scaling.cloud, look=True)


@pytest.fixture
def front(scaling: Scaling) -> Front:
    """A balancer."""
    return Front(scaling)


def create(scaling: Scaling, front: Front, **more: Any) -> None:
    scaling.create(
        TargetGroupARNs=[front.group], HealthCheckType="ELB", **{"HealthCheckGracePeriod": 120, "DesiredCapacity": 1, **more}
    )


def test_an_instance_serves_once_its_balancer_finds_it_well(scaling: Scaling, front: Front) -> None:
    create(scaling, front)
    ((instance_id, state),) = scaling.states().items()
    assert state == "Pending:Proceed"
    assert front.targets() == {instance_id: "initial"}
    assert scaling.activities()[0]["StatusCode"] == "InProgress"
    front.answer(instance_id)
    assert front.targets() == {instance_id: "healthy"}
    assert scaling.states() == {instance_id: "InService"}
    (source,) = scaling("DescribeLoadBalancerTargetGroups", AutoScalingGroupName="group")["LoadBalancerTargetGroups"]
    assert source == {"LoadBalancerTargetGroupARN": front.group, "State": "InService"}


def test_one_that_fails_its_probes_is_replaced(scaling: Scaling, front: Front) -> None:
    create(scaling, front)
    (instance_id,) = scaling.states()
    front.answer(instance_id)
    scaling.look(60)
    front.answer(instance_id, well=False)
    assert scaling.states() == {instance_id: "InService"}, "the grace period goes on"
    scaling.look(61)
    scaling.look(31)
    scaling.look()
    assert instance_id not in scaling.states()
    assert "an ELB system health check failure" in scaling.about(instance_id)[0]["Cause"]


def test_one_that_goes_drains_first(scaling: Scaling, front: Front) -> None:
    create(scaling, front)
    (instance_id,) = scaling.states()
    front.answer(instance_id)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=0)
    assert scaling.states() == {instance_id: "Terminating"}
    assert front.targets() == {instance_id: "draining"}
    assert scaling.activities()[0]["StatusCode"] == "WaitingForELBConnectionDraining"
    assert scaling.ec2.state(instance_id) == "running"
    scaling.look(31)
    scaling.look()
    assert scaling.states() == {}
    assert front.targets() == {}
    assert scaling.ec2.state(instance_id) == "terminated"


def test_sources_are_attached_and_detached_while_instances_serve(scaling: Scaling, front: Front) -> None:
    scaling.create(DesiredCapacity=1)
    (instance_id,) = scaling.in_service()
    scaling("AttachTrafficSources", AutoScalingGroupName="group", TrafficSources=[{"Identifier": front.group}])
    assert front.targets() == {instance_id: "initial"}
    assert scaling.group()["TargetGroupARNs"] == [front.group]
    front.answer(instance_id)
    scaling("EnterStandby", AutoScalingGroupName="group", InstanceIds=[instance_id], ShouldDecrementDesiredCapacity=True)
    assert scaling.states() == {instance_id: "EnteringStandby"}
    scaling.look(31)
    assert scaling.states() == {instance_id: "Standby"}
    scaling("ExitStandby", AutoScalingGroupName="group", InstanceIds=[instance_id])
    assert instance_id in front.targets()
    scaling("DetachLoadBalancerTargetGroups", AutoScalingGroupName="group", TargetGroupARNs=[front.group])
    scaling.look(31)
    scaling.look(31)
    assert front.targets() == {}
    assert scaling("DescribeTrafficSources", AutoScalingGroupName="group")["TrafficSources"] == []
    assert scaling.in_service() == [instance_id]


def test_nothing_is_registered_while_that_is_suspended(scaling: Scaling, front: Front) -> None:
    create(scaling, front, DesiredCapacity=0)
    scaling("SuspendProcesses", AutoScalingGroupName="group", ScalingProcesses=["AddToLoadBalancer"])
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    assert len(scaling.in_service()) == 1
    assert front.targets() == {}


def test_a_target_group_that_is_not_there_is_refused_and_one_that_goes_hinders_nobody(scaling: Scaling, front: Front) -> None:
    error = scaling.refused(
        "AttachLoadBalancerTargetGroups", AutoScalingGroupName="group", TargetGroupARNs=[front.group[:-4] + "beef"]
    )
    assert error.code == "ValidationError"
    create(scaling, front)
    (instance_id,) = scaling.states()
    front.answer(instance_id)
    front("DeleteLoadBalancer", LoadBalancerArn=front.balancer)
    front("DeleteTargetGroup", TargetGroupArn=front.group)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    scaling.look()
    assert len(scaling.in_service()) == 2


def test_a_classic_balancer(scaling: Scaling) -> None:
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP", "InstancePort": 80}
    params = {"LoadBalancerName": "classic", "Listeners": [listener], "AvailabilityZones": ZONES}
    api.call(scaling.cloud, "elb", "CreateLoadBalancer", params)
    scaling.create(DesiredCapacity=2, LoadBalancerNames=["classic"])
    found = api.call(scaling.cloud, "elb", "DescribeInstanceHealth", {"LoadBalancerName": "classic"})["InstanceStates"]
    assert {one["InstanceId"] for one in found} == set(scaling.in_service())
    scaling("DetachLoadBalancers", AutoScalingGroupName="group", LoadBalancerNames=["classic"])
    scaling.look(301)
    scaling.look()
    assert scaling("DescribeLoadBalancers", AutoScalingGroupName="group")["LoadBalancers"] == []
