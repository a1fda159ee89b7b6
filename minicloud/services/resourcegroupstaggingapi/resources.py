"""The tagged resources of all services by their ARNs, and the services' own operations that change their tags.

The operations keep the rules of their service: which resources are there, how many tags one has, who may change them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ... import api
from ...api import Call
from ...aws import ids
from ...callers import authorize
from ...cloud import Cloud
from ...errors import ApiError
from ..dlm.policies import arn_of as policy_arn
from ..ec2 import resources as ec2

Tags = dict[str, str]


def tagged(call: Call) -> dict[str, Tags]:
    """The tags of each resource that has some, by its ARN."""
    state, found = call.cloud.state, defaultdict[str, Tags](dict)
    for tag in state.tags.query():
        found[_arn(call, tag.resource_id, tag.resource_type)][tag.key] = tag.value
    groups = {group.name: group.arn for group in state.scaling_groups.query()}
    for row in state.scaling_tags.query():
        if row.group_name in groups:
            found[groups[row.group_name]][row.key] = row.value
    return {arn: found[arn] for arn in sorted(found)}


def _arn(call: Call, resource_id: str, kind: str) -> str:
    if resource_id.startswith("arn:"):
        return resource_id
    return policy_arn(call, resource_id) if ids.kind_of(resource_id) == "policy" else ec2.arn(call.cloud, kind, resource_id)


@dataclass(frozen=True)
class Way:
    """How a service changes tags: its operations, and their parameters, by our names, for one resource."""

    service: str
    tag: str
    untag: str
    tagging: Callable[[Call, str, Tags], dict[str, object]]
    untagging: Callable[[Call, str, Iterable[str]], dict[str, object]]


def _pairs(tags: Tags) -> list[Mapping[str, object]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _keys(keys: Iterable[str]) -> list[Mapping[str, object]]:
    return [{"Key": key} for key in keys]


def _group(cloud: Cloud, arn: str) -> str:
    found = cloud.state.scaling_groups.find(arn=arn)
    if not found:
        raise ApiError("ValidationError", "AutoScalingGroup name not found - null")
    return found[0].name


def _propagated(call: Call, arn: str, tags: Tags) -> dict[str, object]:
    """A group's tag that is changed goes on to be given to its instances, or not."""
    name, table = _group(call.cloud, arn), call.cloud.state.scaling_tags
    there = {key: table.get(name, key) for key in tags}
    return {
        "tags": [
            {"ResourceId": name, "Key": key, "Value": value, "PropagateAtLaunch": bool((row := there[key]) and row.propagate)}
            for key, value in tags.items()
        ]
    }


_EC2 = Way(
    "ec2", "CreateTags", "DeleteTags",
    lambda call, arn, tags: {"resources": [ec2.id_of(call.cloud, arn)], "tags": _pairs(tags)},
    lambda call, arn, keys: {"resources": [ec2.id_of(call.cloud, arn)], "tags": _keys(keys)},
)  # fmt: skip
_ELBV2 = Way(
    "elbv2", "AddTags", "RemoveTags",
    lambda _, arn, tags: {"resource_arns": [arn], "tags": _pairs(tags)},
    lambda _, arn, keys: {"resource_arns": [arn], "tag_keys": list(keys)},
)  # fmt: skip
_ELB = Way(
    "elb", "AddTags", "RemoveTags",
    lambda _, arn, tags: {"load_balancer_names": [arn.rpartition("/")[2]], "tags": _pairs(tags)},
    lambda _, arn, keys: {"load_balancer_names": [arn.rpartition("/")[2]], "tags": _keys(keys)},
)  # fmt: skip
_ACM = Way(
    "acm", "AddTagsToCertificate", "RemoveTagsFromCertificate",
    lambda _, arn, tags: {"certificate_arn": arn, "tags": _pairs(tags)},
    lambda _, arn, keys: {"certificate_arn": arn, "tags": _keys(keys)},
)  # fmt: skip
_CLOUDWATCH = Way(
    "cloudwatch", "TagResource", "UntagResource",
    lambda _, arn, tags: {"resource_arn": arn, "tags": _pairs(tags)},
    lambda _, arn, keys: {"resource_arn": arn, "tag_keys": list(keys)},
)  # fmt: skip
_DLM = Way(
    "dlm", "TagResource", "UntagResource",
    lambda _, arn, tags: {"resource_arn": arn, "tags": tags},
    lambda _, arn, keys: {"resource_arn": arn, "tag_keys": list(keys)},
)  # fmt: skip
_AUTOSCALING = Way(
    "autoscaling", "CreateOrUpdateTags", "DeleteTags", _propagated,
    lambda call, arn, keys: {"tags": [{"ResourceId": _group(call.cloud, arn), "Key": key} for key in keys]},
)  # fmt: skip


def _iam(parameter: str, name: str) -> Way:
    return Way(
        "iam", f"Tag{name}", f"Untag{name}",
        lambda _, arn, tags: {parameter: arn.rpartition("/")[2], "tags": _pairs(tags)},
        lambda _, arn, keys: {parameter: arn.rpartition("/")[2], "tag_keys": list(keys)},
    )  # fmt: skip


_IAM = {
    "role": _iam("role_name", "Role"),
    "instance-profile": _iam("instance_profile_name", "InstanceProfile"),
    "server-certificate": _iam("server_certificate_name", "ServerCertificate"),
}
_WAYS = {"ec2": _EC2, "acm": _ACM, "cloudwatch": _CLOUDWATCH, "dlm": _DLM, "autoscaling": _AUTOSCALING}


def _way(call: Call, arn: str) -> Way:
    """Who changes a resource's tags. Raises ApiError (InvalidParameterException)."""
    parts, settings = arn.split(":", 5), call.cloud.settings
    region = "" if parts[2:3] == ["iam"] else settings.region
    if len(parts) != 6 or parts[:2] != ["arn", "aws"] or parts[3] != region:
        raise ApiError("InvalidParameterException", f"{arn} is no ARN of a resource in {settings.region}")
    if parts[2] == "iam" and (kind := parts[5].partition("/")[0]) in _IAM:
        return _IAM[kind]
    if parts[2] == "elasticloadbalancing":
        return _ELBV2 if parts[5].count("/") > 1 else _ELB
    if parts[2] not in _WAYS:
        raise ApiError("InvalidParameterException", f"minicloud has no resources of {parts[2]} that have tags")
    return _WAYS[parts[2]]


def tag(call: Call, arn: str, tags: Tags) -> None:
    """Give a resource tags. Raises ApiError, the service's own."""
    way = _way(call, arn)
    authorize(call.caller, way.service, way.tag)
    api.find(way.service, way.tag).function(call, **way.tagging(call, arn, tags))


def untag(call: Call, arn: str, keys: Iterable[str]) -> None:
    """Take tags from a resource. Raises ApiError, the service's own."""
    way = _way(call, arn)
    authorize(call.caller, way.service, way.untag)
    api.find(way.service, way.untag).function(call, **way.untagging(call, arn, keys))
