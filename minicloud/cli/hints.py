"""What to do next, for the errors that a newcomer meets first: a line each, by AWS's error code."""

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ApiError

Params = Mapping[str, Any]
Caller = Callable[[str, str, Params], dict[str, Any]]
"""How to call an operation, in process or over the wire: service, name, parameters."""


def hint(call: Caller, error: ApiError, params: Params) -> str:
    """One line on what to do about `error`; empty if nothing is known."""
    make = _HINTS.get(error.code)
    return make(call, error, params) if make else ""


def _image(call: Caller, *_: Any) -> str:
    if not call("ec2", "DescribeImages", {})["Images"]:
        from ..host.release import usual_command

        return f"there is no image yet: {usual_command()}"
    return "minicloud describe-images lists the images"


def _key_pair(_: Caller, __: ApiError, params: Params) -> str:
    name = params.get("KeyName") or next(iter(params.get("KeyNames") or []), "NAME")
    return f"minicloud create-key-pair --key-name {name} --save {name}.pem makes it"


def _instance(*_: Any) -> str:
    return "minicloud describe-instances lists the instances"


def _missing(call: Caller, error: ApiError, params: Params) -> str:
    return _image(call, error, params) if error.message.endswith(" ImageId") else ""


def _value(_: Caller, error: ApiError, __: Params) -> str:
    return "minicloud describe-instance-types lists the types" if "InstanceType" in error.message else ""


def _capacity(*_: Any) -> str:
    return "choose a smaller --instance-type, or stop or terminate instances (minicloud describe-instances)"


_HINTS: dict[str, Callable[[Caller, ApiError, Params], str]] = {
    "InvalidAMIID.NotFound": _image,
    "InvalidAMIID.Malformed": _image,
    "InvalidKeyPair.NotFound": _key_pair,
    "InvalidInstanceID.NotFound": _instance,
    "InvalidInstanceID.Malformed": _instance,
    "MissingParameter": _missing,
    "InvalidParameterValue": _value,
    "InvalidInstanceType": _value,
    "InsufficientInstanceCapacity": _capacity,
    "InvalidSubnetID.NotFound": lambda *_: "minicloud describe-subnets lists the subnets",
    "InvalidGroup.NotFound": lambda *_: "minicloud describe-security-groups lists the groups",
    "InvalidKeyPair.Duplicate": lambda *_: "minicloud delete-key-pair --key-name NAME removes the old one",
}
