"""What else a copied home has with its original, by links or hard links: databases, firmware variables, consoles, keys, logs."""

import contextlib
import json
import os
import shlex
import shutil
import sqlite3
from pathlib import Path

import libvirt
import pytest

from minicloud import api
from minicloud.errors import ApiError, Permanent, StateError
from minicloud.host import access_logs, disk_links, shared_databases
from minicloud.host.contracts import Seed
from minicloud.host.libvirt import LibvirtGuests
from minicloud.host.run import run
from minicloud.host.seed import LocalSeeds
from minicloud.reconcile import certificates, restore_fit
from minicloud.state.metrics import MetricsStore

from ..lb_scene import issue
from .backups import Place, back_up, file, here, restore, small, there
from .test_links_of_copies import MAY_BE
from .test_moved_homes import copied, linked, opened

__all__ = ["file", "here", "small", "there"]

KEY, GUEST = f"{'a' * 32}.key", "i-0123456789abcdef0"


def copied_by_links(place: Place, to: Path) -> None:
    """As cp -al does it, of a home that nothing runs with."""
    place.cloud.state.close()
    shutil.copytree(place.directory, to, copy_function=os.link, symlinks=True)
    opened(place, to)


def carry_out(error: StateError) -> None:
    for command in str(error).partition("into its place (")[2].partition(")")[0].split(" && "):
        run(shlex.split(command))


def rows(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("select count(*) from volumes").fetchone()[0])


class TestADatabase:
    """Two names of one file have a log each."""

    def test_of_a_copy_is_not_opened(self, here: Place, tmp_path: Path) -> None:
        here.volume(Size=1)
        first = here.directory
        copied_by_links(here, tmp_path / "new")
        before = (here.home / "state.sqlite").read_bytes()
        with pytest.raises(StateError, match=f"{here.home / 'state.sqlite'} has a further name"):
            here.ec2("DescribeVolumes")
        assert (here.home / "state.sqlite").read_bytes() == before
        assert not (here.home / "state.sqlite-wal").exists()
        opened(here, first)
        here.volume(Size=1)
        here.cloud.state.close()
        assert rows(here.home / "state.sqlite") == 2

    def test_what_is_said_to_do_helps(self, here: Place, tmp_path: Path) -> None:
        here.volume(Size=1)
        first, database = here.home / "state.sqlite", tmp_path / "the new" / "home" / "state.sqlite"
        os.chown(first, 1234, 2345)
        copied_by_links(here, tmp_path / "the new")
        with pytest.raises(StateError) as told:
            here.ec2("DescribeVolumes")
        carry_out(told.value)
        here.volume(Size=1)
        here.cloud.state.close()
        assert (rows(database), rows(first)) == (2, 1)
        assert (database.stat().st_uid, database.stat().st_gid, database.stat().st_mode & 0o777) == (1234, 2345, 0o600)

    def test_with_its_log(self, here: Place, tmp_path: Path) -> None:
        """As cp -al leaves it of a home whose minicloud was killed, or runs."""
        here.volume(Size=1)
        shutil.copytree(here.directory, tmp_path / "new", copy_function=os.link)
        with pytest.raises(StateError) as told:
            shared_databases.refuse(tmp_path / "new" / "home")
        here.cloud.state.close()
        carry_out(told.value)
        shared_databases.refuse(tmp_path / "new" / "home")
        assert not [path for path in (tmp_path / "new" / "home").glob("*sqlite*") if path.stat().st_nlink > 1]

    def test_where_nobody_knows_which_is_the_copy(self, here: Place, tmp_path: Path) -> None:
        here.volume(Size=1)
        (here.home / "volumes" / disk_links.PLACE).unlink()
        here.cloud.state.close()
        (tmp_path / "x").hardlink_to(here.home / "state.sqlite")
        here.open()
        with pytest.raises(StateError, match="has a further name"):
            here.ec2("DescribeVolumes")
        (tmp_path / "x").unlink()
        here.ec2("DescribeVolumes")

    def test_of_metrics(self, here: Place, tmp_path: Path) -> None:
        here.volume(Size=1)
        here.cloud.metrics.size()
        here.cloud.metrics.close()
        copied_by_links(here, tmp_path / "new")
        (here.home / "state.sqlite").unlink()
        store: MetricsStore = here.cloud.metrics
        with pytest.raises(StateError, match=r"metrics\.sqlite has a further name"):
            store.size()

    @pytest.mark.parametrize("way", ["its own", "deleted"])
    def test_that_is_a_link(self, here: Place, tmp_path: Path, way: str) -> None:
        here.volume(Size=1)
        here.cloud.state.close()
        database = here.home / "state.sqlite"
        database.rename(tmp_path / "elsewhere.sqlite")
        database.symlink_to(tmp_path / "elsewhere.sqlite")
        here.open()
        here.ec2("DescribeVolumes")
        copied(here, tmp_path / "new")
        mark = here.home / "volumes" / disk_links.PLACE
        with pytest.raises(StateError, match=f"is a link to {tmp_path / 'elsewhere.sqlite'}.*delete {mark}") as told:
            here.ec2("DescribeVolumes")
        if way == "its own":
            carry_out(told.value)
            assert not (here.home / "state.sqlite").is_symlink()
        else:
            mark.unlink()
        assert len(here.ec2("DescribeVolumes")["Volumes"]) == 1

    def test_the_log_of_a_link_comes_along(self, here: Place, tmp_path: Path) -> None:
        here.volume(Size=1)
        here.cloud.state.close()
        database = here.home / "state.sqlite"
        database.rename(tmp_path / "elsewhere.sqlite")
        database.symlink_to(tmp_path / "elsewhere.sqlite")
        here.open()
        here.volume(Size=1)
        assert (tmp_path / "elsewhere.sqlite-wal").stat().st_size
        shutil.copytree(here.directory, tmp_path / "new", symlinks=True)
        with pytest.raises(StateError) as told:
            shared_databases.refuse(tmp_path / "new" / "home")
        carry_out(told.value)
        assert rows(tmp_path / "new" / "home" / "state.sqlite") == 2

    def test_of_this_home_by_another_path(self, here: Place, tmp_path: Path) -> None:
        here.volume(Size=1)
        (tmp_path / "x").hardlink_to(here.home / "state.sqlite")
        linked(here, tmp_path / "new")
        here.ec2("DescribeVolumes")

    def test_damage_of_the_mark_is_told(self, here: Place, tmp_path: Path) -> None:
        here.volume(Size=1)
        here.cloud.state.close()
        mark = here.home / "volumes" / disk_links.PLACE
        mark.write_text("{")
        here.ec2("DescribeVolumes")
        here.cloud.state.close()
        (tmp_path / "x").hardlink_to(here.home / "state.sqlite")
        with pytest.raises(StateError, match=f"{mark} is damaged"):
            here.ec2("DescribeVolumes")

    def test_no_backup_takes_its_place(self, here: Place, file: Path, tmp_path: Path) -> None:
        here.volume(Size=1)
        back_up(here.cloud, file)
        copied_by_links(here, tmp_path / "new")
        with pytest.raises(StateError, match="has a further name"):
            restore(here.cloud, file, replace=True)
        assert not (here.home / restore_fit.REPLACED).exists()


@pytest.fixture
def guests(here: Place) -> LibvirtGuests:
    """Of a copy; libvirt is not asked here."""
    here.volume(Size=1)
    mark = here.home / "volumes" / disk_links.PLACE
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "home": "/elsewhere"}))
    return LibvirtGuests("test:///default", here.home, "a" * 32)


class Defined:
    """A domain that is off, whose variables are in a file, which goes if libvirt is told so; told nothing, it refuses."""

    def __init__(self, variables: Path) -> None:
        self.variables = variables

    def isActive(self) -> bool:  # noqa: N802
        return False

    def undefineFlags(self, flags: int) -> None:  # noqa: N802
        assert flags & (libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
        if flags & libvirt.VIR_DOMAIN_UNDEFINE_NVRAM:
            self.variables.unlink()


@pytest.mark.parametrize("how", ["linked", "defined elsewhere", "own"])
def test_variables_of_another_home_stay_where_a_guest_is_removed(
    here: Place, guests: LibvirtGuests, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its definition libvirt finds them, whatever that was made with: the home before it was copied, or through a link."""
    variables = tmp_path / "first" / f"{GUEST}.fd"
    variables.parent.mkdir()
    own = here.home / "nvram"
    if how == "linked":
        own.symlink_to(variables.parent)
    elif how == "own":
        own.mkdir()
    for path in {variables, *([own / variables.name] if how == "own" else [])}:
        path.write_text("variables")
    defined = own / variables.name if how != "defined elsewhere" else variables
    monkeypatch.setattr(guests, "_find", lambda *_: Defined(defined))
    guests.remove(GUEST)
    assert variables.exists()
    assert how != "own" or not defined.exists()


@pytest.mark.parametrize("name", [f"nvram/{GUEST}.fd", f"consoles/{GUEST}.log"])
class TestWhatAGuestWritesTo:
    """Beside its disks."""

    def test_by_a_hard_link_becomes_its_own(self, here: Place, guests: LibvirtGuests, tmp_path: Path, name: str) -> None:
        path = here.home / name
        path.parent.mkdir()
        path.write_text("a")
        path.chmod(0o640)
        os.chown(path, 1234, 2345)
        (tmp_path / "first").hardlink_to(path)
        guests.make_own(GUEST)
        path.write_text("b")
        assert (tmp_path / "first").read_text() == "a"
        there = path.stat()
        assert (there.st_uid, there.st_gid, there.st_mode & 0o777, there.st_nlink) == (1234, 2345, 0o640, 1)
        assert [*path.parent.iterdir()] == [path]

    def test_by_a_link_keeps_it_from_starting(self, here: Place, guests: LibvirtGuests, tmp_path: Path, name: str) -> None:
        (tmp_path / "big").mkdir()
        (here.home / name).parent.symlink_to(tmp_path / "big")
        with pytest.raises(Permanent, match=MAY_BE):
            guests.make_own(GUEST)
        (here.home / "volumes" / disk_links.PLACE).unlink()
        guests.make_own(GUEST)


def test_keys_behind_a_link_stay(here: Place, tmp_path: Path) -> None:
    here.volume(Size=1)
    safe = tmp_path / "safe"
    safe.mkdir()
    (here.home / "certificates").symlink_to(safe)
    copied(here, tmp_path / "new")
    draft = (safe / KEY).with_suffix(".new")
    draft.write_text("the first home is importing it")
    with pytest.raises(Permanent, match=f"{here.home / 'certificates'} is a link to {safe}"):
        certificates.reconcile(here.cloud)
    here.look()
    assert draft.exists()
    assert "is a link to" in " ".join(row.message for row in here.state.failures.query())
    (here.home / "volumes" / disk_links.PLACE).unlink()
    certificates.reconcile(here.cloud)
    assert not draft.exists()


@pytest.mark.parametrize("service", ["acm", "iam"])
def test_no_key_is_put_behind_a_link(here: Place, tmp_path: Path, service: str) -> None:
    """The first home would take it for what an import left that was cut short."""
    here.volume(Size=1)
    (tmp_path / "safe").mkdir()
    (here.home / "certificates").symlink_to(tmp_path / "safe")
    copied(here, tmp_path / "new")
    made = issue(["www.example.com"])
    text = {"CertificateBody": made.pem.decode(), "PrivateKey": made.key.decode(), "ServerCertificateName": "c"}
    name, given = {
        "acm": ("ImportCertificate", {"Certificate": made.pem, "PrivateKey": made.key}),
        "iam": ("UploadServerCertificate", text),
    }[service]
    with pytest.raises(ApiError, match="is a link to") as refused:
        api.call(here.cloud, service, name, given)
    assert refused.value.code == "OperationNotPermitted"
    assert not [*(tmp_path / "safe").iterdir()]


def test_logs_behind_a_link_stay(here: Place, tmp_path: Path) -> None:
    here.volume(Size=1)
    name = "b/AWSLogs/123456789012/elasticloadbalancing/us-east-1/a.log.1"
    (tmp_path / "big" / name).parent.mkdir(parents=True)
    (tmp_path / "big" / name).write_text("a line")
    (here.home / "logs").symlink_to(tmp_path / "big")
    copied(here, tmp_path / "new")
    assert access_logs.bound(here.home, 0) == []
    assert (tmp_path / "big" / name).exists()


def test_seeds_behind_a_link_stay(guests: LibvirtGuests, here: Place, tmp_path: Path) -> None:
    """Of a copy, as `guests` are."""
    assert guests.pulls
    seed = Seed(GUEST, "host", (), b"", "debian")
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / f"{GUEST}.iso").write_text("the first's")
    (here.home / "seeds").symlink_to(tmp_path / "big")
    seeds = LocalSeeds(here.home / "seeds")
    with pytest.raises(Permanent, match=MAY_BE):
        seeds.write(seed)
    seeds.remove(GUEST)
    assert (tmp_path / "big" / f"{GUEST}.iso").read_text() == "the first's"
    (here.home / "volumes" / disk_links.PLACE).unlink()
    seeds.remove(GUEST)
    assert not [*(tmp_path / "big").iterdir()]
