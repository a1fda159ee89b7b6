"""An image's name where an AMI's id is asked for, as `--image-id debian-12`: the command line looks the id up.

AWS's API takes ids alone, so this happens before the call, in process and over the wire alike. A name that no image has goes to
the operation as it is, which refuses it in AWS's words; one that several have is refused here, with their ids.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError

Call = Callable[[str, str, Mapping[str, Any]], dict[str, Any]]
"""How to call an operation: service, name, parameters."""

SERVICES = ("ec2", "autoscaling")
_MEMBERS = ("ImageId", "ImageIds", "SourceImageId")
_NO_NAMES = ("ami-", "resolve:")
_PATTERN = frozenset("*?\\")


def resolved(call: Call, service: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with ids for names. Raises UsageError for a name of several images; what `call` raises."""
    names = sorted(set(_names(params))) if service in SERVICES else []
    if not names:
        return params
    found = call("ec2", "DescribeImages", {"Filters": [{"Name": "name", "Values": names}]})["Images"]
    ids = {name: [str(image["ImageId"]) for image in found if image.get("Name") == name] for name in names}
    for name, those in ids.items():
        if len(those) > 1:
            raise UsageError(f"{len(those)} images are named {name}: {', '.join(sorted(those))}; give the id of one")
    replaced: dict[str, Any] = _replaced(params, {name: those[0] for name, those in ids.items() if those})
    return replaced


def one(call: Call, text: str) -> str:
    """The id that an argument of our own commands means: itself, or that of the image of this name."""
    return str(resolved(call, "ec2", {"ImageId": text})["ImageId"])


def _is_name(text: object) -> bool:
    return isinstance(text, str) and bool(text) and not text.startswith(_NO_NAMES) and not _PATTERN & set(text)


def _names(params: Any) -> list[str]:
    if isinstance(params, list):
        return [name for item in params for name in _names(item)]
    if not isinstance(params, dict):
        return []
    found: list[str] = []
    for member, value in params.items():
        if member in _MEMBERS:
            found += [text for text in (value if isinstance(value, list) else [value]) if _is_name(text)]
        else:
            found += _names(value)
    return found


def _replaced(params: Any, ids: dict[str, str]) -> Any:
    if isinstance(params, list):
        return [_replaced(item, ids) for item in params]
    if not isinstance(params, dict):
        return params
    return {member: _known(value, ids) if member in _MEMBERS else _replaced(value, ids) for member, value in params.items()}


def _known(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_known(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value
