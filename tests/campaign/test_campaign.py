"""Short campaigns: a few seeds on the fake host, one on real files. `scripts/campaign` plays them by the hour."""

from collections import Counter
from pathlib import Path

import pytest

from minicloud.reconcile import loop, snapshots

from . import play
from .determinism import Clock, repeatable
from .grounds import FakeGround
from .history import Broken, History
from .operations import ANYWHERE
from .wires import WIRES

SEEDS = [1, 2, 3, 4]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_over_the_fake_host(seed: int) -> None:
    counts = play.on_fake_host(seed, 24)
    assert counts["steps"] == 24
    assert counts["answer"] > 5


def test_one_client_plays_the_same_history_each_time(tmp_path: Path) -> None:
    logs = []
    for name in ("once", "again"):
        with repeatable("same", clock := Clock()) as chance:
            ground = FakeGround(tmp_path / name)
            loop.run_pass(ground.open())
            history = History(ground, "same", clock, chance, [*ANYWHERE, *WIRES], alone=True)
            history.play(16)
            logs.append(history.log)
    assert logs[0] == logs[1]
    assert len(logs[0]) > 16


def _lost_write(*_: object) -> str:
    return ""


@pytest.mark.parametrize(
    ("owner", "name", "broken", "told"),
    [
        (snapshots, "_switch", _lost_write, "reads as"),
        (loop.firewall, "reconcile", lambda _: False, "the firewall is not what the rows say"),
        (loop.layers, "reconcile", lambda *_, **__: False, "layer"),
    ],
    ids=["a snapshot whose guest goes on writing to it", "a firewall that nobody mends", "layers that nobody removes"],
)
def test_what_is_broken_is_found(owner: object, name: str, broken: object, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(Broken) as caught:
        play.campaign(lambda seed: play.on_fake_host(seed, 40), 20, 60, 10, lambda _: None)
    assert told in str(caught.value)
    assert "seed fake 2" in str(caught.value) or "seed fake 3" in str(caught.value)


@pytest.mark.lab
@pytest.mark.guest
def test_a_history_on_real_files() -> None:
    total = Counter[str]()
    for seed in (1, 2):
        total += play.on_real_host(seed, 14)
    assert total["steps"] == 28
    assert total["answer"] > 10
