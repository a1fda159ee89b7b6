"""Target groups and targets: health checks, attributes, registration, draining, and what becomes of them with their instances."""

from typing import Any

import pytest

from minicloud.aws import times
from minicloud.cloud import Cloud

from ..lb_scene import Scene, forward


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"Name": "n" * 33}, f"Target group name '{'n' * 33}' cannot be longer than '32' characters"),
        ({"Name": "a.b"}, "Target group name 'a.b' can only contain characters that are alphanumeric characters or hyphens(-)"),
        ({"Name": "-a"}, "Target group name '-a' cannot begin or end with '-'"),
        ({"Name": "a-"}, "Target group name 'a-' cannot begin or end with '-'"),
        ({"HealthCheckTimeoutSeconds": 10, "HealthCheckIntervalSeconds": 10},
         "Health check timeout '10' must be smaller than the interval '10'"),
        ({"VpcId": "vpc-00000000000000000"}, "The VPC ID 'vpc-00000000000000000' is not found"),
        ({"VpcId": None}, "VPC ID must be specified"),
        ({"Port": None}, "Port must be specified"),
        ({"Matcher": {"HttpCode": "abc"}}, "Health check matcher 'abc' must be codes"),
        ({"Matcher": {"HttpCode": "500"}}, "must be within the range 200-499"),
        ({"HealthCheckPath": "no-slash"}, "Health check path 'no-slash' is not valid"),
        ({"HealthCheckPath": '/"x'}, "is not valid"),
        ({"HealthCheckPort": "0"}, "Health check port '0'"),
        ({"HealthCheckProtocol": "TCP"}, "Health check protocol 'TCP' is not supported"),
        ({"HealthCheckEnabled": False}, "Health checks cannot be disabled"),
        ({"ProtocolVersion": "HTTP9"}, "Protocol version 'HTTP9'"),
        ({"HealthyThresholdCount": 11}, "less than or equal to 10"),
    ],
)  # fmt: skip
def test_groups_that_cannot_be(scene: Scene, params: dict[str, Any], text: str) -> None:
    whole = {"Name": "blue", "Protocol": "HTTP", "Port": 80, "VpcId": scene.vpc, **params}
    code, message = scene.v2.refused("CreateTargetGroup", **whole)
    assert code == "ValidationError"
    assert text in message
    assert scene.v2("DescribeTargetGroups")["TargetGroups"] == []


@pytest.mark.parametrize("params", [{"TargetType": "lambda"}, {"Protocol": "UDP"}, {"ProtocolVersion": "GRPC"}])
def test_groups_that_minicloud_does_not_have(scene: Scene, params: dict[str, Any]) -> None:
    whole = {"Name": "blue", "Protocol": "HTTP", "Port": 80, "VpcId": scene.vpc, **params}
    assert scene.v2.refused("CreateTargetGroup", **whole)[0] == "UnsupportedOperation"


def test_health_checks_begin_as_aws_has_them_and_change(scene: Scene) -> None:
    web, tcp = scene.group(), scene.group("tcp", Protocol="TCP", Port=22)
    shown = {one["TargetGroupArn"]: one for one in scene.v2("DescribeTargetGroups")["TargetGroups"]}
    assert (shown[web]["HealthCheckPath"], shown[web]["Matcher"]) == ("/", {"HttpCode": "200"})
    assert (shown[web]["HealthCheckIntervalSeconds"], shown[web]["HealthCheckTimeoutSeconds"]) == (30, 5)
    assert (shown[web]["HealthyThresholdCount"], shown[web]["UnhealthyThresholdCount"]) == (5, 2)
    assert shown[web]["ProtocolVersion"] == "HTTP1"
    assert shown[tcp]["HealthCheckProtocol"] == "TCP"
    assert "HealthCheckPath" not in shown[tcp]
    changed = scene.v2(
        "ModifyTargetGroup", TargetGroupArn=tcp, HealthCheckProtocol="HTTP", HealthCheckPath="/up", HealthCheckPort="8080"
    )["TargetGroups"][0]
    assert (changed["HealthCheckPath"], changed["Matcher"]) == ("/up", {"HttpCode": "200-399"})
    back = scene.v2("ModifyTargetGroup", TargetGroupArn=tcp, HealthCheckProtocol="TCP")["TargetGroups"][0]
    assert back["HealthCheckPort"] == "8080"
    assert "HealthCheckPath" not in back
    kept = scene.v2("ModifyTargetGroup", TargetGroupArn=web, Matcher={"HttpCode": "200-299,301"})["TargetGroups"][0]
    assert kept["Matcher"] == {"HttpCode": "200-299,301"}


def test_attributes_of_groups(scene: Scene) -> None:
    web, tcp = scene.group(), scene.group("tcp", Protocol="TCP", Port=22)

    def put(group: str, **values: str) -> dict[str, str]:
        wanted = [{"Key": key.replace("__", "."), "Value": value} for key, value in values.items()]
        answer = scene.v2("ModifyTargetGroupAttributes", TargetGroupArn=group, Attributes=wanted)["Attributes"]
        return {one["Key"]: one["Value"] for one in answer}

    def bad(group: str, **values: str) -> str:
        wanted = [{"Key": key.replace("__", "."), "Value": value} for key, value in values.items()]
        return scene.v2.refused("ModifyTargetGroupAttributes", TargetGroupArn=group, Attributes=wanted)[0]

    assert put(web, stickiness__enabled="true")["stickiness.type"] == "lb_cookie"
    named = put(web, stickiness__type="app_cookie", **{"stickiness.app_cookie.cookie_name": "session"})
    assert named["stickiness.app_cookie.cookie_name"] == "session"
    assert put(tcp, stickiness__enabled="true")["stickiness.type"] == "source_ip"
    assert put(tcp, proxy_protocol_v2__enabled="true")["preserve_client_ip.enabled"] == "true"
    assert put(web, slow_start__duration_seconds="30")["slow_start.duration_seconds"] == "30"
    assert bad(web, stickiness__type="source_ip") == "ValidationError"
    assert bad(web, **{"stickiness.app_cookie.cookie_name": ""}) == "ValidationError"
    assert bad(web, **{"stickiness.app_cookie.cookie_name": "AWSALBx"}) == "ValidationError"
    assert bad(web, **{"stickiness.app_cookie.cookie_name": "a b"}) == "ValidationError"
    assert bad(web, slow_start__duration_seconds="29") == "ValidationError"
    assert bad(web, load_balancing__algorithm__type="least_outstanding_requests") == "ValidationError"
    assert bad(web, preserve_client_ip__enabled="true") == "ValidationError"
    assert bad(tcp, slow_start__duration_seconds="30") == "ValidationError"
    assert bad(web, load_balancing__algorithm__anomaly_mitigation="on") == "UnsupportedOperation"
    assert bad(web) == "ValidationError"


def test_instances_as_targets(scene: Scene) -> None:
    group, running, stopped = scene.group(), scene.ec2.run(), scene.ec2.run()
    scene.ec2("StopInstances", InstanceIds=[stopped])
    code, message = scene.v2.refused("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": running}, {"Id": stopped}])
    assert code == "InvalidTarget"
    assert message == f"The following targets are not in a running state and cannot be registered: '{stopped}'"
    assert scene.health(group) == {}
    unknown = scene.v2.refused("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "i-00000000000000000"}])
    assert unknown[0] == "InvalidTarget"
    zone = scene.v2.refused("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": running, "AvailabilityZone": "all"}])
    assert zone[0] == "ValidationError"
    scene.v2("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": running}, {"Id": running, "Port": 81}])
    shown = scene.v2("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [one["Target"] for one in shown] == [{"Id": running, "Port": 80}, {"Id": running, "Port": 81}]
    assert [one["HealthCheckPort"] for one in shown] == ["80", "81"]
    assert {one["TargetHealth"]["Reason"] for one in shown} == {"Target.NotInUse"}
    assert scene.health(group, Targets=[{"Id": stopped}]) == {stopped: ("unused", "Target.NotRegistered")}
    nobody = scene.v2.refused("DescribeTargetHealth", TargetGroupArn=group, Targets=[{"Id": "i-00000000000000000"}])
    assert nobody[0] == "InvalidTarget"
    scene.v2("DeregisterTargets", TargetGroupArn=group, Targets=[{"Id": running, "Port": 81}])
    assert len(scene.v2("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"]) == 1


def test_a_target_follows_its_instance(scene: Scene) -> None:
    group = scene.group()
    scene.listener(scene.balancer(), forward(group))
    instance = scene.ec2.run(SubnetId=scene.subnets[0])
    scene.v2("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": instance}])
    assert scene.health(group)[instance][0] in ("initial", "healthy")
    scene.ec2("StopInstances", InstanceIds=[instance])
    assert scene.health(group) == {instance: ("unused", "Target.InvalidState")}
    scene.ec2("StartInstances", InstanceIds=[instance])
    assert scene.health(group)[instance][0] in ("initial", "healthy")
    scene.ec2("TerminateInstances", InstanceIds=[instance])
    assert scene.health(group) == {}


def test_a_target_in_a_zone_of_no_use(scene: Scene) -> None:
    group = scene.group()
    scene.listener(scene.balancer(), forward(group))
    instance = scene.ec2.run(SubnetId=scene.subnets[2])
    scene.v2("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": instance}])
    shown = scene.v2("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"][0]["TargetHealth"]
    assert shown == {
        "State": "unused",
        "Reason": "Target.NotInUse",
        "Description": "Target is in an Availability Zone that is not enabled for the load balancer",
    }


def test_a_target_drains_for_the_delay_and_may_come_back(scene: Scene) -> None:
    group = scene.group()
    scene.listener(scene.balancer(), forward(group))
    instance = scene.ec2.run(SubnetId=scene.subnets[0])
    target = {"TargetGroupArn": group, "Targets": [{"Id": instance}]}
    scene.v2("RegisterTargets", **target)
    scene.v2("DeregisterTargets", **target)
    assert scene.health(group) == {instance: ("draining", "Target.DeregistrationInProgress")}
    row = scene.cloud.state.targets.query()[0]
    assert 290 < times.seconds(row.drain_until) - times.seconds(times.now()) <= 300
    scene.v2("RegisterTargets", **target)
    assert scene.health(group)[instance][0] in ("initial", "healthy")
    scene.v2("DeregisterTargets", **target)
    scene.cloud.state.targets.change(row.group_id, instance, 80, drain_until=times.text(0.0))
    assert scene.health(group) == {}
    scene.v2("DeregisterTargets", TargetGroupArn=group, Targets=[{"Id": "i-00000000000000000"}])


def test_addresses_as_targets(scene: Scene) -> None:
    group = scene.group(TargetType="ip")

    def register(**target: str) -> str:
        return scene.v2.refused("RegisterTargets", TargetGroupArn=group, Targets=[target])[0]

    assert register(Id="8.8.8.8", AvailabilityZone="all") == "ValidationError"
    assert register(Id="not-an-address") == "ValidationError"
    assert register(Id="10.1.2.3") == "ValidationError"
    assert register(Id="172.31.0.10", AvailabilityZone="us-east-1c") == "ValidationError"
    assert register(Id="172.31.0.10", AvailabilityZone="eu-west-1a") == "ValidationError"
    targets = [{"Id": "172.31.0.10"}, {"Id": "10.1.2.3", "AvailabilityZone": "all"}]
    scene.v2("RegisterTargets", TargetGroupArn=group, Targets=targets)
    shown = scene.v2("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [one["Target"].get("AvailabilityZone") for one in shown] == ["us-east-1a", "all"]


def test_tags_of_everything(scene: Scene) -> None:
    balancer, group = scene.balancer(), scene.group()
    listener = scene.listener(balancer, forward(group))
    default = scene.v2("DescribeRules", ListenerArn=listener)["Rules"][0]["RuleArn"]
    arns = [balancer, group, listener, default]
    scene.v2("AddTags", ResourceArns=arns, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    scene.v2("RemoveTags", ResourceArns=arns, TagKeys=["b", "c"])
    for one in scene.v2("DescribeTags", ResourceArns=arns)["TagDescriptions"]:
        assert one["Tags"] == [{"Key": "a", "Value": "1"}]
    assert scene.ec2("DescribeTags")["Tags"] == []
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert scene.v2.refused("AddTags", ResourceArns=[group], Tags=twice)[0] == "DuplicateTagKeys"
    many = [{"Key": f"key-{number}", "Value": ""} for number in range(51)]
    assert scene.v2.refused("AddTags", ResourceArns=[group], Tags=many)[0] == "TooManyTags"
    assert scene.v2.refused("DescribeTags", ResourceArns=[group[:-1] + "x"])[0] == "TargetGroupNotFound"
    assert scene.v2.refused("AddTags", ResourceArns=["x"], Tags=twice[:1])[0] == "ValidationError"
