"""Importing and pulling with the real qemu-img: every form that is taken, and hostile files around a secret."""

import gzip
import hashlib
import os
import signal
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from minicloud.errors import ApiError, Permanent, Retry
from minicloud.host import catalogue, image_unpack, qemu_img
from minicloud.host.image_import import import_image, name_of
from minicloud.host.image_store import ImageStore, Manifest
from minicloud.host.image_sums import Checksum
from minicloud.host.run import run
from tests import image_forge as forge
from tests.http_images import Page, Server, serving

MIB = 1 << 20
LIMIT = 1 << 30
SECRET = b"the secret of the host " * 4000


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    path.write_bytes(forge.raw(MIB) + os.urandom(2 * MIB) + b"\0" * (13 * MIB))
    return path


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def converted(disk: Path, directory: Path, format: str, *options: str) -> Path:
    path = directory / f"disk.{format}"
    run(["qemu-img", "convert", "-f", "raw", "-O", format, *options, disk, path])
    return path


def same(store: ImageStore, manifest: Manifest, disk: Path) -> bool:
    """Whether an image of the store holds the disk; what follows it, by rounding, must be zeros."""
    out = store.directory / "compared.raw"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", store.path(manifest.image_id), out])
    data, wanted = out.read_bytes(), disk.read_bytes()
    out.unlink()
    return data[: len(wanted)] == wanted and not any(data[len(wanted) :])


FORMS = {
    "raw": ("raw",),
    "qcow2": ("qcow2",),
    "old qcow2": ("qcow2", "-o", "compat=0.10"),
    "compressed qcow2": ("qcow2", "-c"),
    "zstd qcow2": ("qcow2", "-c", "-o", "compression_type=zstd"),
    "extended qcow2": ("qcow2", "-o", "extended_l2=on,cluster_size=128k"),
    "vmdk": ("vmdk",),
    "streamed vmdk": ("vmdk", "-o", "subformat=streamOptimized"),
    "dynamic vhd": ("vpc",),
    "fixed vhd": ("vpc", "-o", "subformat=fixed"),
    "exact vhd": ("vpc", "-o", "force_size=on"),
    "vhdx": ("vhdx",),
    "fixed vhdx": ("vhdx", "-o", "subformat=fixed"),
    "vdi": ("vdi",),
    "fixed vdi": ("vdi", "-o", "static=on"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_becomes_a_clean_qcow2_with_the_same_content(
    store: ImageStore, tmp_path: Path, disk: Path, form: str
) -> None:
    source = converted(disk, tmp_path, *FORMS[form])
    before = source.read_bytes()
    manifest = import_image(str(source), store, name="an image", max_bytes=LIMIT)
    assert same(store, manifest, disk)
    info = qemu_img.info(store.path(manifest.image_id), "qcow2")
    assert (info.virtual_size, info.backing) == (manifest.virtual_size, None)
    assert source.read_bytes() == before
    assert [path.name for path in store.directory.iterdir()] == [manifest.image_id]


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zstd"])
def test_every_compressed_form(store: ImageStore, tmp_path: Path, disk: Path, packer: str) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(run([packer, "-c", disk]).stdout)
    assert same(store, import_image(str(packed), store, max_bytes=LIMIT, claimed=packer), disk)


def test_a_zstd_bomb_is_stopped_by_the_kernel(store: ImageStore, tmp_path: Path) -> None:
    packed = tmp_path / "bomb.zst"
    with (tmp_path / "zeros").open("wb") as zeros:
        zeros.truncate(64 * MIB)
    packed.write_bytes(run(["zstd", "-c", tmp_path / "zeros"]).stdout)
    with pytest.raises(ApiError) as caught:
        import_image(str(packed), store, max_bytes=8 * MIB)
    assert caught.value.code == "DiskImageSizeTooLarge"
    assert list(store.directory.iterdir()) == []


def test_compression_around_compression_is_refused(store: ImageStore, tmp_path: Path, disk: Path) -> None:
    packed = tmp_path / "twice"
    packed.write_bytes(run(["gzip", "-c"], input=run(["gzip", "-c", disk]).stdout).stdout)
    with pytest.raises(ApiError, match="compressed twice"):
        import_image(str(packed), store, max_bytes=LIMIT)


def ova(disk: Path, directory: Path) -> dict[str, bytes]:
    """The files of an OVA as VirtualBox and VMware write it: description, list of checksums, disk."""
    streamed = converted(disk, directory, "vmdk", "-o", "subformat=streamOptimized").read_bytes()
    files = {"box.ovf": b"<Envelope/>", "box.vmdk": streamed}
    sums = "".join(f"SHA256({name})= {hashlib.sha256(data).hexdigest()}\n" for name, data in files.items())
    return {**files, "box.mf": sums.encode()}


@pytest.mark.parametrize("kind", ["plain", "compressed", "disk compressed", "raw in gnu tar"])
def test_the_disk_of_an_archive(store: ImageStore, tmp_path: Path, disk: Path, kind: str) -> None:
    files = ova(disk, tmp_path)
    if kind == "disk compressed":
        files = {"box.ovf": b"<Envelope/>", "box.vmdk.gz": gzip.compress(files["box.vmdk"], 1)}
    path = tmp_path / "Box 1.ova"
    if kind == "raw in gnu tar":
        run(["tar", "--format=gnu", "-C", disk.parent, "-czf", path, disk.name], check=True)
    else:
        path.write_bytes(forge.archive(files, "w:gz" if kind == "compressed" else "w"))
    made = import_image(str(path), store, max_bytes=LIMIT)
    assert made.name == "Box-1"
    assert same(store, made, disk)
    assert {entry.name for entry in store.directory.iterdir()} == {made.image_id}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"box.vmdk": b""}, "checksum"),
        ({"second.vmdk": b"x"}, "2 disks \\(box.vmdk, second.vmdk\\)"),
        ({"box.vmdk": None, "box.mf": None}, "without a disk"),
        ({"box.vmdk": forge.archive({"a.raw": forge.raw()}), "box.mf": None}, "archive in an archive"),
        ({"box.vmdk": forge.DESCRIPTOR.encode(), "box.mf": None}, "in other files"),
    ],
)
def test_archives_that_are_refused(
    store: ImageStore, tmp_path: Path, disk: Path, change: dict[str, bytes | None], words: str
) -> None:
    files = {name: data for name, data in {**ova(disk, tmp_path), **change}.items() if data is not None}
    path = tmp_path / "box.ova"
    path.write_bytes(forge.archive(files))
    with pytest.raises((ApiError, Permanent), match=words):
        import_image(str(path), store, max_bytes=LIMIT)
    assert list(store.directory.iterdir()) == []


def test_an_archive_with_a_sparse_file_is_refused_by_that_name(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(b"")
    os.truncate(tmp_path / "disk.raw", 8 * MIB)
    for form in ("gnu", "pax"):
        run(["tar", f"--format={form}", "-S", "-C", tmp_path, "-cf", tmp_path / "box.tar", "disk.raw"])
        with pytest.raises(ApiError, match="sparse"):
            import_image(str(tmp_path / "box.tar"), store, max_bytes=LIMIT)


def hostile(directory: Path, kind: str) -> Path:
    """An image, made by qemu-img or by hand, that would bring the secret in if it were followed."""
    secret, path = directory / "secret", directory / "evil"
    secret.write_bytes(SECRET)
    if kind == "backing":
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", path])
    elif kind == "json backing":
        name = f'json:{{"driver":"raw","file.filename":"{secret}"}}'
        run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", name, path, "1M"])
    elif kind == "data-file":
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={secret},data_file_raw=on", path, "64k"])
        secret.write_bytes(SECRET)
    elif kind == "vmdk descriptor":
        path.write_text(
            forge.DESCRIPTOR.replace('SPARSE "disk.vmdk"', f'FLAT "{secret}" 0').replace("monolithicSparse", "monolithicFlat")
        )
    elif kind == "vmdk parent":
        run(["qemu-img", "create", "-q", "-f", "vmdk", directory / "base.vmdk", "1M"])
        run(["qemu-img", "create", "-q", "-f", "vmdk", "-b", directory / "base.vmdk", "-F", "vmdk", path])
    elif kind == "link":
        path.symlink_to(secret)
    elif kind == "secret itself":
        return secret
    return path


@pytest.mark.parametrize(
    "kind", ["backing", "json backing", "data-file", "vmdk descriptor", "vmdk parent", "link", "secret itself"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_hostile_images_are_refused_before_qemu_img_sees_them(
    store: ImageStore, tmp_path: Path, kind: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hostile(tmp_path, kind)
    if packed:
        (tmp_path / "packed").write_bytes(run(["gzip", "-c", path], check=False).stdout)
        path = tmp_path / "packed" if kind != "link" else path
    monkeypatch.setattr(qemu_img, "_qemu_img", lambda *_words, **_more: pytest.fail("qemu-img was started"))
    with pytest.raises(ApiError) as caught:
        import_image(str(path), store, max_bytes=LIMIT)
    assert caught.value.code == "InvalidFormat"
    assert store.list() == []
    assert list(store.directory.iterdir()) == []


@pytest.mark.parametrize("label", ["dos", "gpt"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_partitioned_disk_that_was_cut_off_is_refused_by_name(
    store: ImageStore, tmp_path: Path, label: str, packed: bool
) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"")
    os.truncate(path, 16 * MIB)
    run(["/usr/sbin/sfdisk", "-q", path], input=f"label: {label}\nsize=4MiB\nsize=8MiB\n".encode())
    assert import_image(str(path), store, max_bytes=LIMIT).virtual_size == 16 * MIB
    os.truncate(path, 10 * MIB)
    if packed:
        path = tmp_path / "disk.raw.gz"
        path.write_bytes(gzip.compress((tmp_path / "disk.raw").read_bytes(), 1))
    with pytest.raises(ApiError, match=f"truncated: its partition 2 ends at byte {13 * MIB}, the file has {10 * MIB}"):
        import_image(str(path), store, max_bytes=LIMIT)
    os.truncate(tmp_path / "disk.raw", 13 * MIB)
    assert import_image(str(tmp_path / "disk.raw"), store, max_bytes=LIMIT).virtual_size == 13 * MIB


def test_a_qcow2_posing_as_raw_is_refused(store: ImageStore, tmp_path: Path, disk: Path) -> None:
    path = converted(disk, tmp_path, "qcow2")
    with pytest.raises(ApiError, match="posing"):
        import_image(str(path), store, max_bytes=LIMIT, claimed="raw")


def test_a_qcow2_inside_a_raw_disk_stays_data(store: ImageStore, tmp_path: Path) -> None:
    """A disk whose guest wrote a qcow2 header into it must never be read as that qcow2 later on."""
    path = tmp_path / "disk"
    path.write_bytes(forge.raw(MIB) + forge.qcow2(backing_offset=1024, backing_size=20))
    manifest = import_image(str(path), store, max_bytes=LIMIT)
    assert qemu_img.info(store.path(manifest.image_id), "qcow2").backing is None
    assert same(store, manifest, path)


@pytest.mark.parametrize(
    "source", ["json:{}", "nbd://127.0.0.1/x", "ssh://host/disk", "file:///etc/passwd", "/dev/null", "/", ""]
)
def test_sources_that_are_no_files_and_no_urls(store: ImageStore, source: str) -> None:
    with pytest.raises(ApiError) as caught:
        import_image(source, store, max_bytes=LIMIT)
    assert caught.value.code in ("InvalidFormat", "InvalidParameterValue")


def test_a_disk_larger_than_the_limit_costs_nothing(store: ImageStore, tmp_path: Path) -> None:
    qemu_img.create(tmp_path / "huge", 1 << 50)
    with pytest.raises(ApiError) as caught:
        import_image(str(tmp_path / "huge"), store, max_bytes=LIMIT)
    assert caught.value.code == "DiskImageSizeTooLarge"


@pytest.mark.parametrize("form", ["qcow2", "vmdk", "streamed vmdk", "dynamic vhd", "vhdx", "vdi"])
@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_an_image_that_was_cut_off_is_refused(store: ImageStore, tmp_path: Path, disk: Path, form: str, kept: float) -> None:
    source = converted(disk, tmp_path, *FORMS[form])
    os.truncate(source, int(source.stat().st_size * kept))
    with pytest.raises(ApiError) as caught:
        import_image(str(source), store, max_bytes=LIMIT)
    assert caught.value.code == "InvalidFormat"
    assert list(store.directory.iterdir()) == []


def test_clusters_that_nothing_refers_to_are_no_damage(store: ImageStore, tmp_path: Path, disk: Path) -> None:
    source = converted(disk, tmp_path, "qcow2")
    data = bytearray(source.read_bytes())
    (refcounts,) = struct.unpack_from(">Q", data, 1 << 16)
    struct.pack_into(">H", data, refcounts + 2 * (len(data) >> 16), 1)
    source.write_bytes(data + bytes(1 << 16))
    assert run(["qemu-img", "check", "-q", "-f", "qcow2", source], check=False).status == 3
    assert same(store, import_image(str(source), store, max_bytes=LIMIT), disk)


def test_tables_of_rubbish_are_refused_in_our_words(store: ImageStore, tmp_path: Path) -> None:
    """A header that is right and tables that are not: qemu-img itself says no."""
    data = bytearray(forge.qcow2())
    data[3 << 16 : (3 << 16) + 8] = struct.pack(">Q", (1 << 63) | 512)
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(ApiError, match="damaged, or cut off") as caught:
        import_image(str(tmp_path / "bad"), store, max_bytes=LIMIT)
    assert caught.value.code == "InvalidFormat"
    assert list(store.directory.iterdir()) == []


def test_a_host_that_is_nearly_full_keeps_its_last_room(store: ImageStore, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_unpack, "room", lambda _directory, _wanted: MIB)
    with pytest.raises(Retry, match="no space left"):
        import_image(str(disk), store, max_bytes=LIMIT)
    assert list(store.directory.iterdir()) == []


def test_a_checksum_of_a_file_is_compared_before_anything_reads_it(store: ImageStore, disk: Path) -> None:
    right = Checksum("sha256", hashlib.sha256(disk.read_bytes()).hexdigest())
    assert same(store, import_image(str(disk), store, max_bytes=LIMIT, checksum=right), disk)
    with pytest.raises(Permanent, match="checksum"):
        import_image(str(disk), store, max_bytes=LIMIT, checksum=Checksum("sha256", "0" * 64))


def test_a_url_is_imported_with_its_checksum(store: ImageStore, tmp_path: Path, disk: Path, server: Server) -> None:
    data = run(["gzip", "-c", disk]).stdout
    server.pages["/pub/My%20Disk.img.gz"] = Page(data, cuts=[100_000])
    checksum = Checksum("sha512", hashlib.sha512(data).hexdigest())
    url = server.url("/pub/My%20Disk.img.gz")
    server.pages["/pub/My%20Disk.img.gz?token=secret"] = server.pages["/pub/My%20Disk.img.gz"]
    manifest = import_image(f"{url}?token=secret", store, max_bytes=LIMIT, checksum=checksum, allow_private=True)
    assert same(store, manifest, disk)
    assert (manifest.source, manifest.name) == (url, "My-20Disk")


def entry_for(server: Server, name: str) -> catalogue.Entry:
    return catalogue.Entry(
        "debian-12", "Debian", server.url(f"/{name}"), "qcow2", "debian", "uefi-preferred", checksums=server.url("/SHA512SUMS")
    )


def test_pull_fetches_verifies_and_stores(store: ImageStore, tmp_path: Path, disk: Path, server: Server) -> None:
    data = converted(disk, tmp_path, "qcow2", "-c").read_bytes()
    server.pages["/disk.qcow2"] = Page(data, cuts=[len(data) // 2])
    server.pages["/SHA512SUMS"] = Page(f"{hashlib.sha512(data).hexdigest()}  disk.qcow2\n".encode())
    manifest = catalogue.pull(entry_for(server, "disk.qcow2"), store, max_bytes=LIMIT, allow_private=True)
    assert (manifest.name, manifest.default_user, manifest.boot_mode) == ("debian-12", "debian", "uefi-preferred")
    assert same(store, manifest, disk)
    assert list(store.downloads.iterdir()) == []


def test_pull_of_an_altered_image_stores_nothing(store: ImageStore, tmp_path: Path, disk: Path, server: Server) -> None:
    data = converted(disk, tmp_path, "qcow2").read_bytes()
    server.pages["/disk.qcow2"] = Page(data[:-1] + b"!")
    server.pages["/SHA512SUMS"] = Page(f"{hashlib.sha512(data).hexdigest()}  disk.qcow2\n".encode())
    with pytest.raises(Permanent, match="checksum"):
        catalogue.pull(entry_for(server, "disk.qcow2"), store, max_bytes=LIMIT, allow_private=True)
    assert store.list() == []
    assert list(store.downloads.iterdir()) == []


def test_pull_of_another_format_than_announced_is_refused(store: ImageStore, disk: Path, server: Server) -> None:
    data = disk.read_bytes()
    server.pages["/disk.qcow2"] = Page(data)
    entry = replace(entry_for(server, "disk.qcow2"), checksums="", sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ApiError, match="posing"):
        catalogue.pull(entry, store, max_bytes=LIMIT, allow_private=True)


def test_kill_9_in_the_middle_of_a_conversion_leaves_only_what_sweep_removes(store: ImageStore, disk: Path) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:  # nothing here returns to pytest: the parent kills it

        def stopped(*_words: object, **_more: object) -> None:
            os.write(go, b"x")
            signal.pause()

        qemu_img.convert = stopped
        import_image(str(disk), store, max_bytes=LIMIT)
        os._exit(0)
    assert os.read(ready, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert store.list() == []
    assert len(store.sweep()) == 1
    assert list(store.directory.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/a/disk.qcow2", "disk"),
        ("https://host/x/Fedora Cloud.raw.xz?token=1", "Fedora-Cloud"),
        ("x.img", "image-x"),
        ("/a/.img", "image-"),
        ("é" * 200, "-" * 128),
    ],
)
def test_names_that_images_get(source: str, name: str) -> None:
    assert name_of(source) == name
