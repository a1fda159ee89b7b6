"""How often `minicloud adopt` looks at the disks, over a fake host: each look of the real one reads a directory."""

from collections import Counter
from typing import Any

import pytest

from minicloud.cli import adoption
from minicloud.host.contracts_storage import Stamp
from minicloud.host.fake import FakeHost
from minicloud.state.rows_storage import Layer

from ..cloud_fixtures import Ec2

MANY = 200


def _name(number: int) -> str:
    return f"layer-{number:017x}"


@pytest.fixture
def moved(ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Layers, each on the one before, whose disks name places where they were before; what was asked of each since."""
    store, asked = host.store, Counter[str]()
    assert ec2("DescribeVolumes")["Volumes"] == []
    with store.change() as held, ec2.cloud.state.transaction():
        for number in range(MANY):
            below = _name(number - 1) if number else ""
            ec2.cloud.state.layers.add(Layer(_name(number), below, "", 1 << 30, "2026-01-01T00:00:00.000Z", made=True))
            base = f"/old/volumes/{below}.qcow2" if below else None
            held["disks"][_name(number)] = {"size": 1 << 30, "base": base, "blocks": {}}
        held["stamp"] = [ec2.cloud.state.identity.id, ec2.cloud.state.identity.generation + 5]

    def above(disk_id: str) -> set[str]:
        asked[disk_id] += 1
        with store.change() as held:
            disks: dict[str, Any] = held["disks"]
            return {name for name, disk in disks.items() if disk["base"] == f"/old/volumes/{disk_id}.qcow2"}

    monkeypatch.setattr(host.disks, "above", above)
    return asked


def test_what_stands_on_a_layer_is_asked_once(ec2: Ec2, host: FakeHost, moved: Counter[str]) -> None:
    ec2.cloud.state.layers.change(_name(7), parent=_name(3))  # an older state, which knows no better
    told = adoption.adopt(ec2.cloud)
    assert max(moved.values()) == 1, f"{moved.total()} looks at {MANY} layers"
    assert any(f"{_name(7)} stands on {_name(6)} from now on" in line for line in told)
    assert not [line for line in told if "is left as it is" in line]
    assert host.disks.stamp() == Stamp(ec2.cloud.state.identity.id, ec2.cloud.state.identity.generation)
