"""A bootable disk in a file, made without mounting or loop devices: GPT, a BIOS boot partition, an ESP, an ext4 root.

Both boot loaders look for the root by its UUID and then read /boot/grub/grub.cfg there. The first one is written here,
short; the guest's own `update-grub` replaces it at the first kernel upgrade. The loaders are the guest's own, out of its
grub-cloud package, which puts newer ones in place when it is upgraded inside the guest.
"""

import os
import shutil
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from .run import run

_SECTOR = 512
_MIB = 1024 * 1024
_BIOS_START, _ESP_START, _ESP_SIZE, _ROOT_START = 1 * _MIB, 2 * _MIB, 62 * _MIB, 64 * _MIB

# Every feature by name, because the host's defaults may be newer than what GRUB and the guest's kernel can read.
_EXT4_FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,"
    "huge_file,dir_nlink,extra_isize,metadata_csum"
)


@dataclass(frozen=True)
class Identity:
    """What names the two file systems of one image."""

    root: str
    esp: str

    @classmethod
    def fresh(cls) -> "Identity":
        """New random names: a UUID for the root, eight hex digits for the ESP."""
        return cls(root=str(uuid.uuid4()), esp=os.urandom(4).hex().upper())


def cmdline(identity: Identity) -> str:
    """The kernel command line, as the image's boot loader and a direct boot both give it."""
    return f"root=UUID={identity.root} ro console=tty0 console=ttyS0,115200 consoleblank=0"


def configure(tree: Path, identity: Identity, version: str) -> None:
    """Write what inside `tree` depends on the disk: fstab, GRUB's configuration and modules."""
    esp = f"{identity.esp[:4]}-{identity.esp[4:]}"
    # The ESP is mounted when somebody looks at it (an upgrade of the boot loader), not at every boot.
    (tree / "etc/fstab").write_text(
        f"UUID={identity.root} / ext4 defaults,errors=remount-ro 0 1\n"
        f"UUID={esp} /boot/efi vfat umask=0077,noauto,nofail,x-systemd.automount,x-systemd.idle-timeout=60 0 0\n"
    )
    (tree / "boot/efi").mkdir(exist_ok=True)
    grub = tree / "boot/grub"
    for platform in ("i386-pc", "x86_64-efi"):
        shutil.copytree(tree / "usr/lib/grub" / platform, grub / platform, ignore=shutil.ignore_patterns("*.img", "*.module"))
    (grub / "grub.cfg").write_text(_grub_cfg(identity, version))
    # grub-cloud's word for "this disk is mine": without it, an upgrade inside the guest leaves the boot loader alone.
    (tree / "etc/grub.d/enable_cloud").touch()


def _grub_cfg(identity: Identity, version: str) -> str:
    return (
        "serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\nset timeout=0\n"
        f"search --no-floppy --fs-uuid --set=root {identity.root}\n"
        f"linux /boot/vmlinuz-{version} {cmdline(identity)}\ninitrd /boot/initrd.img-{version}\nboot\n"
    )


def assemble(raw: Path, tree: Path, identity: Identity, size_gib: int) -> None:
    """Make the disk file `raw`, `size_gib` GiB long and sparse, out of the system in `tree`."""
    size = size_gib * 1024 * _MIB
    raw.unlink(missing_ok=True)
    with os.fdopen(os.open(raw, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.truncate(size)
    _partition(raw)
    _root_file_system(raw, tree, identity, size)
    _esp(raw, tree, identity)
    _bios_loader(raw, tree, identity)


def _partition(raw: Path) -> None:
    # The root stands last, so that it can grow; the numbers are those of Debian's cloud images.
    table = (
        "label: gpt\nunit: sectors\nsector-size: 512\n"
        f"14: start={_BIOS_START // _SECTOR}, size={_MIB // _SECTOR}, type=21686148-6449-6E6F-744E-656564454649\n"
        f"15: start={_ESP_START // _SECTOR}, size={_ESP_SIZE // _SECTOR}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n"
        f"1: start={_ROOT_START // _SECTOR}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
    )
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", raw], input=table.encode())


def _root_file_system(raw: Path, tree: Path, identity: Identity, size: int) -> None:
    blocks = (size - _ROOT_START - _MIB) // 4096  # the last MiB keeps the second partition table
    # The file is all zeros, so neither mkfs nor the guest's kernel has to clear the inode tables.
    extended = f"offset={_ROOT_START},assume_storage_prezeroed=1,lazy_itable_init=0"
    options: list[str | Path] = ["-q", "-F", "-b", "4096", "-m", "1", "-O", _EXT4_FEATURES, "-E", extended]
    run(["mkfs.ext4", *options, "-U", identity.root, "-L", "root", "-d", tree, raw, str(blocks)], timeout=600)


def _esp(raw: Path, tree: Path, identity: Identity) -> None:
    place = ["--offset", str(_ESP_START // _SECTOR)]
    run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", "ESP", "-i", identity.esp, *place, raw, str(_ESP_SIZE // 1024)])
    drive = f"{raw}@@{_ESP_START}"
    run(["mmd", "-i", drive, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"])
    signed = tree / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
    shim, manager = tree / "usr/lib/shim/shimx64.efi.signed", tree / "usr/lib/shim/mmx64.efi.signed"
    for directory, first in (("BOOT", "BOOTX64.EFI"), ("debian", "shimx64.efi")):
        for source, name in ((shim, first), (signed, "grubx64.efi"), (manager, "mmx64.efi")):
            run(["mcopy", "-i", drive, source, f"::/EFI/{directory}/{name}"])
        _write_esp(drive, f"::/EFI/{directory}/grub.cfg", f"{_search(identity)}configfile $prefix/grub.cfg\n")


def _write_esp(drive: str, path: str, text: str) -> None:
    run(["mcopy", "-i", drive, "-", path], input=text.encode())


def _search(identity: Identity) -> str:
    return f"search.fs_uuid {identity.root} root\nset prefix=($root)/boot/grub\n"


def _bios_loader(raw: Path, tree: Path, identity: Identity) -> None:
    """Put boot.img into the MBR and core.img into the BIOS boot partition, each told where the next piece is."""
    core = _core_image(tree, identity)
    boot = (tree / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    with raw.open("r+b") as file:
        mbr = bytearray(file.read(_SECTOR))
        file.seek(0)
        file.write(mbr_with_loader(bytes(mbr), boot, _BIOS_START // _SECTOR))
        file.seek(_BIOS_START)
        file.write(core_at(core, _BIOS_START // _SECTOR, _MIB))


def _core_image(tree: Path, identity: Identity) -> bytes:
    """core.img by the guest's own grub-mkimage, so that its modules are of the same version.

    It only finds its directory; then it goes on to GRUB's normal mode by itself, which reads there which module has which
    command, and after that the configuration. A `configfile` here would read the configuration without knowing any.
    """
    config, output = tree / "boot/grub/load.cfg", tree / "boot/grub/core.img"
    config.write_text(_search(identity))
    options = ["--format=i386-pc", "--prefix=/boot/grub", "--config=/boot/grub/load.cfg", "--output=/boot/grub/core.img"]
    modules = ["biosdisk", "part_gpt", "ext2", "search_fs_uuid", "normal"]
    try:
        run(["chroot", tree, "grub-mkimage", *options, *modules])
        return output.read_bytes()
    finally:
        config.unlink()
        output.unlink(missing_ok=True)


def mbr_with_loader(mbr: bytes, boot: bytes, core_sector: int) -> bytes:
    """The first sector with GRUB's boot.img in it: the code area changes, the partition table stays.

    boot.img keeps the first sector of core.img in 8 bytes at 0x5c, and at 0x66 a jump that is replaced by no-operations
    for hard disks, whose BIOS may name a wrong drive.
    """
    code = bytearray(boot[:0x1B8])
    struct.pack_into("<Q", code, 0x5C, core_sector)
    code[0x66:0x68] = b"\x90\x90"
    return bytes(code) + mbr[0x1B8:0x1FE] + b"\x55\xaa"


def core_at(core: bytes, sector: int, room: int) -> bytes:
    """core.img for a place that begins at `sector` and has `room` bytes.

    Its first sector ends in a list of where the rest is; the rest follows at once, so only the start has to be set.
    """
    if len(core) > room:
        raise ValueError(f"GRUB's core image has {len(core)} bytes, the BIOS boot partition {room}")
    placed = bytearray(core)
    struct.pack_into("<Q", placed, _SECTOR - 12, sector + 1)
    return bytes(placed)
