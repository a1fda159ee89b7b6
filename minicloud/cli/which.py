"""Which instance a person means: by its id, its private address, or its Name tag. Terminated ones only by their id."""

from typing import TYPE_CHECKING

from ..errors import ApiError, UsageError

if TYPE_CHECKING:
    from ..state.rows import Instance
    from ..state.store import State


def instance(state: "State", word: str) -> "Instance":
    """The instance. Raises ApiError for an id that is not there, UsageError for a name that fits none or several."""
    row = state.instances.get(word)
    if row is not None:
        return row
    living = {row.id: row for row in state.instances.query("state != 'terminated'")}
    by_address = {interface.instance_id for interface in state.interfaces.find(address=word)}
    by_name = {tag.resource_id for tag in state.tags.find(key="Name", value=word)}
    found = [living[one] for one in (by_address or by_name) & living.keys()]
    if len(found) > 1:
        raise UsageError(f"{len(found)} instances are named {word!r}: {_listed(state, found)}; say which by its id")
    if found:
        return found[0]
    if word.startswith("i-"):
        raise ApiError("InvalidInstanceID.NotFound", f"The instance ID '{word}' does not exist")
    raise UsageError(f"no instance has the id, the private address or the Name {word!r}; see: minicloud describe-instances")


def _listed(state: "State", rows: "list[Instance]") -> str:
    addresses = {one.instance_id: one.address for one in state.interfaces.among("instance_id", [row.id for row in rows])}
    ordered = sorted(rows, key=lambda row: (row.state != "running", row.launched))
    return ", ".join(f"{row.id} ({row.state}, {addresses.get(row.id, 'no address')})" for row in ordered)
