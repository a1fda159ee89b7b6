"""AMIs that cannot be launched for a while (disabled), and AMIs that cannot be deregistered (protected)."""

from ... import api
from ...api import Answer, Call, operation
from ...aws import ids, times
from ...errors import ApiError
from ...state.rows import Image

COOLDOWN = 24 * 3600.0
"""Seconds for which an image stays protected after its protection with a cooldown was taken away, as with AWS."""
_WITH_COOLDOWN = "with-cooldown"


def named(call: Call, image_id: str) -> Image:
    """An image that is registered, disabled or not. Raises ApiError."""
    row = api.named(call.cloud.state.images, "image", image_id)
    if row.state == "deregistered":
        raise ids.not_found("image", [image_id])
    return row


def check_deregister(call: Call, image: Image) -> None:
    """Refuse to deregister a protected image. Raises ApiError (OperationNotPermitted)."""
    if shown(call, image) != "disabled":
        raise ApiError(
            "OperationNotPermitted",
            f"AMI {image.id} cannot be deregistered because it has deregistration protection ({shown(call, image)}).",
        )


def shown(call: Call, image: Image) -> str:
    """Its DeregistrationProtection, as DescribeImages answers it."""
    if image.protection in ("", "enabled", _WITH_COOLDOWN):
        return {"": "disabled", "enabled": "enabled-without-cooldown", _WITH_COOLDOWN: "enabled-with-cooldown"}[image.protection]
    return "disabled" if times.due(image.protection, COOLDOWN, times.seconds(call.now)) else f"cooldown until {image.protection}"


@operation()
def disable_image(call: Call, *, image_id: str) -> Answer:
    """DisableImage: no new instances of it, and nobody but the account sees it; those that run do not notice."""
    row = named(call, image_id)
    if row.state not in ("available", "disabled"):
        raise ApiError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is {row.state}")
    call.cloud.state.images.change(row.id, state="disabled", users=[])
    return {"Return": True}


@operation()
def enable_image(call: Call, *, image_id: str) -> Answer:
    """EnableImage: it can be launched again. Whom it was shared with does not come back."""
    row = named(call, image_id)
    if row.state not in ("available", "disabled"):
        raise ApiError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is {row.state}")
    call.cloud.state.images.change(row.id, state="available")
    return {"Return": True}


@operation()
def enable_image_deregistration_protection(call: Call, *, image_id: str, with_cooldown: bool = False) -> Answer:
    """EnableImageDeregistrationProtection."""
    row = named(call, image_id)
    row.protection = _WITH_COOLDOWN if with_cooldown else "enabled"
    call.cloud.state.images.change(row.id, protection=row.protection)
    return {"Return": shown(call, row)}


@operation()
def disable_image_deregistration_protection(call: Call, *, image_id: str) -> Answer:
    """DisableImageDeregistrationProtection: at once, or after the cooldown that it was given with."""
    row = named(call, image_id)
    if row.protection == _WITH_COOLDOWN:
        row.protection = times.text(times.seconds(call.now) + COOLDOWN)
    elif row.protection == "enabled":
        row.protection = ""
    call.cloud.state.images.change(row.id, protection=row.protection)
    return {"Return": shown(call, row)}
