"""What image building decides by itself: sources, recipes, boot sectors. No command runs."""

import struct
from pathlib import Path

import pytest

from minicloud.errors import Permanent, UsageError
from minicloud.host import image_build as build
from minicloud.host import image_build_apt as apt
from minicloud.host import image_build_disk as disk

MAIN, SECURITY = "http://mirror.example/debian/", "http://mirror.example/debian-security/"


def target(origin: str, label: str, uri: str, created_by: str = "Packages") -> str:
    return f"{created_by}\t{origin}\t{label}\t{uri}"


def test_only_debians_own_archives_are_taken_and_each_once() -> None:
    listing = [
        target("Debian", "Debian", MAIN),
        target("Debian", "Debian", MAIN),
        target("Debian", "Debian-Security", SECURITY),
        target("Debian", "Debian", "http://other.example/debian/", created_by="Sources"),
        target("Debian Backports", "Debian Backports", "http://backports.example/"),
        target("Node Source", "Node Source", "https://third.example/"),
        target("Ubuntu", "Ubuntu", "http://ubuntu.example/"),
        target("Debian", "Debian", "cdrom://disc/"),
        target("", "", "http://never-updated.example/"),
    ]
    assert apt.archives("\n".join(listing) + "\n") == ([MAIN], [SECURITY])


def test_a_host_without_debian_sources_is_told_about_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.gpg"
    monkeypatch.setattr(apt, "KEYRING", keyring)
    with pytest.raises(UsageError, match="debian-archive-keyring"):
        apt.sources("bookworm", ["main"], [MAIN])
    keyring.touch()
    with pytest.raises(UsageError, match="--mirror"):
        apt.sources("bookworm", ["main"], [SECURITY])


@pytest.mark.parametrize("mirror", ["debian", "/srv/debian", "http://a b/debian", "http://a/debian\nSigned-By: x", ""])
def test_what_is_no_archive_uri_is_refused(mirror: str) -> None:
    with pytest.raises(UsageError, match="--mirror"):
        apt.split_mirrors([mirror])


def test_a_mirror_that_ends_in_security_is_the_security_archive() -> None:
    assert apt.split_mirrors([MAIN, SECURITY]) == ([MAIN], [SECURITY])


def test_sources_name_updates_security_and_the_keyring() -> None:
    text = apt.render("bookworm", ["main", "contrib"], [MAIN], [SECURITY])
    first, second = text.split("\n\n")
    assert f"URIs: {MAIN}\nSuites: bookworm bookworm-updates\nComponents: main contrib\n" in first
    assert f"URIs: {SECURITY}\nSuites: bookworm-security\n" in second
    assert text.count(f"Signed-By: {apt.KEYRING}\n") == 2


def test_no_security_archive_means_no_empty_stanza() -> None:
    assert apt.render("trixie", ["main"], [MAIN], []).count("Types:") == 1


def test_every_recipe_of_the_repository_is_complete() -> None:
    found = build.recipes()
    assert {"debian-12", "debian-13"} <= set(found)
    for recipe in found.values():
        assert {"cloud-init", "openssh-server", "qemu-guest-agent", "grub-cloud-amd64"} <= set(recipe.packages)
        assert (recipe.rootfs / "etc/cloud/cloud.cfg.d/10_minicloud.cfg").is_file()


def test_a_recipe_that_lacks_something_says_what(tmp_path: Path) -> None:
    (tmp_path / "debian.toml").write_text('[mine]\ndescription = "x"\n')
    with pytest.raises(UsageError, match="mine: suite is missing"):
        build.recipes(tmp_path)


def test_two_kernels_in_a_new_system_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    with pytest.raises(Permanent, match="none"):
        build.kernel_version(tmp_path)
    for version in ("6.1", "6.2"):
        (tmp_path / f"boot/vmlinuz-{version}").touch()
    with pytest.raises(Permanent, match=r"6\.2"):
        build.kernel_version(tmp_path)


def test_the_boot_sector_keeps_the_partition_table() -> None:
    mbr = bytes(0x1B8) + bytes(range(1, 71)) + b"\x55\xaa"
    boot = bytes([0xEB, 0x63]) + bytes([0x11]) * 510
    result = disk.mbr_with_loader(mbr, boot, core_sector=2048)
    assert len(result) == 512
    assert result[0x1B8:] == mbr[0x1B8:]
    assert struct.unpack_from("<Q", result, 0x5C) == (2048,)
    assert result[:2] == boot[:2]
    assert result[0x66:0x68] == b"\x90\x90"


def test_the_core_image_knows_where_its_second_sector_is() -> None:
    core = bytes(500) + struct.pack("<QHH", 2, 52, 0x820) + bytes(1000)
    placed = disk.core_at(core, sector=2048, room=1 << 20)
    assert struct.unpack_from("<QHH", placed, 500) == (2049, 52, 0x820)
    assert placed[512:] == core[512:]
    with pytest.raises(ValueError, match="BIOS boot partition"):
        disk.core_at(core, sector=2048, room=1024)


def test_identities_differ_and_stand_in_the_command_line() -> None:
    one, two = disk.Identity.fresh(), disk.Identity.fresh()
    assert one != two
    words = disk.cmdline(one).split()
    assert f"root=UUID={one.root}" in words
    assert [word for word in words if word.startswith("console=")][-1] == "console=ttyS0,115200"


def test_the_system_is_told_its_disk_and_nothing_of_its_maker(tmp_path: Path) -> None:
    for directory in ("etc/grub.d", "boot", "usr/lib/grub/i386-pc", "usr/lib/grub/x86_64-efi"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "usr/lib/grub/i386-pc/linux.mod").touch()
    (tmp_path / "usr/lib/grub/i386-pc/boot.img").touch()
    identity = disk.Identity(root="11111111-2222-3333-4444-555555555555", esp="ABCD1234")
    disk.configure(tmp_path, identity, "6.1.0")
    assert f"UUID={identity.root} / ext4" in (tmp_path / "etc/fstab").read_text()
    assert "UUID=ABCD-1234 /boot/efi vfat" in (tmp_path / "etc/fstab").read_text()
    config = (tmp_path / "boot/grub/grub.cfg").read_text()
    assert f"linux /boot/vmlinuz-6.1.0 {disk.cmdline(identity)}\n" in config
    assert [path.name for path in (tmp_path / "boot/grub/i386-pc").iterdir()] == ["linux.mod"]
