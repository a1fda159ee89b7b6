"""Attributes set back to what they are at first."""

from ... import api
from ...api import Answer, Call, operation
from ...errors import ApiError
from .instance_rows import named


@operation()
def reset_instance_attribute(call: Call, *, instance_id: str, attribute: str) -> Answer:
    """ResetInstanceAttribute: the source/destination check of all its interfaces. Kernel and RAM disk are always the image's."""
    row = named(call.cloud.state, [instance_id])[0]
    if attribute not in ("sourceDestCheck", "kernel", "ramdisk"):
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({attribute}) for parameter attribute is invalid. Allowed: kernel, ramdisk, sourceDestCheck.",
        )
    if attribute == "sourceDestCheck":
        for interface in call.cloud.state.interfaces.find(instance_id=row.id):
            call.cloud.state.interfaces.change(interface.id, source_dest_check=True)
            call.touch(interface.id)
    elif row.state != "stopped":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'stopped' state.")
    return {}


@operation()
def reset_network_interface_attribute(call: Call, *, network_interface_id: str, source_dest_check: str | None = None) -> Answer:
    """ResetNetworkInterfaceAttribute: the source/destination check, which is what there is to reset."""
    del source_dest_check
    row = api.named(call.cloud.state.interfaces, "network-interface", network_interface_id)
    call.cloud.state.interfaces.change(row.id, source_dest_check=True)
    call.touch(row.id)
    return {}
