"""Base images made on this host: what a recipe says, what a build gives, and the build of a Debian image.

Packages come through apt alone, from the sources this host is configured with. Whatever mounts or changes root runs in
namespaces of its own that die with this process, so a build that is killed leaves nothing but files in its work
directory, and the next build there begins by removing them. Needs root.
"""

import os
import shlex
import shutil
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..errors import Permanent, UsageError
from . import image_build_apt as apt
from . import image_build_disk as disk
from .run import run

Progress = Callable[[str], None]

# Dies with whoever started it; what it mounts, nobody else sees, and it takes all its children along.
PRIVATE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

_BUILD_SECONDS = 3600.0


@dataclass(frozen=True)
class Recipe:
    """One entry of images/debian.toml. `rootfs` is a directory whose files are laid over the packages; `services` are enabled."""

    name: str
    description: str
    suite: str
    components: tuple[str, ...]
    default_user: str
    size_gib: int
    rootfs: Path
    services: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """A finished image. `image` is a qcow2 without a backing file; kernel, initrd and cmdline start it without a boot loader."""

    image: Path
    kernel: Path
    initrd: Path
    cmdline: str
    name: str
    description: str
    default_user: str
    boot_mode: str = "uefi-preferred"
    root_device_name: str = "/dev/xvda"
    architecture: str = "x86_64"


def images_directory() -> Path:
    """Where recipes and the catalogue are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_images"
    return installed if installed.is_dir() else package.parent / "images"


def recipes(directory: Path | None = None) -> dict[str, Recipe]:
    """Every recipe of `debian.toml`, by name. Raises UsageError for a recipe that lacks something."""
    where = directory or images_directory()
    tables: dict[str, dict[str, Any]] = tomllib.loads((where / "debian.toml").read_text())
    return {name: _recipe(name, table, where) for name, table in tables.items()}


def _recipe(name: str, table: dict[str, Any], where: Path) -> Recipe:
    try:
        return Recipe(
            name=name,
            description=str(table["description"]),
            suite=str(table["suite"]),
            components=tuple(table["components"]),
            default_user=str(table["default_user"]),
            size_gib=int(table["size_gib"]),
            rootfs=where / str(table["rootfs"]),
            services=tuple(table["services"]),
            packages=tuple(table["packages"]),
        )
    except KeyError as error:
        raise UsageError(f"recipe {name}: {error.args[0]} is missing") from error


def build_debian(recipe: Recipe, workdir: Path, progress: Progress, mirrors: Sequence[str] = ()) -> Built:
    """Build `recipe` inside `workdir`; about two minutes. Running it again replaces what is there.

    `mirrors` are archive URIs to use instead of the host's sources; one whose path ends in `-security` is taken for the
    security archive. Raises UsageError where the host's sources are not enough, CommandFailed where a command fails.
    """
    if os.geteuid() != 0:
        raise UsageError(f"building {recipe.name} needs root; type: sudo minicloud images build {recipe.name}")
    tree = workdir / "tree"
    files.directory(workdir, 0o750)
    shutil.rmtree(tree, ignore_errors=True)
    sources = apt.sources(recipe.suite, recipe.components, mirrors)
    progress(f"installing {len(recipe.packages)} packages and what they need, from {sources.summary}")
    _install(recipe, tree, workdir, sources)
    identity = disk.Identity.fresh()
    version = kernel_version(tree)
    progress("making it nobody's in particular: no keys, no machine-id, no logs")
    _clean(tree)
    disk.configure(tree, identity, version)
    progress("writing the disk: partitions, file systems, boot loaders for BIOS and UEFI")
    disk.assemble(workdir / "disk.raw", tree, identity, recipe.size_gib)
    progress("packing it as qcow2")
    built = _finish(recipe, workdir, tree, identity, version)
    shutil.rmtree(tree)
    return built


def _install(recipe: Recipe, tree: Path, workdir: Path, sources: apt.Sources) -> None:
    listing = workdir / "debian.sources"
    listing.write_text(sources.text)
    command: list[str | Path] = [*PRIVATE, "--", "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
    command += [f"--aptopt={line}" for line in apt.acquire_options()]
    # The files come before the kernel is installed, because its initramfs is made by what they say.
    command += [f"--include={','.join(recipe.packages)}", f"--essential-hook=sync-in {shlex.quote(str(recipe.rootfs))} /"]
    run([*command, recipe.suite, tree, listing], timeout=_BUILD_SECONDS)
    if recipe.services:
        run(["systemctl", f"--root={tree}", "enable", *recipe.services])
    listing.unlink()


def kernel_version(tree: Path) -> str:
    """The version of the one kernel that is installed in `tree`."""
    found = sorted(path.name.removeprefix("vmlinuz-") for path in (tree / "boot").glob("vmlinuz-*"))
    if len(found) != 1:
        raise Permanent(f"expected one kernel in the new system, found {found or 'none'}")
    return found[0]


# What a package left behind that must not be the same in two guests, or is worth nothing to them.
_UNWANTED = (
    "etc/ssh/ssh_host_*", "etc/hostname", "var/lib/systemd/random-seed", "var/lib/dbus/machine-id", "var/lib/cloud/*",
    "var/lib/apt/lists/*", "var/cache/apt/*", "var/cache/debconf/*-old", "var/lib/dpkg/*-old", "var/log/*", "tmp/*",
    "etc/apt/apt.conf.d/99mmdebstrap", "etc/systemd/system/*/e2scrub_reap.service", "etc/.pwd.lock",
)  # fmt: skip


def _clean(tree: Path) -> None:
    for pattern in _UNWANTED:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    (tree / "var/log/journal").mkdir()
    # Empty means: make one at the next boot. The word "uninitialized" would also have systemd walk through all presets,
    # 9 s under emulation, to find what the packages' own scripts have set up already.
    (tree / "etc/machine-id").write_text("")
    # What systemd would do to a new /etc and /var (users, hardware database, catalogue) the packages have done.
    for directory in ("etc", "var"):
        (tree / directory / ".updated").write_text("")


def _finish(recipe: Recipe, workdir: Path, tree: Path, identity: disk.Identity, version: str) -> Built:
    image, kernel, initrd = workdir / "image.qcow2", workdir / "vmlinuz", workdir / "initrd"
    shutil.copyfile(tree / f"boot/vmlinuz-{version}", kernel)
    shutil.copyfile(tree / f"boot/initrd.img-{version}", initrd)
    raw = workdir / "disk.raw"
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-S", "4k", raw, image], timeout=_BUILD_SECONDS)
    raw.unlink()
    for path in (image, kernel, initrd):
        path.chmod(0o640)
    return Built(image, kernel, initrd, disk.cmdline(identity), recipe.name, recipe.description, recipe.default_user)
