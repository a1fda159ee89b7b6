"""How often `minicloud adopt` looks at the disks, over a fake host: each look of the real one reads a directory."""

from collections import Counter
from collections.abc import Iterable

import pytest

from minicloud.cli import adoption
from minicloud.host.contracts_storage import Stamp
from minicloud.host.fake import FakeHost
from minicloud.state.rows import Volume
from minicloud.state.rows_storage import Layer, Snapshot

from ..cloud_fixtures import Ec2

MANY, NOW = 200, "2026-01-01T00:00:00.000Z"


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
            ec2.cloud.state.layers.add(Layer(_name(number), below, "", 1 << 30, NOW, made=True))
            base = f"/old/volumes/{below}.qcow2" if below else None
            held["disks"][_name(number)] = {"size": 1 << 30, "base": base, "blocks": {}}
        for number in range(0, MANY, 2):
            row = Volume(f"vol-{number:017x}", 1, "gp2", 100, 0, "us-east-1a", "", _name(number), "available", NOW)
            ec2.cloud.state.volumes.add(row)
            ec2.cloud.state.snapshots.add(
                Snapshot(f"snap-{number:017x}", row.id, _name(number + 1), 1, "", NOW, f"snap-{number:017x}", state="completed")
            )
        held["stamp"] = [ec2.cloud.state.identity.id, ec2.cloud.state.identity.generation + 5]

    def all_above(disk_ids: Iterable[str]) -> dict[str, set[str]]:
        asked["looks"] += 1
        found = {disk_id: set[str]() for disk_id in disk_ids}
        with store.change() as held:
            for name, disk in held["disks"].items():
                below = str(disk["base"]).removeprefix("/old/volumes/").removesuffix(".qcow2")
                found.get(below, set()).add(name)
        return found

    monkeypatch.setattr(host.disks, "all_above", all_above)
    monkeypatch.setattr(host.disks, "above", lambda disk_id: (asked.update(["looks"]), all_above([disk_id])[disk_id])[1])
    return asked


def test_what_stands_on_layers_is_asked_once_of_all(ec2: Ec2, host: FakeHost, moved: Counter[str]) -> None:
    ec2.cloud.state.layers.change(_name(7), parent=_name(3))  # an older state, which knows no better
    told = adoption.adopt(ec2.cloud)
    assert moved["looks"] < 10, f"{moved['looks']} looks at {MANY} layers, of {MANY // 2} volumes and as many snapshots"
    assert any(f"{_name(7)} stands on {_name(6)} from now on" in line for line in told)
    assert not [line for line in told if "is left as it is" in line]
    assert host.disks.stamp() == Stamp(ec2.cloud.state.identity.id, ec2.cloud.state.identity.generation)
