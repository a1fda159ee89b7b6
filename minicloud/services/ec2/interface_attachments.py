"""AttachNetworkInterface and DetachNetworkInterface. The wish is recorded; a running guest has the card a moment later."""

from ...api import Answer, Call, named, operation
from ...aws import ids, instance_types
from ...errors import ApiError
from ...state.rows import Instance, Interface
from ...state.store import State
from . import instance_rows


def attached(state: State, attachment_id: str) -> Interface:
    """The interface of an attachment. Raises ApiError (InvalidAttachmentID.NotFound)."""
    ids.check("network-interface-attachment", [attachment_id])
    found = state.interfaces.find(attachment_id=attachment_id)
    if not found:
        raise ids.not_found("network-interface-attachment", [attachment_id])
    return found[0]


def check_number(instance_type: str, count: int) -> None:
    """Refuse more interfaces than a type takes. Raises ApiError (AttachmentLimitExceeded)."""
    if count > instance_types.get(instance_type).max_interfaces:
        raise ApiError("AttachmentLimitExceeded", f"Interface count {count} exceeds the limit for {instance_type}")


@operation()
def attach_network_interface(
    call: Call, *, network_interface_id: str, instance_id: str, device_index: int, network_card_index: int = 0
) -> Answer:
    """AttachNetworkInterface: to a running instance, or to a stopped one, which has it from its next start on.

    The guest's own system sees a new card; whether it asks for its address is its own affair, as on EC2.
    """
    state = call.cloud.state
    row = named(state.interfaces, "network-interface", network_interface_id)
    instance = instance_rows.named(state, [instance_id])[0]
    if network_card_index != 0:
        raise ApiError("InvalidParameterValue", f"Invalid value '{network_card_index}' for networkCardIndex. Allowed: 0.")
    _check(state, row, instance, device_index)
    attachment_id = ids.new_id("network-interface-attachment")
    state.interfaces.change(
        row.id, instance_id=instance.id, device_index=device_index, attachment_id=attachment_id, attached=call.now,
        attachment="attaching", detach_asked="", force_detach=False, failures=0, delete_on_termination=False,
    )  # fmt: skip
    call.touch(row.id)
    return {"AttachmentId": attachment_id, "NetworkCardIndex": 0}


def _check(state: State, row: Interface, instance: Instance, device_index: int) -> None:
    if row.instance_id or row.load_balancer_id:
        raise ApiError("InvalidParameterValue", f"Interface: [{row.id}] in use.")
    if instance.state not in ("running", "stopped") or instance.wish == "terminated":
        raise ApiError("IncorrectState", f"Instance '{instance.id}' is not 'running' or 'stopped'.")
    there = state.interfaces.find(instance_id=instance.id)
    if device_index < 1 or any(other.device_index == device_index for other in there):
        raise ApiError(
            "InvalidParameterValue",
            f"Instance '{instance.id}' already has an interface attached at device index '{device_index}'.",
        )
    if named(state.subnets, "subnet", row.subnet_id).zone != instance.zone or row.vpc_id != there[0].vpc_id:
        raise ApiError(
            "InvalidParameterCombination",
            f"You may not attach a network interface to an instance unless both are in one zone and VPC: {instance.zone}",
        )
    check_number(instance.instance_type, len(there) + 1)


@operation()
def detach_network_interface(call: Call, *, attachment_id: str, force: bool = False) -> Answer:
    """DetachNetworkInterface. A running guest is asked to let it go; with `force` its cable is cut if it does not."""
    row = attached(call.cloud.state, attachment_id)
    if row.device_index == 0:
        raise ApiError("OperationNotPermitted", f"The network interface at device index 0 cannot be detached: {row.id}")
    if row.attachment != "detaching":
        call.cloud.state.interfaces.change(row.id, attachment="detaching", force_detach=force, detach_asked="")
    elif force:
        call.cloud.state.interfaces.change(row.id, force_detach=True)
    call.touch(row.id)
    return {}
