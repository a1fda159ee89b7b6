"""Which instance runs in which capacity reservation: worked out from what there is, never kept.

An active reservation has so many places for instances of its type in its zone. The instances that name it come first; an open
one then takes those that match and name none, oldest first. Who finds no place runs beside the reservations.
"""

from collections.abc import Iterable, Sequence
from typing import TypedDict

from ... import api
from ...api import Call
from ...aws import times
from ...errors import ApiError
from ...state.rows import Instance
from ...state.rows_access import CapacityReservation

OPEN, NONE, ONLY = "open", "none", "capacity-reservations-only"
TAKING = ("pending", "running", "stopping")


class Target(TypedDict, total=False):
    """The reservation that is meant."""

    CapacityReservationId: str


class Specification(TypedDict, total=False):
    """In which reservations an instance may run."""

    CapacityReservationPreference: str
    CapacityReservationTarget: Target


def preference(call: Call, given: Specification | None) -> str:
    """What an instance's row keeps: empty for open, none, capacity-reservations-only, or a reservation's id. Raises ApiError."""
    given = given or {}
    chosen, target = given.get("CapacityReservationPreference"), given.get("CapacityReservationTarget", {})
    reservation = target.get("CapacityReservationId")
    if chosen and reservation:
        raise ApiError(
            "InvalidParameterCombination", "CapacityReservationPreference and CapacityReservationTarget exclude each other"
        )
    if reservation is None:
        return "" if chosen in (None, OPEN) else str(chosen)
    return named(call, reservation).id


def named(call: Call, reservation_id: str) -> CapacityReservation:
    """A reservation by its id. Raises ApiError (InvalidCapacityReservationId.NotFound, .Malformed)."""
    return api.named(call.cloud.state.capacity_reservations, "capacity-reservation", reservation_id)


def state_of(row: CapacityReservation, now: str) -> str:
    """active, cancelled or expired."""
    over = row.state == "active" and row.ends and times.seconds(row.ends) <= times.seconds(now)
    return "expired" if over else row.state


def active(call: Call) -> list[CapacityReservation]:
    """The reservations that hold, oldest first."""
    return [row for row in call.cloud.state.capacity_reservations.query() if state_of(row, call.now) == "active"]


def taking(call: Call) -> list[Instance]:
    """The instances that use the host, oldest first."""
    marks = ", ".join("?" * len(TAKING))
    return call.cloud.state.instances.query(f"state in ({marks}) and wish != 'terminated'", TAKING)


def counts(call: Call) -> dict[tuple[str, int, int], int]:
    """How many instances of each type, with so many cores and threads (0 for the type's own), use the host."""
    marks = ", ".join("?" * len(TAKING))
    like = ("instance_type", "cpu_cores", "cpu_threads")
    return call.cloud.state.instances.counts(like, f"state in ({marks}) and wish != 'terminated'", TAKING)


def assign(reservations: Iterable[CapacityReservation], instances: Sequence[Instance]) -> dict[str, str]:
    """Reservations by the ids of the instances that run in them."""
    found: dict[str, str] = {}
    for row in reservations:
        fits = [
            one for one in instances if (one.instance_type, one.zone) == (row.instance_type, row.zone) and one.id not in found
        ]
        meant = [one for one in fits if one.capacity_reservation == row.id]
        loose = [one for one in fits if one.capacity_reservation in ("", ONLY)] if row.matches == OPEN else []
        found |= {one.id: row.id for one in (meant + loose)[: row.count]}
    return found


def free(call: Call) -> dict[str, int]:
    """The places that are left in each active reservation, by its id."""
    rows, places = active(call), list(assign(active(call), taking(call)).values())
    return {row.id: row.count - places.count(row.id) for row in rows}


def of_instances(call: Call) -> dict[str, str]:
    """The reservations that instances run in, by their ids."""
    rows = active(call)
    return assign(rows, taking(call)) if rows else {}


def specification(kept: str) -> Specification:
    """What an instance's row keeps, as DescribeInstances answers it."""
    if kept in ("", NONE, ONLY):
        return {"CapacityReservationPreference": kept or OPEN}
    return {"CapacityReservationTarget": {"CapacityReservationId": kept}}
