"""Parameters that minicloud does not have, and the values of them that ask for nothing: these are passed over.

Such a value says no, none, nothing or zero; or it is the default that AWS documents, or what is so here in any case. All others
are refused by the parameter's name. A member means the same wherever AWS has it, so the values are listed by its name.
"""

import functools
import typing
from collections.abc import Mapping
from typing import Any

from .model import Member, Shape

_NEVER = {"AssociatePublicIpAddress", "EnableLniAtDeviceIndex"}
"""Members whose no, or zero, asks for a change."""
_ANY = {
    "Accept", "AdditionalInfo", "Context",  # AWS: reserved
    "DisableLniAtDeviceIndex", "IncludeManagedResources", "ResetTransforms", "ResolveAlias", "SkipZonalShiftValidation",
    "DefaultEnaQueueCount", "ImpairedZoneHealthCheckBehavior", "SpotAllocationStrategy", "SpotInstancePools", "SpotMaxPrice",
    "PresignedUrl",  # SDKs make it for every copy; AWS wants it for encrypted ones between Regions
    "ExternalId",  # of who may have a role, only conditions look at it
}  # fmt: skip
"""Members that there is nothing for here, so that no value changes anything."""
_VALUES: Mapping[str, tuple[Any, ...]] = {
    "AdvertiseTrustStoreCaNames": ("off",),
    "Affinity": ("default",),
    "AmdSevSnp": ("disabled",),
    "BandwidthWeighting": ("default",),
    "CapacityDistributionStrategy": ("balanced-best-effort",),
    "CapacityReservationPreference": ("default",),
    "DeletionProtection": ("none",),
    "EnableDnsSupport": ({"Value": True},),
    "EnablePrefixForIpv6SourceNat": ("off",),
    "HttpTokensEnforced": ("disabled", "no-preference"),
    "InterfaceType": ("interface",),
    "Location": ("regional",),
    "MaxHealthyPercentage": (-1,),
    "MaxSpotPriceAsPercentageOfOptimalOnDemandPrice": (999_999,),
    "MinHealthyPercentage": (-1,),
    "Mode": ("off",),
    "NestedVirtualization": ("disabled",),
    "OnDemandMaxPricePercentageOverLowestPrice": (999_999,),
    "PathPrefix": ("/",),
    "PrivateDnsHostnameTypeOnLaunch": ("ip-name",),
    "PublicIpv4Pool": ("amazon",),
    "RebootMigration": ("default", "disabled"),
    "SnapshotLocation": ("regional",),
    "SpotMaxPricePercentageOverLowestPrice": (999_999,),
    "SriovNetSupport": ("simple", {"Value": "simple"}),
    "TcpEstablishedTimeout": (432_000,),
    "UdpStreamTimeout": (180,),
    "UdpTimeout": (30,),
}
_OWN = {"AccountId": "account", "DestinationRegion": "region", "OwningAccount": "account"}
"""Members that may name what there is one of here."""


class Unsupported(Exception):
    """A parameter that AWS knows and minicloud does not; the message is its path."""


@functools.cache
def nested(hint: Any) -> Mapping[str, Any] | None:
    """The members of the TypedDict in an annotation such as `list[Ebs] | None`; None where there is none."""
    if typing.is_typeddict(hint):
        return typing.get_type_hints(hint)
    return next((found for part in typing.get_args(hint) if (found := nested(part)) is not None), None)


class Supported:
    """What is supported of a request. `own` has what there is one of here: `account` and `region`."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self._own = own
        self.passed_over: list[str] = []
        """The paths of the parameters that asked for nothing."""

    def of(
        self, members: Mapping[str, Member], hints: Mapping[str, Any], given: dict[str, Any], path: str = ""
    ) -> dict[str, Any]:
        """`given` without what asks for nothing; `hints` are annotations, TypedDicts inside. Raises Unsupported."""
        found = {}
        for name, value in given.items():
            here, shape = f"{path}.{name}" if path else name, members[name].shape
            if name not in hints:
                if not self._is_harmless(name, shape, value):
                    raise Unsupported(here)
                self.passed_over.append(here)
            elif (inside := nested(hints[name])) is None:
                found[name] = value
            elif shape.kind == "list":
                found[name] = [self.of(shape.element.members, inside, entry, here) for entry in value]
            else:
                found[name] = self.of(shape.members, inside, value, here)
        return found

    def _is_harmless(self, name: str, shape: Shape, value: Any) -> bool:
        if name in _VALUES:
            return value == "" or value in _VALUES[name]
        if name in _ANY or name in _NEVER:
            return name in _ANY
        if shape.kind == "structure":
            return all(self._is_harmless(inner, shape.members[inner].shape, value[inner]) for inner in value)
        own = self._own.get(_OWN.get(name, ""))
        return not value if own is None else value in ("", own)
