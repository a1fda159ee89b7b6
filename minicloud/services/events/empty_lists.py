"""Event buses, rules and what they would call: none, and none can be made."""

from typing import Any

from ...api import Answer, Call
from ...errors import ApiError
from .. import empty

NAMES = "ListApiDestinations ListArchives ListConnections ListEventBuses ListReplays ListRules ListTargetsByRule"


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list; a bus or a rule that is named is not found."""
    if bus := given.get("event_bus_name"):
        raise ApiError("ResourceNotFoundException", f"Event bus {bus} does not exist.")
    if rule := given.get("rule"):
        raise ApiError("ResourceNotFoundException", f"Rule {rule} does not exist on EventBus default.")
    return empty.answer(call, given)


empty.declare("events", NAMES.split(), nothing)
