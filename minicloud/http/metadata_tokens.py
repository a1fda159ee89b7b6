"""IMDSv2's session tokens: signed by this host, for one instance, until a moment. Nothing is kept of them.

The key is a file that only root reads, in the directory that a restart of the host empties: tokens outlive the daemon.
"""

import base64
import hmac
import os
import secrets
import struct
import time
from pathlib import Path

from .. import files
from ..aws import times

LONGEST = 21600
_SIGNATURE = 32


def key(directory: Path) -> bytes:
    """The key of this host, made when first asked for."""
    path = directory / "metadata.key"
    files.directory(directory)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return files.read(path)
    with open(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return files.read(path)


def _sign(secret: bytes, instance_id: str, body: bytes) -> bytes:
    return hmac.digest(secret, instance_id.encode() + b"\0" + body, "sha256")


def make(secret: bytes, instance_id: str, seconds: int) -> str:
    """A token for an instance, valid for `seconds`."""
    body = struct.pack("!d", time.time() + seconds) + secrets.token_bytes(2)
    return base64.urlsafe_b64encode(body + _sign(secret, instance_id, body)).decode()


def valid(secret: bytes, instance_id: str, token: str) -> bool:
    """Whether this host gave the token to this instance, and its time is not over."""
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except ValueError:
        return False
    body, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
    if len(body) != 10 or not hmac.compare_digest(signature, _sign(secret, instance_id, body)):
        return False
    return bool(0 < struct.unpack("!d", body[:8])[0] - time.time() <= LONGEST + times.SLACK)


def seconds_asked(header: str | None) -> int | None:
    """The time to live that a request names, None where it is none that EC2 takes."""
    text = (header or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= LONGEST):
        return None
    return int(text)
