"""Options of an instance beside its type: CPUs, recovery, capacity reservations, placement group.

What a single host can grant is granted: fewer cores, an open reservation, no hibernation, names made from addresses. What it
cannot is refused by the name of the option. A row keeps only what was asked for, by AWS's names (`Instance.options`).
"""

from collections.abc import Mapping
from typing import Any, TypedDict

from ...api import Call
from ...aws.instance_types import InstanceType
from ...errors import ApiError
from ...state.rows import Instance
from ...state.rows_access import PlacementGroup
from .subnets import zone_id


class CpuOptions(TypedDict, total=False):
    """How many cores, and threads of each, of those that the type has."""

    CoreCount: int
    ThreadsPerCore: int


class MaintenanceOptions(TypedDict, total=False):
    """Whether the instance is started again after a restart of its host: `default` or `disabled`."""

    AutoRecovery: str


class CapacityReservation(TypedDict, total=False):
    """`open` or `none`, which are one where nothing is reserved."""

    CapacityReservationPreference: str


class Hibernation(TypedDict, total=False):
    """Whether it can be hibernated."""

    Configured: bool


class Enclave(TypedDict, total=False):
    """Whether it may have enclaves."""

    Enabled: bool


class DnsNames(TypedDict, total=False):
    """What the host name is made from, and which names of resources are answered."""

    HostnameType: str
    EnableResourceNameDnsARecord: bool
    EnableResourceNameDnsAAAARecord: bool


class Placement(TypedDict, total=False):
    """Where an instance is to be."""

    AvailabilityZone: str
    AvailabilityZoneId: str
    Tenancy: str
    GroupName: str
    GroupId: str


def refuse(hibernation: Hibernation | None, enclave: Enclave | None, names: DnsNames | None) -> None:
    """Refuse what no instance here can have. Raises ApiError (UnsupportedOperation)."""
    asked, given = names or {}, hibernation or {}
    wanted = {
        "HibernationOptions.Configured": given.get("Configured"),
        "EnclaveOptions.Enabled": (enclave or {}).get("Enabled"),
        "PrivateDnsNameOptions.HostnameType": asked.get("HostnameType", "ip-name") != "ip-name",
        "PrivateDnsNameOptions.EnableResourceNameDnsARecord": asked.get("EnableResourceNameDnsARecord"),
        "PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord": asked.get("EnableResourceNameDnsAAAARecord"),
    }
    if refused := next((name for name, is_wanted in wanted.items() if is_wanted), None):
        raise ApiError("UnsupportedOperation", f"minicloud does not support this value of {refused}")


def cpu_options(kind: InstanceType, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The cores and threads of an instance, both; empty where nothing is wanted. Raises ApiError for what a type cannot have."""
    if not wanted:
        return {}
    if not kind.valid_cores:
        raise ApiError("InvalidParameterCombination", f"The CPU options of the instance type {kind.name} cannot be chosen.")
    missing = [name for name in ("CoreCount", "ThreadsPerCore") if name not in wanted]
    if missing:
        raise ApiError("InvalidParameterCombination", f"CpuOptions must have both CoreCount and ThreadsPerCore, not {missing[0]}")
    allowed = {"CoreCount": kind.valid_cores, "ThreadsPerCore": range(1, kind.family.threads_per_core + 1)}
    for name, values in allowed.items():
        if wanted[name] not in values:
            listed = ", ".join(map(str, values))
            raise ApiError(
                "InvalidParameterValue",
                f"Value ({wanted[name]}) for parameter CpuOptions.{name} is invalid for {kind.name}. Allowed: {listed}.",
            )
    return {"CoreCount": wanted["CoreCount"], "ThreadsPerCore": wanted["ThreadsPerCore"]}


def reservation_preference(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The capacity reservation as it is kept. Raises ApiError for an instance that runs in a reservation only."""
    if wanted.get("CapacityReservationPreference") == "capacity-reservations-only":
        raise ApiError("UnsupportedOperation", "minicloud has no capacity reservations, so nothing can run in one only")
    return dict(wanted)


def placement_group(call: Call, name: str | None, group_id: str | None) -> dict[str, str]:
    """The placement group of a name or an id as it is kept; empty without either. Raises ApiError."""
    if name and group_id:
        raise ApiError("InvalidParameterCombination", "A placement group can be given by GroupName or GroupId, not by both")
    if not name and not group_id:
        return {}
    groups: list[PlacementGroup] = call.cloud.state.placement_groups.find(**({"name": name} if name else {"id": group_id}))
    if not groups:
        raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name or group_id}' is unknown.")
    return {"GroupName": groups[0].name, "GroupId": groups[0].id}


def kept(  # noqa: PLR0917  one argument for each parameter of the request
    call: Call,
    kind: InstanceType,
    placement: Placement,
    cpus: CpuOptions,
    maintenance: MaintenanceOptions,
    reservation: CapacityReservation,
) -> dict[str, Any]:
    """What a row keeps of the options that a launch asks for. Raises ApiError."""
    options = {
        "CpuOptions": cpu_options(kind, cpus),
        "MaintenanceOptions": maintenance,
        "CapacityReservationSpecification": reservation_preference(reservation),
        "PlacementGroup": placement_group(call, placement.get("GroupName"), placement.get("GroupId")),
    }
    return {name: value for name, value in options.items() if value}


def check_tenancy(tenancy: str | None) -> None:
    """Refuse a host of one's own. Raises ApiError."""
    if tenancy not in (None, "default"):
        raise ApiError("UnsupportedOperation", "minicloud has one host, so the tenancy is always default")


def zone_of(call: Call, placement: Placement) -> str | None:
    """The name of the zone that is asked for, by name or id. Raises ApiError where both are given, or there is no such zone."""
    settings = call.cloud.settings
    name, wanted_id = placement.get("AvailabilityZone"), placement.get("AvailabilityZoneId")
    if wanted_id is None:
        return name
    if name is not None:
        raise ApiError(
            "InvalidParameterCombination", "A zone can be given by AvailabilityZone or AvailabilityZoneId, not by both"
        )
    for zone in settings.zone_names:
        if zone_id(settings.region, zone) == wanted_id:
            return zone
    raise ApiError("InvalidParameterValue", f"Invalid availability zone id: [{wanted_id}]")


def view(row: Instance, kind: InstanceType) -> dict[str, Any]:
    """The options as DescribeInstances tells them."""
    cores = {"CoreCount": kind.cores, "ThreadsPerCore": kind.family.threads_per_core}
    return {
        "CpuOptions": row.options.get("CpuOptions") or cores,
        "HibernationOptions": {"Configured": False},
        "EnclaveOptions": {"Enabled": False},
        "MaintenanceOptions": {"AutoRecovery": "default", **row.options.get("MaintenanceOptions", {})},
        "CapacityReservationSpecification": {
            "CapacityReservationPreference": "open",
            **row.options.get("CapacityReservationSpecification", {}),
        },
    }
