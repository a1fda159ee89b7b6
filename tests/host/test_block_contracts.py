"""The promises of host/contracts.py about disks that stand on one another, and about the disks of running guests.

Asked of the fake host and of the real one (in a laboratory; its guests boot nothing).
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.config import load
from minicloud.errors import Permanent, Retry
from minicloud.host import fake, local
from minicloud.host.contracts import BootSpec, GuestSpec, Host
from minicloud.host.contracts_storage import DiskSpec, IoLimits
from minicloud.host.run import run

from ..waits import until

GIB = 1 << 30


@pytest.fixture(params=["fake", "fake-in-a-directory", pytest.param("real", marks=pytest.mark.lab)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param != "real":
        yield fake.host(tmp_path if "directory" in request.param else None)
        return
    real = local.host(dataclasses.replace(load(), home=Path("/var/lib/minicloud/b"), run=Path("/run/minicloud/b")))
    yield real
    for guest_id in real.guests.list():
        real.guests.remove(guest_id)
    for disk_id in real.disks.list():
        real.disks.remove(disk_id)


@pytest.fixture
def chain(host: Host) -> list[str]:
    """The paths of layer-c on layer-b on layer-a."""
    host.disks.create("layer-a", GIB, None)
    host.disks.create("layer-b", GIB, host.disks.path("layer-a"))
    host.disks.create("layer-c", GIB, host.disks.path("layer-b"))
    return [host.disks.path(name) for name in ("layer-c", "layer-b", "layer-a")]


@pytest.fixture
def guest(host: Host, chain: list[str]) -> str:
    """A running guest with that disk."""
    disk = DiskSpec("vol-0a", chain[0], "vol0a", "/dev/xvda", IoLimits(iops=100))
    host.guests.start(GuestSpec("i-0a", 1, 64, 0.1, (disk,), (), None, BootSpec()))
    return "i-0a"


def finish(host: Host, guest: str) -> None:
    if isinstance(host, fake.FakeHost):
        host.finish_jobs(guest)
    until("the jobs are over", lambda: not host.blocks.jobs(guest))


class TestLayers:
    def test_sizes_and_growth(self, host: Host) -> None:
        host.disks.create("layer-a", GIB, None)
        host.disks.resize("layer-a", 2 * GIB)
        host.disks.resize("layer-a", GIB)
        assert host.disks.size("layer-a") == 2 * GIB

    def test_what_a_disk_stands_on(self, host: Host, chain: list[str]) -> None:
        assert host.disks.backing("layer-a") is None
        assert host.disks.backing("layer-c") == chain[1]

    def test_commit_grows_what_is_under_it_and_may_be_repeated(self, host: Host, chain: list[str]) -> None:
        host.disks.resize("layer-b", 2 * GIB)
        host.disks.commit("layer-b", "layer-a")
        host.disks.commit("layer-b", "layer-a")
        assert host.disks.size("layer-a") == 2 * GIB
        host.disks.repoint("layer-c", chain[2])
        host.disks.repoint("layer-c", chain[2])
        assert host.disks.backing("layer-c") == chain[2]

    @pytest.mark.usefixtures("chain")
    def test_commit_into_what_is_not_under_it(self, host: Host) -> None:
        with pytest.raises(Permanent, match="does not stand on"):
            host.disks.commit("layer-c", "layer-a")

    @pytest.mark.parametrize("onto", [2, None])
    def test_rebase_and_again(self, host: Host, chain: list[str], onto: int | None) -> None:
        base = chain[onto] if onto is not None else None
        host.disks.rebase("layer-c", base)
        host.disks.rebase("layer-c", base)
        assert host.disks.backing("layer-c") == base

    def test_a_disk_that_is_not_there(self, host: Host) -> None:
        for ask in (host.disks.size, host.disks.backing, host.disks.check):
            with pytest.raises(Permanent, match="not there"):
                ask("layer-none")

    @pytest.mark.usefixtures("chain")
    def test_a_whole_disk_passes_the_check(self, host: Host) -> None:
        host.disks.check("layer-c")

    def test_export_refuses_to_overwrite(self, host: Host, chain: list[str], tmp_path: Path) -> None:
        host.disks.export(chain[0], str(tmp_path / "out"))
        with pytest.raises(Permanent, match="exists already"):
            host.disks.export(chain[0], str(tmp_path / "out"))

    def test_nothing_else_lies_where_disks_are(self, host: Host, chain: list[str]) -> None:
        assert len(host.disks.list()) == len(chain)
        assert host.disks.others() == {}

    def test_there_is_room(self, host: Host) -> None:
        assert host.disks.free() > 0


class TestBlocks:
    def test_chains_of_a_guest_and_of_none(self, host: Host, chain: list[str], guest: str) -> None:
        assert host.blocks.chains(guest) == {"vol0a": tuple(chain)}
        assert host.blocks.chains("i-none") == {}
        assert host.blocks.jobs("i-none") == set()
        assert host.blocks.resume(guest) is False

    def test_a_guest_that_is_off_is_asked_nothing(self, host: Host, guest: str) -> None:
        host.guests.destroy(guest)
        assert host.blocks.chains(guest) == {}
        with pytest.raises(Permanent):
            host.blocks.freeze(guest, {})
        with pytest.raises(Permanent):
            host.blocks.detach(guest, "vol0a")

    def test_freeze_and_again(self, host: Host, chain: list[str], guest: str) -> None:
        host.disks.create("layer-d", GIB, chain[0])
        host.blocks.freeze(guest, {"vol0a": host.disks.path("layer-d")})
        host.blocks.freeze(guest, {"vol0a": host.disks.path("layer-d")})
        assert host.blocks.chains(guest)["vol0a"] == (host.disks.path("layer-d"), *chain)

    @pytest.mark.usefixtures("guest")
    def test_a_disk_that_a_guest_has_is_not_changed_by_others(self, host: Host, chain: list[str]) -> None:
        with pytest.raises((Retry, Permanent)):
            host.disks.commit("layer-c", "layer-b")
        with pytest.raises((Retry, Permanent)):
            host.disks.rebase("layer-c", None)
        assert host.disks.backing("layer-c") == chain[1]

    def test_commit_takes_a_layer_out(self, host: Host, chain: list[str], guest: str) -> None:
        host.blocks.commit(guest, "vol0a", chain[1], chain[2])
        finish(host, guest)
        assert host.blocks.chains(guest)["vol0a"] == (chain[0], chain[2])
        assert host.disks.backing("layer-c") == chain[2]

    def test_one_job_at_a_time(self, host: Host, chain: list[str]) -> None:
        host.disks.create("layer-x", GIB, None)
        host.disks.create("layer-y", GIB, host.disks.path("layer-x"))
        if not isinstance(host, fake.FakeHost):
            run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 400M", chain[2]])  # so that the pull takes a moment
        disks = (
            DiskSpec("vol-0a", chain[0], "vol0a", "/dev/xvda"),
            DiskSpec("vol-0b", host.disks.path("layer-y"), "vol0b", "/dev/sdf"),
        )
        host.guests.start(GuestSpec("i-0a", 1, 64, 0.1, disks, (), None, BootSpec()))
        before = host.guests.counters()["i-0a"]
        host.blocks.pull("i-0a", "vol0a", None)
        with pytest.raises(Retry):
            host.blocks.pull("i-0a", "vol0b", None)
        host.blocks.pull("i-0a", "vol0a", None)
        assert set(host.guests.counters()["i-0a"].disks) == set(before.disks)
        finish(host, "i-0a")
        host.blocks.flush("i-0a", "vol0a")
        host.blocks.pull("i-0a", "vol0b", None)
        finish(host, "i-0a")
        assert {len(chain) for chain in host.blocks.chains("i-0a").values()} == {1}

    def test_a_disk_that_there_is_not_is_not_flushed(self, host: Host, guest: str) -> None:
        with pytest.raises(Permanent):
            host.blocks.flush(guest, "vol0z")
        host.guests.destroy(guest)
        with pytest.raises(Permanent):
            host.blocks.flush(guest, "vol0a")

    @pytest.mark.parametrize("onto", [2, None])
    def test_pull_takes_layers_out(self, host: Host, chain: list[str], guest: str, onto: int | None) -> None:
        host.blocks.pull(guest, "vol0a", chain[onto] if onto is not None else None)
        finish(host, guest)
        assert host.blocks.chains(guest)["vol0a"] == ((chain[0], chain[2]) if onto else (chain[0],))

    def test_growth_and_limits(self, host: Host, guest: str) -> None:
        host.blocks.resize(guest, "vol0a", 2 * GIB)
        host.blocks.resize(guest, "vol0a", 2 * GIB)
        assert host.disks.size("layer-c") == 2 * GIB
        host.blocks.limit(guest, "vol0a", IoLimits(iops=100, burst_iops=300, burst_seconds=30))
        host.blocks.limit(guest, "vol0a", IoLimits(iops=3000, throughput=100 << 20))
        host.blocks.limit(guest, "vol0a", IoLimits(1, 1 << 20, 2, 2 << 20, 30))
        host.blocks.limit(guest, "vol0a", IoLimits())

    def test_attach_twice_and_a_disk_that_is_not_there(self, host: Host, guest: str) -> None:
        host.disks.create("layer-e", GIB, None)
        spec = DiskSpec("vol-0e", host.disks.path("layer-e"), "vol0e", "/dev/sdf", IoLimits(iops=100))
        host.blocks.attach(guest, spec)
        host.blocks.attach(guest, spec)
        assert host.blocks.chains(guest)["vol0e"] == (spec.path,)
        with pytest.raises((Retry, Permanent)):
            host.blocks.attach(guest, DiskSpec("vol-0f", host.disks.path("layer-f"), "vol0f", "/dev/sdg"))
        host.blocks.detach(guest, "vol-none")

    def test_a_seized_disk_is_free_for_others(self, host: Host, guest: str) -> None:
        host.disks.create("layer-e", GIB, None)
        host.blocks.attach(guest, DiskSpec("vol-0e", host.disks.path("layer-e"), "vol0e", "/dev/sdf"))
        host.blocks.seize(guest, "vol0e")
        host.disks.resize("layer-e", 2 * GIB)  # which QEMU's lock would refuse
        assert host.disks.size("layer-e") == 2 * GIB
