"""`minicloud lb`: what it answers, and what a person reads."""

import click
import pytest

from minicloud.cli import lb
from minicloud.cloud import Cloud
from minicloud.host.fake import FakeHost

from ..lb_scene import ANSWER, Scene, forward


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


def test_nothing_is_there(scene: Scene) -> None:
    answer = lb.report(lb.gather(scene.cloud))
    assert answer == {"LoadBalancers": []}
    assert lb.table_of(answer) == {"Load balancers": "none", "Listeners": "none", "Targets": "none"}
    with pytest.raises(click.UsageError, match="no load balancer 'web'"):
        lb.gather(scene.cloud, ["web"])


def test_listeners_targets_health_and_traffic(scene: Scene, host: FakeHost) -> None:
    blue, green = scene.group("blue"), scene.group("green")
    balancer = scene.balancer()
    listener = scene.listener(balancer, forward(blue, green))
    redirect = {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443"}
    scene.listener(balancer, {"Type": "redirect", "RedirectConfig": redirect}, port=81)
    scene.listener(balancer, ANSWER, port=82)
    rule = [{"Field": "path-pattern", "Values": ["/a"]}]
    scene.v2("CreateRule", ListenerArn=listener, Priority=1, Conditions=rule, Actions=[ANSWER])
    well, sick = (scene.ec2.run(SubnetId=scene.subnets[0]) for _ in range(2))
    scene.v2("RegisterTargets", TargetGroupArn=blue, Targets=[{"Id": well}, {"Id": sick}])
    row = scene.cloud.state.load_balancers.query()[0]
    for target_id, up in ((well, True), (sick, False)):
        address = scene.ec2.instance(target_id)["PrivateIpAddress"]
        place = ("tg-" + blue.rpartition("/")[2], f"{address}:80")
        host.probe(row.id, place, "" if up else "timeout", up=up)
        scene.ec2.look()
    host.carry(row.id, 80, 7)
    for _ in range(2):
        scene.ec2.look()
    shown = lb.report(lb.gather(scene.cloud, ["web"]))["LoadBalancers"][0]
    assert shown["State"] == {"Code": "active"}
    assert [one["To"] for one in shown["Listeners"]] == [
        "blue 1, green 1", "redirects to HTTPS://#{host}:443/#{path}", "answers 404",
    ]  # fmt: skip
    assert [one["Rules"] for one in shown["Listeners"]] == [1, 0, 0]
    assert shown["Listeners"][0]["Traffic"]["Requests"] == 7
    assert shown["Listeners"][0]["Traffic"]["Codes"] == {"2XX": 7}
    found = {one["Id"]: one["TargetHealth"]["State"] for one in shown["Targets"]}
    assert found[well] == "healthy"
    assert found[sick] in ("initial", "unhealthy")
    table = lb.table_of({"LoadBalancers": [shown]})
    assert table["Load balancers"][0]["Healthy"] == "1 of 2"
    assert len(table["Load balancers"][0]["Addresses"].split(", ")) == 2
    assert table["Listeners"][0]["Answers"] == "7 2XX"


def test_classic_balancers_are_marked(scene: Scene) -> None:
    listeners = [{"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 8080}]
    scene.old("CreateLoadBalancer", LoadBalancerName="old", Listeners=listeners, AvailabilityZones=["us-east-1a"])
    instance = scene.ec2.run(SubnetId=scene.subnets[0])
    scene.old("RegisterInstancesWithLoadBalancer", LoadBalancerName="old", Instances=[{"InstanceId": instance}])
    answer = lb.report(lb.gather(scene.cloud))
    table = lb.table_of(answer)
    assert table["Load balancers"][0]["Type"] == "classic (old)"
    assert table["Listeners"][0]["To"] == "TCP 8080"
    assert table["Targets"][0]["Target"] == instance
