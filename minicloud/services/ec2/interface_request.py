"""The network interfaces that RunInstances asks for, by NetworkInterfaces or by parameters of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from ...errors import ApiError


class AddressInput(TypedDict, total=False):
    """A private address that is asked for."""

    PrivateIpAddress: str
    Primary: bool


class InterfaceInput(TypedDict, total=False):
    """An interface of a new instance: a new one, or one that is there already."""

    DeviceIndex: int
    NetworkCardIndex: int
    NetworkInterfaceId: str
    SubnetId: str
    Groups: list[str]
    PrivateIpAddress: str
    PrivateIpAddresses: list[AddressInput]
    SecondaryPrivateIpAddressCount: int
    Description: str
    AssociatePublicIpAddress: bool
    DeleteOnTermination: bool


@dataclass(frozen=True)
class Nic:
    """What an interface of a new instance is to be. `public` is None where the subnet decides; `interface_id` is one that
    is there already."""

    subnet_id: str | None = None
    group_ids: list[str] = field(default_factory=list)
    group_names: list[str] = field(default_factory=list)
    address: str | None = None
    secondary: tuple[str, ...] = ()
    secondary_count: int = 0
    description: str = ""
    public: bool | None = None
    delete_on_termination: bool = True
    device_index: int = 0
    interface_id: str = ""

    @property
    def names_addresses(self) -> bool:
        """Whether it can be given to one instance only."""
        return self.address is not None or bool(self.secondary) or bool(self.interface_id)


def _bad(code: str, message: str) -> ApiError:
    return ApiError(code, message)


def primary_and_others(one: str | None, listed: Sequence[AddressInput]) -> tuple[str | None, list[str]]:
    """The primary address that is asked for, if one is, and the secondary ones. Raises ApiError for two primary ones."""
    primary = [said.get("PrivateIpAddress", "") for said in listed if said.get("Primary")]
    if len(primary) > 1 or (primary and one):
        raise _bad("InvalidParameterCombination", "Only one primary private IP address can be specified")
    return next(iter(primary), one), [said.get("PrivateIpAddress", "") for said in listed if not said.get("Primary")]


def wanted(
    given: list[InterfaceInput],
    subnet_id: str | None,
    group_ids: list[str] | None,
    group_names: list[str] | None,
    address: str | None,
) -> list[Nic]:
    """The interfaces by their device indices, of which the first is 0. Raises ApiError, also where both ways are mixed."""
    if subnet_id and group_names:
        raise _bad("InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet")
    if not given:
        return [Nic(subnet_id, group_ids or [], group_names or [], address)]
    if subnet_id or group_ids or group_names or address:
        raise _bad(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request",
        )
    nics = sorted((_nic(said) for said in given), key=lambda nic: nic.device_index)
    if nics[0].device_index != 0:
        raise _bad("InvalidParameterValue", "The primary network interface must have device index 0.")
    if len({nic.device_index for nic in nics}) < len(nics):
        raise _bad("InvalidParameterValue", "Each network interface requires a unique device index.")
    if len(nics) > 1 and any(nic.public for nic in nics):
        raise _bad(
            "InvalidParameterCombination",
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
        )
    return nics


def _nic(said: InterfaceInput) -> Nic:
    if said.get("DeviceIndex") is None:
        raise _bad("MissingParameter", "Each network interface requires a device index.")
    if said.get("NetworkCardIndex", 0) != 0:
        raise _bad("InvalidParameterValue", f"Invalid value '{said['NetworkCardIndex']}' for networkCardIndex. Allowed: 0.")
    if said.get("NetworkInterfaceId"):
        return _existing(said)
    address, secondary = primary_and_others(said.get("PrivateIpAddress"), said.get("PrivateIpAddresses", ()))
    return Nic(
        subnet_id=said.get("SubnetId"),
        group_ids=said.get("Groups", []),
        address=address,
        secondary=tuple(secondary),
        secondary_count=said.get("SecondaryPrivateIpAddressCount", 0),
        description=said.get("Description", ""),
        public=said.get("AssociatePublicIpAddress"),
        delete_on_termination=said.get("DeleteOnTermination", True),
        device_index=said["DeviceIndex"],
    )


def _existing(said: InterfaceInput) -> Nic:
    """One that is there has its addresses and groups."""
    known = {"DeviceIndex", "NetworkCardIndex", "NetworkInterfaceId", "DeleteOnTermination"}
    if others := sorted(name for name, value in said.items() if name not in known and value not in (None, [], "")):
        raise _bad("InvalidParameterCombination", f"You may not specify {others[0]} together with NetworkInterfaceId")
    return Nic(
        delete_on_termination=said.get("DeleteOnTermination", False),
        device_index=said["DeviceIndex"],
        interface_id=said["NetworkInterfaceId"],
    )
