"""From any row and any state of the host, repeated passes come to rest, and there the host is as it was wished to be."""

import itertools
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicloud.cloud import Cloud
from minicloud.errors import ApiError, Permanent, Retry
from minicloud.host import fake
from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost
from minicloud.reconcile import instance_plan, instances, loop

from ..clocks import Clock
from ..cloud_fixtures import IMAGE, Ec2, cloud_in

AT_REST = {"running": "running", "stopped": "stopped", "terminated": "terminated"}
METHODS = ["guests.list", "guests.start", "guests.shutdown", "guests.destroy", "guests.remove", "disks.create", "disks.remove",
           "seeds.write", "seeds.remove", "networks.ensure", "networks.remove", "networks.list", "images.path",
           "images.keep"]  # fmt: skip


def settle(ec2: Ec2, clock: Clock) -> None:
    """Passes, with time going by, until two have done nothing. Fails if that does not come."""
    quiet = 0
    for _ in range(80):
        before = (ec2.cloud.state.instances.query(), ec2.cloud.host.guests.list())
        loop.run_pass(ec2.cloud)
        clock.pass_(31.0)
        quiet = quiet + 1 if before == (ec2.cloud.state.instances.query(), ec2.cloud.host.guests.list()) else 0
        if quiet == 2:
            return
    raise AssertionError(f"no rest: {ec2.cloud.state.instances.query()}")


def agrees(ec2: Ec2, instance_id: str) -> None:
    """The host is as the row wishes, and holds nothing that no row speaks of."""
    row, host, state = ec2.row(instance_id), ec2.cloud.host, ec2.cloud.state
    assert row.state == AT_REST[row.wish]
    guest = host.guests.list().get(instance_id)
    if row.wish == "terminated":
        assert (host.guests.list(), host.disks.list(), host.seeds.list(), host.networks.list()) == ({}, {}, set(), {})
        assert (state.interfaces.query(), state.volumes.query()) == ([], [])
        assert [tag for tag in state.tags.query() if tag.resource_type != "instance"] == []
        return
    assert (guest is not None and guest.power in (Power.RUNNING, Power.PAUSED)) == (row.wish == "running")
    assert set(host.disks.list()) == {volume.layer_id for volume in state.volumes.query()}
    reservations = [one for spec in host.networks.list().values() if spec for one in spec.reservations]
    assert [str(one.address) for one in reservations] == [interface.address for interface in state.interfaces.query()]


def do_nothing(_: FakeHost, __: str) -> None:
    """The host stays as it is."""


HAPPENINGS: dict[str, Callable[[FakeHost, str], Any]] = {
    "nothing": do_nothing,
    "power off by the guest": lambda host, guest: host.power_off_by_guest(guest),
    "kill": lambda host, guest: host.kill(guest),
    "pause": lambda host, guest: host.pause(guest),
    "deafen": lambda host, guest: host.deafen(guest),
    "somebody destroys it": lambda host, guest: host.guests.destroy(guest),
    "somebody undefines it": lambda host, guest: host.guests.remove(guest),
    "restart of the machine": lambda host, _: host.restart_machine(),
    "somebody removes the seed": lambda host, guest: host.seeds.remove(guest),
    "network damaged": lambda host, _: [host.damage(network) for network in host.networks.list()],
    "network gone": lambda host, _: [host.networks.remove(network) for network in host.networks.list()],
}
ONLY_TO_WHAT_RUNS = {"power off by the guest", "kill", "pause", "deafen"}
WISHES = [("running", "pending"), ("running", "running"), ("stopped", "stopping"), ("terminated", "shutting-down")]


def happen(host: FakeHost, instance_id: str, what: str) -> None:
    """Let it happen, if it can. Failures that were ordered of the drivers stay ordered."""
    with host.store.change() as held:
        on = held["guests"].get(instance_id, {}).get("power") in ("running", "paused")
        held["failures"], ordered = {}, held["failures"]
    if on or what not in ONLY_TO_WHAT_RUNS:
        HAPPENINGS[what](host, instance_id)
    with host.store.change() as held:
        held["failures"] = ordered


def launched(directory: Path, happening: str) -> Ec2:
    host = fake.host()
    host.add_image(IMAGE)
    ec2 = Ec2(cloud_in(directory, host))
    tags = [{"ResourceType": kind, "Tags": [{"Key": "k", "Value": "v"}]} for kind in ("instance", "volume", "network-interface")]
    instance_id = ec2.run(TagSpecifications=tags)
    happen(host, instance_id, happening)
    return ec2


@pytest.mark.parametrize(("wish", "happening"), list(itertools.product(WISHES, HAPPENINGS)))
def test_from_any_state_of_row_and_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: tuple[str, str], happening: str
) -> None:
    clock = Clock(monkeypatch)
    ec2 = launched(tmp_path, happening)
    (row,) = ec2.cloud.state.instances.query()
    ec2.cloud.state.instances.change(row.id, wish=wish[0], state=wish[1])
    settle(ec2, clock)
    agrees(ec2, row.id)


def test_a_row_that_nothing_was_done_for(idle: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    instance_id = idle.run()
    settle(idle, clock)
    agrees(idle, instance_id)
    assert idle.row(instance_id).state == "running"


def test_a_guest_finds_its_network_though_the_pass_has_looked_at_networks_before(idle: Ec2) -> None:
    """Another process may record a wish between a pass's look at the networks and its look at the instances."""
    instance_id = idle.run()
    instances.reconcile(idle.cloud, [instance_id])
    assert idle.row(instance_id).state == "running"
    agrees(idle, instance_id)


def test_a_row_that_nobody_foresaw_does_not_keep_the_others_from_running(idle: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    bad, good = idle.run(), idle.run()
    idle.cloud.state.instances.change(bad, image_id="ami-that-no-row-has")
    settle(idle, clock)
    assert (idle.row(bad).state, idle.row(good).state) == ("terminated", "running")
    assert idle.row(bad).reason_message.startswith("LookupError: ")


STEPS = st.one_of(
    st.sampled_from(["start", "stop", "force", "reboot", "terminate", "pass", "wait"]),
    st.sampled_from(list(HAPPENINGS)),
    st.tuples(st.sampled_from(METHODS), st.booleans(), st.integers(1, 3)),
)
VERBS = {"start": "StartInstances", "stop": "StopInstances", "reboot": "RebootInstances", "terminate": "TerminateInstances"}


def step(ec2: Ec2, clock: Clock, instance_id: str, what: Any) -> None:
    host = ec2.cloud.host
    assert isinstance(host, FakeHost)
    if isinstance(what, tuple):
        method, permanent, times = what
        host.fail(method, Permanent("for good") if permanent else Retry("for now"), times)
    elif what == "pass":
        loop.run_pass(ec2.cloud, look=True)
    elif what == "wait":
        clock.pass_(20.0)
    elif what in HAPPENINGS:
        happen(host, instance_id, what)
    else:
        params = {"InstanceIds": [instance_id], **({"Force": True} if what == "force" else {})}
        try:
            ec2(VERBS.get(what, "StopInstances"), **params)
        except ApiError as error:
            assert error.code in ("IncorrectInstanceState", "IncorrectState"), error  # noqa: PT017 - either way is right


@settings(max_examples=120, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_whatever_happens_in_whatever_order(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(monkeypatch)
        ec2 = launched(Path(directory), "nothing")
        (row,) = ec2.cloud.state.instances.query()
        for what in steps:
            step(ec2, clock, row.id, what)
        with ec2.cloud.host.store.change() as held:  # type: ignore[attr-defined]
            held["failures"] = {}
        settle(ec2, clock)
        agrees(ec2, row.id)
        if ec2.row(row.id).wish != "terminated":
            ec2("TerminateInstances", InstanceIds=[row.id])
            settle(ec2, clock)
        agrees(ec2, row.id)
        clock.pass_(instance_plan.SEEN_AFTER_TERMINATION)
        loop.run_pass(ec2.cloud)
        assert ec2.cloud.state.instances.query() == []
        assert ec2.cloud.state.tags.query() == []


def test_a_full_disk_under_the_state_ends_a_pass_and_no_more(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(loop.images, "reconcile", full)
    loop.run_pass(cloud)
    monkeypatch.undo()
    assert loop.run_pass(cloud) is None
