"""`minicloud images list|build|pull|import|rm`: the base images of this host. A new one is registered as an AMI at once.

What makes an image prints its AMI id and nothing else on standard output (JSON with --output json); progress is on standard
error.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Permanent, UsageError
from . import own
from .images_export import export
from .images_list import listing
from .images_progress import Bar, Stages

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..config import Settings
    from ..host.image_build import Built
    from ..host.image_store import ImageStore, Manifest
    from ..state.store import State

TINY = "tiny"


@click.group("images", short_help="Base images: list, build, pull, import, export, rm.")
def command() -> None:
    """The base images of this host, each of them an AMI."""


command.add_command(export)


@command.command("list")
@own.answers
@click.pass_context
def list_(ctx: click.Context, output: str | None, query: str | None) -> None:
    """Show the images that are there, and those that could be."""
    cloud: Cloud = ctx.obj.cloud
    cloud.worker.refresh("DescribeImages")
    for_person = own.format_of(ctx, output) == "table" and not (query or ctx.obj.query)
    own.show(ctx, listing(cloud, short=for_person), output, query)


@command.command()
@click.argument("name")
@click.option("--mirror", "mirrors", multiple=True, metavar="URI", help="A Debian archive to use in place of the host's sources.")
@own.answers
@click.pass_context
def build(ctx: click.Context, name: str, mirrors: tuple[str, ...], output: str | None, query: str | None) -> None:
    """Build the image NAME from this host's package sources; some minutes."""
    from ..host.base_images import store

    cloud: Cloud = ctx.obj.cloud
    images = store(cloud.settings)
    builder = _builder(images, name, mirrors)
    with images.scratch(f"build-{name}") as workdir, Stages() as stage:
        built = builder(workdir, stage)
        stage("putting it into the image store")
        made = images.add(
            built.image,
            name=built.name,
            source="built on this host",
            description=built.description,
            boot_mode=built.boot_mode,
            default_user=built.default_user,
            root_device_name=built.root_device_name,
            kernel=built.kernel,
            initrd=built.initrd,
            cmdline=built.cmdline,
            boot_loader=name != TINY,
        )
    _done(ctx, cloud, made, output, query)


def _builder(images: "ImageStore", name: str, mirrors: tuple[str, ...]) -> "Callable[[Path, Stages], Built]":
    """What builds the image of a name in a directory. Raises UsageError for a name without a recipe."""
    from ..host import image_build

    if name == TINY:
        from ..host.image_build_tiny import build_tiny

        kernels = _kernels(images)
        return lambda workdir, stage: build_tiny(workdir, kernels, stage)
    recipes = image_build.recipes()
    if name not in recipes:
        raise UsageError(
            f"there is no recipe {name!r}; there are {', '.join([*recipes, TINY])}; minicloud images list shows more"
        )
    return lambda workdir, stage: image_build.build_debian(recipes[name], workdir, stage, mirrors)


def _kernels(images: "ImageStore") -> Path:
    """Where the newest Debian image has its kernel. Raises UsageError."""
    from ..host.release import usual_command

    for manifest in reversed(images.list()):
        direct = images.kernel(manifest.image_id) if manifest.name.startswith("debian-") else None
        if direct is not None:
            return direct[0].parent
    raise UsageError(f"the tiny image takes the kernel of a Debian image; get one first: {usual_command()}")


@command.command()
@click.argument("name")
@own.answers
@click.pass_context
def pull(ctx: click.Context, name: str, output: str | None, query: str | None) -> None:
    """Download the official cloud image NAME of the catalogue, and check it. An interrupted download goes on next time."""
    from ..host import catalogue
    from ..host.base_images import store

    entries = catalogue.load()
    if name not in entries:
        raise UsageError(f"the catalogue has no image {name!r}; it has {', '.join(entries)}")
    cloud: Cloud = ctx.obj.cloud
    limit = cloud.settings.max_image_gib << 30
    with Bar(f"{name} from {entries[name].url}") as bar:
        made = catalogue.pull(entries[name], store(cloud.settings), max_bytes=limit, progress=bar)
    _done(ctx, cloud, made, output, query)


@command.command("import")
@click.argument("source", metavar="FILE|URL")
@click.option("--name", default="", help="The AMI's name, which no other has; by itself one from the file's name.")
@click.option("--description", default="", help="A description.")
@click.option("--user", default="", help="The user that the image's cloud-init gives the key to; minicloud ssh logs in as that.")
@click.option(
    "--boot-mode", type=click.Choice(["legacy-bios", "uefi", "uefi-preferred"]), default="legacy-bios", show_default=True
)
@click.option("--root-device-name", default="/dev/sda1", show_default=True, help="The name of its root device in answers.")
@click.option(
    "--format",
    "claimed",
    help="Refuse the file unless it is of this format: qcow2, raw, vmdk, vpc, vhdx, vdi, ova, gzip, xz, zstd, bzip2.",
)
@click.option("--checksum", metavar="HEX", help="Refuse the file unless it has this SHA-256, SHA-384 or SHA-512.")
@click.option("--allow-this-host", is_flag=True, help="The URL may lead to this host itself.")
@own.answers
@click.pass_context
def import_(
    ctx: click.Context, /, *, source: str, checksum: str | None, allow_this_host: bool, user: str, output: str | None,
    query: str | None, **fields: Any,
) -> None:  # fmt: skip
    """Make an image of a disk: qcow2, raw, vmdk, vhd, vhdx, vdi or ova, compressed or not, from a file or over http(s)."""
    from ..host.base_images import store
    from ..host.image_import import import_image
    from ..host.image_sums import Checksum

    try:
        wanted = Checksum.of(checksum) if checksum else None
    except ValueError as error:
        raise click.UsageError(f"--checksum: {error}", ctx) from error
    if "://" not in source and not Path(source).is_file():
        raise click.UsageError(f"there is no file {source}", ctx)
    cloud: Cloud = ctx.obj.cloud
    _require_name(cloud, fields["name"])
    with Bar(source) as bar:
        made = import_image(
            source, store(cloud.settings), default_user=user, max_bytes=cloud.settings.max_image_gib << 30,
            checksum=wanted, allow_private=allow_this_host, progress=bar, **fields,
        )  # fmt: skip
    _done(ctx, cloud, made, output, query)


def _require_name(cloud: "Cloud", name: str) -> None:
    """Refuse a name that was asked for as RegisterImage does: ApiError (InvalidAMIName.Malformed, .Duplicate)."""
    from ..services.ec2.images import check_name

    if name:
        cloud.worker.refresh("DescribeImages")
        check_name(cloud.state, name)


@command.command()
@click.argument("image_id", metavar="AMI-ID")
@click.pass_context
def rm(ctx: click.Context, image_id: str) -> None:
    """Deregister the image AMI-ID (or of that name) and delete its files. Refused while disks, or another home, need them."""
    from ..host.base_images import store
    from ..reconcile import image_needs
    from . import image_names

    cloud: Cloud = ctx.obj.cloud
    image_id = image_names.one(ctx.obj.call, image_id)
    refuse = functools.partial(image_needs.refuse, cloud.settings)
    refuse(image_id)  # before anything is changed; and once more where nobody can begin to need it
    forget(cloud, image_id)
    store(cloud.settings).remove(image_id, refuse)
    click.echo(f"{image_id} is gone", err=True)


def _standing_on(settings: "Settings", image_id: str) -> set[str]:
    """Disks that no row knows, such as those that were put aside, and that are made on an image's file."""
    from ..host import disk_stamp
    from ..host.disk_index import DiskIndex
    from ..host.image_store import IMAGE

    volumes = settings.home / "volumes"
    return DiskIndex(volumes, volumes / disk_stamp.ASIDE).above(str((settings.images / image_id / IMAGE).absolute()))


def forget(cloud: "Cloud", image_id: str) -> None:
    """Deregister all AMIs that start from the files of `image_id`, so that no new disk is built on them.

    Raises Permanent while there are disks, or if the files are not this store's; UsageError for an AMI without files of its own.
    """
    from ..aws import times
    from ..reconcile import generations

    generations.check(cloud)
    state, settings = cloud.state, cloud.settings
    row = state.images.get(image_id)
    if row is not None and row.base != image_id:
        raise UsageError(
            f"{image_id} has no files of its own, it starts from those of {row.base}; to forget it alone: "
            f"minicloud deregister-image --image-id {image_id}"
        )
    if not (settings.images / image_id).is_dir() and settings.shared_images and (settings.shared_images / image_id).is_dir():
        raise Permanent(f"{image_id} is in the image store {settings.shared_images}, which is shared and read-only")
    with state.transaction():
        disks = users(state, image_id)
        if disks:
            more = f" and {len(disks) - 5} more" if len(disks) > 5 else ""
            raise Permanent(
                f"{image_id} cannot go while disks are built on it: {', '.join(disks[:5])}{more}; "
                "terminate these instances, and delete these volumes and snapshots, first"
            )
        if above := _standing_on(settings, image_id):
            raise Permanent(f"{image_id} cannot go: {min(above)}, which no volume or snapshot knows, is built on it")
        for image in state.images.find(base=image_id, state="available"):
            state.images.change(image.id, state="deregistered", deregistered_at=times.now())


def users(state: "State", image_id: str) -> list[str]:
    """What reads from the file of a base image: volumes, and snapshots but for the image's own."""
    bases = {layer.id for layer in state.layers.find(base=image_id)}
    built, below = set[str](), bases
    while below:
        below = {layer.id for layer in state.layers.among("parent", below)} - built
        built |= below
    volumes = [f"{row.id} (of {row.instance_id or 'no instance'})" for row in state.volumes.among("layer_id", built)]
    return volumes + [row.id for row in state.snapshots.among("layer_id", built)]


def _done(ctx: click.Context, cloud: "Cloud", made: "Manifest", output: str | None, query: str | None) -> None:
    """Register what was made and print its id."""
    from ..reconcile import images

    images.reconcile(cloud)
    if own.wants(ctx, output, query):
        own.show(ctx, {"ImageId": made.image_id, "Name": made.name}, output, query)
    else:
        click.echo(made.image_id)
