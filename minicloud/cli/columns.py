"""What a table shows of the answers that people look at most: where the items are, and a few columns of each, the first ones
first: where a terminal is narrow, the last are left out.

A cell is a path into the item (`State.Name`), the value of a tag (`tag:Name`), or how long ago a time was (`ago:LaunchTime`).
Answers that are not here are shown whole (table.py). Operations of other services than EC2 have the service before their name.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..aws import times


@dataclass(frozen=True)
class Layout:
    """The path of the items (`Reservations[].Instances[]`), and (title, cell) for each column."""

    items: str
    columns: tuple[tuple[str, str], ...]

    def rows(self, answer: dict[str, Any], now: float | None = None) -> list[list[str]]:
        """The cells of all items, as text."""
        moment = time.time() if now is None else now
        return [[cell(item, path, moment) for _, path in self.columns] for item in walk(answer, self.items)]


_INSTANCE = (
    ("Instance", "InstanceId"), ("Name", "tag:Name"), ("State", "State.Name"), ("Type", "InstanceType"),
    ("Private IP", "PrivateIpAddress"), ("Public IP", "PublicIpAddress"), ("Key", "KeyName"), ("Launched", "ago:LaunchTime"),
)  # fmt: skip
_CHANGE = (("Instance", "InstanceId"), ("Was", "PreviousState.Name"), ("Is", "CurrentState.Name"))
_MONITORING = Layout("InstanceMonitorings[]", (("Instance", "InstanceId"), ("Monitoring", "Monitoring.State")))

LAYOUTS = {
    "DescribeInstances": Layout("Reservations[].Instances[]", _INSTANCE),
    "RunInstances": Layout("Instances[]", _INSTANCE),
    "StartInstances": Layout("StartingInstances[]", _CHANGE),
    "StopInstances": Layout("StoppingInstances[]", _CHANGE),
    "TerminateInstances": Layout("TerminatingInstances[]", _CHANGE),
    "MonitorInstances": _MONITORING,
    "UnmonitorInstances": _MONITORING,
    "DescribeInstanceStatus": Layout(
        "InstanceStatuses[]",
        (
            ("Instance", "InstanceId"), ("State", "InstanceState.Name"), ("System", "SystemStatus.Status"),
            ("Reachable", "InstanceStatus.Status"), ("Zone", "AvailabilityZone"),
        ),
    ),
    "DescribeImages": Layout(
        "Images[]",
        (
            ("Image", "ImageId"), ("Name", "Name"), ("State", "State"), ("Created", "ago:CreationDate"), ("Boot", "BootMode"),
            ("Description", "Description"), ("Architecture", "Architecture"),
        ),
    ),
    "DescribeKeyPairs": Layout(
        "KeyPairs[]",
        (
            ("Name", "KeyName"), ("Key pair", "KeyPairId"), ("Type", "KeyType"), ("Created", "ago:CreateTime"),
            ("Fingerprint", "KeyFingerprint"),
        ),
    ),
    "DescribeVolumes": Layout(
        "Volumes[]",
        (
            ("Volume", "VolumeId"), ("Name", "tag:Name"), ("State", "State"), ("GiB", "Size"), ("Type", "VolumeType"),
            ("Attached to", "Attachments.InstanceId"), ("As", "Attachments.Device"), ("Zone", "AvailabilityZone"),
            ("Created", "ago:CreateTime"),
        ),
    ),
    "DescribeSnapshots": Layout(
        "Snapshots[]",
        (
            ("Snapshot", "SnapshotId"), ("Name", "tag:Name"), ("State", "State"), ("Of volume", "VolumeId"),
            ("GiB", "VolumeSize"), ("Started", "ago:StartTime"), ("Description", "Description"),
        ),
    ),
    "DescribeInstanceTypes": Layout(
        "InstanceTypes[]",
        (
            ("Type", "InstanceType"), ("vCPU", "VCpuInfo.DefaultVCpus"), ("Memory MiB", "MemoryInfo.SizeInMiB"),
            ("Network", "NetworkInfo.NetworkPerformance"), ("Burstable", "BurstablePerformanceSupported"),
            ("GPUs", "GpuInfo.Gpus.Name"),
        ),
    ),
    "DescribeInstanceTypeOfferings": Layout(
        "InstanceTypeOfferings[]", (("Type", "InstanceType"), ("Of", "LocationType"), ("Location", "Location"))
    ),
    "DescribeAvailabilityZones": Layout(
        "AvailabilityZones[]", (("Zone", "ZoneName"), ("Id", "ZoneId"), ("State", "State"), ("Region", "RegionName"))
    ),
    "DescribeRegions": Layout("Regions[]", (("Region", "RegionName"), ("Endpoint", "Endpoint"), ("Opt-in", "OptInStatus"))),
    "DescribeVpcs": Layout(
        "Vpcs[]",
        (("VPC", "VpcId"), ("Name", "tag:Name"), ("CIDR", "CidrBlock"), ("State", "State"), ("Default", "IsDefault")),
    ),
    "DescribeSubnets": Layout(
        "Subnets[]",
        (
            ("Subnet", "SubnetId"), ("Name", "tag:Name"), ("CIDR", "CidrBlock"), ("Zone", "AvailabilityZone"),
            ("Free", "AvailableIpAddressCount"), ("Default", "DefaultForAz"), ("VPC", "VpcId"), ("State", "State"),
        ),
    ),
    "DescribeNetworkInterfaces": Layout(
        "NetworkInterfaces[]",
        (
            ("Interface", "NetworkInterfaceId"), ("Instance", "Attachment.InstanceId"), ("Private IP", "PrivateIpAddress"),
            ("Public IP", "Association.PublicIp"), ("MAC", "MacAddress"), ("Subnet", "SubnetId"), ("Status", "Status"),
        ),
    ),
    "DescribeSecurityGroups": Layout(
        "SecurityGroups[]",
        (("Group", "GroupId"), ("Name", "GroupName"), ("VPC", "VpcId"), ("Description", "Description")),
    ),
    "DescribeAddresses": Layout(
        "Addresses[]",
        (
            ("Address", "PublicIp"), ("Allocation", "AllocationId"), ("Name", "tag:Name"), ("Instance", "InstanceId"),
            ("Private IP", "PrivateIpAddress"),
        ),
    ),
    "DescribeTags": Layout(
        "Tags[]", (("Resource", "ResourceId"), ("Kind", "ResourceType"), ("Key", "Key"), ("Value", "Value"))
    ),
    "DescribeAccountAttributes": Layout(
        "AccountAttributes[]", (("Attribute", "AttributeName"), ("Values", "AttributeValues.AttributeValue"))
    ),
    "elbv2:DescribeLoadBalancers": Layout(
        "LoadBalancers[]",
        (
            ("Name", "LoadBalancerName"), ("Type", "Type"), ("Scheme", "Scheme"), ("State", "State.Code"),
            ("DNS name", "DNSName"), ("Zones", "AvailabilityZones.ZoneName"), ("ARN", "LoadBalancerArn"),
        ),
    ),
    "elbv2:DescribeTargetGroups": Layout(
        "TargetGroups[]",
        (
            ("Name", "TargetGroupName"), ("Protocol", "Protocol"), ("Port", "Port"), ("Targets", "TargetType"),
            ("Check", "HealthCheckProtocol"), ("Path", "HealthCheckPath"), ("ARN", "TargetGroupArn"),
        ),
    ),
    "elbv2:DescribeTargetHealth": Layout(
        "TargetHealthDescriptions[]",
        (
            ("Target", "Target.Id"), ("Port", "Target.Port"), ("Health", "TargetHealth.State"), ("Reason", "TargetHealth.Reason"),
            ("Description", "TargetHealth.Description"),
        ),
    ),
    "elbv2:DescribeListeners": Layout(
        "Listeners[]",
        (
            ("Protocol", "Protocol"), ("Port", "Port"), ("Does", "DefaultActions.Type"), ("Policy", "SslPolicy"),
            ("ARN", "ListenerArn"),
        ),
    ),
    "elbv2:DescribeRules": Layout(
        "Rules[]",
        (
            ("Priority", "Priority"), ("If", "Conditions.Field"), ("Values", "Conditions.Values"), ("Does", "Actions.Type"),
            ("ARN", "RuleArn"),
        ),
    ),
    "cloudwatch:DescribeAlarmHistory": Layout(
        "AlarmHistoryItems[]",
        (("When", "Timestamp"), ("Alarm", "AlarmName"), ("Kind", "HistoryItemType"), ("What", "HistorySummary")),
    ),
    "elb:DescribeLoadBalancers": Layout(
        "LoadBalancerDescriptions[]",
        (
            ("Name", "LoadBalancerName"), ("Scheme", "Scheme"), ("DNS name", "DNSName"), ("Zones", "AvailabilityZones"),
            ("Instances", "Instances.InstanceId"), ("Check", "HealthCheck.Target"),
        ),
    ),
    "elb:DescribeInstanceHealth": Layout(
        "InstanceStates[]",
        (("Instance", "InstanceId"), ("State", "State"), ("Reason", "ReasonCode"), ("Description", "Description")),
    ),
    "acm:ListCertificates": Layout(
        "CertificateSummaryList[]",
        (
            ("Domain", "DomainName"), ("Status", "Status"), ("Key", "KeyAlgorithm"), ("Until", "NotAfter"), ("In use", "InUse"),
            ("ARN", "CertificateArn"),
        ),
    ),
}  # fmt: skip


def walk(value: Any, path: str) -> Iterator[dict[str, Any]]:
    """The items at a path such as Reservations[].Instances[]."""
    name, _, rest = path.partition("[]")
    for entry in value.get(name) or []:
        if rest:
            yield from walk(entry, rest.removeprefix("."))
        else:
            yield entry


def cell(item: dict[str, Any], path: str, now: float) -> str:
    """One cell as text; empty where the item has no such thing."""
    if path.startswith("tag:"):
        wanted = path.removeprefix("tag:")
        return next((str(tag.get("Value", "")) for tag in item.get("Tags") or [] if tag.get("Key") == wanted), "")
    if path.startswith("ago:"):
        moment = item.get(path.removeprefix("ago:"))
        return ago(moment, now) if isinstance(moment, str) and moment else ""
    return text(_follow(item, path.split(".")))


def _follow(value: Any, names: list[str]) -> Any:
    if not names:
        return value
    if isinstance(value, list):
        return [found for entry in value if (found := _follow(entry, names)) is not None]
    return _follow(value.get(names[0]), names[1:]) if isinstance(value, dict) else None


def text(value: Any) -> str:
    """A value for a person: yes and no, entries with commas, nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(text(entry) for entry in value)
    return str(value)


def ago(moment: str, now: float) -> str:
    """A time as `3 min ago`; the text itself if it is no time."""
    try:
        seconds = now - times.seconds(moment)
    except ValueError:
        return moment
    if seconds < -1:
        return moment
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"
