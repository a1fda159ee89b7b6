"""Instance types and where they are offered: every type in every zone; whether one fits is said when it is launched."""

from ...api import Answer, Call, operation
from ...aws import instance_types as table
from ...aws.names import zone_id
from ...errors import ApiError
from . import instance_type_info


@operation(items="InstanceTypes", key="InstanceType", filters=instance_type_info.FILTERS)
def describe_instance_types(
    call: Call, *, instance_types: list[str] | None = None, include_unsupported_in_region: bool = False
) -> Answer:
    """DescribeInstanceTypes. All of them are of this region."""
    del call, include_unsupported_in_region
    there = table.all_types()
    if missing := [name for name in instance_types or () if name not in there]:
        raise ApiError("InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(missing)}]")
    return {"InstanceTypes": [instance_type_info.describe(there[name]) for name in instance_types or there]}


@operation(items="InstanceTypeOfferings", key="InstanceType Location", filters=instance_type_info.OFFERING_FILTERS)
def describe_instance_type_offerings(call: Call, *, location_type: str = "region") -> Answer:
    """DescribeInstanceTypeOfferings, by region, availability-zone or availability-zone-id."""
    settings = call.cloud.settings
    places = {
        "region": [settings.region],
        "availability-zone": settings.zone_names,
        "availability-zone-id": [zone_id(settings.region, zone) for zone in settings.zone_names],
    }.get(location_type, [])
    return {
        "InstanceTypeOfferings": [
            {"InstanceType": name, "LocationType": location_type, "Location": place}
            for name in table.all_types()
            for place in places
        ]
    }
