"""Rules: conditions, actions, priorities; and the texts of them that must not reach a configuration."""

from typing import Any

import pytest

from minicloud.cloud import Cloud

from ..lb_scene import ANSWER, Scene, forward

PATH = {"Field": "path-pattern", "Values": ["/img/*"]}


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


@pytest.fixture
def listener(scene: Scene) -> str:
    return scene.listener(scene.balancer(), ANSWER)


def add(scene: Scene, listener: str, priority: int = 1, *conditions: dict[str, Any], actions: Any = None) -> str:
    made = scene.v2(
        "CreateRule", ListenerArn=listener, Priority=priority, Conditions=list(conditions or [PATH]), Actions=actions or [ANSWER]
    )
    return str(made["Rules"][0]["RuleArn"])


def test_rules_come_in_their_order_and_the_default_last(scene: Scene, listener: str) -> None:
    second, first, third = (add(scene, listener, priority) for priority in (20, 3, 100))
    rules = scene.v2("DescribeRules", ListenerArn=listener)["Rules"]
    assert [rule["RuleArn"] for rule in rules[:3]] == [first, second, third]
    assert [rule["Priority"] for rule in rules] == ["3", "20", "100", "default"]
    assert [rule["IsDefault"] for rule in rules] == [False, False, False, True]
    page = scene.v2("DescribeRules", ListenerArn=listener, PageSize=3)
    last = scene.v2("DescribeRules", ListenerArn=listener, PageSize=3, Marker=page["NextMarker"])
    assert [rule["Priority"] for rule in last["Rules"]] == ["default"]
    assert scene.v2("DescribeRules", RuleArns=[third])["Rules"][0]["RuleArn"] == third
    assert scene.v2("DescribeRules", RuleArns=[rules[3]["RuleArn"]])["Rules"][0]["IsDefault"]


def test_priorities_change_places_and_belong_to_one_rule(scene: Scene, listener: str) -> None:
    one, two = add(scene, listener, 1), add(scene, listener, 2)
    assert scene.v2.refused("CreateRule", ListenerArn=listener, Priority=1, Conditions=[PATH], Actions=[ANSWER]) == (
        "PriorityInUse", "Priority '1' is currently in use"
    )  # fmt: skip
    swapped = [{"RuleArn": one, "Priority": 2}, {"RuleArn": two, "Priority": 1}]
    scene.v2("SetRulePriorities", RulePriorities=swapped)
    rules = scene.v2("DescribeRules", ListenerArn=listener)["Rules"]
    assert [rule["RuleArn"] for rule in rules[:2]] == [two, one]
    assert scene.v2.refused("SetRulePriorities", RulePriorities=[{"RuleArn": one, "Priority": 1}])[0] == "PriorityInUse"
    default = rules[2]["RuleArn"]
    assert scene.v2.refused("SetRulePriorities", RulePriorities=[{"RuleArn": default, "Priority": 9}])[0] == (
        "OperationNotPermitted"
    )
    assert scene.v2.refused("DeleteRule", RuleArn=default)[0] == "OperationNotPermitted"
    scene.v2("DeleteRule", RuleArn=one)
    assert scene.v2.refused("DescribeRules", RuleArns=[one]) == ("RuleNotFound", "One or more rules not found")


def test_every_field_is_kept_as_it_was_given(scene: Scene, listener: str) -> None:
    conditions = [
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}},
        {"Field": "path-pattern", "Values": ["/api/*"]},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Stage", "Values": ["be ta"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "1"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
    ]
    rule = add(scene, listener, 1, *conditions)
    shown = scene.v2("DescribeRules", RuleArns=[rule])["Rules"][0]["Conditions"]
    assert shown[0]["Values"] == shown[0]["HostHeaderConfig"]["Values"] == ["*.example.com"]
    assert shown[1]["Values"] == shown[1]["PathPatternConfig"]["Values"] == ["/api/*"]
    assert [one["Field"] for one in shown] == [one["Field"] for one in conditions]
    assert shown[2]["HttpHeaderConfig"] == {"HttpHeaderName": "X-Stage", "Values": ["be ta"]}
    method = {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}}
    scene.v2("ModifyRule", RuleArn=rule, Conditions=[method])
    assert scene.v2("DescribeRules", RuleArns=[rule])["Rules"][0]["Conditions"][0]["HttpRequestMethodConfig"]["Values"] == [
        "GET", "HEAD",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "condition",
    [
        {"Field": "path-pattern", "Values": ["/a b"]},
        {"Field": "path-pattern", "Values": ["/a\nbind :1"]},
        {"Field": "path-pattern", "Values": ["/" + "a" * 128]},
        {"Field": "path-pattern", "Values": []},
        {"Field": "path-pattern", "Values": ["/a"], "HostHeaderConfig": {"Values": ["x"]}},
        {"Field": "host-header", "Values": ["a}b"]},
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["a#b"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a b", "Values": ["x"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["x"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X", "Values": ["a\r\nb"]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1/8"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a"}]}},
        {"Field": "query-string", "Values": ["a"]},
        {"Field": "weather", "Values": ["rain"]},
        {"Field": "path-pattern", "Values": ["/1", "/2", "/3", "/4", "/5", "/6"]},
        {"Field": "path-pattern", "Values": ["/******"]},
    ],
)
def test_conditions_that_cannot_be(scene: Scene, listener: str, condition: dict[str, Any]) -> None:
    code, _ = scene.v2.refused("CreateRule", ListenerArn=listener, Priority=1, Conditions=[condition], Actions=[ANSWER])
    assert code == "ValidationError"
    assert scene.cloud.state.rules.query() == []


def test_regular_expressions_and_transforms_are_refused_by_name(scene: Scene, listener: str) -> None:
    regex = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": [".*"]}}
    code, message = scene.v2.refused("CreateRule", ListenerArn=listener, Priority=1, Conditions=[regex], Actions=[ANSWER])
    assert code == "UnsupportedOperation"
    assert "RegexValues" in message
    transforms = [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": []}}]
    code, message = scene.v2.refused(
        "CreateRule", ListenerArn=listener, Priority=1, Conditions=[PATH], Actions=[ANSWER], Transforms=transforms
    )
    assert code == "UnsupportedOperation"
    assert "Transforms" in message


def test_forwards_by_weight_and_with_stickiness(scene: Scene, listener: str) -> None:
    blue, green = scene.group("blue"), scene.group("green")
    groups = [{"TargetGroupArn": blue, "Weight": 9}, {"TargetGroupArn": green, "Weight": 1}]
    sticky = {"Enabled": True, "DurationSeconds": 60}
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}
    rule = add(scene, listener, actions=[{"Type": "forward", "ForwardConfig": config}])
    assert scene.v2("DescribeRules", RuleArns=[rule])["Rules"][0]["Actions"] == [{"Type": "forward", "ForwardConfig": config}]
    for wrong in (
        {"TargetGroups": [{"TargetGroupArn": blue, "Weight": 1000}]},
        {"TargetGroups": [{"TargetGroupArn": blue}, {"TargetGroupArn": blue}]},
        {"TargetGroups": []},
        {"TargetGroups": [{"Weight": 1}]},
        {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 0}},
    ):
        action = {"Type": "forward", "ForwardConfig": wrong}
        assert scene.v2.refused("ModifyRule", RuleArn=rule, Actions=[action])[0] == "ValidationError"
    scene.v2("ModifyRule", RuleArn=rule, Actions=[forward(green)])
    scene.v2("DeleteTargetGroup", TargetGroupArn=blue)


def test_fixed_answers(scene: Scene, listener: str) -> None:
    good = {"StatusCode": "503", "ContentType": "text/html", "MessageBody": '<p title="x">\n</p>'}
    rule = add(scene, listener, actions=[{"Type": "fixed-response", "FixedResponseConfig": good}])
    assert scene.v2("DescribeRules", RuleArns=[rule])["Rules"][0]["Actions"][0]["FixedResponseConfig"] == good
    for wrong in ({"StatusCode": "302"}, {"StatusCode": "2000"}, {"StatusCode": "200", "ContentType": "image/png"}, {}):
        action = {"Type": "fixed-response", "FixedResponseConfig": wrong}
        code, _ = scene.v2.refused("ModifyRule", RuleArn=rule, Actions=[action])
        assert code == "ValidationError"
