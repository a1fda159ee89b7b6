"""What a guest shows: its serial console as text, its screen as a picture. These two look at the host."""

import base64
import io
from typing import Any

from ...api import Answer, Call, operation
from ...errors import ApiError, HostError
from .instance_rows import named

MOST_CONSOLE = 64 * 1024


@operation()
def get_console_output(call: Call, *, instance_id: str, latest: bool = False) -> Answer:
    """GetConsoleOutput: the last 64 KiB, base64. It is always the latest, with `latest` or without."""
    del latest
    row = named(call.cloud.state, [instance_id])[0]
    output = call.cloud.host.guests.console_log(row.id)[-MOST_CONSOLE:]
    return {"InstanceId": row.id, "Timestamp": call.now, "Output": base64.b64encode(output).decode()}


@operation()
def get_console_screenshot(call: Call, *, instance_id: str, wake_up: bool = False) -> Answer:
    """GetConsoleScreenshot: a JPG of the screen, base64. The screen of a guest never sleeps, so `wake_up` does nothing."""
    del wake_up
    row = named(call.cloud.state, [instance_id])[0]
    if row.state != "running":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'running' state.")
    try:
        picture = call.cloud.host.guests.screenshot(row.id)
    except HostError as error:
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' shows no screen: {error.message}") from error
    return {"InstanceId": row.id, "ImageData": base64.b64encode(_jpeg(picture)).decode()}


def _jpeg(png: bytes) -> bytes:
    from PIL import Image

    picture: Any = Image.open(io.BytesIO(png), formats=("PNG",))
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()
