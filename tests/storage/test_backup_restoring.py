"""Restoring backups: what is refused, what is put aside, what is told, beside real disks."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.errors import Permanent, StateError
from minicloud.host.contracts_storage import Stamp
from minicloud.host.run import run
from minicloud.reconcile import generations, image_needs, locks, restore_install
from minicloud.state import copies

from .backups import Place, back_up, file, here, restore, small, there
from .test_foreign_guests import opened

__all__ = ["file", "here", "small", "there"]


def test_newer_disks_go_aside_and_read_as_they_did(here: Place, file: Path, tmp_path: Path) -> None:
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    then = here.of_volume(volume)
    back_up(here.cloud, file)
    here.write(volume, 0, 2)
    here.snapshot(volume)
    here.write(volume, 65536, 3)
    lost, newest = here.of_volume(volume), Path(here.top(volume)).name
    with pytest.raises(StateError, match=r"something here already .*--replace"):
        restore(here.cloud, file)
    assert here.of_volume(volume) == lost
    told = restore(here.cloud, file, replace=True)
    here.open()
    assert here.of_volume(volume) == then
    assert any("quarantine" in sentence for sentence in told)
    (aside,) = (here.home / "volumes" / "quarantine").rglob(newest)
    raw = tmp_path / "raw2"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", aside, raw])
    assert hashlib.sha256(raw.read_bytes()).hexdigest() == lost
    here.look()
    here.write(volume, 0, 4)
    here.snapshot(volume)
    assert generations.refusal(here.cloud) == ""


def test_a_state_alone_beside_its_disks(here: Place, file: Path) -> None:
    """The state was lost, the disks are there."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    back_up(here.cloud, file, disks=False)
    here.cloud.state.close()
    for path in here.home.glob("state.sqlite*"):
        path.unlink()
    here.open()
    with pytest.raises(StateError):
        here.state.volumes.query()
    assert restore(here.cloud, file) == []
    here.open()
    assert here.state.volumes.get(volume).state == "available"
    assert here.snapshot(volume)


def test_a_state_alone_beside_newer_disks(here: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    back_up(here.cloud, file, disks=False)
    here.snapshot(volume)
    here.write(volume, 0, 2)
    newest = here.top(volume)
    before = here.files()
    with pytest.raises(StateError, match=r"is older than the disks.*--anyway"):
        restore(here.cloud, file, replace=True)
    assert here.files() == before
    session = Session(connect=lambda: here.cloud)
    here.cloud.state.close()
    assert execute(["restore", str(file), "--replace", "--anyway"], session) == 0
    assert "disks aside" in capsys.readouterr().err
    here.open()
    assert generations.refusal(here.cloud) == ""
    assert list((here.home / "volumes" / "quarantine").rglob(Path(newest).name))
    here.look()
    assert here.top(volume) != newest


def test_a_state_alone_where_its_disks_are_not(here: Place, there: Place, file: Path) -> None:
    here.volume(Size=1)
    back_up(here.cloud, file, disks=False)
    with pytest.raises(StateError, match=r"1 of the 1 that it counts on are not here.*rsync -a --sparse"):
        restore(there.cloud, file)
    assert there.files() == set()
    restore(there.cloud, file, anyway=True)


def test_a_state_alone_with_disks_that_were_brought_along(here: Place, there: Place, file: Path) -> None:
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    here.snapshot(volume)
    here.write(volume, 65536, 2)
    then = here.of_volume(volume)
    back_up(here.cloud, file, disks=False)
    shutil.copytree(here.home / "volumes", there.home / "volumes")
    assert restore(there.cloud, file) == []
    shutil.rmtree(here.home)
    there.open()
    assert there.of_volume(volume) == then
    assert str(there.home) in str(there.disks.backing(Path(there.top(volume)).stem))


def test_a_base_image_that_is_not_here_is_told(here: Place, there: Place, file: Path) -> None:
    image = here.image()
    here.ec2.run(ImageId=image)
    back_up(here.cloud, file, disks=False)
    told = restore(there.cloud, file, anyway=True)
    assert [f"the base image {image} (small) is not here" in one for one in told] == [True]


def test_another_image_of_the_same_name_is_refused(here: Place, there: Place, file: Path) -> None:
    image = here.image()
    here.ec2.run(ImageId=image)
    back_up(here.cloud, file)
    other = there.image(2)
    (there.directory / "images" / other).rename(there.directory / "images" / image)
    manifest = there.directory / "images" / image / "manifest.json"
    manifest.write_text(manifest.read_text().replace(other, image))
    with pytest.raises(StateError, match="is another one here"):
        restore(there.cloud, file)


def test_a_generation_goes_on_from_that_of_the_disks_that_went(here: Place, there: Place, file: Path) -> None:
    """So that no copy of the state that was left can pass for a new one."""
    here.volume(Size=1)
    back_up(here.cloud, file)
    there.disks.put_stamp(Stamp("f" * 32, 1000))
    restore(there.cloud, file, replace=True)
    stamp = there.disks.stamp()
    assert stamp is not None
    assert (stamp.identity, stamp.generation) == (here.state.identity.id, 1001)


def test_while_serve_runs_it_is_refused(here: Place, there: Place, file: Path) -> None:
    back_up(here.cloud, file)
    with locks.held(there.cloud.settings.run, "daemon"), pytest.raises(StateError, match="serve runs"):
        restore(there.cloud, file)


def test_while_another_command_uses_the_state_it_is_refused_and_finished_later(
    here: Place, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_PATIENCE", 0.1)
    volume = here.volume(Size=1)
    back_up(here.cloud, file)
    other = here.cloud.with_database(here.cloud.settings.database).state
    other.volumes.query()
    with pytest.raises(StateError, match="another command uses"):
        restore(here.cloud, file, replace=True)
    assert other.volumes.get(volume) is not None
    other.close()
    restore(here.cloud, file, replace=True)
    here.open()
    assert here.state.volumes.get(volume) is not None


@pytest.mark.parametrize("field", ["region", "account_id"])
def test_another_region_or_account_is_refused(here: Place, there: Place, file: Path, field: str) -> None:
    back_up(here.cloud, file)
    there.cloud.settings = dataclasses.replace(there.cloud.settings, **{field: "111122223333"})
    with pytest.raises(StateError, match=f"set {field} in the settings"):
        restore(there.cloud, file)


def test_what_the_host_that_it_was_made_on_could_not_do_is_forgotten(here: Place, there: Place, file: Path) -> None:
    from minicloud.state.rows_failures import Failure

    here.state.failures.add(Failure("volumes", "vol-1", 1, "", "m", "", "", ""))
    back_up(here.cloud, file)
    restore(there.cloud, file)
    there.open()
    assert there.state.failures.query() == []


def test_with_disks_what_ran_is_to_be_started(here: Place, file: Path) -> None:
    """Whatever the host says of the guest that was stopped since."""
    instance = here.ec2.run(ImageId=here.image())
    here.state.instances.change(instance, state="running", wish="running", started_boot="another", failures=0, retry_at="")
    back_up(here.cloud, file)
    here.state.instances.change(instance, state="stopped", wish="stopped")
    restore(here.cloud, file, replace=True)
    here.open()
    row = here.state.instances.get(instance)
    assert (row.state, row.wish, row.started_boot) == ("pending", "running", "another")


def _damaged(file: Path) -> None:
    """A byte of a disk is another one."""
    at = file.read_bytes().index(b"QFI\xfb") + 4096
    with file.open("r+b") as out:
        out.seek(at)
        byte = out.read(1)
        out.seek(at)
        out.write(bytes([byte[0] ^ 1]))


def _cut_short(file: Path) -> None:
    with file.open("r+b") as out:
        out.truncate(file.stat().st_size - 2048)


@pytest.mark.parametrize("harm", [_damaged, _cut_short])
def test_a_rehearsal_refuses_what_is_damaged(
    here: Place, there: Place, file: Path, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    here.write(here.volume(Size=1), 0, 1)
    back_up(here.cloud, file)
    session = Session(connect=lambda: there.cloud)
    assert execute(["restore", str(file), "--dry-run"], session) == 0
    assert not there.files()
    harm(file)
    assert execute(["restore", str(file), "--dry-run"], session) == 254
    assert "is damaged" in capsys.readouterr().err
    assert not there.files()


def test_a_rehearsal_refuses_what_a_restoration_would(here: Place, there: Place, file: Path) -> None:
    """Of another region; of disks that are not here."""
    here.volume(Size=1)
    back_up(here.cloud, file, disks=False)
    session = Session(connect=lambda: there.cloud)
    assert execute(["restore", str(file), "--dry-run"], session) == 253
    assert execute(["restore", str(file), "--dry-run", "--anyway"], session) == 0
    there.cloud.settings = dataclasses.replace(there.cloud.settings, region="eu-west-1")
    assert execute(["restore", str(file), "--dry-run", "--anyway"], session) == 253
    assert not there.files()


def test_disks_that_any_process_has_open_are_not_put_aside(here: Place, file: Path) -> None:
    """Whoever started it: no state that is known here need know the guest."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    back_up(here.cloud, file)
    with opened(Path(here.top(volume))):
        with pytest.raises(StateError, match="a process has disks open that are here"):
            restore(here.cloud, file, replace=True)
        here.open()
        assert here.state.volumes.get(volume) is not None
    restore(here.cloud, file, replace=True)


@pytest.mark.parametrize(("step", "disks"), [("put", True), ("put", False), ("_put_disks", True), ("_put_files", False)])
def test_what_is_being_restored_keeps_its_images_from_other_homes(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, step: str, disks: bool
) -> None:
    """Laid out, and cut short: the image is needed by what lies there."""
    here, there = Place(tmp_path / "here"), Place(tmp_path / "there")
    image = here.image()
    here.look()
    if disks:
        here.ec2.run(ImageId=image)
    back_up(here.cloud, file, disks=disks)
    if not disks:  # then only rows need it
        shutil.copytree(here.directory / "images", there.directory / "images")

    class Cut(Exception):
        pass

    def cut(*_: object) -> None:
        raise Cut

    monkeypatch.setattr(restore_install, step, cut)
    there.cloud.state.close()
    with pytest.raises(Cut):
        restore(there.cloud, file)
    other = dataclasses.replace(there.cloud.settings, home=there.directory / "other")
    with pytest.raises(Permanent, match=f"the minicloud of {there.home} needs it"):
        image_needs.refuse(other, image)
