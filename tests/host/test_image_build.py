"""Image building with the real tools on small inputs: what apt, mkfs, mtools, cpio and a shell make of our files."""

import json
import os
import stat
import struct
from pathlib import Path

import pytest
import yaml

from minicloud.errors import UsageError
from minicloud.host import image_build as build
from minicloud.host import image_build_apt as apt
from minicloud.host import image_build_cpio as cpio
from minicloud.host import image_build_disk as disk
from minicloud.host import image_build_tiny as tiny
from minicloud.host.contracts import Seed
from minicloud.host.release import usual_command
from minicloud.host.run import CommandFailed, run
from minicloud.host.seed import files

KEYS = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKnOiVLJKg5g4uqPWQyqrEhyYGLVcO9QfqV5czVJcrCD", "ssh-rsa AAAAB3Nza" + "C1yc2E+/" * 50]
STRANGER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "b" * 44
ABOUT = {
    "network": {"interfaces": {"macs": {"0a:00:00:00:00:01": {"local-hostname": "ip-172-31-0-6.ec2.internal"}}}},
    "public-keys": {"me": [f"{KEYS[0]} me@host", KEYS[1]]},
    "tags": {"instance": {"a": STRANGER, "instance-id": "i-0def", "public-keys": STRANGER}},
}
"""What stands in a seed beside what the tiny guest reads."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="building needs root")


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    source = tmp_path / "debian"
    source.mkdir()
    root = "usr/lib/modules/6.1/"
    entries = {root + "modules.dep": cpio.file(b"virtio.ko:\nvirtio_net.ko: virtio.ko\n")}
    entries |= {root + name: cpio.file(name.encode()) for name in ("virtio.ko", "virtio_net.ko")}
    (source / "initrd").write_bytes(run(["lz4", "-l", "-c"], input=cpio.pack(entries)).stdout)
    (source / "vmlinuz").write_bytes(b"a kernel")
    return source


def test_the_tiny_image_is_complete_private_and_the_same_each_time(kernel: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    one = tiny.build_tiny(tmp_path / "one", kernel, stages.append)
    two = tiny.build_tiny(tmp_path / "two", kernel, stages.append)
    assert stages
    assert one.initrd.read_bytes() == two.initrd.read_bytes()
    assert one.kernel.read_bytes() == b"a kernel"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (one.image, one.kernel, one.initrd)} == {0o640}
    names = run(["cpio", "-t", "--quiet"], input=one.initrd.read_bytes()).text.split()
    assert {"init", "bin/sh", "bin/dropbear", "bin/udhcpc", "modules/virtio_net.ko", "dev/console"} <= set(names)
    raw = tmp_path / "disk.raw"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", one.image, raw])
    assert run(["e2label", raw]).text == "tinyroot\n"
    run(["e2fsck", "-f", "-n", raw])


def test_the_tiny_image_needs_a_debian_kernel_and_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=usual_command()):
        tiny.build_tiny(tmp_path / "work", tmp_path / "nowhere", lambda _: None)


@pytest.mark.parametrize(
    "script", sorted(path for path in (build.images_directory() / "tiny").rglob("*") if path.is_file()), ids=str
)
def test_each_script_of_the_tiny_guest_is_one_its_shell_can_read(script: Path) -> None:
    if script.read_bytes().startswith(b"#!/bin/sh"):
        run(["busybox", "sh", "-n", script])
        assert script.stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump({"instance-id": "i-0abc", "local-hostname": "ip-172-31-0-5", "public-keys": KEYS}, width=40),
        yaml.safe_dump({"public-keys": KEYS, "local-hostname": "ip-172-31-0-5", "instance-id": "i-0abc"}),
        json.dumps({"instance-id": "i-0abc", "local-hostname": "ip-172-31-0-5", "public-keys": {"0": {"openssh-key": KEYS}}}),
        f'instance-id: "i-0abc"\r\nlocal-hostname: ip-172-31-0-5\r\npublic-keys:\r\n- {KEYS[0]} me@host\r\n- {KEYS[1]}\r\n',
        files(Seed("i-0abc", "ip-172-31-0-5", (), b"", "root", ABOUT))["meta-data"].decode(),
    ],
)
def test_the_tiny_guest_reads_every_way_of_writing_a_seed(text: str, tmp_path: Path) -> None:
    seed = tmp_path / "meta-data"
    seed.write_text(text)
    reader = build.images_directory() / "tiny/bin/seed-read"

    def read(field: str) -> list[str]:
        return run(["busybox", "sh", reader, field, seed]).text.splitlines()

    assert read("instance-id") == ["i-0abc"]
    assert read("local-hostname") == ["ip-172-31-0-5"]
    assert sorted(read("public-keys")) == sorted(KEYS)


def test_apt_reads_the_sources_that_a_build_gives_it(tmp_path: Path) -> None:
    listing = tmp_path / "debian.sources"
    listing.write_text(
        apt.render("bookworm", ["main"], ["http://mirror.example/debian"], ["http://mirror.example/debian-security"])
    )
    places = {"Etc::sourcelist": "/dev/null", "Etc::sourceparts": tmp_path, "State::Lists": tmp_path / "lists"}
    options = [f"--option=Dir::{name}={path}" for name, path in places.items()]
    (tmp_path / "lists").mkdir()
    out = run(["apt-get", *options, "--print-uris", "update"]).text
    uris = [line.split()[0].strip("'") for line in out.splitlines()]
    assert [uri for uri in uris if uri.endswith("/InRelease")] == [
        "http://mirror.example/debian/dists/bookworm/InRelease",
        "http://mirror.example/debian/dists/bookworm-updates/InRelease",
        "http://mirror.example/debian-security/dists/bookworm-security/InRelease",
    ]


def system(tree: Path) -> None:
    """Just enough of an installed system for a disk to be made of it; the boot loaders are stand-ins."""
    for name in ("i386-pc/boot.img", "i386-pc/linux.mod", "x86_64-efi/linux.mod", "x86_64-efi-signed/grubx64.efi.signed"):
        path = tree / "usr/lib/grub" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xeb\x63" + bytes(510))
    for name in ("usr/lib/shim/shimx64.efi.signed", "usr/lib/shim/mmx64.efi.signed", "etc/grub.d/10_linux", "boot/vmlinuz-6.1"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(name.encode())


@needs_root
def test_a_disk_has_its_partitions_file_systems_and_loaders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, raw, identity = tmp_path / "tree", tmp_path / "disk.raw", disk.Identity.fresh()
    system(tree)
    core = bytes(500) + struct.pack("<QHH", 2, 1, 0x820) + b"the rest of core"
    monkeypatch.setattr(disk, "_core_image", lambda *_: core)
    disk.configure(tree, identity, "6.1")
    disk.assemble(raw, tree, identity, 1)
    table = json.loads(run(["sfdisk", "--json", raw]).text)["partitiontable"]["partitions"]
    starts = {int(part["node"].removeprefix(str(raw))): part["start"] * 512 for part in table}
    assert sorted(starts) == [1, 14, 15]
    assert run(["sgdisk", "--verify", raw]).text.count("No problems found") == 1
    with raw.open("rb") as file:
        assert struct.unpack_from("<Q", file.read(512), 0x5C) == (starts[14] // 512,)
        file.seek(starts[14] + 512)
        assert file.read(16) == b"the rest of core"
    esp = f"{raw}@@{starts[15]}"
    assert run(["mtype", "-i", esp, "::/EFI/BOOT/BOOTX64.EFI"]).text == "usr/lib/shim/shimx64.efi.signed"
    assert identity.root in run(["mtype", "-i", esp, "::/EFI/debian/grub.cfg"]).text
    root = f"{raw}?offset={starts[1]}"
    run(["e2fsck", "-f", "-n", root])
    assert identity.root in run(["tune2fs", "-l", root]).text
    assert "vmlinuz-6.1" in run(["debugfs", "-R", "cat /boot/grub/grub.cfg", root]).text
    assert raw.stat().st_blocks * 512 < 60 << 20


def test_building_without_root_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(UsageError, match="sudo minicloud images build debian-12"):
        build.build_debian(build.recipes()["debian-12"], tmp_path, lambda _: None)


@needs_root
def test_a_build_that_cannot_fetch_fails_and_leaves_no_mount(tmp_path: Path) -> None:
    before = Path("/proc/self/mounts").read_text()
    recipe = build.recipes()["debian-12"]
    with pytest.raises(CommandFailed, match=r"setpriv failed"):
        build.build_debian(recipe, tmp_path / "work", lambda _: None, ["http://127.0.0.1:9/debian"])
    assert Path("/proc/self/mounts").read_text() == before
