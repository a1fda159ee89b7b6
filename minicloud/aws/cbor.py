"""CBOR (RFC 8949) as far as AWS uses it: read strictly from untrusted bytes, written for answers.

Of tags only 1 is known, seconds since 1970; others are refused, as are nesting beyond MOST_DEPTH and lengths beyond the
bytes that are there, before anything is made of them.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_DEPTH = 32
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_BREAK = object()


@dataclass(frozen=True)
class Time:
    """Seconds since 1970, for tag 1."""

    seconds: float


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise ValueError("the document ends too early")
        found, self.at = self.data[self.at : end], end
        return found

    def value(self, depth: int = 0) -> Any:
        if depth > MOST_DEPTH:
            raise ValueError("the document is nested too deeply")
        head = self.take(1)[0]
        major, low = head >> 5, head & 31
        if major == 7:
            return self._simple(low)
        if low == 31:
            return self._indefinite(major, depth)
        return self._sized(major, low if low < 24 else self._size(low), depth)

    def _sized(self, major: int, size: int, depth: int) -> Any:
        if major < 2:
            return size if major == 0 else -1 - size
        if major == 6:
            return self._tagged(size, depth)
        if size > len(self.data) - self.at:
            raise ValueError("the document ends too early")
        if major < 4:
            return self.take(size) if major == 2 else self.take(size).decode()
        return self._list(size, depth) if major == 4 else self._map(size, depth)

    def _size(self, low: int) -> int:
        if low > 27:
            raise ValueError("a length that CBOR does not have")
        return int.from_bytes(self.take(1 << (low - 24)))

    def _simple(self, low: int) -> Any:
        if low in _FLOATS:
            form, size = _FLOATS[low]
            return struct.unpack(form, self.take(size))[0]
        if low == 31:
            return _BREAK
        if low not in _SIMPLE:
            raise ValueError("a simple value that AWS does not use")
        return _SIMPLE[low]

    def _tagged(self, tag: int, depth: int) -> Any:
        inner = self.value(depth + 1)
        if tag != 1 or isinstance(inner, bool) or not isinstance(inner, (int, float)):
            raise ValueError("a tag that AWS does not use")
        return inner

    def _list(self, size: int, depth: int) -> list[Any]:
        return [self._inner(depth) for _ in range(size)]

    def _map(self, size: int, depth: int) -> dict[str, Any]:
        return {self._key(depth): self._inner(depth) for _ in range(size)}

    def _inner(self, depth: int) -> Any:
        found = self.value(depth + 1)
        if found is _BREAK:
            raise ValueError("a break where none can be")
        return found

    def _key(self, depth: int) -> str:
        found = self._inner(depth)
        if not isinstance(found, str):
            raise ValueError("a key that is not text")  # noqa: TRY004  all refusals here are one kind
        return found

    def _indefinite(self, major: int, depth: int) -> Any:
        parts: list[Any] = []
        while (inner := self.value(depth + 1)) is not _BREAK:
            parts.append(inner)
        if major == 4:
            return parts
        if major == 5 and len(parts) % 2 == 0 and all(isinstance(key, str) for key in parts[::2]):
            return dict(zip(parts[::2], parts[1::2], strict=True))
        if major == 2 and all(isinstance(part, bytes) for part in parts):
            return b"".join(parts)
        if major == 3 and all(isinstance(part, str) for part in parts):
            return "".join(parts)
        raise ValueError("a value of no length that cannot have none")


def loads(data: bytes) -> Any:
    """One document. Raises ValueError."""
    reader = _Reader(data)
    found = reader.value()
    if reader.at != len(data) or found is _BREAK:
        raise ValueError("the document does not end where it should")
    return found


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes([major << 5 | size])
    for low, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if size < 1 << (8 * width):
            return bytes([major << 5 | low]) + size.to_bytes(width)
    raise ValueError("a number of more than 64 bits")


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    return _head(3, len(data)) + data


def _dict(value: dict[str, Any]) -> bytes:
    return _head(5, len(value)) + b"".join(dumps(key) + dumps(inner) for key, inner in value.items())


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"\xf6",
    bool: lambda value: b"\xf5" if value else b"\xf4",
    int: lambda value: _head(0, value) if value >= 0 else _head(1, -1 - value),
    float: lambda value: b"\xfb" + struct.pack(">d", value),
    str: _text,
    bytes: lambda value: _head(2, len(value)) + value,
    Time: lambda value: b"\xc1" + dumps(float(value.seconds)),
    dict: _dict,
    list: lambda value: _head(4, len(value)) + b"".join(map(dumps, value)),
}


def dumps(value: Any) -> bytes:
    """A document of dicts, lists, texts, bytes, numbers, truth values, None and `Time`. Raises KeyError for other types."""
    return _WRITERS[type(value)](value)
