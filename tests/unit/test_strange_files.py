"""What bears the name of a file of minicloud's and is none, such as a FIFO that nobody writes to: nothing waits for it."""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud import config, files
from minicloud.cli import keys, ssh_keys
from minicloud.errors import Permanent, UsageError
from minicloud.host import disk_links, disk_stamp, doctor, durable, guest_log, image_users, remains
from minicloud.host.contracts_storage import Stamp, StampDamaged
from minicloud.host.image_store import ImageStore
from minicloud.http import certificate, metadata_identity, metadata_tokens
from minicloud.reconcile import backup_record, locks
from minicloud.state import certificate_keys, master_key

from ..cloud_fixtures import settings


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def a_socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)  # a whole path may be too long for it
    path.chmod(0o600)


def directory(path: Path) -> None:
    path.mkdir(mode=0o700)


def loop(path: Path) -> None:
    path.symlink_to(path)


pytestmark = pytest.mark.timeout(60)
"""Who waits for a FIFO does so for ever."""

KINDS = [fifo, a_socket, directory, loop]
PLAIN = [fifo, a_socket]


@pytest.mark.parametrize("kind", KINDS)
class TestFiles:
    def test_one_to_read(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / "x")
        with pytest.raises(files.NotRegular, match=f"{tmp_path / 'x'} is no regular file, as minicloud's is: move it away"):
            files.read(tmp_path / "x")

    def test_one_to_write(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / ".x.new")
        with pytest.raises(Permanent, match=f"{tmp_path / '.x.new'} is no regular file"):
            durable.replace(tmp_path / "x", "a")
        assert os.path.lexists(tmp_path / ".x.new")
        assert not (tmp_path / "x").exists()


def test_a_draft_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".x.new").symlink_to(tmp_path / "mine")
    with pytest.raises(Permanent):
        durable.replace(tmp_path / "x", "a")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_draft_that_was_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".x.new").write_text("much longer")
    durable.replace(tmp_path / "x", "a")
    assert (tmp_path / "x").read_text() == "a"


def test_a_file_by_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a")
    (tmp_path / "x").symlink_to("there")
    assert files.read(tmp_path / "x") == b"a"
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "y")


@pytest.mark.parametrize("kind", PLAIN)
class TestReaders:
    def test_the_stamp(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / disk_stamp.NAME)
        with pytest.raises(StampDamaged):
            disk_stamp.read(tmp_path)

    def test_its_draft(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / disk_stamp.DRAFT)
        with pytest.raises(Permanent, match="no regular file"):
            disk_stamp.write(tmp_path, Stamp("a" * 32, 1))

    def test_the_place_of_disks(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        volumes = tmp_path / "home" / "volumes"
        volumes.mkdir(parents=True)
        kind(volumes / disk_links.PLACE)
        (tmp_path / "file").touch()
        (volumes / "x.qcow2").symlink_to(tmp_path / "file")
        with pytest.raises(Permanent, match=f"{volumes / disk_links.PLACE} is damaged"):
            disk_links.refuse_shared(volumes / "x.qcow2", volumes)

    def test_the_note_of_disks_that_were_put_aside(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        (tmp_path / disk_stamp.ASIDE / "x").mkdir(parents=True)
        kind(tmp_path / disk_stamp.ASIDE / "x" / "manifest.json")
        assert disk_stamp.asides(tmp_path) == []
        assert disk_stamp.noted_backing(tmp_path / disk_stamp.ASIDE / "x" / "a.qcow2") is None

    def test_the_mark_of_a_home(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        store, home = tmp_path / "images", tmp_path / "home"
        (store / image_users.HOMES).mkdir(parents=True)
        kind(image_users.mark(store, home))
        with pytest.raises(Permanent, match="damaged"):
            image_users.others(store, home)

    def test_what_tells_of_a_restoration(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        (tmp_path / remains.RESTORING).mkdir()
        kind(tmp_path / remains.RESTORING / remains.READY)
        assert "minicloud restore FILE" in remains.unfinished(tmp_path)

    def test_what_tells_of_a_backup(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        given = settings(tmp_path)
        given.home.mkdir()
        kind(given.home / backup_record.NAME)
        assert backup_record.read(given) is None

    def test_the_key_of_access_keys(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / master_key.NAME)
        with pytest.raises(Permanent, match="no regular file"):
            master_key.load(tmp_path)

    def test_a_certificates_key(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        certificate_keys.directory(tmp_path).mkdir()
        kind(certificate_keys.directory(tmp_path) / f"{'0' * 32}.key")
        with pytest.raises(Permanent, match="no regular file"):
            certificate_keys.read(tmp_path, f"{'0' * 32}.key")

    def test_the_endpoints_certificate(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / "endpoint.pem")
        with pytest.raises(UsageError, match="no regular file"):
            certificate.names_in(tmp_path / "endpoint.pem")

    @pytest.mark.parametrize("name", ["endpoint.pem", "endpoint.key"])
    def test_the_endpoints_files(self, tmp_path: Path, kind: Callable[[Path], None], name: str) -> None:
        """TLS reads them by name."""
        for one in ("endpoint.pem", "endpoint.key"):
            (tmp_path / one).touch(mode=0o600)
        (tmp_path / name).unlink()
        kind(tmp_path / name)
        with pytest.raises(Permanent, match=f"{tmp_path / name} is no regular file"):
            certificate.own(tmp_path, "127.0.0.1")

    @pytest.mark.parametrize("name", ["identity.key", "identity.pem", ".identity.key.new"])
    def test_the_identity(self, tmp_path: Path, kind: Callable[[Path], None], name: str) -> None:
        if name != ".identity.key.new":
            assert metadata_identity.signature(tmp_path, "x")
            metadata_identity._pair.cache_clear()
            (tmp_path / name).unlink()
        kind(tmp_path / name)
        with pytest.raises(Permanent, match=f"{name} is no regular file"):
            metadata_identity.signature(tmp_path, "x")

    def test_the_key_of_tokens(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / "metadata.key")
        with pytest.raises(Permanent, match="no regular file"):
            metadata_tokens.key(tmp_path)

    def test_the_locks(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / locks.FILE)
        with pytest.raises(Permanent, match="no regular file"), locks.held(tmp_path, "x"):
            pass
        locks.clear(tmp_path)
        assert (tmp_path / locks.FILE).exists(), "a stranger's"

    def test_the_register_of_key_pairs(
        self, tmp_path: Path, kind: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".config" / "minicloud").mkdir(parents=True)
        kind(tmp_path / ".config" / "minicloud" / "keys.json")
        with pytest.raises(UsageError, match="move it away"):
            keys.known()
        assert ssh_keys.remembered(tmp_path, "a") is None

    def test_a_base_image(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        place = tmp_path / "ami-0123456789abcdef0"
        place.mkdir()
        kind(place / "manifest.json")
        (damaged,) = ImageStore(tmp_path).damaged()
        assert damaged.path == place

    def test_a_download(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        (tmp_path / ".downloads").mkdir()
        kind(tmp_path / ".downloads" / f"{'0' * 24}.part")
        assert isinstance(doctor.unfinished(tmp_path), list)

    def test_the_log_of_a_guest(self, tmp_path: Path, kind: Callable[[Path], None]) -> None:
        kind(tmp_path / "a.log")
        with pytest.raises(Permanent, match="no regular file"):
            guest_log.power_from_log_file(tmp_path / "a.log")


def test_the_settings_may_be_what_their_user_says(tmp_path: Path) -> None:
    """/dev/null for none, or what another process writes. Bytes that are no text are refused by the file's name."""
    assert config.load({"MINICLOUD_CONFIG": os.devnull}) == config.Settings()
    reading, writing = os.pipe()
    os.write(writing, b'region = "eu-west-1"\n')
    os.close(writing)
    try:
        assert config.load({"MINICLOUD_CONFIG": f"/dev/fd/{reading}"}).region == "eu-west-1"
    finally:
        os.close(reading)
    (tmp_path / "c.toml").write_bytes(b"region = '\xff'")
    with pytest.raises(UsageError, match=r"c\.toml: 'utf-8' codec"):
        config.load({"MINICLOUD_CONFIG": str(tmp_path / "c.toml")})
