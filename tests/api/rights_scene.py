"""An endpoint, and sessions of roles with AWS's managed policies that speak to it with boto3's signatures.

`Rights.session` makes a role of its own for a session; `Rights.root` is the account itself, on the host. What acts later does so
by `Rights.look` (groups) and `Rights.alarms` (alarms), as the daemon has it done.
"""

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud import api
from minicloud.aws import model
from minicloud.aws.client import Keys
from minicloud.host import fake
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen
from minicloud.reconcile import alarm_actions, composite_alarms, loop
from minicloud.topics import Topic
from tests.cloud_fixtures import IMAGE, RUN, cloud_in
from tests.endpoint_fixtures import Served, new_keys

POLICY = "arn:aws:iam::aws:policy/"
PASSES_TO_EC2 = "service-role/AmazonEC2SpotFleetTaggingRole"
SNAPSHOTS = "service-role/AWSDataLifecycleManagerServiceRole"
TOPIC = "arn:aws:sns:us-east-1:000000000000:ops"
ZONES = ["us-east-1a"]
LAUNCH = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}
PROFILE = {"Name": "strong"}


def trust(*services: str) -> str:
    """A trust policy that lets the account and some services in."""
    who = {"AWS": "000000000000", **({"Service": list(services)} if services else {})}
    return json.dumps({"Statement": [{"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"}]})


@dataclass
class Session:
    """Somebody who signs with keys."""

    served: Served
    keys: Keys
    role: str
    clients: dict[str, Any] = field(default_factory=dict)

    def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """The answer."""
        if service not in self.clients:
            self.clients[service] = self.served.boto(service, self.keys)
        answer: dict[str, Any] = getattr(self.clients[service], model.xform_name(operation))(**params)
        return answer

    def refused(self, service: str, operation: str, **params: Any) -> tuple[str, str]:
        """Code and message of the error that there must be."""
        with pytest.raises(ClientError) as caught:
            self(service, operation, **params)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


@dataclass
class Rights:
    """An endpoint with a profile `strong`, whose role may do everything, and templates and a launch configuration with it."""

    served: Served
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def root(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """What the account itself asks for, on the host."""
        return api.call(self.served.cloud, service, operation, params)

    def name(self) -> str:
        """A name that nothing has yet."""
        return f"name-{next(self.numbers)}"

    def role(self, name: str, *policies: str, to: tuple[str, ...] = ()) -> str:
        """A role; its ARN."""
        made = self.root("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust(*to))["Role"]
        for policy in policies:
            self.root("iam", "AttachRolePolicy", RoleName=name, PolicyArn=POLICY + policy)
        return str(made["Arn"])

    def without(self, role: str) -> None:
        """Take everything from a role."""
        for policy in self.root("iam", "ListAttachedRolePolicies", RoleName=role)["AttachedPolicies"]:
            self.root("iam", "DetachRolePolicy", RoleName=role, PolicyArn=policy["PolicyArn"])

    def delete(self, role: str) -> None:
        """Delete a role."""
        self.without(role)
        self.root("iam", "DeleteRole", RoleName=role)

    def session(self, *policies: str) -> Session:
        """A session of a fresh role with some policies."""
        name = f"role-{next(self.numbers)}"
        return self.assume(name, self.role(name, *policies))

    def assume(self, name: str, arn: str) -> Session:
        """A session of a role that there is."""
        made = self.root("sts", "AssumeRole", RoleArn=arn, RoleSessionName="me")["Credentials"]
        return Session(self.served, Keys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]), name)

    def profile(self, name: str, *policies: str) -> None:
        """An instance profile with a role of the same name."""
        self.role(name, *policies, to=("ec2.amazonaws.com",))
        self.root("iam", "CreateInstanceProfile", InstanceProfileName=name)
        self.root("iam", "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=name)

    def instance(self, **params: Any) -> str:
        """An instance of the account's."""
        return str(self.root("ec2", "RunInstances", **{**RUN, **params})["Instances"][0]["InstanceId"])

    def template(self, name: str, **data: Any) -> str:
        """A launch template of the account's; its id."""
        data = {**LAUNCH, **data}
        made = self.root("ec2", "CreateLaunchTemplate", LaunchTemplateName=name, LaunchTemplateData=data)
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def group(self, name: str = "group", **params: Any) -> None:
        """A group of the account's, of the template `plain` unless said otherwise."""
        self.root("autoscaling", "CreateAutoScalingGroup", **group(name, **params))

    def members(self, name: str = "group") -> list[str]:
        """The instances of a group."""
        return [row.instance_id for row in self.served.cloud.state.scaling_members.find(group_name=name)]

    def activity(self, name: str = "group") -> dict[str, Any]:
        """The latest activity of a group."""
        found: dict[str, Any] = self.root("autoscaling", "DescribeScalingActivities", AutoScalingGroupName=name)["Activities"][0]
        return found

    def state(self, instance_id: str) -> str:
        """The state of an instance."""
        row = self.served.cloud.state.instances.get(instance_id)
        return row.state if row else "gone"

    def look(self) -> None:
        """One pass, in which groups that wait after a failure need not."""
        for row in self.served.cloud.state.scaling_groups.query():
            self.served.cloud.state.scaling_groups.change(row.name, retry_at="")
        loop.run_pass(self.served.cloud)

    def alarms(self) -> None:
        """What alarms have asked for is done."""
        composite_alarms.step(self.served.cloud, time.time())
        alarm_actions.carry_out(self.served.cloud, time.time())
        self.look()

    def said(self, alarm: str) -> str:
        """What the history of an alarm says of its latest action."""
        wanted = {"AlarmName": alarm, "HistoryItemType": "Action", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
        found = self.root("cloudwatch", "DescribeAlarmHistory", **wanted)["AlarmHistoryItems"]
        return str(found[0]["HistorySummary"]) if found else ""


def group(name: str = "group", **params: Any) -> dict[str, Any]:
    """Parameters of CreateAutoScalingGroup: one instance of the template `plain`, unless said otherwise."""
    sources = {"LaunchConfigurationName", "MixedInstancesPolicy", "InstanceId", "LaunchTemplate"}
    source = {} if sources & params.keys() else {"LaunchTemplate": {"LaunchTemplateName": "plain"}}
    return {"AutoScalingGroupName": name, "MinSize": 0, "MaxSize": 3, "DesiredCapacity": 1, "AvailabilityZones": ZONES,
            **source, **params}  # fmt: skip


def alarm(name: str, *actions: str, instance_id: str = "i-0") -> dict[str, Any]:
    """Parameters of PutMetricAlarm."""
    return {
        "AlarmName": name, "MetricName": "CPUUtilization", "Namespace": "AWS/EC2", "Statistic": "Average", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": list(actions),
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
    }  # fmt: skip


@pytest.fixture
def rights(served: Served) -> Rights:
    """The scene."""
    return _furnished(served)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    """The same for all tests of a file, which give their things names of their own (`Rights.name`)."""
    host = fake.host()
    host.add_image(IMAGE)
    cloud = cloud_in(tmp_path_factory.mktemp("shared"), host)
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
    yield _furnished(Served(cloud, server.start().url, new_keys(cloud)))
    server.stop()


def _furnished(served: Served) -> Rights:
    served.cloud.settings = dataclasses.replace(served.cloud.settings, topics={"ops": Topic(webhook="http://127.0.0.1:9/")})
    made = Rights(served)
    made.profile("strong", "AdministratorAccess")
    made.template("plain")
    made.template("strong", IamInstanceProfile=PROFILE)
    for name, more in (("plain", {}), ("strong", {"IamInstanceProfile": "strong"})):
        made.root("autoscaling", "CreateLaunchConfiguration", LaunchConfigurationName=name, **LAUNCH, **more)
    return made
