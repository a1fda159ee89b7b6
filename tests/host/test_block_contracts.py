"""The promises of host/contracts.py about disks that stand on one another, and about the disks of running guests.

Asked of the fake host and of the real one (in a laboratory; its guests boot nothing).
"""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.config import load
from minicloud.errors import Permanent, Retry
from minicloud.host import fake, local
from minicloud.host.contracts import BootSpec, GuestSpec, Host
from minicloud.host.contracts_storage import DiskSpec, IoLimits, Said
from minicloud.host.run import run

from ..real_cloud import IDENTITY, remove_all
from ..waits import until

GIB = 1 << 30
E, F = "layer-0000000000000000e", "layer-0000000000000000f"


@pytest.fixture(params=["fake", "fake-in-a-directory", pytest.param("real", marks=pytest.mark.lab)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param != "real":
        yield fake.host(tmp_path if "directory" in request.param else None)
        return
    real = local.host(dataclasses.replace(load(), home=Path("/var/lib/minicloud/b"), run=Path("/run/minicloud/b")), IDENTITY)
    yield real
    for guest_id in real.guests.list():
        real.guests.remove(guest_id)
    remove_all(real.disks)


@pytest.fixture
def chain(host: Host) -> list[str]:
    """The paths of layer-0000000000000000c on layer-0000000000000000b on layer-0000000000000000a."""
    host.disks.create("layer-0000000000000000a", GIB, None)
    host.disks.create("layer-0000000000000000b", GIB, host.disks.path("layer-0000000000000000a"))
    host.disks.create("layer-0000000000000000c", GIB, host.disks.path("layer-0000000000000000b"))
    return [host.disks.path(name) for name in ("layer-0000000000000000c", "layer-0000000000000000b", "layer-0000000000000000a")]


@pytest.fixture
def guest(host: Host, chain: list[str]) -> str:
    """A running guest with that disk."""
    disk = DiskSpec("vol-0000000000000000a", chain[0], "vol0a", "/dev/xvda", IoLimits(iops=100))
    host.guests.start(GuestSpec("i-0a", 1, 64, 0.1, (disk,), (), None, BootSpec()))
    return "i-0a"


def finish(host: Host, guest: str) -> None:
    if isinstance(host, fake.FakeHost):
        host.finish_jobs(guest)
    until("the jobs are over", lambda: not host.blocks.jobs(guest))


class TestLayers:
    def test_sizes_and_growth(self, host: Host) -> None:
        host.disks.create("layer-0000000000000000a", GIB, None)
        host.disks.resize("layer-0000000000000000a", 2 * GIB)
        host.disks.resize("layer-0000000000000000a", GIB)
        assert host.disks.size("layer-0000000000000000a") == 2 * GIB

    def test_what_a_disk_stands_on(self, host: Host, chain: list[str]) -> None:
        assert host.disks.backing("layer-0000000000000000a") is None
        assert host.disks.backing("layer-0000000000000000c") == chain[1]

    def test_commit_grows_what_is_under_it_and_may_be_repeated(self, host: Host, chain: list[str]) -> None:
        host.disks.resize("layer-0000000000000000b", 2 * GIB)
        host.disks.commit("layer-0000000000000000b", "layer-0000000000000000a")
        host.disks.commit("layer-0000000000000000b", "layer-0000000000000000a")
        assert host.disks.size("layer-0000000000000000a") == 2 * GIB
        host.disks.repoint("layer-0000000000000000c", chain[2])
        host.disks.repoint("layer-0000000000000000c", chain[2])
        assert host.disks.backing("layer-0000000000000000c") == chain[2]

    @pytest.mark.usefixtures("chain")
    def test_commit_into_what_is_not_under_it(self, host: Host) -> None:
        with pytest.raises(Permanent, match="does not stand on"):
            host.disks.commit("layer-0000000000000000c", "layer-0000000000000000a")

    @pytest.mark.parametrize("onto", [2, None])
    def test_rebase_and_again(self, host: Host, chain: list[str], onto: int | None) -> None:
        base = chain[onto] if onto is not None else None
        host.disks.rebase("layer-0000000000000000c", base)
        host.disks.rebase("layer-0000000000000000c", base)
        assert host.disks.backing("layer-0000000000000000c") == base

    def test_a_disk_that_is_not_there(self, host: Host) -> None:
        for ask in (host.disks.size, host.disks.backing, host.disks.check):
            with pytest.raises(Permanent, match="not there"):
                ask("layer-none")

    @pytest.mark.usefixtures("chain")
    def test_a_whole_disk_passes_the_check(self, host: Host) -> None:
        host.disks.check("layer-0000000000000000c")

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
        assert host.blocks.jobs("i-none") == {}
        assert host.blocks.resume(guest) is False

    def test_a_guest_that_is_off_is_asked_nothing(self, host: Host, guest: str) -> None:
        host.guests.destroy(guest)
        assert host.blocks.chains(guest) == {}
        with pytest.raises(Permanent):
            host.blocks.freeze(guest, {})
        with pytest.raises(Permanent):
            host.blocks.detach(guest, "vol0a")

    def test_freeze_and_again(self, host: Host, chain: list[str], guest: str) -> None:
        host.disks.create("layer-0000000000000000d", GIB, chain[0])
        host.blocks.freeze(guest, {"vol0a": host.disks.path("layer-0000000000000000d")})
        host.blocks.freeze(guest, {"vol0a": host.disks.path("layer-0000000000000000d")})
        assert host.blocks.chains(guest)["vol0a"] == (host.disks.path("layer-0000000000000000d"), *chain)

    @pytest.mark.usefixtures("guest")
    def test_a_disk_that_a_guest_has_is_not_changed_by_others(self, host: Host, chain: list[str]) -> None:
        with pytest.raises((Retry, Permanent)):
            host.disks.commit("layer-0000000000000000c", "layer-0000000000000000b")
        with pytest.raises((Retry, Permanent)):
            host.disks.rebase("layer-0000000000000000c", None)
        assert host.disks.backing("layer-0000000000000000c") == chain[1]

    def test_commit_takes_a_layer_out(self, host: Host, chain: list[str], guest: str) -> None:
        host.blocks.commit(guest, "vol0a", chain[1], chain[2])
        finish(host, guest)
        assert host.blocks.chains(guest)["vol0a"] == (chain[0], chain[2])
        assert host.disks.backing("layer-0000000000000000c") == chain[2]

    def test_one_job_at_a_time_and_no_disk_that_has_one_is_unplugged(self, host: Host, chain: list[str]) -> None:
        host.disks.create("layer-000000000000000f1", GIB, None)
        host.disks.create("layer-000000000000000f2", GIB, host.disks.path("layer-000000000000000f1"))
        if not isinstance(host, fake.FakeHost):
            run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 400M", chain[2]])  # so that the pull takes a moment
        disks = (
            DiskSpec("vol-0000000000000000a", chain[0], "vol0a", "/dev/xvda"),
            DiskSpec("vol-0000000000000000b", host.disks.path("layer-000000000000000f2"), "vol0b", "/dev/sdf"),
        )
        host.guests.start(GuestSpec("i-0a", 1, 64, 0.1, disks, (), None, BootSpec()))
        before = host.guests.counters()["i-0a"]
        host.blocks.pull("i-0a", "vol0a", None)
        with pytest.raises(Retry):
            host.blocks.pull("i-0a", "vol0b", None)
        with pytest.raises(Retry):
            host.blocks.detach("i-0a", "vol0a")
        host.blocks.pull("i-0a", "vol0a", None)
        assert set(host.guests.counters()["i-0a"].disks) == set(before.disks)
        finish(host, "i-0a")
        host.blocks.flush("i-0a", "vol0a")
        host.blocks.pull("i-0a", "vol0b", None)
        finish(host, "i-0a")
        assert {len(chain) for chain in host.blocks.chains("i-0a").values()} == {1}

    def test_a_guest_that_is_removed_while_it_copies_leaves_nothing(self, host: Host, guest: str) -> None:
        host.blocks.pull(guest, "vol0a", None)
        host.guests.remove(guest)
        assert host.guests.list() == {}
        pulls = Path("/var/lib/minicloud/b/pulls")
        assert isinstance(host, fake.FakeHost) or list(pulls.iterdir()) == []

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
        assert host.disks.size("layer-0000000000000000c") == 2 * GIB
        host.blocks.limit(guest, "vol0a", IoLimits(iops=100, burst_iops=300, burst_seconds=30))
        host.blocks.limit(guest, "vol0a", IoLimits(iops=3000, throughput=100 << 20))
        host.blocks.limit(guest, "vol0a", IoLimits(1, 1 << 20, 2, 2 << 20, 30))
        host.blocks.limit(guest, "vol0a", IoLimits())

    def test_attach_twice_and_a_disk_that_is_not_there(self, host: Host, guest: str) -> None:
        host.disks.create(E, GIB, None)
        spec = DiskSpec("vol-0000000000000000e", host.disks.path(E), "vol0e", "/dev/sdf", IoLimits(iops=100))
        host.blocks.attach(guest, spec)
        host.blocks.attach(guest, spec)
        assert host.blocks.chains(guest)["vol0e"] == (spec.path,)
        with pytest.raises((Retry, Permanent)):
            host.blocks.attach(guest, DiskSpec("vol-0000000000000000f", host.disks.path(F), "vol0f", "/dev/sdg"))
        host.blocks.detach(guest, "vol-none")

    def test_a_seized_disk_is_free_for_others(self, host: Host, guest: str) -> None:
        host.disks.create(E, GIB, None)
        host.blocks.attach(guest, DiskSpec("vol-0000000000000000e", host.disks.path(E), "vol0e", "/dev/sdf"))
        host.blocks.seize(guest, "vol0e")
        host.disks.resize(E, 2 * GIB)  # which QEMU's lock would refuse
        assert host.disks.size(E) == 2 * GIB


class TestTops:
    """What a guest writes to is known when it is off, too: others may have changed it."""

    def seen(self, host: Host, guest: str) -> dict[str, tuple[str, bool]]:
        return {serial: (top.chain[0], top.live) for serial, top in host.blocks.tops(guest).items()}

    def test_of_one_that_is_on_and_of_one_that_is_off(self, host: Host, chain: list[str], guest: str) -> None:
        assert self.seen(host, guest) == {"vol0a": (chain[0], True)}
        assert host.blocks.tops(guest)["vol0a"].chain == tuple(chain)
        host.disks.create(F, GIB, chain[0])
        host.blocks.freeze(guest, {"vol0a": host.disks.path(F)})
        assert self.seen(host, guest) == {"vol0a": (host.disks.path(F), True)}
        host.guests.destroy(guest)
        assert self.seen(host, guest) == {"vol0a": (host.disks.path(F), False)}
        host.guests.remove(guest)
        assert host.blocks.tops(guest) == {}

    def test_asking_leaves_nothing_open(self, host: Host, guest: str) -> None:
        host.blocks.tops(guest)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            host.blocks.tops(guest)
        assert len(os.listdir("/proc/self/fd")) <= before

    def test_of_what_was_plugged_in_and_out(self, host: Host, guest: str) -> None:
        host.disks.create(E, GIB, None)
        host.disks.create(F, GIB, host.disks.path(E))
        spec = DiskSpec("vol-0000000000000000e", host.disks.path(E), "vol0e", "/dev/sdf")
        host.blocks.attach(guest, spec)
        host.blocks.seize(guest, "vol0e")
        if isinstance(host, fake.FakeHost):
            host.blocks.attach(guest, spec)
        else:  # a husk is left there of the first
            host.guests.destroy(guest)
            assert set(self.seen(host, guest)) == {"vol0a"}
            host.guests.start(GuestSpec(guest, 1, 64, 0.1, (self.disk(host),), (), None, BootSpec()))
            host.blocks.attach(guest, spec)
        host.blocks.freeze(guest, {"vol0e": host.disks.path(F)})
        host.guests.destroy(guest)
        assert self.seen(host, guest)["vol0e"] == (host.disks.path(F), False)

    def disk(self, host: Host) -> DiskSpec:
        return DiskSpec("vol-0000000000000000a", host.disks.path("layer-0000000000000000c"), "vol0a", "/dev/xvda")

    def test_what_has_gone_goes_from_the_definition(self, host: Host, chain: list[str], guest: str) -> None:
        """A disk of the definition that the guest does not have."""
        host.disks.create(E, GIB, None)
        host.blocks.attach(guest, DiskSpec("vol-0000000000000000e", host.disks.path(E), "vol0e", "/dev/sdf"))
        host.blocks.seize(guest, "vol0e")
        host.blocks.detach(guest, "vol-none")
        host.guests.destroy(guest)
        assert self.seen(host, guest) == {"vol0a": (chain[0], False)}

    def test_a_new_top_that_does_not_stand_on_the_present_one_is_refused(self, host: Host, chain: list[str], guest: str) -> None:
        host.disks.create(F, GIB, chain[1])
        with pytest.raises(Permanent):
            host.blocks.freeze(guest, {"vol0a": host.disks.path(F)})
        assert host.blocks.chains(guest)["vol0a"] == tuple(chain)


def begin(host: Host, guest: str, kind: str, chain: list[str], tmp_path: Path) -> None:
    """Another program begins a job of the guest's disk, which goes on until it is given up."""
    if isinstance(host, fake.FakeHost):
        host.begin_job(guest, "vol0a", kind)
        return
    place = Path("/var/lib/minicloud/b-copy.qcow2")
    place.unlink(missing_ok=True)
    (tmp_path / "backup.xml").write_text(
        "<domainbackup mode='pull'><server transport='tcp' name='127.0.0.1' port='10809'/><disks>"
        f"<disk name='vda' type='file'><scratch file='{place}'/></disk></disks></domainbackup>"
    )
    words = {
        "copy": ["blockcopy", guest, "vda", str(place), "--transient-job", "--wait"],
        "backup": ["backup-begin", guest, str(tmp_path / "backup.xml")],
        "pull": ["blockpull", guest, "vda", "--bandwidth", "1"],
        "commit": ["blockcommit", guest, "vda", "--top", chain[1], "--base", chain[2], "--bandwidth", "1"],
        "active commit": ["blockcommit", guest, "vda", "--active", "--wait"],
    }
    run(["virsh", "-q", *words[kind]])


def job(host: Host, guest: str) -> str:
    """What job there is of the guest's disk, whoever began it."""
    if isinstance(host, fake.FakeHost):
        return host.blocks.jobs(guest).get("vol0a", "none")
    said = run(["virsh", "-q", "blockjob", guest, "vda", "--raw"], check=False).text.strip()
    return said.splitlines()[0] if said else "none"


@pytest.mark.parametrize("kind", ["copy", "backup", "pull", "commit", "active commit"])
def test_another_programs_job_is_left_alone(host: Host, chain: list[str], tmp_path: Path, kind: str) -> None:
    if not isinstance(host, fake.FakeHost):
        run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 100M", chain[1]])
    disk = DiskSpec("vol-0000000000000000a", chain[0], "vol0a", "/dev/xvda")
    host.guests.start(GuestSpec("i-0a", 1, 64, 0.1, (disk,), (), None, BootSpec()))
    begin(host, "i-0a", kind, chain, tmp_path)
    there = job(host, "i-0a")
    assert host.blocks.jobs("i-0a") == {"vol0a": kind}
    host.disks.create("layer-0000000000000000d", GIB, chain[0])
    asked = (
        lambda: host.blocks.freeze("i-0a", {"vol0a": host.disks.path("layer-0000000000000000d")}),
        lambda: host.blocks.seize("i-0a", "vol0a"),
        lambda: host.blocks.pull("i-0a", "vol0a", None),
        lambda: host.blocks.commit("i-0a", "vol0a", chain[1], chain[2]),
        lambda: host.blocks.resize("i-0a", "vol0a", 2 * GIB),
    )
    for ask in asked:
        with pytest.raises(Retry, match=f"a job of another program: {kind} of vol0a in i-0a"):
            ask()
    assert job(host, "i-0a") == there != "none"
    host.guests.remove("i-0a")


def test_a_job_of_ours_is_given_up_for_a_snapshot(host: Host, chain: list[str]) -> None:
    if not isinstance(host, fake.FakeHost):
        run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 400M", chain[2]])
    disk = DiskSpec("vol-0000000000000000a", chain[0], "vol0a", "/dev/xvda")
    host.guests.start(GuestSpec("i-0a", 1, 64, 0.1, (disk,), (), None, BootSpec()))
    host.blocks.pull("i-0a", "vol0a", None)
    assert host.blocks.jobs("i-0a") in ({"vol0a": ""}, {})
    host.disks.create("layer-0000000000000000d", GIB, chain[0])
    host.blocks.freeze("i-0a", {"vol0a": host.disks.path("layer-0000000000000000d")})
    assert host.blocks.jobs("i-0a") == {}


def test_a_guest_without_an_agent_is_asked_nothing(host: Host, guest: str) -> None:
    if isinstance(host, fake.FakeHost):
        assert host.blocks.has_agent(guest)
        host.agent(guest, freeze=Said.NO_AGENT, thaw=Said.NO_AGENT)
    assert not host.blocks.has_agent(guest)
    for answer in (host.blocks.quiesce(guest), host.blocks.thaw(guest)):
        assert (answer.said, answer.message) == (Said.NO_AGENT, "the guest runs no guest agent")
    with pytest.raises(Permanent):
        host.blocks.has_agent("i-0b")
