"""A merge that came to its end in a running guest and was not recorded, and by the next pass another one is due."""

import pytest

from minicloud.errors import Permanent
from minicloud.state import chains

from .test_older_in_use import Scene, scene

__all__ = ["scene"]

LETTERS = "abcd"


class Flattened:
    """A volume whose guest has made it stand on nothing, of which its row does not know, and snapshots of it."""

    def __init__(self, scene: Scene, patch: pytest.MonkeyPatch) -> None:
        self.scene = scene
        self.snapshots = [scene.taken(scene.volume, block, letter) for block, letter in enumerate(LETTERS)]
        with patch.context() as early:
            early.setattr(chains, "MOST_DEPTH", 3)
            scene.ec2.look()
        scene.host.finish_jobs(scene.instance)
        self.top = scene.top(scene.volume)
        chain = scene.host.blocks.chains(scene.instance)[scene.volume.replace("-", "")]
        assert chain == (scene.host.disks.path(self.top),), "it was not flattened"
        assert self.parent, "it was recorded"

    @property
    def parent(self) -> str:
        return str(self.scene.state.layers.get(self.top).parent)

    def forget(self, *numbers: int) -> None:
        for number in numbers:
            self.scene.ec2("DeleteSnapshot", SnapshotId=self.snapshots[number])
            self.snapshots[number] = ""

    def check(self) -> None:
        """It reads as it did, with and without its guest, and no layer is left over."""
        scene = self.scene
        assert scene.state.failures.query() == []
        kept = [number for number, snapshot in enumerate(self.snapshots) if snapshot]
        for _ in range(2):
            assert scene.of_volume(scene.volume) == dict(enumerate(LETTERS))
            for number in kept:
                assert scene.of_snapshot(self.snapshots[number]) == dict(enumerate(LETTERS[: number + 1]))
            assert len(scene.state.layers.find(base="")) == len(kept) + 2  # the tops of the volume and of the root device
            scene.power("StopInstances")


@pytest.mark.parametrize("gone", [(3,), (2,), (1,), (2, 3), (1, 3), (0, 1, 2, 3)], ids=str)
def test_the_row_follows_to_where_the_file_stands(scene: Scene, gone: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    flattened = Flattened(scene, monkeypatch)
    flattened.forget(*gone)
    scene.rest()
    assert flattened.parent == ""
    flattened.check()


def test_what_was_pulled_is_on_the_disk_before_the_row_follows(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    flattened = Flattened(scene, monkeypatch)
    flattened.forget(3)
    scene.rest()
    scene.host.kill(scene.instance)
    scene.rest()
    flattened.check()


def test_a_fake_hosts_guest_pulls_onto_nothing_that_is_not_below(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libvirt does not."""
    Flattened(scene, monkeypatch)
    below = scene.host.disks.path(scene.state.snapshots.query()[0].layer_id)
    with pytest.raises(Permanent, match="is not below"):
        scene.host.blocks.pull(scene.instance, scene.volume.replace("-", ""), below)
