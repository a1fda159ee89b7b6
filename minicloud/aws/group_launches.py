"""The RunInstances requests that a group makes: of its launch template or configuration, in one place. Pure functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Params = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where an instance may be launched; `by_zone` where a group names zones only, and this is a zone's default subnet."""

    subnet_id: str
    zone: str
    by_zone: bool = False


def requests(source: Mapping[str, Any], place: Place, count: int, data_of: Mapping[str, Mapping[str, Any]]) -> Iterator[Params]:
    """The requests to try, one after another while the host has no room.

    `source` has LaunchTemplate, MixedInstancesPolicy, or LaunchConfiguration (its data). `data_of` has the data of a
    template's version that is meant, by the template's id.
    """
    numbers = {"MinCount": 1, "MaxCount": count}
    if "LaunchConfiguration" in source:
        yield {**of_configuration(source["LaunchConfiguration"], place), **numbers}
        return
    for specification, kind in choices(source):
        data = data_of.get(specification["LaunchTemplateId"], {})
        own = {"LaunchTemplateId": specification["LaunchTemplateId"], "Version": specification["Version"]}
        yield {"LaunchTemplate": own, **_placed(data, place), **({"InstanceType": kind} if kind else {}), **numbers}


def choices(source: Mapping[str, Any]) -> list[tuple[Mapping[str, str], str]]:
    """The templates and instance types that a group may launch, the first that fits before others.

    No type is the template's own.
    """
    if "LaunchTemplate" in source:
        return [(source["LaunchTemplate"], "")]
    part = source["MixedInstancesPolicy"]["LaunchTemplate"]
    plain = part["LaunchTemplateSpecification"]
    return [
        (one.get("LaunchTemplateSpecification") or plain, one.get("InstanceType", "")) for one in part.get("Overrides") or []
    ] or [(plain, "")]


def _placed(data: Mapping[str, Any], place: Place) -> Params:
    """Where a template's instance is to be: a network interface of the template's takes the subnet, too."""
    placement = {**data.get("Placement", {}), "AvailabilityZone": place.zone}
    if cards := data.get("NetworkInterfaces"):
        return {"NetworkInterfaces": [{**cards[0], "SubnetId": place.subnet_id}, *cards[1:]], "Placement": placement}
    return {**_subnet(data, place), "Placement": placement}


def _subnet(data: Mapping[str, Any], place: Place) -> Params:
    """The subnet, which EC2 takes no names of security groups beside: of a zone it finds the default one itself."""
    return {} if place.by_zone and data.get("SecurityGroups") else {"SubnetId": place.subnet_id}


def of_configuration(data: Mapping[str, Any], place: Place) -> Params:
    """A launch configuration as parameters of RunInstances."""
    params: Params = {"ImageId": data["ImageId"], "InstanceType": data["InstanceType"]}
    for name, other in (("KeyName", "KeyName"), ("UserData", "UserData"), ("MetadataOptions", "MetadataOptions")):
        if data.get(name):
            params[other] = data[name]
    params["EbsOptimized"] = bool(data.get("EbsOptimized"))
    params["Monitoring"] = {"Enabled": bool(data.get("InstanceMonitoring", {}).get("Enabled", True))}
    if profile := data.get("IamInstanceProfile"):
        params["IamInstanceProfile"] = {"Arn" if profile.startswith("arn:") else "Name": profile}
    if mappings := data.get("BlockDeviceMappings"):
        params["BlockDeviceMappings"] = [_mapping(one) for one in mappings]
    return {**params, **_network(data, place)}


def _mapping(one: Mapping[str, Any]) -> Params:
    if one.get("NoDevice"):
        return {"DeviceName": one["DeviceName"], "NoDevice": ""}
    return {name: value for name, value in one.items() if name != "NoDevice"}


def _network(data: Mapping[str, Any], place: Place) -> Params:
    groups: list[str] = list(data.get("SecurityGroups") or [])
    ids = [group for group in groups if group.startswith("sg-")]
    if data.get("AssociatePublicIpAddress") is not None:
        card: Params = {
            "DeviceIndex": 0, "SubnetId": place.subnet_id, "AssociatePublicIpAddress": data["AssociatePublicIpAddress"],
        }  # fmt: skip
        return {"NetworkInterfaces": [{**card, **({"Groups": ids} if ids else {})}]}
    params: Params = {"Placement": {"AvailabilityZone": place.zone}}
    if ids:
        params["SecurityGroupIds"] = ids
    if names := [group for group in groups if group not in ids]:
        params["SecurityGroups"] = names
    return {**_subnet(params, place), **params}
