"""What keeps a backup from being put in place is told before anything is moved, by --dry-run too; else it can be gone on with."""

import contextlib
import errno
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from minicloud.errors import HostError, Permanent, StateError, UsageError
from minicloud.host import disk_stamp
from minicloud.host.run import run
from minicloud.reconcile import backup_freeze, restore_fit, restore_install, restore_stage, restoring

from .backups import Place, back_up, file, here, nothing, restore, small
from .test_moved_homes import A, copied
from .test_unreadable_headers import fail

__all__ = ["file", "here", "small"]

KEY, VARIABLES = f"certificates/{'a' * 32}.key", "nvram/i-0123456789abcdef0.fd"


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory of another file system."""
    with TemporaryDirectory(dir="/dev/shm") as found:
        yield Path(found)


def with_keys(place: Place) -> str:
    """A volume, beside keys and metrics."""
    volume = place.volume(Size=1)
    for name in (KEY, VARIABLES):
        (place.home / name).parent.mkdir(exist_ok=True)
        (place.home / name).write_text("of the backup")
    place.cloud.settings.metrics_database.touch()
    place.write(volume, 0, 1)
    return volume


def examine(place: Place, file: Path) -> None:
    restoring.examine(place.cloud, file, replace=True, anyway=False, progress=nothing)


def refused(place: Place, file: Path, named: Path) -> None:
    """It is, by a message that names the path, and nothing has changed."""
    before = place.files()
    for attempt in (lambda: examine(place, file), lambda: restore(place.cloud, file, replace=True)):
        with pytest.raises((StateError, HostError)) as error:
            attempt()
        assert str(named) in str(error.value)
        place.open()
        assert place.files() == before
        assert place.cloud.settings.database.exists()
    place.look()


def away(path: Path) -> None:
    path.rename(path.with_name("away"))


def dangling(path: Path) -> None:
    away(path)
    path.symlink_to("not-mounted")


def a_file(path: Path) -> None:
    if path.exists():
        away(path)
    path.write_text("x")


def a_directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("certificates", dangling), ("certificates", a_file), ("nvram", dangling), ("nvram", a_file),
        ("volumes/quarantine", a_file), ("replaced", a_file), (".restore", a_file), ("volumes/.restore", a_file),
        ("metrics.sqlite", a_directory), (KEY, a_directory), (VARIABLES, a_directory), (KEY, dangling),
        ("volumes/.minicloud.json.new", a_directory),
    ],
)  # fmt: skip
def test_what_has_the_name_of_something_else(here: Place, file: Path, name: str, change: Callable[[Path], None]) -> None:
    volume = with_keys(here)
    here.look()
    back_up(here.cloud, file)
    here.look()
    change(here.home / name)
    refused(here, file, here.home / name)
    assert here.state.volumes.get(volume).state == "available"


def test_a_disk_that_is_none(here: Place, file: Path) -> None:
    volume = with_keys(here)
    back_up(here.cloud, file)
    here.look()
    disk = Path(here.top(volume))
    dangling(disk)
    refused(here, file, disk)
    assert disk.is_symlink()


def test_a_directory_that_may_not_be_written_to(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(here)
    back_up(here.cloud, file)
    genuine = os.access
    monkeypatch.setattr(restore_fit.os, "access", lambda path, mode: path != here.home / "nvram" and genuine(path, mode))  # type: ignore[attr-defined]
    refused(here, file, here.home / "nvram")


@pytest.mark.parametrize("which", ["of the backup", "newer", "aside"])
def test_a_header_that_cannot_be_read(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """Without the disk the same goes well: it may stand on one that would be another."""
    volume, other = with_keys(here), here.volume(Size=1)
    wanted = here.of_volume(volume)
    back_up(here.cloud, file)
    here.look()
    bad = Path(here.top(here.volume(Size=1) if which == "newer" else other))
    if which == "aside":
        here.disks.create(A, 1 << 20, None)
        bad = Path(here.disks.set_aside([A], "a test")) / f"{A}.qcow2"
    here.write(volume, 0, 9)
    with monkeypatch.context() as patch:
        fail(patch, bad)
        refused(here, file, bad)
        shutil.move(bad, file.with_name("bad.qcow2"))
        restore(here.cloud, file, replace=True)
    here.open()
    assert here.of_volume(volume) == wanted


def test_a_quarantine_elsewhere(here: Place, file: Path, elsewhere: Path) -> None:
    with_keys(here)
    back_up(here.cloud, file)
    here.look()
    (here.home / "volumes/quarantine").symlink_to(elsewhere)
    refused(here, file, here.home / "volumes/quarantine")
    with pytest.raises(Permanent, match="another file system"):
        disk_stamp.set_aside(here.home / "volumes/quarantine", [], "a test")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("which", ["replaced", "certificates", "nvram"])
def test_keys_elsewhere_are_copied(here: Place, file: Path, elsewhere: Path, which: str) -> None:
    volume = with_keys(here)
    wanted = here.of_volume(volume)
    back_up(here.cloud, file)
    here.write(volume, 0, 9)
    for name in (KEY, VARIABLES):
        (here.home / name).write_text("newer")
    (here.home / which).mkdir(exist_ok=True)
    shutil.move(here.home / which, elsewhere / which)
    (here.home / which).symlink_to(elsewhere / which)
    examine(here, file)
    restore(here.cloud, file, replace=True)
    here.open()
    assert here.of_volume(volume) == wanted
    (aside,) = (here.home / "replaced").iterdir()
    for name in (KEY, VARIABLES):
        assert (here.home / name).read_text() == "of the backup"
        assert (aside / name).read_text() == "newer"
    assert (here.home / KEY).stat().st_mode & 0o777 == 0o600
    assert not list(elsewhere.rglob("*.new"))


@pytest.mark.parametrize("number", range(1, 12, 2))
def test_they_are_copied_by_the_next_one_when_one_is_killed(
    here: Place, file: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    volume, left, genuine = with_keys(here), number, restore_stage.sync
    wanted = here.of_volume(volume)
    back_up(here.cloud, file)
    here.write(volume, 0, 9)
    (here.home / "replaced").mkdir()
    for name in ("replaced", "certificates", "nvram"):
        shutil.move(here.home / name, elsewhere / name)
        (here.home / name).symlink_to(elsewhere / name)
    (here.home / KEY).write_text("newer")

    def sync(path: Path) -> None:
        nonlocal left
        left -= path.is_relative_to(elsewhere) or path.parent == here.home
        if not left:
            raise KeyboardInterrupt
        genuine(path)

    with monkeypatch.context() as patch:
        patch.setattr(restore_stage, "sync", sync)
        with contextlib.suppress(KeyboardInterrupt):
            restore(here.cloud, file, replace=True)
    here.open()
    restore(here.cloud, file, replace=True)
    here.open()
    assert here.of_volume(volume) == wanted
    assert (here.home / KEY).read_text() == "of the backup"
    assert [path.read_text() for path in (here.home / "replaced").rglob("a*.key")] == ["newer"]


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("relative", [True, False])
def test_a_key_that_is_a_link(here: Place, file: Path, tmp_path: Path, *, same: bool, relative: bool) -> None:
    """What it leads to is in its place, or put aside; it is not lost."""
    with_keys(here)
    back_up(here.cloud, file)
    safe = tmp_path / "safe"
    (here.home / KEY).rename(safe)
    (here.home / KEY).symlink_to(os.path.relpath(safe, (here.home / KEY).parent) if relative else safe)
    if not same:
        safe.write_text("newer")
    restore(here.cloud, file, replace=True)
    assert (here.home / KEY).read_text() == "of the backup"
    assert (here.home / KEY).is_symlink() == same
    if not same:
        (aside,) = (here.home / "replaced").iterdir()
        assert (aside / KEY).read_text() == "newer"


def test_disks_that_another_home_may_have(here: Place, file: Path, tmp_path: Path) -> None:
    """Nothing is laid out beside them; and when there is a copy in their place, all comes from the backup."""
    volume = with_keys(here)
    big = tmp_path / "big"
    (here.home / "volumes").rename(big)
    (here.home / "volumes").symlink_to(big)
    here.open()
    wanted = here.of_volume(volume)
    back_up(here.cloud, file)
    here.look()
    here.write(volume, 0, 9)
    copied(here, tmp_path / "new")
    before = sorted(path.name for path in big.rglob("*"))
    refused(here, file, here.home / "volumes")
    assert sorted(path.name for path in big.rglob("*")) == before
    with pytest.raises(Permanent) as error:
        restore(here.cloud, file, replace=True)
    for command in error.value.message.partition("its place (")[2].partition(")")[0].split(" && "):
        run(shlex.split(command))
    here.open()
    restore(here.cloud, file, replace=True)
    here.open()
    assert here.of_volume(volume) == wanted


def test_a_pass_leaves_what_another_home_lays_out(here: Place, tmp_path: Path) -> None:
    here.volume(Size=1)
    big = tmp_path / "big"
    (here.home / "volumes").rename(big)
    (here.home / "volumes").symlink_to(big)
    here.open()
    here.look()
    copied(here, tmp_path / "new")
    (big / ".restore").mkdir()
    backup_freeze.sweep(here.cloud)
    assert (big / ".restore").is_dir()


@pytest.mark.parametrize("gone", [True, False])
def test_what_was_laid_out_is_gone_in_the_midst(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch, *, gone: bool) -> None:
    """A disk that bears the name of one that was laid out is not taken for it."""
    volume = with_keys(here)
    wanted = here.of_volume(volume)
    back_up(here.cloud, file)
    here.look()
    here.write(volume, 0, 9)
    with monkeypatch.context() as patch:
        patch.setattr(restore_install, "_put_disks", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            restore(here.cloud, file, replace=True)
    here.open()
    if gone:
        shutil.rmtree(restore_stage.of_disks(here.home))
        with pytest.raises(StateError, match="something here already"):
            restore(here.cloud, file)
    restore(here.cloud, file, replace=gone)
    here.open()
    here.look()
    assert here.of_volume(volume) == wanted


def test_what_fails_in_the_midst_names_its_file_and_is_gone_on_with(
    here: Place, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, genuine = with_keys(here), restore_install.retire
    wanted, bad = here.of_volume(volume), Path(here.top(volume))
    back_up(here.cloud, file)
    here.look()
    here.write(volume, 0, 9)
    with monkeypatch.context() as patch:

        def retire(database: Path, aside: Path) -> bool:
            fail(patch, bad, errno.EACCES)
            return genuine(database, aside)

        patch.setattr(restore_install, "retire", retire)
        for _ in range(2):
            with pytest.raises(HostError, match=bad.name):
                restore(here.cloud, file, replace=True)
            here.open()
        assert not (here.home / "volumes/quarantine").exists()
    restore(here.cloud, file, replace=True)
    here.open()
    assert here.of_volume(volume) == wanted


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("where", [".backup", ".restore", "volumes/.restore"])
def test_a_backup_is_not_removed_by_its_restoration(here: Place, file: Path, tmp_path: Path, where: str, *, linked: bool) -> None:
    here.volume(Size=1)
    back_up(here.cloud, file)
    here.lose()
    kept = here.home / where / "b.tar"
    kept.parent.mkdir(parents=True)
    shutil.move(file, kept)
    (tmp_path / "link").symlink_to(kept)
    given = tmp_path / "link" if linked else kept
    with pytest.raises(UsageError, match="let it be in another directory"):
        examine(here, given)
    with pytest.raises(UsageError, match="let it be in another directory"):
        restore(here.cloud, given)
    assert kept.stat().st_size > 0


def interrupt() -> None:
    raise KeyboardInterrupt
