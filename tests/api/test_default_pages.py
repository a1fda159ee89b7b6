"""Pages that nobody asked for: where AWS documents how many items there are without a number, so many there are."""

import re
from typing import Any

import pytest

from minicloud import api
from minicloud.aws import page_rules, pages
from minicloud.cli import paginate, top
from minicloud.cloud import Cloud
from minicloud.errors import ApiError

from ..cloud_fixtures import IMAGE

SCALING = list(api.operations("autoscaling").values())
USUAL = {found.name: rule for found in SCALING if (rule := page_rules.of(found.model))}


def test_what_the_documentation_says() -> None:
    said = {name: (rule.usual, rule.most) for name, rule in USUAL.items()}
    assert said["DescribeLaunchConfigurations"] == said["DescribeAutoScalingGroups"] == (50, 100)
    assert said["DescribeAutoScalingInstances"] == (50, 50)
    assert said["DescribeScalingActivities"] == (100, 100)
    assert said["DescribeWarmPool"] == (50, 50)


@pytest.mark.parametrize("name", USUAL)
def test_a_page_that_nobody_asked_for(name: str) -> None:
    found, rule = api.find("autoscaling", name), USUAL[name]
    assert rule.usual is not None
    items = [f"{number:03}" for number in range(rule.usual + 1)]
    shown, token = page_rules.page_of(found.model, items, str, {})
    assert (len(shown), token is not None) == (rule.usual, True)
    assert page_rules.page_of(found.model, items, str, {"NextToken": token}) == (items[-1:], None)
    assert page_rules.page_of(found.model, items[1:], str, {}) == (items[1:], None)
    with pytest.raises(ApiError, match=re.escape(f"less than or equal to {rule.most}")):
        page_rules.check(found.model, {"MaxRecords": rule.most + 1})


def test_a_token_does_not_ask_for_all_the_rest() -> None:
    items = [f"{number:03}" for number in range(120)]
    found = api.find("autoscaling", "DescribeLaunchConfigurations")
    seen, token = list[Any](), None
    for size in (50, 50, 20):
        shown, token = page_rules.page_of(found.model, items, str, {"NextToken": token} if token else {})
        assert len(shown) == size
        seen += shown
    assert (seen, token) == (items, None)


def test_launch_configurations_and_groups(cloud: Cloud) -> None:
    kind, zones = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}, ["us-east-1a"]
    for number in range(51):
        name = f"one-{number:02}"
        api.call(cloud, "autoscaling", "CreateLaunchConfiguration", {"LaunchConfigurationName": name, **kind})
        group = {"AutoScalingGroupName": name, "LaunchConfigurationName": name, "MinSize": 0, "MaxSize": 0}
        api.call(cloud, "autoscaling", "CreateAutoScalingGroup", {**group, "AvailabilityZones": zones})
    first = api.call(cloud, "autoscaling", "DescribeLaunchConfigurations", {})
    assert (len(first["LaunchConfigurations"]), pages.decode(first["NextToken"])) == (50, "one-49")
    whole = paginate.everything(lambda *asked: api.call(cloud, *asked), "autoscaling", "DescribeLaunchConfigurations")
    assert len(whole["LaunchConfigurations"]) == 51
    assert len(top.groups(cloud)) == 51


def test_lists_of_iam(cloud: Cloud) -> None:
    for number in range(101):
        api.call(cloud, "iam", "CreateInstanceProfile", {"InstanceProfileName": f"profile-{number:03}"})
    found = api.call(cloud, "iam", "ListInstanceProfiles", {})
    assert (len(found["InstanceProfiles"]), found["IsTruncated"]) == (100, True)
    assert len(api.call(cloud, "iam", "ListInstanceProfiles", {"Marker": found["Marker"]})["InstanceProfiles"]) == 1
