"""What the ARNs of an alarm's actions mean."""

import re
from dataclasses import dataclass

_EC2 = re.compile(
    r"arn:aws:automate:[a-z0-9-]+:ec2:(stop|terminate|reboot|recover)"
    r"|arn:aws:swf:[a-z0-9-]+:\d{12}:action/actions/AWS_EC2\.InstanceId\.(Stop|Terminate|Reboot|Recover)/1\.0"
)
SCALING = "arn:aws:autoscaling:"
"""How the ARN of a scaling policy begins."""
_POLICY = re.compile(
    r"arn:aws:autoscaling:[a-z0-9-]+:\d{12}:scalingPolicy:[0-9A-Za-z-]+:autoScalingGroupName/([^:]+):policyName/(.+)"
)
_TOPIC = re.compile(r"arn:aws:sns:[a-z0-9-]+:\d{12}:([A-Za-z0-9_.-]{1,256})")


@dataclass(frozen=True)
class Action:
    """An action: `kind` is ec2, policy or topic; `name` stop, terminate, ..., the group's or the topic's name."""

    kind: str
    name: str


def read(arn: str) -> Action | None:
    """The action of an ARN, None for one that is none of ours."""
    if found := _EC2.fullmatch(arn):
        return Action("ec2", str(found[1] or found[2]).lower())
    if found := _POLICY.fullmatch(arn):
        return Action("policy", found[1])
    if found := _TOPIC.fullmatch(arn):
        return Action("topic", found[1])
    return None
