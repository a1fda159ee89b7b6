"""Two states on one host, over the fake: what one has there is told to the other, refused to it, and never taken away by it."""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from minicloud import api
from minicloud.cli import doctor_network, status, uninstall
from minicloud.cloud import Cloud
from minicloud.config import Settings
from minicloud.host import fake, qemu_img
from minicloud.host.contracts import Host
from minicloud.host.fake import FakeHost
from minicloud.reconcile import daemon, locks, loop, worker
from minicloud.reconcile.worker import worker_for
from minicloud.state.rows_clock import EndedKey

from ..cloud_fixtures import IMAGE, Ec2, settings


def _home(directory: Path, host: FakeHost) -> Ec2:
    """A home with disks of its own."""
    disks = fake.host().disks
    return _ec2(directory, lambda _, identity: dataclasses.replace(host.of(identity), disks=disks))


def _ec2(directory: Path, make_host: Callable[[Settings, str], Host]) -> Ec2:
    cloud = Cloud(settings(directory), make_host)
    cloud.worker = worker_for(cloud)
    return Ec2(cloud)


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Ec2, Ec2]:
    host = fake.host()
    host.add_image(IMAGE)
    return _home(tmp_path / "first", host), _home(tmp_path / "second", host)


def _networks(ec2: Ec2) -> tuple[object, object]:
    return ec2.cloud.host.networks.list(), ec2.cloud.host.balancers.list()


def test_reading_takes_nothing_away(homes: tuple[Ec2, Ec2]) -> None:
    first, second = homes
    first.run()
    subnets = [one["SubnetId"] for one in first("DescribeSubnets")["Subnets"]][:2]
    api.call(first.cloud, "elbv2", "CreateLoadBalancer", {"Name": "a", "Subnets": subnets, "Scheme": "internal"})
    before = _networks(first)
    assert second("DescribeInstances")["Reservations"] == []
    loop.run_pass(second.cloud, look=True)
    assert _networks(first) == before
    assert doctor_network.gather(first.cloud).in_force is True
    checks = doctor_network.judge(doctor_network.gather(second.cloud))
    assert ("networks", "fail") in [(check.name, check.status) for check in checks]
    assert first.cloud.state.identity.id in status.table_of(status.status(status.gather(second.cloud)))["Networks"]


def test_starting_is_refused_by_name(homes: tuple[Ec2, Ec2]) -> None:
    first, second = homes
    first.run()
    before = _networks(first)
    refused = second.row(second.run())
    assert refused.state == "terminated"
    assert first.cloud.state.identity.id in refused.reason_message
    assert _networks(first) == before


def test_when_the_first_has_nothing_there_any_more_the_second_may(homes: tuple[Ec2, Ec2]) -> None:
    first, second = homes
    first("TerminateInstances", InstanceIds=[first.run()])
    assert second.cloud.host.networks.list() == {}
    second.run()
    assert None not in second.cloud.host.networks.list().values()
    assert first.cloud.host.networks.strangers().keys() == second.cloud.host.networks.list().keys() != set()


def test_what_carries_no_identity_is_adopted_by_whoever_has_rows_for_it(homes: tuple[Ec2, Ec2]) -> None:
    first, second = homes
    first.run()
    store = first.cloud.host.store  # type: ignore[attr-defined]
    with store.change() as held:
        held["owners"] = dict.fromkeys(held["networks"], "")
    before = set(first.cloud.host.networks.list())
    loop.run_pass(second.cloud)
    assert set(first.cloud.host.networks.list()) == before
    with store.change() as held:
        for name in held["networks"]:
            held["networks"][name] = None
    loop.run_pass(first.cloud)
    assert first.cloud.host.networks.unmarked() == set()
    assert second.cloud.host.networks.list() == {}


def test_the_daemon_of_one_is_not_woken_for_the_other(tmp_path: Path) -> None:
    host = fake.host()
    host.add_image(IMAGE)
    first, second = _home(tmp_path / "first", host), _home(tmp_path / "second", host)
    shared = dataclasses.replace(second.cloud.settings, run=first.cloud.settings.run)
    second = Ec2(Cloud(shared, second.cloud._make_host))
    with locks.held(shared.run, "a lock makes the directory"), daemon._listening(first.cloud):
        assert worker.wake(first.cloud)
        assert not worker.wake(second.cloud)
    assert not worker.wake(first.cloud)


def _sharing(homes: tuple[Ec2, Ec2]) -> Path:
    """Let the second use the first one's directory of the run, with what drivers of the first put there; it."""
    first, second = homes
    run = first.cloud.settings.run
    second.cloud.settings = dataclasses.replace(second.cloud.settings, run=run)
    first.run()
    (network,) = first.cloud.host.networks.list()
    for name in ("firewall/state.json", f"networks/names/{network}", "balancers/hosts.lock", "metadata.key"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    return run


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_uninstall_leaves_what_another_has_in_a_directory_of_the_run_that_both_use(homes: tuple[Ec2, Ec2]) -> None:
    first, second = homes
    run = _sharing(homes)
    before = _files(run)
    assert "locks" in before
    said = CliRunner().invoke(uninstall.command, ["--yes"], obj=second, catch_exceptions=False).output
    assert _files(run) == before
    assert f"left {run}: " in said
    assert CliRunner().invoke(uninstall.command, ["--yes"], obj=first).exit_code == 0
    assert not run.exists()


def test_uninstall_takes_its_own_directory_of_the_run_whatever_others_have(homes: tuple[Ec2, Ec2]) -> None:
    first, second = homes
    first.run()
    second("CreateVolume", AvailabilityZone="us-east-1a", Size=1)
    assert second.cloud.settings.run.exists()
    said = CliRunner().invoke(uninstall.command, ["--yes"], obj=second, catch_exceptions=False).output
    assert not second.cloud.settings.run.exists()
    assert f"left {second.cloud.settings.run}" not in said


def test_locks_that_somebody_holds_stay(homes: tuple[Ec2, Ec2]) -> None:
    """Another command works, of a state that has nothing on the host yet."""
    first, second = homes
    run = first.cloud.settings.run
    second.cloud.settings = dataclasses.replace(second.cloud.settings, run=run)
    with locks.held(run, "vol-0"):
        list(uninstall.remove(second.cloud, data=False))
        with pytest.raises(locks.Busy), locks.held(run, "vol-0"):
            pass
    list(uninstall.remove(second.cloud, data=False))
    assert not run.exists()


def test_who_waited_for_a_lock_that_was_cleared_away_excludes_others_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, opened = tmp_path / "run", list[int]()
    really = locks._open

    def open_(directory: Path) -> int:
        opened.append(really(directory))
        if len(opened) == 1:
            cleared = threading.Thread(target=locks.clear, args=(directory,))
            cleared.start()
            cleared.join()
            assert not run.exists()
        return opened[-1]

    monkeypatch.setattr(locks, "_open", open_)
    with locks.held(run, "a"):
        with pytest.raises(locks.Busy), locks.held(run, "a"):
            pass
        with locks.held(run, "b"):
            pass


class TestAHomeThatBothUse:
    """Such as with an older state that was put back, and another identity: `uninstall --data` of the one."""

    @pytest.fixture
    def guest(self, tmp_path: Path) -> str:
        """A guest of the first, whose home and disks are the second's as well, with a database of its own."""
        host = fake.host()
        host.add_image(IMAGE)
        first, second = (_ec2(tmp_path / name, lambda _, identity: host.of(identity)) for name in ("first", "second"))
        guest = first.run()
        assert guest in first.cloud.host.guests.list()
        self.home, self.guests, self.identity = first.cloud.settings.home, first.cloud.host.guests, first.cloud.state.identity.id
        second.cloud.state.identity  # noqa: B018  it is made
        for one in (first, second):
            one.cloud.state.close()
        first.cloud.settings.database.rename(self.home.parent / "kept.sqlite")
        second.cloud.settings.database.rename(first.cloud.settings.database)
        self.second = _ec2(tmp_path / "first", lambda _, identity: host.of(identity))
        return guest

    def put(self, *names: str) -> set[Path]:
        made = {self.home / name for name in names}
        for path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        return made

    def uninstalled(self) -> str:
        done = CliRunner().invoke(uninstall.command, ["--yes", "--data"], obj=self.second, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    def of(self, guest: str) -> set[Path]:
        return self.put(
            f"consoles/{guest}.log", f"consoles/{guest}.log.0", f"pulls/{guest}", f"nvram/{guest}.fd", f"seeds/{guest}.iso",
            f"volumes/{guest}-ephemeral0.qcow2",
        )  # fmt: skip

    @pytest.mark.parametrize("on", [True, False])
    def test_leaves_what_is_of_the_guests_of_the_other(self, guest: str, on: bool) -> None:
        if not on:
            self.guests.destroy(guest)
        theirs, other = self.of(guest), self.put("consoles/i-0123456789abcdef0.log", "pulls/i-0123456789abcdef0")
        said = self.uninstalled()
        assert {path for path in theirs | other if path.exists()} == theirs
        for path in theirs:
            assert f"left {path}: it is of the guest {guest} of the state {self.identity}\n" in said
        assert not self.second.cloud.settings.database.exists()

    def test_leaves_keys_that_the_other_may_need(self, guest: str) -> None:
        """Its load balancers do, also where it has no guest that is on; of a key no file tells whose it is."""
        own, other = (f"certificates/{letter * 32}.key" for letter in "ab")
        mine, theirs = self.put(own), self.put(other)
        state = self.second.cloud.state
        state.ended_keys.add(EndedKey(f"{'a' * 32}.key"))
        self.guests.remove(guest)
        said = self.uninstalled()
        assert [path for path in mine | theirs if path.exists()] == list(theirs)
        assert f"left {self.home / other}: this state does not know that key, and another has " in said

    def test_takes_all_keys_where_no_other_has_anything(self, homes: tuple[Ec2, Ec2]) -> None:
        self.second, self.home = homes[1], homes[1].cloud.settings.home
        (key,) = self.put(f"certificates/{'b' * 32}.key")
        self.uninstalled()
        assert not key.exists()

    @pytest.mark.usefixtures("guest")
    def test_leaves_the_disks_of_the_other_and_what_they_stand_on(self) -> None:
        volume, image = self.home / "volumes/layer-0123456789abcdef0.qcow2", "ami-0123456789abcdef0"
        volume.parent.mkdir(exist_ok=True)
        images = self.second.cloud.settings.images
        theirs = self.put("volumes/minicloud.json", "volumes/quarantine/20260101T000000Z/layer-0123456789abcdef1.qcow2")
        for one in (image, "ami-0123456789abcdef1"):
            (images / one).mkdir(parents=True)
            (images / one / "image.qcow2").touch()
        qemu_img.create(images / image / "base.qcow2", 1 << 20)
        qemu_img.create_overlay(volume, images / image / "base.qcow2", "qcow2", 1 << 20)
        (images / image / "base.qcow2").rename(images / image / "image.qcow2")
        said = self.uninstalled()
        assert all(path.exists() for path in {*theirs, volume, images / image / "image.qcow2"})
        assert not (images / "ami-0123456789abcdef1").exists()
        assert f"left {images / image}: {volume} stands on it\n" in said
        assert f"left {volume}: it is of the state " in said

    def test_takes_the_disks_of_one_that_has_no_guest_here(self, guest: str) -> None:
        self.guests.remove(guest)
        theirs = self.of(guest) | self.put("volumes/layer-0123456789abcdef0.qcow2", "volumes/minicloud.json")
        self.uninstalled()
        assert not [path for path in theirs if path.exists()]
