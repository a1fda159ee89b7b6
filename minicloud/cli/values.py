"""Words of a flag into a value of the type that AWS's model gives its parameter.

Any value may be file://PATH (text) or fileb://PATH (bytes as they are). Lists and structures are JSON if they begin like it,
shorthand otherwise. Bytes (blobs) are the file's, or the text's in UTF-8. What minicloud checks for every front (bounds,
enumerations, required members) is not checked here. All errors are UsageError, in one line, naming the flag.
"""

import json
from pathlib import Path
from typing import Any

from ..aws import times
from ..aws.model import Shape
from ..errors import UsageError
from .flags import Flag
from .parse import Words, closest
from .shorthand import parse as parse_shorthand

_COMPLEX = ("structure", "list", "map")


def convert(flag: Flag, words: Words) -> Any:
    """The value of a parameter. Raises UsageError."""
    shape = flag.shape
    if shape is None:
        return words
    try:
        if isinstance(words, bool):
            return {"Value": words} if shape.kind == "structure" else words
        if isinstance(words, list):
            return _list(shape, words)
        return _one(shape, words)
    except UsageError as error:
        raise UsageError(f"--{flag.name}: {error}") from error


def contents(word: str) -> str | bytes:
    """The word itself, or what stands in the file it names: text for file://, bytes for fileb://. Raises UsageError."""
    if not word.startswith(("file://", "fileb://")):
        return word
    data = _bytes(word)
    return data if word.startswith("fileb://") else _text(data)


def as_bytes(word: str) -> bytes:
    """Bytes of a word or of the file it names, to the byte. Raises UsageError."""
    return _bytes(word) if word.startswith(("file://", "fileb://")) else word.encode(errors="surrogateescape")


def load_json(text: str) -> Any:
    """JSON. Raises UsageError."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"this is not JSON: {error}") from error


def fit(shape: Shape, value: Any, *, words: bool, path: str = "") -> Any:
    """A value read from JSON, or (with `words`) from shorthand, as `shape` wants it. Raises UsageError."""
    if shape.kind == "structure" and isinstance(value, dict):
        members = shape.members
        for name in value:
            if name not in members:
                raise UsageError(_unknown_key(name, list(members), path))
        return {name: fit(members[name].shape, inner, words=words, path=f"{path}{name}.") for name, inner in value.items()}
    if shape.kind == "map" and isinstance(value, dict):
        return {name: fit(shape.value, inner, words=words, path=f"{path}{name}.") for name, inner in value.items()}
    if shape.kind == "list" and (words or isinstance(value, list)):
        entries = value if isinstance(value, list) else [value]
        return [fit(shape.element, inner, words=words, path=path) for inner in entries]
    if shape.kind == "blob" and isinstance(value, str):
        return value.encode(errors="surrogateescape")
    if words and isinstance(value, str) and shape.kind not in _COMPLEX:
        return _scalar(shape, value, path.rstrip("."))
    return value


def _list(shape: Shape, words: list[str]) -> Any:
    element = shape.element
    if len(words) == 1:
        content = contents(words[0])
        if isinstance(content, bytes):
            return [content]
        if content.lstrip().startswith("["):
            return fit(shape, load_json(content), words=False)
        if content is not words[0]:
            words = [content] if element.kind in _COMPLEX else content.split()
    return [_one(element, word) for word in words]


def _one(shape: Shape, word: str) -> Any:
    if shape.kind == "blob":
        return as_bytes(word)
    content = contents(word)
    if isinstance(content, bytes):
        return {"Value": content} if _only_value(shape) else content
    if shape.kind not in _COMPLEX:
        return _scalar(shape, content)
    if content.lstrip()[:1] in ("{", "["):
        return fit(shape, load_json(content), words=False)
    if _only_value(shape) and ("=" not in content or content is not word):
        return fit(shape, {"Value": content}, words=True)
    return fit(shape, parse_shorthand(content, contents), words=True)


def _only_value(shape: Shape) -> bool:
    """Whether a plain word stands for {"Value": word}."""
    return (
        shape.kind == "structure"
        and list(shape.raw["members"]) == ["Value"]
        and shape.members["Value"].shape.kind in ("string", "blob")
    )


def _scalar(shape: Shape, text: str, path: str = "") -> Any:
    where = f"{path}: " if path else ""
    if shape.kind in ("integer", "long", "float", "double"):
        whole = shape.kind in ("integer", "long")
        try:
            return int(text) if whole else float(text)
        except ValueError as error:
            raise UsageError(f"{where}{text!r} is not a {'whole ' if whole else ''}number") from error
    if shape.kind == "boolean":
        truth = {"true": True, "false": False}.get(text.lower())
        if truth is None:
            raise UsageError(f"{where}{text!r} is neither true nor false")
        return truth
    if shape.kind == "timestamp" and text.replace(".", "", 1).isdecimal():
        try:
            return times.text(float(text))
        except (ValueError, OverflowError, OSError) as error:
            raise UsageError(f"{where}{text!r} seconds are no time") from error
    return text


def _unknown_key(name: str, members: list[str], path: str) -> str:
    near = closest(name, members)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(members)}"
    return f"{path}{name} is not known; {hint}"


def _bytes(word: str) -> bytes:
    path = Path(word.partition("://")[2]).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError("the file is not text; fileb:// reads bytes") from error
