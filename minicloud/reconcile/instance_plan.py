"""What to do about an instance: a pure function of its row, of what the host reports, and of the time.

Every action may be carried out again, so a plan that a crash cut short is simply made anew. The state in the row follows
the host, never the other way round: `running` is recorded after the guest runs, `stopped` after it is off, `terminated`
after everything is gone. Addresses and rows go last, so that nothing of theirs is given to others while the guest has it.
"""

from dataclasses import dataclass, replace
from typing import Any

from ..aws import times
from ..host.contracts import Power
from ..state.rows import Instance
from .actions import (
    Action,
    AskToShutDown,
    CutPower,
    DropScratchDisks,
    Forget,
    KeepOff,
    MakeDisks,
    RebootGuest,
    Record,
    Release,
    RemoveDisks,
    RemoveGuest,
    RemoveSeed,
    ResetGuest,
    StartGuest,
    WriteSeed,
)

STOP_PATIENCE = 120.0
"""Seconds after which a guest that does not power off when asked is cut off."""
REBOOT_PATIENCE = 240.0
"""Seconds after which a guest that does not restart when asked is reset: EC2's "a few minutes"."""
ASK_AGAIN = 10.0
"""Seconds after which it is asked again: a guest that is just booting hears no power button."""
SEEN_AFTER_TERMINATION = 3600.0
MOST_FAILURES = 5
STARTED_BY_ANOTHER = "Its guest was started by somebody else (virsh, virt-manager) though it is stopped, and is shut down again"
LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most."""


@dataclass(frozen=True)
class Seen:
    """What the host reports: the guest's power (None: there is no such guest), and the host's boot id.

    `keeps_volumes`: a volume outlives the instance, so that its file systems must be whole when it is terminated.
    `imaging`: an image is being made of it, for which it must be off for a moment.
    `rebooting`: its system was asked to restart, and has not yet.
    `ending`: the host is being shut down, and its guests with it (libvirt-guests), whatever each of them was told.
    """

    power: Power | None
    boot_id: str
    keeps_volumes: bool = False
    imaging: bool = False
    rebooting: bool = False
    ending: bool = False

    @property
    def on(self) -> bool:
        """Whether a process of the guest is there."""
        return self.power in (Power.RUNNING, Power.PAUSED)


def plan(row: Instance, seen: Seen, now: float) -> list[Action]:
    """The actions that bring the host nearer to the row's wish; none where they agree or where there is only waiting."""
    if row.state == "terminated":
        return [Forget()] if times.over(row.terminated, SEEN_AFTER_TERMINATION, now) else []
    if row.retry_at and not times.due(row.retry_at, LONGEST_PAUSE, now):
        return []
    if seen.ending and row.wish == "running" and not seen.on:
        return []  # it is seen to in the next life of the host
    toward = {"running": _toward_running, "stopped": _toward_stopped, "terminated": _toward_terminated}
    return toward[row.wish](row, seen, now)


def _toward_running(row: Instance, seen: Seen, now: float) -> list[Action]:
    if seen.imaging and row.state == "running":
        return _shutting_down(row, now) if seen.on else []
    if seen.on:
        return _while_on(row, seen, now)
    if row.state == "running" and row.started_boot == seen.boot_id:
        if seen.power is Power.OFF_BY_GUEST and not _restarts(row, now):
            return [_by_itself(row)]
        if seen.power is Power.OFF_BY_FAILURE:
            return [_ended("The guest's QEMU process ended unexpectedly")]
    if row.state == "running" and row.started_boot != seen.boot_id and row.auto_recovery == "disabled":
        return [_ended("The host was restarted, and AutoRecovery of the instance is disabled")]
    # It never ran, or the host was restarted, or somebody took the guest away: the wish stands.
    started = {**_runs(seen), "reboots_done": row.reboots_asked, "reachable": "", "reachable_since": ""}
    return [MakeDisks(), WriteSeed(), StartGuest(), Record(started)]


def _while_on(row: Instance, seen: Seen, now: float) -> list[Action]:
    if row.state != "running" or row.started_boot != seen.boot_id:
        return [Record(_runs(seen))]
    if row.reboots_done < row.reboots_asked:
        asked = {"reboots_done": row.reboots_asked, "reboot_began": times.text(now), "stop_asked": times.text(now)}
        return [RebootGuest(), Record({**asked, "reachable": "", "reachable_since": ""})]
    return _rebooting(row, seen, now) if row.reboot_began else []


def _restarts(row: Instance, now: float) -> bool:
    """Whether a guest that powers off does so because it was asked to restart."""
    return bool(row.reboot_began) and not times.over(row.reboot_began, REBOOT_PATIENCE, now)


def _rebooting(row: Instance, seen: Seen, now: float) -> list[Action]:
    """Ask, ask again, and in the end reset."""
    if not seen.rebooting:
        return [Record({"reboot_began": ""})]
    if times.over(row.reboot_began, REBOOT_PATIENCE, now):
        return [ResetGuest(), Record({"reboot_began": "", "reachable": "", "reachable_since": ""})]
    if times.over(row.stop_asked, ASK_AGAIN, now):
        return [RebootGuest(), Record({"stop_asked": times.text(now)})]
    return []


def _runs(seen: Seen) -> dict[str, Any]:
    """What is known of a guest that runs: nothing of earlier failures is left."""
    return {
        "state": "running", "started_boot": seen.boot_id, "failures": 0, "retry_at": "", "reason_code": "", "reason_message": "",
        "transition_reason": "", "reboot_began": "",
    }  # fmt: skip


def _by_itself(row: Instance) -> Action:
    """The guest powered itself off: stop or terminate, as the instance was told for this case."""
    terminate = row.shutdown_behavior == "terminate"
    return Record(
        {
            "wish": "terminated" if terminate else "stopped",
            "state": "shutting-down" if terminate else "stopping",
            "reason_code": "Client.InstanceInitiatedShutdown",
            "reason_message": "Instance initiated shutdown",
            "transition_reason": "",
        }
    )


def _ended(message: str) -> Action:
    """The host ended the guest, for a reason that is not its user's: it is stopped."""
    return Record(
        {
            "wish": "stopped",
            "state": "stopping",
            "reason_code": "Server.InternalError",
            "reason_message": message,
            "transition_reason": "Server.InternalError",
        }
    )


def _toward_stopped(row: Instance, seen: Seen, now: float) -> list[Action]:
    if seen.on:
        return _started_by_another(row, now) if row.state == "stopped" else _shutting_down(row, now)
    if row.state == "stopped" and not row.stop_began:
        return []
    return [KeepOff(), DropScratchDisks(), Record({"state": "stopped", "stop_asked": "", "stop_began": "", "reachable": ""})]


def _started_by_another(row: Instance, now: float) -> list[Action]:
    """The wish stands, as where somebody has taken a guest away that is to run. It has a system that must come to its end."""
    planned = _shutting_down(replace(row, stop_forced=False), now)
    if row.stop_began:
        return planned
    told = {"reason_code": "Server.InternalError", "reason_message": STARTED_BY_ANOTHER}
    return [Record({**action.fields, **told}) if isinstance(action, Record) else action for action in planned]


def _shutting_down(row: Instance, now: float) -> list[Action]:
    """Ask, ask again, and in the end cut."""
    if row.stop_forced:
        return [CutPower()]
    if not row.stop_began:
        return [AskToShutDown(), Record({"stop_asked": times.text(now), "stop_began": times.text(now)})]
    if times.over(row.stop_began, STOP_PATIENCE, now):
        return [CutPower()]
    if times.over(row.stop_asked, ASK_AGAIN, now):
        return [AskToShutDown(), Record({"stop_asked": times.text(now)})]
    return []


def _toward_terminated(row: Instance, seen: Seen, now: float) -> list[Action]:
    if seen.power is Power.RUNNING and seen.keeps_volumes and (actions := _shutting_down(row, now)) != [CutPower()]:
        return actions
    gone = Record({"state": "terminated", "terminated": times.text(now), "reachable": "", "accelerators": []})
    return [RemoveGuest(), RemoveSeed(), RemoveDisks(), Release(), gone]


def waits_until(row: Instance, now: float) -> float | None:
    """When something may be due although nothing else happens; None if only an event can change anything."""
    if row.reboot_began and row.state == "running":
        return now + 1.0
    if row.state == "running" or (row.state == "stopped" and not row.stop_began):
        return None
    if row.state == "terminated":
        return times.seconds(row.terminated) + SEEN_AFTER_TERMINATION
    if row.retry_at:
        return max(now, times.seconds(row.retry_at))
    return now + 1.0


def after_failure(
    row: Instance, message: str, code: str, *, permanent: bool, delay: float, now: float, patient: bool = False
) -> Record:
    """What a failed action means for the row: another try later, or an end with a reason that describe-instances shows.

    `patient`: what may pass is tried for ever, as where something is away, or saved memory would be lost.
    """
    failures = row.failures + 1
    given_up = permanent or (failures >= MOST_FAILURES and not patient)
    if given_up and row.state == "running" and row.reboots_done < row.reboots_asked:
        # A reboot that cannot be is no reason to stop what runs.
        told = {"reason_code": code, "reason_message": f"It was not rebooted: {message}"}
        return Record({"reboots_done": row.reboots_asked, "failures": 0, "retry_at": "", **told})
    if given_up and row.wish == "running":
        # As AWS: a launch that fails ends terminated, a start that fails ends stopped.
        wish, state = ("stopped", "stopping") if row.started_boot else ("terminated", "shutting-down")
        return Record(
            {
                "wish": wish, "state": state, "failures": 0, "retry_at": "", "reason_code": code, "reason_message": message,
                "transition_reason": code,
            }
        )  # fmt: skip
    wait = min(LONGEST_PAUSE, delay * 2 ** min(failures - 1, 5))
    return Record({"failures": failures, "retry_at": times.text(now + wait), "reason_code": code, "reason_message": message})
