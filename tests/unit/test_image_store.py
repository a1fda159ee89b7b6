import fcntl
import hashlib
import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.errors import ApiError
from minicloud.host.image_store import ImageStore, Manifest
from tests import image_forge as forge


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def disk(directory: Path, name: str = "disk.qcow2", size: int = 64 << 20) -> Path:
    path = directory / name
    path.write_bytes(forge.qcow2(size))
    return path


def added(store: ImageStore, directory: Path, name: str = "one") -> Manifest:
    return store.add(disk(directory), name=name, source="a test")


def test_an_image_is_stored_with_all_that_is_known_of_it(store: ImageStore, tmp_path: Path) -> None:
    path = disk(tmp_path)
    (tmp_path / "k").write_bytes(b"kernel")
    (tmp_path / "i").write_bytes(b"initrd")
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = store.add(
        path,
        name="debian-12",
        source="build debian-12",
        boot_mode="uefi-preferred",
        default_user="debian",
        kernel=tmp_path / "k",
        initrd=tmp_path / "i",
        cmdline="root=LABEL=root",
    )
    assert len(manifest.image_id) == 21
    assert int(manifest.image_id.removeprefix("ami-"), 16) >= 0
    assert (manifest.virtual_size, manifest.sha256, manifest.architecture) == (64 << 20, sha, "x86_64")
    assert manifest.created.endswith("Z")
    assert store.get(manifest.image_id) == manifest
    assert store.list() == [manifest]
    assert hashlib.sha256(store.path(manifest.image_id).read_bytes()).hexdigest() == sha
    direct = store.kernel(manifest.image_id)
    assert direct is not None
    kernel, initrd, cmdline = direct
    assert initrd is not None
    assert (kernel.read_bytes(), initrd.read_bytes(), cmdline) == (b"kernel", b"initrd", "root=LABEL=root")
    assert not path.exists()


def test_copying_leaves_the_original(store: ImageStore, tmp_path: Path) -> None:
    path = disk(tmp_path)
    manifest = store.add(path, name="one", source="a test", move=False)
    assert path.read_bytes() == store.path(manifest.image_id).read_bytes()
    assert store.kernel(manifest.image_id) is None


def test_a_link_is_not_taken_for_a_kernel(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(ApiError, match="symbolic link"):
        store.add(disk(tmp_path), name="one", source="a test", kernel=tmp_path / "link")
    assert store.list() == []


def test_nobody_else_may_read_and_qemu_may_pass(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images", group=os.getgid())
    manifest = added(store, tmp_path)
    place = store.path(manifest.image_id).parent
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o640}
    assert {path.stat().st_gid for path in (place, *place.iterdir())} == {os.getgid()}
    assert stat.S_IMODE(place.stat().st_mode) == 0o750
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o711
    assert stat.S_IMODE(store.downloads.stat().st_mode) == 0o700


@pytest.mark.parametrize("data", [forge.raw(), forge.qcow2(backing_offset=512, backing_size=9), b""])
def test_nothing_but_a_clean_qcow2_is_taken(store: ImageStore, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "disk").write_bytes(data)
    with pytest.raises(ApiError, match="InvalidFormat"):
        store.add(tmp_path / "disk", name="one", source="a test")
    assert store.list() == []
    assert not store.directory.exists() or list(store.directory.iterdir()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values: values.pop("sha256"),
        lambda values: values.update(extra=1),
        lambda values: values.update(virtual_size="64"),
        lambda values: values.update(virtual_size=True),
        lambda values: values.update(virtual_size=0),
        lambda values: values.update(kernel=1),
        lambda values: values.update(image_id="ami-00000000000000000"),
        lambda values: values.update(boot_mode="quickly"),
    ],
)
def test_damaged_manifests_are_reported_and_the_others_listed(
    store: ImageStore, tmp_path: Path, spoil: Callable[[dict[str, object]], object]
) -> None:
    good, bad = added(store, tmp_path), added(store, tmp_path)
    file = store.path(bad.image_id).with_name("manifest.json")
    values = json.loads(file.read_text())
    spoil(values)
    file.write_text(json.dumps(values))
    assert store.list() == [good]
    assert [damaged.path.name for damaged in store.damaged()] == [bad.image_id]
    with pytest.raises(ApiError, match=r"InvalidAMIID\.Unavailable"):
        store.get(bad.image_id)
    store.remove(bad.image_id)
    assert store.damaged() == []


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\xff"])
def test_a_manifest_that_is_no_json_object_is_damaged(store: ImageStore, tmp_path: Path, text: str) -> None:
    manifest = added(store, tmp_path)
    store.path(manifest.image_id).with_name("manifest.json").write_bytes(text.encode("latin-1"))
    assert (store.list(), len(store.damaged())) == ([], 1)


def test_a_missing_disk_is_damage(store: ImageStore, tmp_path: Path) -> None:
    manifest = added(store, tmp_path)
    store.path(manifest.image_id).unlink()
    assert [damaged.reason for damaged in store.damaged()] == ["image.qcow2 is missing"]


@pytest.mark.parametrize("image_id", ["ami-0123456789abcdef0", "", "ami-", "..", "ami-../x", "/etc", "ami-\0"])
def test_unknown_and_crooked_identifiers_are_not_found(store: ImageStore, tmp_path: Path, image_id: str) -> None:
    added(store, tmp_path)
    for call in (store.get, store.path, store.kernel, store.remove):
        with pytest.raises(ApiError, match=r"InvalidAMIID\.NotFound"):
            call(image_id)


def test_the_shared_store_is_seen_and_not_changed(tmp_path: Path) -> None:
    base = ImageStore(tmp_path / "base")
    shared = added(base, tmp_path)
    store = ImageStore(tmp_path / "own", shared=tmp_path / "base")
    assert store.list() == [shared]
    own = added(store, tmp_path, "two")
    assert {manifest.name for manifest in store.list()} == {"one", "two"}
    with pytest.raises(ApiError, match="OperationNotPermitted"):
        store.remove(shared.image_id)
    store.remove(own.image_id)
    assert store.list() == base.list() == [shared]
    assert not (tmp_path / "own" / own.image_id).exists()


def test_scratch_is_private_and_goes_away_even_after_an_error(store: ImageStore) -> None:
    def fail() -> None:
        with store.scratch() as workdir:
            paths.append(workdir)
            assert stat.S_IMODE(workdir.stat().st_mode) == 0o700
            raise FileNotFoundError("of the body's own")

    paths: list[Path] = []
    with pytest.raises(FileNotFoundError, match="own"):
        fail()
    assert not paths[0].exists()


def test_sweep_spares_what_is_held(store: ImageStore) -> None:
    with store.scratch() as workdir:
        (workdir / "file").touch()
        assert store.sweep() == []
        assert (workdir / "file").exists()


def test_sweep_removes_what_a_killed_process_left(store: ImageStore, tmp_path: Path) -> None:
    kept = added(store, tmp_path)
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:  # nothing here returns to pytest: the parent kills it
        with store.scratch("ami-x") as workdir:
            (workdir / "image.qcow2").write_bytes(b"half an image")
            os.write(go, b"x")
            signal.pause()
        os._exit(0)
    assert os.read(ready, 1) == b"x"
    assert store.sweep() == []
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert [path.name.startswith(".partial-ami-x-") for path in store.sweep()] == [True]
    assert store.list() == [kept]
    assert {path.name for path in store.directory.iterdir()} == {kept.image_id}


def test_a_sweep_between_making_and_locking_costs_another_try(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock
    swept: list[str] = []

    def flock(descriptor: int, operation: int) -> None:
        if not swept:
            swept.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            os.rmdir(swept[0])
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with store.scratch() as workdir:
        assert workdir.is_dir()
        assert str(workdir) not in swept


def test_sweep_removes_old_unfinished_downloads_only(store: ImageStore) -> None:
    old, new, strange = (store.downloads / name for name in (f"{1:024x}.part", f"{2:024x}.part", "holiday.part"))
    for path in (old, new, strange):
        path.touch()
    for path in (old, strange):
        os.utime(path, (0, 0))
    (store.directory / ".partial-thesis").mkdir()
    assert store.sweep() == [old]
    assert new.exists()
    assert strange.exists()
    assert (store.directory / ".partial-thesis").exists()
