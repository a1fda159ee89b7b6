"""Launches tried out: a template that can launch nothing is refused when a group is given it, by the launch itself.

What is only so at this moment, no room on the host or an address in use, is no fault of the template.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ... import api
from ...api import Call
from ...aws import group_launches
from ...aws.group_launches import Place
from ...errors import ApiError
from ..ec2.launch_template_rows import named, version_of
from .finding import invalid

Settings = Mapping[str, Any]
_OF_THE_MOMENT = ("Insufficient", "InvalidIPAddress.InUse", "InvalidNetworkInterface.InUse")


def check(call: Call, settings: Settings) -> None:
    """Refuse a group's settings of whose launch templates one cannot be launched in its places. Raises ApiError."""
    if "LaunchTemplate" not in settings and "MixedInstancesPolicy" not in settings:
        return
    try:
        for params in _requests(call, settings):
            _rehearse(call, params)
    except ApiError as error:
        raise invalid(f"You must use a valid fully-formed launch template. {error.message}") from error


def _rehearse(call: Call, params: Mapping[str, Any]) -> None:
    try:
        api.rehearse(call, "ec2", "RunInstances", params)
    except ApiError as error:
        if not error.code.startswith(_OF_THE_MOMENT):
            raise


def _requests(call: Call, settings: Settings) -> Iterator[Mapping[str, Any]]:
    """Every way in which the group launches, in its first place, and the first way in each of the others."""
    data_of, places = _data(call, settings), _places(call, settings)
    for number, place in enumerate(places):
        requests = group_launches.requests(settings, place, 1, data_of)
        yield from requests if number == 0 else (next(requests),)


def _data(call: Call, settings: Settings) -> dict[str, Any]:
    """What the templates hold, by their ids. Raises ApiError."""
    state, found = call.cloud.state, {}
    for specification, _ in group_launches.choices(settings):
        template = named(state, specification["LaunchTemplateId"], None)
        found[template.id] = version_of(state, template, specification["Version"]).data
    return found


def _places(call: Call, settings: Settings) -> list[Place]:
    """The subnets of the group, or the default ones of its zones. Raises ApiError for a zone without."""
    state = call.cloud.state
    if wanted := [word for word in settings["VPCZoneIdentifier"].split(",") if word]:
        return [Place(row.id, row.zone) for row in state.subnets.among("id", wanted)]
    default = {row.zone: row for row in state.subnets.find(is_default=True)}
    for zone in settings["AvailabilityZones"]:
        if zone not in default:
            raise ApiError("InvalidInput", f"No default subnet for availability zone: '{zone}'.")
    return [Place(default[zone].id, zone, by_zone=True) for zone in settings["AvailabilityZones"]]
