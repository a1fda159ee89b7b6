"""Instances: observe, plan, execute, observe again, row by row, each under its lock."""

import functools
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..errors import Away, HostError, Permanent, Retry
from ..metadata import about, cloud_init
from ..state.rows import Instance
from . import (
    actions,
    addresses,
    firewall,
    foreign_tops,
    guest_spec,
    instance_plan,
    isolation,
    locks,
    networks,
    off_guests,
    volumes,
)
from .instance_plan import Seen

log = logging.getLogger(__name__)

_PATIENCE = 60.0
"""Seconds that a command waits for another process that is busy with a row it has itself touched."""
_MOST_ROUNDS = 8


def power_of(instance_id: str) -> str:
    """The name of the lock of a guest's power switch. Under it a guest is started, or cut off; nobody waits for it there."""
    return f"power of {instance_id}"


def unsettled(cloud: Cloud) -> list[Instance]:
    """The rows that the host might not agree with: all but what has long been terminated. Others may start what is stopped."""
    return cloud.state.instances.query("state != 'terminated' or terminated != ''")


def observe(cloud: Cloud) -> Callable[[Instance], Seen]:
    """What the host reports, by one look at it. Raises HostError."""
    guests, boot_id = cloud.host.guests.list(), cloud.host.machine.boot_id()
    imaged = {image.instance_id for image in cloud.state.images.find(state="pending", reboot="wanted")}
    kept = {volume.instance_id for volume in cloud.state.volumes.find(delete_on_termination=False)}
    ending = functools.cache(cloud.host.machine.ending)

    def seen(row: Instance) -> Seen:
        guest = guests.get(row.id)
        rebooting = bool(row.reboot_began) and cloud.host.guests.rebooting(row.id)
        found = Seen(
            guest.power if guest else None, boot_id, keeps_volumes=row.id in kept, imaging=row.id in imaged, rebooting=rebooting
        )
        return replace(found, ending=row.state == row.wish == "running" and not found.on and ending())

    return seen


def reconcile(cloud: Cloud, touched: Collection[str]) -> bool:
    """One round over all rows; whether anything was done. Rows in `touched` are waited for, others are left if busy."""
    rows, now = unsettled(cloud), times.now()
    waiting = {row.id for row in rows if row.retry_at > now}  # as texts, which are compared whatever they say
    seen = observe(cloud) if rows else None

    def see_to(row: Instance) -> bool:
        if seen is None or not instance_plan.plan(row, seen(row), time.time()):
            return False
        with locks.held(cloud.settings.run, row.id, _PATIENCE if row.id in touched else 0.0):
            return _until_settled(cloud, row.id)

    due = [(row.id, row) for row in rows if row.id not in waiting]
    return isolation.each(cloud, "instances", due, see_to, keep=waiting)


def _until_settled(cloud: Cloud, instance_id: str) -> bool:
    """Plan and execute until there is nothing left to do, or only waiting. The row is read under its lock."""
    acted = False
    for _ in range(_MOST_ROUNDS):
        row = cloud.state.instances.get(instance_id)
        if row is None:
            return acted
        planned = instance_plan.plan(row, observe(cloud)(row), time.time())
        if not planned:
            return acted
        acted = True
        execute(cloud, row, planned)
    log.warning("%s does not come to rest; the next pass goes on", instance_id)
    return acted


def execute(cloud: Cloud, row: Instance, planned: list[actions.Action]) -> None:
    """Carry actions out in their order. A failure is recorded in the row, and ends it. Raises HostError, GaveUp."""
    with isolation.recorded(functools.partial(_failed, cloud, row)):
        for action in planned:
            _EXECUTORS[type(action)](cloud, row, action)


def _failed(cloud: Cloud, row: Instance, error: HostError) -> bool:
    """Record a failure; whether that was the last attempt, and the row has another wish, or none, from now on."""
    delay, permanent = error.delay if isinstance(error, Retry) else 2.0, isinstance(error, Permanent)
    saved = not permanent and row.wish == "running" and off_guests.may_be_saved(cloud, row.id)
    patient = saved or isinstance(error, Away)
    record = instance_plan.after_failure(
        row, error.message, error.code, permanent=permanent, delay=delay, now=time.time(), patient=patient
    )
    _record(cloud, row, record)
    return not record.fields.get("failures")


def _make_disks(cloud: Cloud, row: Instance, _: actions.MakeDisks) -> None:
    volumes.prepare(cloud, row.id)
    for disk_id, size in guest_spec.scratch_disks(row).items():
        cloud.host.disks.create(disk_id, size, None)


def _write_seed(cloud: Cloud, row: Instance, _: actions.WriteSeed) -> None:
    with cloud.state.transaction(write=False):
        given, known = guest_spec.parts(cloud.state, row), about.of_instance(cloud, row)
    cloud.host.seeds.write(guest_spec.seed(given, cloud_init.meta_data(known, cloud.settings) if known else {}))


def _start(cloud: Cloud, row: Instance, _: actions.StartGuest) -> None:
    # The row may be younger than this pass's look at the networks, and another process may just be taking away an empty one.
    given = guest_spec.parts(cloud.state, row)
    networks.assure(cloud, {interface.subnet_id for interface in given.interfaces})
    firewall.reconcile(cloud, {interface.id for interface in given.interfaces})
    spec = guest_spec.guest(given, cloud.host, cloud.settings, cloud.host.images.list().get(given.image.base))
    with locks.held(cloud.settings.run, power_of(row.id), _PATIENCE):
        current = cloud.state.instances.get(row.id)
        if current is not None and current.wish == row.wish:  # else the plan is made anew
            cloud.state.thaws.remove(row.id)  # nothing is frozen in what starts anew
            cloud.host.guests.start(spec)


def _reset(cloud: Cloud, row: Instance, _: actions.ResetGuest) -> None:
    cloud.host.guests.reset(row.id)
    cloud.state.thaws.remove(row.id)


def _drop_scratch(cloud: Cloud, row: Instance, _: actions.DropScratchDisks) -> None:
    for disk_id in guest_spec.scratch_disks(row):
        cloud.host.disks.remove(disk_id)


def _remove_guest(cloud: Cloud, row: Instance, _: actions.RemoveGuest) -> None:
    foreign_tops.keep_what_stays(cloud, row.id)
    cloud.host.guests.remove(row.id)


def _remove_disks(cloud: Cloud, row: Instance, _: actions.RemoveDisks) -> None:
    for disk_id in guest_spec.scratch_disks(row):
        cloud.host.disks.remove(disk_id)


def _release(cloud: Cloud, row: Instance, _: actions.Release) -> None:
    state = cloud.state
    volumes.release(cloud, row.id)
    with state.transaction():
        gone = addresses.release_interfaces(state, row.id)
        for tag in state.tags.among("resource_id", gone):
            state.tags.remove(tag.resource_id, tag.key)


def _forget(cloud: Cloud, row: Instance, _: actions.Forget) -> None:
    state = cloud.state
    with state.transaction():
        for tag in state.tags.find(resource_id=row.id):
            state.tags.remove(row.id, tag.key)
        state.instances.remove(row.id)


def _record(cloud: Cloud, row: Instance, action: actions.Record) -> None:
    """Unless the wish has changed meanwhile: then the state that goes with the new wish stands, and the plan is made anew."""
    with cloud.state.transaction():
        current = cloud.state.instances.get(row.id)
        if current is not None and current.wish == row.wish:
            cloud.state.instances.change(row.id, **action.fields)
            if action.fields.get("state") == "stopped":
                addresses.give_back(cloud.state, row.id)


_EXECUTORS: dict[type, Callable[[Cloud, Instance, Any], None]] = {
    actions.MakeDisks: _make_disks,
    actions.WriteSeed: _write_seed,
    actions.StartGuest: _start,
    actions.AskToShutDown: lambda cloud, row, _: cloud.host.guests.shutdown(row.id),
    actions.CutPower: lambda cloud, row, _: cloud.host.guests.destroy(row.id),
    actions.RebootGuest: lambda cloud, row, _: cloud.host.guests.reboot(row.id),
    actions.ResetGuest: _reset,
    actions.RemoveGuest: _remove_guest,
    actions.KeepOff: lambda cloud, row, _: off_guests.keep_off(cloud, row.id, begun=True),
    actions.RemoveSeed: lambda cloud, row, _: cloud.host.seeds.remove(row.id),
    actions.DropScratchDisks: _drop_scratch,
    actions.RemoveDisks: _remove_disks,
    actions.Release: _release,
    actions.Forget: _forget,
    actions.Record: _record,
}
