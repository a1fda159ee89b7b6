"""The tiny guest for tests: a Debian kernel, busybox and dropbear in one initramfs, and a small disk for what must last.

Kernel and drivers are taken from a Debian image that was built before (its vmlinuz and initrd), programs from this host's
packages busybox-static and dropbear-bin; nothing is fetched, and the same inputs give the same initramfs. What the guest
does is in images/tiny/init. It is for tests: its serial console is a root shell.
"""

import lzma
import re
from collections.abc import Mapping
from pathlib import Path

from .. import files
from ..errors import Permanent, UsageError
from . import image_build_cpio as cpio
from .image_build import Built, Progress, images_directory
from .release import usual_command
from .run import run

_MIB = 1024 * 1024
_DISK_MIB = 64

# In this order they find their devices; those that are part of the kernel itself are passed over.
_MODULES = (
    "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng", "virtio_console", "virtio_balloon",
    "virtio_scsi", "sr_mod", "sd_mod", "ext4", "isofs", "vfat", "button", "evdev",
)  # fmt: skip
_BUSYBOX = Path("/bin/busybox")
_DROPBEAR = (Path("/usr/sbin/dropbear"), Path("/usr/bin/dropbearkey"))
_CMDLINE = "console=ttyS0,115200 quiet panic=1"


def build_tiny(workdir: Path, kernel_source: Path, progress: Progress) -> Built:
    """Build the tiny image inside `workdir`, in seconds. `kernel_source` is a directory with a Debian image's vmlinuz and initrd.

    Raises UsageError when that or a program is missing.
    """
    for needed in (kernel_source / "vmlinuz", kernel_source / "initrd", _BUSYBOX, *_DROPBEAR):
        if not needed.exists():
            raise UsageError(
                f"the tiny image needs {needed}; install busybox-static and dropbear-bin, and get a Debian image first: "
                + usual_command()
            )
    files.directory(workdir, 0o750)
    image, kernel, initrd = workdir / "image.qcow2", workdir / "vmlinuz", workdir / "initrd"
    progress("packing busybox, dropbear and the drivers of virtual hardware into an initramfs")
    entries = {**_base(), **_programs(), **_scripts(images_directory() / "tiny")}
    entries |= modules(cpio.unpack((kernel_source / "initrd").read_bytes()))
    initrd.write_bytes(cpio.pack(entries))
    kernel.write_bytes((kernel_source / "vmlinuz").read_bytes())
    progress(f"making its disk of {_DISK_MIB} MiB")
    _disk(workdir, image)
    for path in (image, kernel, initrd):
        path.chmod(0o640)
    return Built(
        image=image,
        kernel=kernel,
        initrd=initrd,
        cmdline=_CMDLINE,
        name="tiny",
        description="A guest of a few MB for tests: busybox and dropbear on a Debian kernel",
        default_user="root",
        boot_mode="legacy-bios",
    )


def _base() -> dict[str, cpio.Entry]:
    names = ["bin", "data", "dev", "etc", "lib64", "modules", "proc", "root", "run", "seed", "sys", "tmp", "var", "var/log"]
    entries = {name: cpio.directory() for name in names}
    # The kernel opens the console for the first process before anything is mounted.
    entries["dev/console"] = cpio.character_device(5, 1)
    return entries


def _programs() -> dict[str, cpio.Entry]:
    entries = {"bin/busybox": cpio.program(_BUSYBOX.read_bytes())}
    for applet in run([_BUSYBOX, "--list"]).text.split():
        if applet != "busybox":
            entries[f"bin/{applet}"] = cpio.link("busybox")
    for path in _DROPBEAR:
        entries[f"bin/{path.name}"] = cpio.program(path.read_bytes())
        for library in libraries(run(["ldd", path]).text):
            inside = str(library).lstrip("/")
            entries |= {str(parent): cpio.directory() for parent in Path(inside).parents if str(parent) != "."}
            entries[inside] = cpio.program(library.read_bytes())
    return entries


def libraries(listing: str) -> list[Path]:
    """The files that `ldd` names: `libz.so.1 => /lib/.../libz.so.1 (0x...)`, and the loader without an arrow."""
    return [Path(found) for found in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listing, re.MULTILINE)]


def _scripts(source: Path) -> dict[str, cpio.Entry]:
    entries: dict[str, cpio.Entry] = {}
    for path in sorted(source.rglob("*")):
        inside = str(path.relative_to(source))
        if path.is_dir():
            entries[inside] = cpio.directory()
        elif inside == "init" or inside.startswith(("bin/", "etc/acpi/")):
            entries[inside] = cpio.program(path.read_bytes())
        else:
            entries[inside] = cpio.file(path.read_bytes())
    return entries


def modules(initrd: Mapping[str, cpio.Entry]) -> dict[str, cpio.Entry]:
    """The wanted kernel modules of an initrd, laid flat into `modules/`, and `modules/order`: how to load them."""
    tables = [path for path in initrd if path.endswith("/modules.dep")]
    if len(tables) != 1:
        raise Permanent("the Debian image's initrd has no list of its modules (modules.dep)")
    root = tables[0].removesuffix("modules.dep")
    needs = dict(_dependencies(initrd[tables[0]].data.decode()))
    by_name = {_module_name(path): path for path in needs}
    order: dict[str, None] = {}
    for wanted in _MODULES:
        if wanted in by_name:
            _visit(by_name[wanted], needs, order)
    if not order:
        raise Permanent("the Debian image's initrd has none of the drivers of virtual hardware")
    entries = {f"modules/{_module_name(path)}.ko": cpio.file(_plain(path, initrd[root + path].data)) for path in order}
    entries["modules/order"] = cpio.file("".join(f"{_module_name(path)}.ko\n" for path in order).encode())
    return entries


def _dependencies(table: str) -> list[tuple[str, list[str]]]:
    pairs = (line.partition(":") for line in table.splitlines() if line)
    return [(path, rest.split()) for path, _, rest in pairs]


def _visit(path: str, needs: Mapping[str, list[str]], order: dict[str, None]) -> None:
    # modules.dep lists everything a module needs, the last one first to be loaded.
    for needed in reversed(needs[path]):
        order[needed] = None
    order[path] = None


def _module_name(path: str) -> str:
    return Path(path).name.partition(".ko")[0].replace("-", "_")


def _plain(path: str, data: bytes) -> bytes:
    return lzma.decompress(data) if path.endswith(".xz") else data


def _disk(workdir: Path, image: Path) -> None:
    raw = workdir / "disk.raw"
    raw.unlink(missing_ok=True)
    raw.touch(mode=0o600)
    with raw.open("r+b") as file:
        file.truncate(_DISK_MIB * _MIB)
    run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-L", "tinyroot", "-E", "lazy_itable_init=0", raw])
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image])
    raw.unlink()
