"""Instances as rows: the states and their codes, and finding the instances that a request names."""

from collections.abc import Sequence
from typing import Any

from ...api import require
from ...aws import ids
from ...state.rows import Instance
from ...state.store import State

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
SEEN_AFTER_TERMINATION = 3600.0
"""Seconds for which a terminated instance can still be described."""


def state_view(name: str) -> dict[str, Any]:
    """An instance state with its code."""
    return {"Code": STATES[name], "Name": name}


def named(state: State, instance_ids: Sequence[str]) -> list[Instance]:
    """The instances of these ids, in their order. Raises ApiError (InvalidInstanceID.Malformed, .NotFound)."""
    ids.check("instance", instance_ids)
    rows = {row.id: row for row in state.instances.among("id", set(instance_ids))}
    require("instance", instance_ids, rows)
    return [rows[instance_id] for instance_id in dict.fromkeys(instance_ids)]


def wanted(state: State, instance_ids: Sequence[str] | None) -> list[Instance]:
    """The instances of these ids, or all."""
    return named(state, instance_ids) if instance_ids else state.instances.query()
