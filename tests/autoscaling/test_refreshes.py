"""Warm pools and instance refreshes."""

from typing import Any

import pytest

from ..cloud_fixtures import IMAGE
from .scene import Scaling


def test_warm_pool(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=1, MaxSize=3)
    pool = {"AutoScalingGroupName": "group", "InstanceReusePolicy": {"ReuseOnScaleIn": True}}
    scaling("PutWarmPool", **pool)
    scaling.look()
    warmed = scaling("DescribeWarmPool", AutoScalingGroupName="group")["Instances"]
    assert [one["LifecycleState"] for one in warmed] == ["Warmed:Stopped"] * 2
    assert scaling.group()["WarmPoolSize"] == 2
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    scaling.look()
    used = set(scaling.in_service()) & {one["InstanceId"] for one in warmed}
    assert len(used) == 1
    assert scaling.about(next(iter(used)))[0]["Description"].startswith("Launching a new EC2 instance from warm pool")
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    scaling.look()
    scaling.look()
    assert len(scaling("DescribeWarmPool", AutoScalingGroupName="group")["Instances"]) == 2
    assert scaling.refused("PutWarmPool", AutoScalingGroupName="group", PoolState="Hibernated").code == "UnsupportedOperation"
    scaling("DeleteWarmPool", AutoScalingGroupName="group")
    scaling.look()
    scaling.look()
    assert scaling("DescribeWarmPool", AutoScalingGroupName="group") == {"Instances": []}
    assert len(scaling.in_service()) == 1


def refresh(scaling: Scaling, **params: Any) -> dict[str, Any]:
    scaling("StartInstanceRefresh", AutoScalingGroupName="group", **params)
    return newest_refresh(scaling)


def newest_refresh(scaling: Scaling) -> dict[str, Any]:
    return dict(scaling("DescribeInstanceRefreshes", AutoScalingGroupName="group")["InstanceRefreshes"][0])


@pytest.mark.parametrize(("low", "high", "floor", "ceiling"), [(50, 100, 2, 4), (100, 150, 4, 6), (100, 110, 4, 5)])
def test_instance_refresh_keeps_its_percentages(scaling: Scaling, low: int, high: int, floor: int, ceiling: int) -> None:
    scaling.create(DesiredCapacity=4)
    old = set(scaling.in_service())
    refresh(scaling, Preferences={"MinHealthyPercentage": low, "MaxHealthyPercentage": high, "InstanceWarmup": 30})
    for _ in range(60):
        scaling.look(5)
        assert floor <= len(scaling.in_service()) <= ceiling
        if newest_refresh(scaling)["Status"] == "Successful":
            break
    done = newest_refresh(scaling)
    assert (done["Status"], done["PercentageComplete"], done["InstancesToUpdate"]) == ("Successful", 100, 0)
    assert len(scaling.in_service()) == 4
    assert not old & set(scaling.in_service())


def test_refresh_skips_what_matches_stops_at_checkpoints_and_sets_the_group(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=2)
    old = set(scaling.in_service())
    assert refresh(scaling, Preferences={"SkipMatching": True})["Status"] in ("InProgress", "Successful")
    scaling.look()
    assert set(scaling.in_service()) == old
    new = {"ImageId": IMAGE.image_id, "InstanceType": "t3.micro"}
    scaling.ec2("CreateLaunchTemplateVersion", LaunchTemplateName="template", LaunchTemplateData=new)
    wanted = {"LaunchTemplate": {"LaunchTemplateName": "template", "Version": "2"}}
    preferences = {"SkipMatching": True, "CheckpointPercentages": [50, 100], "CheckpointDelay": 600, "MinHealthyPercentage": 50}
    refresh(scaling, DesiredConfiguration=wanted, Preferences=preferences)
    for _ in range(10):
        scaling.look(5)
    assert len(set(scaling.in_service()) & old) == 1
    assert newest_refresh(scaling)["StatusReason"] == "Checkpoint of 50 percent reached."
    assert scaling.refused("StartInstanceRefresh", AutoScalingGroupName="group").code == "InstanceRefreshInProgress"
    for _ in range(10):
        scaling.look(100)
    assert newest_refresh(scaling)["Status"] == "Successful"
    assert {one["InstanceType"] for one in scaling.group()["Instances"]} == {"t3.micro"}
    assert scaling.group()["LaunchTemplate"]["Version"] == "2"


def test_refresh_is_cancelled_or_rolled_back(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=2)
    assert scaling.refused("CancelInstanceRefresh", AutoScalingGroupName="group").code == "ActiveInstanceRefreshNotFound"
    new = {"ImageId": IMAGE.image_id, "InstanceType": "t3.micro"}
    scaling.ec2("CreateLaunchTemplateVersion", LaunchTemplateName="template", LaunchTemplateData=new)
    wanted = {"LaunchTemplate": {"LaunchTemplateName": "template", "Version": "2"}}
    preferences = {"CheckpointPercentages": [50], "CheckpointDelay": 6000, "MinHealthyPercentage": 50}
    refresh(scaling, DesiredConfiguration=wanted, Preferences=preferences)
    for _ in range(6):
        scaling.look(1)
    assert {one["InstanceType"] for one in scaling.group()["Instances"]} == {"t3.nano", "t3.micro"}
    scaling("RollbackInstanceRefresh", AutoScalingGroupName="group")
    for _ in range(8):
        scaling.look(1)
    assert newest_refresh(scaling)["Status"] == "RollbackSuccessful"
    assert {one["InstanceType"] for one in scaling.group()["Instances"]} == {"t3.nano"}
    refresh(scaling, Preferences=preferences)
    scaling("CancelInstanceRefresh", AutoScalingGroupName="group")
    assert newest_refresh(scaling)["Status"] == "Cancelled"
