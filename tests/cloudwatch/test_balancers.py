"""Metrics of load balancers: what follows from their statistics, and a balancer on a fake host by the clock of the tests."""

import pytest

from minicloud import api
from minicloud.host.contracts_lb import Statistics, Traffic
from minicloud.reconcile import balancer_usage

from .world import World

BEFORE = Statistics(
    listeners={80: Traffic(10, 100, 2, 1000, 2000, {2: 90, 4: 8, 5: 2}, 5.0, 0)},
    groups={"tg-1": Traffic(10, 90, 1, 900, 1800, {2: 90}, 5.0, 1)},
)
AFTER = Statistics(
    listeners={80: Traffic(15, 160, 3, 1500, 3000, {2: 140, 4: 14, 5: 6}, 20.0, 0), 443: Traffic(1, 5, 1, 10, 20, {3: 5}, 1.0)},
    groups={"tg-1": Traffic(15, 140, 2, 1400, 2700, {2: 138, 5: 2}, 20.0, 3)},
)


def test_what_a_balancer_says_itself_is_not_its_targets() -> None:
    passed = balancer_usage.between(BEFORE, AFTER)
    assert passed is not None
    figures = {name: value for name, (_, value) in balancer_usage.of_application(passed).items()}
    assert figures == {
        "RequestCount": 65, "ActiveConnectionCount": 4, "NewConnectionCount": 6, "ProcessedBytes": 1530,
        "HTTPCode_ELB_3XX_Count": 5, "HTTPCode_ELB_4XX_Count": 6, "HTTPCode_ELB_5XX_Count": 2, "HTTPCode_Target_2XX_Count": 48,
        "HTTPCode_Target_5XX_Count": 2, "TargetResponseTime": 0.02, "TargetConnectionErrorCount": 2,
    }  # fmt: skip
    group = {name: value for name, (_, value) in balancer_usage.of_application_group(passed.groups["tg-1"], 2).items()}
    assert (group["RequestCount"], group["RequestCountPerTarget"]) == (50, 25)


def test_a_network_balancer_counts_flows_and_a_classic_one_requests() -> None:
    passed = balancer_usage.between(BEFORE, AFTER)
    assert passed is not None
    network = {name: value for name, (_, value) in balancer_usage.of_network(passed).items()}
    assert network == {"ActiveFlowCount": 4, "NewFlowCount": 6, "ProcessedBytes": 1530}
    classic = {name: value for name, (_, value) in balancer_usage.of_classic(passed).items()}
    assert (classic["RequestCount"], classic["HTTPCode_Backend_2XX"], classic["HTTPCode_ELB_4XX"]) == (65, 48, 6)
    assert (classic["Latency"], classic["BackendConnectionErrors"]) == (0.02, 2)


@pytest.mark.parametrize("after", [Statistics(listeners={80: Traffic(1)}), Statistics(groups={"tg-1": Traffic(requests=3)})])
def test_counts_that_begin_anew_are_a_gap(after: Statistics) -> None:
    assert balancer_usage.between(BEFORE, after) is None


def test_a_balancer_on_a_host(world: World) -> None:
    def elbv2(operation: str, **params: object) -> dict[str, object]:
        return api.call(world.cloud, "elbv2", operation, params)

    subnets = [one["SubnetId"] for one in world.ec2("DescribeSubnets")["Subnets"]][:2]
    vpc = world.ec2("DescribeVpcs")["Vpcs"][0]["VpcId"]
    balancer = elbv2("CreateLoadBalancer", Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]  # type: ignore[index]
    group = elbv2("CreateTargetGroup", Name="servers", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]  # type: ignore[index]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    elbv2("CreateListener", LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
    one = world.ec2.run()
    elbv2("RegisterTargets", TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": one}])
    world.ec2.look()
    (row,) = world.cloud.state.load_balancers.query()
    world.passes(70)
    for _ in range(24):
        world.host.carry(row.id, 80, 10)
        world.passes(5)
    about = {"LoadBalancer": str(balancer).partition(":loadbalancer/")[2]}
    assert world.values("RequestCount", about, "Sum", Namespace="AWS/ApplicationELB")[-1] == 120
    both = {**about, "TargetGroup": group["TargetGroupArn"].rpartition(":")[2]}
    assert world.values("HealthyHostCount", both, Namespace="AWS/ApplicationELB")[-1] == 0
    assert world.values("UnHealthyHostCount", both, Namespace="AWS/ApplicationELB")
