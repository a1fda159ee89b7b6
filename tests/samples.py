"""Values of AWS's shapes, made from the model: every member there is, as deep as is sensible."""

from typing import Any

from minicloud.aws import patterns
from minicloud.aws.model import Shape

TIME = "2026-01-02T03:04:05.678Z"
PLAIN = "abc"
"""For shapes with a pattern; most take it."""
TEXT = 'a<b> & "c" ü 日本\n end'


def sample(shape: Shape, above: tuple[str, ...] = (), most_lists: int = 2) -> Any:
    """A value that has every member (of a union one); a shape inside itself is left out."""
    if shape.kind == "structure" and shape.raw.get("union"):
        inner = (*above, shape.name)
        made = ((name, sample(part.shape, inner)) for name, part in shape.members.items() if not _recursive(part.shape, inner))
        return dict([next(item for item in made if item[1] != {})])
    if shape.kind == "structure":
        return {
            name: sample(member.shape, (*above, shape.name))
            for name, member in shape.members.items()
            if not _recursive(member.shape, (*above, shape.name))
        }
    if shape.kind == "list":
        return [sample(shape.element, above) for _ in range(most_lists)]
    if shape.kind == "map":
        return {TEXT if not shape.key.enum else shape.key.enum[0]: sample(shape.value, above)}
    return _SCALARS[shape.kind](shape)


def _recursive(shape: Shape, above: tuple[str, ...]) -> bool:
    if shape.kind == "list":
        return _recursive(shape.element, above)
    if shape.kind == "map":
        return _recursive(shape.value, above)
    return shape.name in above


def _text(shape: Shape) -> str:
    pattern = shape.raw.get("pattern", "")
    return TEXT if not pattern or patterns.fits(pattern, TEXT) else PLAIN


_SCALARS: dict[str, Any] = {
    "string": lambda shape: shape.enum[0] if shape.enum else _text(shape),
    "character": lambda _: "c",
    "timestamp": lambda _: TIME,
    "integer": lambda _: -7,
    "long": lambda _: 2**40,
    "float": lambda _: 1.5,
    "double": lambda _: -2.25,
    "boolean": lambda _: True,
    "blob": lambda _: b"\x00\xffbytes",
}
