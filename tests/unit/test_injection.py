"""Whatever any method of any driver raises, for one row or for all: requests are answered, what does not need it goes on, and
all heals by itself when it is over.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import minicloud
from minicloud.errors import ApiError
from minicloud.state import store

from ..injection import ERRORS, Clock, Template, World, methods
from ..occasions import NOBODY_ELSE, OCCASIONS, OPERATIONS

UNFORESEEN = ["AttributeError", "ValueError", "KeyError", "OSError", "Retry"]
OF_STOP = {"guests.list", "guests.shutdown", "guests.keep_off", "machine.boot_id"}
OF_START = {
    "guests.list", "guests.start", "machine.boot_id", "networks.list", "firewall.in_force", "firewall.apply", "images.list",
    "images.path", "networks.ensure", "disks.path", "disks.size", "disks.damage", "disks.backing", "seeds.write", "seeds.path",
    "disks.list", "disks.stamp", "disks.above", "disks.own", "disks.unseal", "blocks.tops",
}  # fmt: skip
"""What an instance cannot be stopped, or started, without."""
EXAMPLES = ["blocks.freeze", "disks.create", "blocks.attach", "blocks.limit", "networks.ensure", "firewall.apply",
            "balancers.ensure", "images.list", "guests.start"]  # fmt: skip
ASKED = [method for method in methods() if method not in NOBODY_ELSE]
OF_ONE = [
    method
    for method in ASKED
    if not re.search(r"^machine|\.(list|counters|free|in_force|apply|bound_logs|run|post|(put_)?stamp|unmarked)$|^images", method)
    and method != "disks.seal"  # of all layers at once
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield World.build(tmp_path_factory.mktemp("template"), Clock(monkeypatch))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: Template) -> World:
    genuine = store.State._open

    def unsafe(self: store.State) -> object:
        connection = genuine(self)
        connection.execute("PRAGMA synchronous=OFF")  # no power fails here, and half of the time would be waiting for disks
        return connection

    monkeypatch.setattr(store.State, "_open", unsafe)
    return World(tmp_path, Clock(monkeypatch), template)


def answered(world: World, operation: str, **params: object) -> None:
    """A request of the bystander's is carried out, or refused as AWS refuses; its state says what became of it."""
    try:
        world.call(operation, InstanceIds=[world.bystander], **params)
    except ApiError as error:
        assert error.code in ("IncorrectInstanceState", "IncorrectState"), error  # noqa: PT017  it is still on its way


def lives(world: World, without: set[str]) -> None:
    """The bystander is stopped, started and described, as far as that can be without some methods."""
    answered(world, "StopInstances")
    if not without & OF_STOP:
        assert world.ec2.state(world.bystander) == "stopped"
    if "machine.capacity" in without:  # which the request itself asks
        with pytest.raises(tuple(type(make()) for make in ERRORS.values())):
            world.call("StartInstances", InstanceIds=[world.bystander])
    else:
        answered(world, "StartInstances")
    if not without & (OF_START | OF_STOP | {"machine.capacity"}):
        assert world.ec2.state(world.bystander) == "running"
    assert len(world.call("DescribeInstances")["Reservations"]) >= 2
    world.call("DescribeVolumeStatus")


def asked_by_operation(world: World, method: str) -> None:
    """An operation that asks the host itself is refused where the host does not answer, and nothing else happens by it."""
    if method in OPERATIONS:
        operation, params = OPERATIONS[method]
        with pytest.raises(tuple(type(make()) for make in ERRORS.values())):
            world.call(operation, **params(world))


def told(world: World) -> bool:
    """Whether somebody can see what failed: among the failures, or as the state of a row."""
    state = world.cloud.state
    rows = [row.reason for row in state.volumes.query()] + [row.reason_message for row in state.instances.query()]
    rows += [row.message for row in state.snapshots.query() if row.state == "error" or "quiescing" in row.message]
    rows += [row.message for row in state.thaws.query()]
    return bool(state.failures.query() or any(rows))


def healed(world: World) -> None:
    """Nothing is left of it: what has failed is done, or ended with its reason."""
    state, host = world.cloud.state, world.host
    world.settle()
    assert state.failures.query() == []
    if world.ec2.row(world.bystander).wish == "stopped":  # it could not be started again meanwhile
        world.call("StartInstances", InstanceIds=[world.bystander])
    assert world.ec2.state(world.bystander) == "running"
    for row in state.instances.query():
        assert row.state == row.wish
    assert {row.state for row in state.volumes.query()} <= {"available", "in-use"}
    assert {row.attachment for row in state.volumes.query()} <= {"attached", ""}
    assert {row.state for row in state.snapshots.query() if not row.message} <= {"completed"}
    assert {row.state for row in state.modifications.query()} <= {"completed"}
    assert {row.attachment for row in state.interfaces.query()} <= {"attached", ""}
    assert set(host.disks.list()) == {row.id for row in state.layers.find(base="")}
    assert state.notifications.query() == []


@pytest.mark.parametrize("method", OF_ONE)
def test_of_one_row(world: World, method: str) -> None:
    OCCASIONS[method](world)
    with world.injected(method, UNFORESEEN, all_rows=False) as hits:
        world.turn()
        asked_by_operation(world, method)
        lives(world, set())
        assert told(world) or method in OPERATIONS
    assert hits
    healed(world)


@pytest.mark.parametrize("method", ASKED)
def test_of_all_rows(world: World, method: str) -> None:
    OCCASIONS[method](world)
    with world.injected(method, UNFORESEEN[1:] + UNFORESEEN[:1], all_rows=True) as hits:
        world.turn()
        asked_by_operation(world, method)
        lives(world, {method})
        assert told(world) or method in OPERATIONS
        world.turn()
    assert hits
    healed(world)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("method", EXAMPLES)
def test_each_error(world: World, method: str, error: str) -> None:
    """What is for good may end the victim, with the reason; it ends nothing else."""
    OCCASIONS[method](world)
    with world.injected(method, [error], all_rows=True) as hits:
        world.turn()
        lives(world, {method})
        assert told(world)
    assert hits
    world.settle()
    assert world.cloud.state.failures.query() == []


def test_what_nobody_else_asks_is_asked_by_nobody_else() -> None:
    root = Path(minicloud.__file__).parent
    sources = [path for name in ("reconcile", "services", "http") for path in (root / name).rglob("*.py")]
    found = [method for method in NOBODY_ELSE for path in sources if f"host.{method}(" in path.read_text()]
    assert found == []
    assert set(methods()) == NOBODY_ELSE | OCCASIONS.keys()
