"""Auto Scaling through other people's clients: boto3, Kubernetes' cluster-autoscaler, Ansible's modules, our own command line."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from minicloud.host.run import run

from ..cloud_fixtures import IMAGE
from ..endpoint_fixtures import Served

PLAYBOOKS = Path(__file__).parent / "ansible"
NODES = {"AutoScalingGroupName": "nodes", "MinSize": 1, "MaxSize": 5, "AvailabilityZones": ["us-east-1a", "us-east-1b"]}


@pytest.fixture
def nodes(served: Served) -> Any:
    """A client of a cloud with a group of two nodes, tagged as cluster-autoscaler looks for them."""
    data = {"ImageId": IMAGE.image_id, "InstanceType": "t3.small"}
    served.boto().create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)
    client = served.boto("autoscaling")
    names = ("k8s.io/cluster-autoscaler/enabled", "k8s.io/cluster-autoscaler/prod")
    tags = [{"Key": name, "Value": "true", "PropagateAtLaunch": True, "ResourceId": "nodes",
             "ResourceType": "auto-scaling-group"} for name in names]  # fmt: skip
    template = {"LaunchTemplateName": "nodes", "Version": "$Latest"}
    client.create_auto_scaling_group(**NODES, DesiredCapacity=2, LaunchTemplate=template, Tags=tags)
    return client


def test_what_cluster_autoscaler_asks(served: Served, nodes: Any) -> None:
    """The calls of its AWS provider, in the order of one loop: discover, look up a template's size, grow, see why not, shrink."""
    filters = [{"Name": "tag-key", "Values": [name]} for name in (
        "k8s.io/cluster-autoscaler/enabled", "k8s.io/cluster-autoscaler/prod")]  # fmt: skip
    pages = nodes.get_paginator("describe_auto_scaling_groups").paginate(Filters=filters, MaxRecords=100)
    (group,) = [one for page in pages for one in page["AutoScalingGroups"]]
    assert {one["LifecycleState"] for one in group["Instances"]} == {"InService"}
    assert {one["HealthStatus"] for one in group["Instances"]} == {"Healthy"}
    template = group["LaunchTemplate"]
    version = served.boto().describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
    )["LaunchTemplateVersions"][0]
    kind = version["LaunchTemplateData"]["InstanceType"]
    (about,) = served.boto().describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
    assert (about["VCpuInfo"]["DefaultVCpus"], about["MemoryInfo"]["SizeInMiB"]) == (2, 2048)
    assert nodes.describe_launch_configurations(LaunchConfigurationNames=["none"])["LaunchConfigurations"] == []
    nodes.set_desired_capacity(AutoScalingGroupName="nodes", DesiredCapacity=3, HonorCooldown=False)
    (activity, *_) = nodes.describe_scaling_activities(AutoScalingGroupName="nodes")["Activities"]
    assert activity["StatusCode"] == "Successful"
    named = nodes.describe_auto_scaling_groups(AutoScalingGroupNames=["nodes"], MaxRecords=100)["AutoScalingGroups"][0]
    assert named["DesiredCapacity"] == len(named["Instances"]) == 3
    victim = named["Instances"][0]["InstanceId"]
    ended = nodes.terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=True)
    assert ended["Activity"]["Description"] == f"Terminating EC2 instance: {victim}"
    after = nodes.describe_auto_scaling_groups(AutoScalingGroupNames=["nodes"])["AutoScalingGroups"][0]
    assert victim not in [one["InstanceId"] for one in after["Instances"]]
    assert after["DesiredCapacity"] == 2


def test_pages_and_filters(nodes: Any) -> None:
    template = {"LaunchTemplateName": "nodes"}
    for number in range(5):
        nodes.create_auto_scaling_group(
            **{**NODES, "AutoScalingGroupName": f"more-{number}", "MinSize": 0}, DesiredCapacity=0, LaunchTemplate=template
        )
    pages = list(nodes.get_paginator("describe_auto_scaling_groups").paginate(MaxRecords=2))
    assert [[one["AutoScalingGroupName"] for one in page["AutoScalingGroups"]] for page in pages] == [
        ["more-0", "more-1"], ["more-2", "more-3"], ["more-4", "nodes"],
    ]  # fmt: skip
    nodes.set_desired_capacity(AutoScalingGroupName="nodes", DesiredCapacity=5)
    found = nodes.get_paginator("describe_scaling_activities").paginate(AutoScalingGroupName="nodes", MaxRecords=2)
    shown = [one for page in found for one in page["Activities"]]
    assert len({one["ActivityId"] for one in shown}) == 5
    assert [one["StartTime"] for one in shown] == sorted((one["StartTime"] for one in shown), reverse=True)
    later = [{"Name": "StartTimeLowerBound", "Values": [shown[0]["StartTime"].isoformat()]}]
    assert len(nodes.describe_scaling_activities(AutoScalingGroupName="nodes", Filters=later)["Activities"]) == 3
    tags = nodes.describe_tags(Filters=[{"Name": "auto-scaling-group", "Values": ["nodes"]}])["Tags"]
    assert len(tags) == 2
    instances = nodes.describe_auto_scaling_instances(MaxRecords=3)
    assert len(instances["AutoScalingInstances"]) == 3
    assert instances["NextToken"]


def environment(served: Served, directory: Path) -> dict[str, str]:
    return {**served.environment(directory), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def play(served: Served, directory: Path, name: str, **given: Any) -> dict[str, int]:
    """The recap of a playbook that must not fail."""
    done = run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-e", json.dumps(given), str(PLAYBOOKS / name)],
        timeout=400,
        env=environment(served, directory),
        cwd=directory,
        check=False,
    )
    assert done.status == 0, done.text + done.stderr.decode()
    found = re.findall(r"\b(ok|changed|failed)=(\d+)", done.text.partition("PLAY RECAP")[2])
    return {word: int(number) for word, number in found}


def test_ansible_changes_nothing_the_second_time(served: Served, tmp_path: Path) -> None:
    subnets = sorted(served.boto().describe_subnets()["Subnets"], key=lambda one: one["AvailabilityZone"])[:2]
    given = {"image": IMAGE.image_id, "subnets": [one["SubnetId"] for one in subnets], "vpc": subnets[0]["VpcId"]}
    first, second = (play(served, tmp_path, "up.yml", **given) for _ in range(2))
    assert (first["failed"], first["changed"]) == (0, 7)
    assert (second["failed"], second["changed"], second["ok"]) == (0, 0, first["ok"])
    groups = served.boto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert {one["AutoScalingGroupName"]: len(one["Instances"]) for one in groups} == {"play-group": 2, "play-old": 1}
    down, again = (play(served, tmp_path, "down.yml") for _ in range(2))
    assert down["failed"] == again["failed"] == again["changed"] == 0
    assert down["changed"] == 3
    assert served.boto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []


def minicloud(served: Served, directory: Path, *words: str) -> tuple[int, str]:
    """Status and output of our own command line, over the wire."""
    argv = [sys.executable, "-m", "minicloud", "--endpoint-url", served.url, "autoscaling", *words]
    done = run(argv, timeout=120, env=environment(served, directory), check=False)
    return done.status, done.text + done.stderr.decode()


def test_our_own_commands_and_waiters(served: Served, nodes: Any, tmp_path: Path) -> None:
    assert minicloud(served, tmp_path, "wait", "group-in-service", "--auto-scaling-group-names", "nodes") == (0, "")
    assert minicloud(served, tmp_path, "wait", "group-exists", "--auto-scaling-group-names", "nodes") == (0, "")
    status, said = minicloud(served, tmp_path, "set-desired-capacity", "--auto-scaling-group-name", "nodes",
                             "--desired-capacity", "9")  # fmt: skip
    assert status == 254
    assert "Desired capacity:9 must be between the specified min size:1 and max size:5" in said
    quick = ("--delay", "0.1", "--max-attempts", "2")
    status, said = minicloud(served, tmp_path, "wait", "group-not-exists", "--auto-scaling-group-names", "nodes", *quick)
    assert status == 255
    nodes.delete_auto_scaling_group(AutoScalingGroupName="nodes", ForceDelete=True)
    assert minicloud(served, tmp_path, "wait", "group-not-exists", "--auto-scaling-group-names", "nodes") == (0, "")
