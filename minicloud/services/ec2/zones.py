"""Regions, availability zones and account attributes: one region, whose zones are all this host."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import refusals
from ...aws.names import zone_id
from ...errors import ApiError

ZONE_FILTERS = {
    "group-name": "GroupName",
    "message": "Messages[].Message",
    "opt-in-status": "OptInStatus",
    "parent-zone-id": "ParentZoneId",
    "parent-zone-name": "ParentZoneName",
    "region-name": "RegionName",
    "state": "State",
    "zone-id": "ZoneId",
    "zone-name": "ZoneName",
    "zone-type": "ZoneType",
}
REGION_FILTERS = {"endpoint": "Endpoint", "opt-in-status": "OptInStatus", "region-name": "RegionName"}


@operation(items="AvailabilityZones", filters=ZONE_FILTERS)
def describe_availability_zones(
    call: Call, *, zone_names: list[str] | None = None, zone_ids: list[str] | None = None, all_availability_zones: bool = False
) -> Answer:
    """DescribeAvailabilityZones. All zones are always opted in, so `all_availability_zones` finds no more."""
    del all_availability_zones
    zones = [_zone(call.cloud.settings.region, name) for name in call.cloud.settings.zone_names]
    for wanted, member in ((zone_names, "ZoneName"), (zone_ids, "ZoneId")):
        there = {zone[member] for zone in zones}
        if missing := [name for name in wanted or () if name not in there]:
            raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{missing[0]}]")
        zones = [zone for zone in zones if not wanted or zone[member] in wanted]
    return {"AvailabilityZones": zones}


def _zone(region: str, name: str) -> dict[str, Any]:
    return {
        "OptInStatus": "opt-in-not-required",
        "Messages": [],
        "RegionName": region,
        "ZoneName": name,
        "ZoneId": zone_id(region, name),
        "GroupName": f"{region}-zg-1",
        "NetworkBorderGroup": region,
        "ZoneType": "availability-zone",
        "State": "available",
    }


@operation(items="Regions", filters=REGION_FILTERS)
def describe_regions(call: Call, *, region_names: list[str] | None = None, all_regions: bool = False) -> Answer:
    """DescribeRegions: the one that there is, `all_regions` or not."""
    del all_regions
    region = call.cloud.settings.region
    if missing := [name for name in region_names or () if name != region]:
        raise ApiError("InvalidParameterValue", f"Invalid region names: [{', '.join(missing)}]")
    return {
        "Regions": [
            {"OptInStatus": "opt-in-not-required", "RegionName": region, "Endpoint": f"ec2.{region}.amazonaws.com"},
        ]
    }


@operation()
def describe_account_attributes(call: Call, *, attribute_names: list[str] | None = None) -> Answer:
    """DescribeAccountAttributes: true limits where the host has one."""
    state, settings = call.cloud.state, call.cloud.settings
    vpc = next(iter(state.vpcs.find(is_default=True)), None)
    capacity = call.cloud.host.machine.capacity()
    # The smallest type takes 512 MiB, so that is how many guests the host's memory has room for.
    most = max(0, capacity.memory - settings.memory_reserve) // 512
    values = {
        "supported-platforms": ["VPC"],
        "default-vpc": [vpc.id if vpc else "none"],
        "max-instances": [str(most)],
        "vpc-max-security-groups-per-interface": ["5"],
        "vpc-max-elastic-ips": ["5"],
        "max-elastic-ips": ["5"],
    }
    if unknown := [name for name in attribute_names or () if name not in values]:
        raise refusals.EC2.choice("AttributeName.1", unknown[0], list(values))
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": value} for value in found]}
            for name, found in values.items()
            if not attribute_names or name in attribute_names
        ]
    }
