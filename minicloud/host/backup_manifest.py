"""What a backup says of itself: its first member, `manifest.json`.

Read from a file of somebody's, so every field's type is checked. Sizes in bytes, `created` UTC as AWS writes times.
"""

import dataclasses
import json
import re
from typing import Any

from . import archive

NAME = "manifest.json"
MOST = 1 << 24
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class ImageFile:
    """A base image that disks of the backup stand on, or an AMI starts from; `size` and `sha256` are those of its qcow2."""

    image_id: str
    name: str
    source: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """`disks`: whether disks and base images are in it, or are counted on at the place where it is restored."""

    format: int
    id: str
    created: str
    minicloud: str
    identity: str
    generation: int
    database: int
    """The version of the state's database."""
    disks: bool
    region: str
    account: str
    host: str
    size: int
    """All that is in it, as it stands in the archive."""
    members: dict[str, int]
    """The sizes of the members but for this one and the sums, with their holes, in their order."""
    layers: tuple[str, ...]
    """The disks that the state counts on."""
    images: tuple[ImageFile, ...]
    volumes: int
    instances: int
    messages: tuple[str, ...]
    """What is to be said of it, such as which guests' file systems were not quiesced."""


def encode(manifest: Manifest) -> bytes:
    """As it stands in the archive."""
    return (json.dumps(dataclasses.asdict(manifest), indent=1) + "\n").encode()


def decode(data: bytes) -> Manifest:
    """Read it. Raises ApiError (InvalidFormat)."""
    try:
        values = json.loads(data)
        fields = {field.name for field in dataclasses.fields(Manifest)}
        if not isinstance(values, dict) or values.get("format") != FORMAT or values.keys() != fields:
            archive.refuse(f"its {NAME} is of a kind that this minicloud does not know")
        values["images"] = tuple(ImageFile(**image) for image in values["images"])
        values["layers"], values["messages"] = tuple(values["layers"]), tuple(values["messages"])
        made = Manifest(**values)
    except (ValueError, TypeError, KeyError, RecursionError):
        archive.refuse(f"its {NAME} cannot be read")
    if why := _wrong(made):
        archive.refuse(f"its {NAME} has a wrong {why}")
    return made


def _wrong(made: Manifest) -> str:
    """The field that is wrong, if one is."""
    owners: tuple[Manifest | ImageFile, ...] = (made, *made.images)
    for owner in owners:
        for field in dataclasses.fields(owner):
            value: Any = getattr(owner, field.name)
            kind = field.type if isinstance(field.type, type) else None
            if kind in (str, int, bool) and type(value) is not kind:
                return field.name
            if kind is int and value < 0:
                return field.name
    if not (re.fullmatch("[0-9a-f]{32}", made.identity) and re.fullmatch("[0-9a-f]{32}", made.id)):
        return "id"
    if not (isinstance(made.members, dict) and all(type(size) is int and size >= 0 for size in made.members.values())):
        return "members"
    return "" if all(isinstance(text, str) for text in (*made.layers, *made.messages)) else "layers"
