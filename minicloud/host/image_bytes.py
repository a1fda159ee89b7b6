"""Reading numbers out of bytes that somebody else wrote, and refusing them.

A Reader never raises anything but the refusals below, whatever offset it is asked for: that is what lets the parsers of image
headers be short and still safe.
"""

import os
import struct
from typing import Any, BinaryIO

from ..errors import ApiError


def invalid(why: str) -> ApiError:
    """The refusal of a file that is not an image that can be used; `why` is a sentence."""
    return ApiError("InvalidFormat", f"The specified disk format is not valid. {why}")


def too_large(size: int, limit: int) -> ApiError:
    """The refusal of an image whose disk would be larger than `limit` bytes."""
    return ApiError(
        "DiskImageSizeTooLarge",
        f"The disk image exceeds the allowed limit. It has {size / 2**30:.1f} GiB and {limit / 2**30:.1f} GiB are allowed "
        "(setting max_image_gib).",
    )


class Reader:
    """A file of untrusted bytes, read at offsets. `size` is the file's, in bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    def bytes_at(self, offset: int, length: int) -> bytes:
        """At most `length` bytes; fewer where the file ends, none outside of it."""
        if offset < 0 or offset >= self.size:
            return b""
        self._file.seek(offset)
        return self._file.read(max(0, min(length, self.size - offset)))

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        """The fields of a struct layout at `offset`; refused when the file ends before they do."""
        length = struct.calcsize(layout)
        data = self.bytes_at(offset, length)
        if len(data) < length:
            raise invalid("The file is cut off in the middle of its header.")
        return struct.unpack(layout, data)

    def require_inside(self, what: str, offset: int, length: int) -> None:
        """Refuse a table that does not lie wholly inside the file."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise invalid(f"Its {what} lies beyond the end of the file.")
