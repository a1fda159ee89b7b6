"""The network interface that RunInstances asks for, by NetworkInterfaces or by parameters of its own."""

from dataclasses import dataclass, field
from typing import TypedDict

from ...errors import ApiError


class InterfaceInput(TypedDict, total=False):
    """The interface of a new instance."""

    DeviceIndex: int
    SubnetId: str
    Groups: list[str]
    PrivateIpAddress: str
    Description: str
    AssociatePublicIpAddress: bool
    DeleteOnTermination: bool


@dataclass(frozen=True)
class Nic:
    """What a new instance's interface is to be. `public` is None where the subnet decides."""

    subnet_id: str | None = None
    group_ids: list[str] = field(default_factory=list)
    group_names: list[str] = field(default_factory=list)
    address: str | None = None
    description: str = ""
    public: bool | None = None
    delete_on_termination: bool = True


def only(
    given: list[InterfaceInput],
    subnet_id: str | None,
    group_ids: list[str] | None,
    group_names: list[str] | None,
    address: str | None,
) -> Nic:
    """The one interface. Raises ApiError where both ways are mixed, and for more than one interface."""
    if not given:
        return Nic(subnet_id, group_ids or [], group_names or [], address)
    if subnet_id or group_ids or group_names or address:
        raise ApiError(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request",
        )
    if len(given) > 1:
        raise ApiError("UnsupportedOperation", "minicloud launches instances with one network interface")
    said = given[0]
    if said.get("DeviceIndex") is None:
        raise ApiError("MissingParameter", "Each network interface requires a device index.")
    if said["DeviceIndex"] != 0:
        raise ApiError("InvalidParameterValue", "The primary network interface must have device index 0.")
    return Nic(
        subnet_id=said.get("SubnetId"),
        group_ids=said.get("Groups", []),
        address=said.get("PrivateIpAddress"),
        description=said.get("Description", ""),
        public=said.get("AssociatePublicIpAddress"),
        delete_on_termination=said.get("DeleteOnTermination", True),
    )
