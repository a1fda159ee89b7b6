"""What befalls a history: every change to a host is a place for it, and what must be seen is seen."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.aws import ids
from minicloud.cli import adoption_layers
from minicloud.cloud import Cloud
from minicloud.host import fake_drivers
from minicloud.host.fake_disks import FakeDisks
from minicloud.host.fake_store import Store
from minicloud.reconcile import generations, loop
from minicloud.state import chains
from minicloud.state.rows_storage import Layer

from .. import processes
from ..crashes import Point
from ..injection import methods
from . import faults, history, play
from .determinism import Clock, repeatable
from .grounds import FakeGround
from .history import Broken, History
from .model import Model


def test_every_method_that_changes_something_is_a_place_to_be_killed(tmp_path: Path) -> None:
    """All methods of all contracts, as introspection finds them, but for those that only look."""
    assert set(methods()) >= faults.LOOKING
    assert set(faults.CHANGING) == set(methods()) - faults.LOOKING
    cloud = FakeGround(tmp_path).open()

    def unarmed() -> list[str]:
        before = {name: _function(cloud, name) for name in faults.CHANGING}
        faults.arm(cloud, Point(faults.ANY, "before", 10_000))
        return [name for name in faults.CHANGING if _function(cloud, name) is before[name]]

    assert processes.values(processes.together(unarmed)) == [[]]


def _function(cloud: Any, method: str) -> object:
    driver, name = method.split(".")
    return getattr(type(getattr(cloud.host, driver)), name)


def test_what_only_looks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, looked, changed = Store.call, set[str](), set[str]()

    @contextlib.contextmanager
    def call(store: Store, method: str, *subjects: str) -> Iterator[dict[str, Any]]:
        with real(store, method, *subjects) as held:
            before = json.dumps(held)
            yield held
            (looked if json.dumps(held) == before else changed).add(method)

    monkeypatch.setattr(Store, "call", call)
    play.on_fake_host(2, 30)
    assert changed
    assert changed & faults.LOOKING == set()
    assert len(looked & faults.LOOKING) > 15


def test_what_is_not_foreseen_is_told_with_its_seed_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the midst")

    monkeypatch.setattr(FakeGround, "finish_jobs", crash)
    with pytest.raises(Broken, match="in the midst") as caught:
        play.on_fake_host(2, 3)
    assert str(caught.value).startswith("seed fake 2, step ")


def test_no_two_passes_in_processes_of_their_own_give_out_the_same_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, clock = tmp_path / "given", Clock()

    def give_out(*_: object, **__: object) -> None:
        with given.open("a") as file:
            print(ids.new_id("layer"), file=file)

    with repeatable("any", clock) as chance:
        mine = History(FakeGround(tmp_path / "ground"), "any", clock, chance, [])
        loop.run_pass(mine.ground.open())
        monkeypatch.setattr(loop, "run_pass", give_out)
        for _ in range(2):
            mine.counts["steps"] += 1
            mine._hurt_pass()
    first, second = given.read_text().split()
    assert first != second


def _nothing_is_refused(*_: object) -> None:
    return None


def _deleted(disks: FakeDisks, disk_ids: list[str], why: str) -> str:
    with disks._store.call("disks.set_aside") as held:
        for disk_id in disk_ids:
            del held["disks"][disk_id]
    return "nowhere"


@pytest.mark.parametrize(
    ("owner", "name", "broken", "told"),
    [
        (generations, "refusal", lambda _: "", "an older state changes nothing"),
        (fake_drivers, "refuse_strange", _nothing_is_refused, "another home changes nothing"),
        (FakeDisks, "set_aside", _deleted, "an older state that is adopted loses nothing"),
    ],
    ids=["an older state is taken for the newest", "a second home is taken for the first", "adopting deletes"],
)
def test_states_that_are_not_this_hosts_are_seen(
    owner: object, name: str, broken: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(Broken, match=told):
        play.campaign(lambda seed: play.on_fake_host(seed, 40), 20, 60, 10, lambda _: None)


def _at_rest(cloud: Cloud) -> list[Layer]:
    there, in_use = cloud.host.disks.list(), cloud.host.disks.in_use()
    return [layer for layer in cloud.state.layers.among("parent", sorted(there)) if layer.id in there.keys() - in_use]


def test_a_layer_that_a_guest_has_and_whose_row_an_adoption_has_left_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where volumes are flattened early, older states are many, and a seed known to come to it has its old accidents."""
    monkeypatch.setattr(history, "ACCIDENTS", history.ACCIDENTS[:-2])
    monkeypatch.setattr(adoption_layers, "_standing", _at_rest)
    monkeypatch.setattr(chains, "MOST_DEPTH", 3)
    monkeypatch.setitem(history.KINDS, "older state", 40)
    with pytest.raises(Broken, match=r"adopted, and layer-\w+ stands on"):
        play.campaign(lambda seed: play.on_fake_host(seed, 60), 4, 60, 1, lambda _: None)


def test_a_rule_of_which_a_change_was_cut_off_stays_unsure_when_another_is_made() -> None:
    model, cut, other = Model(), ("tcp", 1, 1, "10.0.0.0/8"), ("tcp", 2, 2, "10.0.0.0/8")
    model.unsure = {"sg-1": {cut, other}}
    model.answered("AuthorizeSecurityGroupIngress", ("sg-1",), other, {})
    assert model.unsure == {"sg-1": {cut}}
    assert model.rules == {"sg-1": {other}}
