"""The catalogue of official cloud images (images/catalogue.toml), and pulling one: fetch, verify, rewrite, store.

The checksum file is fetched first and never over plain http, so the image itself may come from any mirror that the
distribution's server redirects to.
"""

import tomllib
import urllib.parse
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import UsageError
from . import image_fetch
from .image_import import prepare, silent
from .image_store import BOOT_MODES, ImageStore, Manifest
from .image_sums import Checksum, find
from .image_unpack import Progress


@dataclass(frozen=True)
class Entry:
    """One official image; the fields are explained at the head of images/catalogue.toml."""

    name: str
    description: str
    url: str
    format: str
    default_user: str
    boot_mode: str
    checksums: str = ""
    sha256: str = ""
    root_device_name: str = "/dev/sda1"


def file() -> Path:
    """Where catalogue.toml is: inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_images" / "catalogue.toml"
    return installed if installed.exists() else package.parent / "images" / "catalogue.toml"


def load(path: Path | None = None) -> dict[str, Entry]:
    """The images by name. Raises UsageError when the file makes no sense."""
    path = path or file()
    try:
        tables = tomllib.loads(path.read_text())
        entries = {name: _entry(name, values) for name, values in tables.items()}
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: {error}") from error
    return entries


def _entry(name: str, values: object) -> Entry:
    known = {field.name for field in fields(Entry)} - {"name"}
    if not isinstance(values, dict) or not all(key in known and isinstance(value, str) for key, value in values.items()):
        raise ValueError(f"{name}: the fields are {', '.join(sorted(known))}, all of them text")
    entry = Entry(name=name, **values)
    if entry.boot_mode not in BOOT_MODES or bool(entry.checksums) == bool(entry.sha256):
        raise ValueError(f"{name}: a boot mode of {', '.join(BOOT_MODES)} is needed, and one of checksums and sha256")
    return entry


def resolve(entry: Entry, *, allow_private: bool = False) -> tuple[str, Checksum]:
    """The URL of the image itself and its checksum, as the distribution publishes them now."""
    if entry.sha256:
        return entry.url, Checksum.of(entry.sha256)
    final, text = image_fetch.fetch_text(entry.checksums, allow_private=allow_private)
    wanted = entry.url.rpartition("/")[2]
    name, checksum = find(text, wanted, beside=entry.checksums.startswith(entry.url + "."))
    if name == wanted:
        return entry.url, checksum
    return urllib.parse.urljoin(final, urllib.parse.quote(name)), checksum


def pull(
    entry: Entry, store: ImageStore, *, max_bytes: int, allow_private: bool = False, progress: Progress = silent
) -> Manifest:
    """Fetch an official image into the store under a new identifier.

    `progress` gets the bytes done and in all of the download. Raises as image_fetch.download and image_import.prepare do;
    after a Retry the next call goes on where this one stopped.
    """
    url, checksum = resolve(entry, allow_private=allow_private)
    with store.scratch() as workdir:
        path = workdir / "download"
        image_fetch.download(
            url,
            path,
            partial=store.downloads,
            max_bytes=max_bytes,
            checksum=checksum,
            allow_private=allow_private,
            progress=progress,
        )
        clean = prepare(path, workdir, max_bytes=max_bytes, claimed=entry.format)
        return store.add(
            clean,
            name=entry.name,
            description=entry.description,
            boot_mode=entry.boot_mode,
            default_user=entry.default_user,
            root_device_name=entry.root_device_name,
            source=url,
        )
