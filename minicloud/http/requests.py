"""WSGI's view of a request as AWS's protocols want it, within limits.

A body is read only as far as it may be kept. One that is too long is read to its end in pieces and thrown away, so that the
client gets to see the refusal; the server itself breaks off what is far too long.
"""

import gzip
import io
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from ..aws.wire import WireRequest
from ..errors import ApiError

MOST_BODY = 2 << 20
"""Bytes of a body that is looked at, compressed or not."""
MOST_DISCARDED = 64 << 20
"""Bytes of a body that are read only to be thrown away."""
_PIECE = 1 << 16


def read(environ: Mapping[str, Any]) -> WireRequest:
    """The request as the client signed it. Raises ApiError (RequestEntityTooLarge)."""
    headers = {name[5:].replace("_", "-").lower(): _text(value) for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = _text(environ[name])
    path, query = target(environ)
    return WireRequest(environ["REQUEST_METHOD"], path, query, headers, _body(environ))


def target(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Path and query string as they came, percent-encoded."""
    uri = environ["REQUEST_URI"]
    if not uri.startswith("/"):  # the absolute form that proxies are spoken to in
        uri = "/" + uri.partition("://")[2].partition("/")[2]
    path, _, query = uri.partition("?")
    return path, query


def _text(value: str) -> str:
    """WSGI hands bytes over as Latin-1; they are UTF-8."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def _body(environ: Mapping[str, Any]) -> bytes:
    stream: BinaryIO = environ["wsgi.input"]
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    length = MOST_DISCARDED if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    if length <= 0:
        return b""
    try:
        body = stream.read(min(length, MOST_BODY + 1))
    except ValueError as error:  # chunks that are none
        raise ApiError("SerializationException", "The body of the request cannot be read") from error
    if len(body) > MOST_BODY:
        _discard(stream, length - len(body))
        raise too_large()
    return body


def _discard(stream: BinaryIO, length: int) -> None:
    while length > 0 and (piece := stream.read(min(length, _PIECE))):
        length -= len(piece)


def too_large() -> ApiError:
    """The refusal of a body over the limit."""
    return ApiError("RequestEntityTooLarge", f"The body of a request has at most {MOST_BODY} bytes")


def is_packed_form(request: WireRequest) -> bool:
    """Whether the fields of a form, and with them the operation, are known only when the body is decompressed."""
    packed = request.headers.get("content-encoding", "").strip().lower() == "gzip"
    return packed and request.content_type.startswith("application/x-www-form-urlencoded")


def unpacked(request: WireRequest) -> WireRequest:
    """The same with its body decompressed, after its signature was checked. Raises ApiError."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity", "aws-chunked"):
        return request
    if encoding != "gzip":
        raise ApiError("SerializationException", "A body may be compressed with gzip only")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(request.body)) as file:
            body = file.read(MOST_BODY + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ApiError("SerializationException", "The body is not gzip") from error
    if len(body) > MOST_BODY:
        raise too_large()
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return WireRequest(request.method, request.path, request.query, headers, body)
