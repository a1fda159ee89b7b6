"""Signature Version 4, both sides: what a request claims about its sender, whether that is true, and signing of our own.

A claim is read first, the secret of its access key found by others, then `verify` compares in constant time. The body's hash
is always taken of the body that came; a request that leaves its body unsigned has no valid signature here. `host`, and
every `x-amz-` header that is sent, must be signed: what acts on a request must be the sender's. AWS's page: "Create a
signed AWS API request".
"""

import hashlib
import hmac
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import ApiError
from .wire import WireRequest

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 15 * 60
"""Seconds that a request's time may differ from ours."""
_MOST_EXPIRES = 7 * 24 * 3600
_FIELD = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]+)\s*")
_SCOPE = re.compile(r"([A-Za-z0-9]{4,128})/([0-9]{8})/([A-Za-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request")
_OLD_VERSION = re.compile(r"(?:^|&)SignatureVersion=([0-3])(?:&|$)")
_MOST_LOOKED_AT = 1 << 16
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True)
class Claim:
    """What a request says about who sent it and when. `expires` is the seconds of a presigned URL, 0 for a header."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    token: str = ""
    expires: int = 0


def _incomplete(text: str) -> ApiError:
    return ApiError("IncompleteSignature", text, 400)


def claim_of(request: WireRequest) -> Claim | None:
    """The claim in the Authorization header or in a presigned URL; None where there is none. Raises ApiError."""
    header = request.headers.get("authorization", "")
    if header:
        if header.startswith("AWS "):
            raise _incomplete(f"Signature Version 2 is not supported. Sign with Signature Version 4 ({ALGORITHM}).")
        if not header.startswith(ALGORITHM + " "):
            raise _incomplete(f"The Authorization header must begin with {ALGORITHM}")
        parts = (_FIELD.fullmatch(part) for part in header[len(ALGORITHM) :].split(","))
        fields = {part[1]: part[2] for part in parts if part}
        stamp, token = request.headers.get("x-amz-date", ""), request.headers.get("x-amz-security-token", "")
        return _claim(fields, stamp, token, 0)
    if "X-Amz-Signature=" not in request.query:
        _refuse_old(request)
        return None
    query = dict(_pairs(request.query))
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        raise _incomplete(f"X-Amz-Algorithm must be {ALGORITHM}")
    fields = {name: query.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
    expires = query.get("X-Amz-Expires", "")
    if not (expires.isascii() and expires.isdecimal() and 0 < int(expires[:9]) <= _MOST_EXPIRES):
        raise _incomplete(f"X-Amz-Expires must be a number of seconds up to {_MOST_EXPIRES}")
    return _claim(fields, query.get("X-Amz-Date", ""), query.get("X-Amz-Security-Token", ""), int(expires))


def _refuse_old(request: WireRequest) -> None:
    """Refuse the signature versions before 4, which are fields of the request. Raises ApiError."""
    for text in (request.query, request.body[:_MOST_LOOKED_AT].decode("latin-1")):
        if old := _OLD_VERSION.search(text):
            raise _incomplete(f"Signature Version {old[1]} is not supported. Sign with Signature Version 4 ({ALGORITHM}).")


def _claim(fields: Mapping[str, str], stamp: str, token: str, expires: int) -> Claim:
    scope = _SCOPE.fullmatch(fields.get("Credential", ""))
    if scope is None:
        raise _incomplete("The Credential must be ACCESS-KEY/DATE/REGION/SERVICE/aws4_request")
    if not fields.get("SignedHeaders") or not fields.get("Signature"):
        raise _incomplete("The signature needs SignedHeaders and Signature")
    if not _STAMP.fullmatch(stamp) or stamp[:8] != scope[2]:
        raise _incomplete("X-Amz-Date must be a time such as 20260131T120000Z, of the Credential's date")
    signed = tuple(fields["SignedHeaders"].split(";"))
    return Claim(scope[1], scope[2], scope[3], scope[4], signed, fields["Signature"], stamp, token, expires)


def is_current(claim: Claim, now: float) -> bool:
    """Whether the request's time is near ours, or a presigned URL still holds."""
    try:
        sent = datetime.strptime(claim.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return sent - SKEW <= now <= sent + (claim.expires or SKEW)


def verify(request: WireRequest, claim: Claim, secret: str) -> bool:
    """Whether the request was signed with this secret, and signs all that it must."""
    needed = {"host", *(name for name in request.headers if name.startswith("x-amz-"))}
    if not needed <= set(claim.signed_headers):
        return False
    expected = signature(request, claim, secret)
    return hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "replace"))


def signature(request: WireRequest, claim: Claim, secret: str) -> str:
    """The signature that `request` has under a secret, as hexadecimal text."""
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    canonical = hashlib.sha256(_canonical(request, claim.signed_headers).encode("utf-8", "surrogateescape")).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, f"{ALGORITHM}\n{claim.stamp}\n{scope}\n{canonical}".encode(), "sha256").hex()


def _canonical(request: WireRequest, signed_headers: Sequence[str]) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed_headers)
    pairs = [(_quote(name), _quote(value)) for name, value in _pairs(request.query) if name != "X-Amz-Signature"]
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    path = urllib.parse.quote(_without_dots(request.path), safe="/~")
    body = hashlib.sha256(request.body).hexdigest()
    return "\n".join((request.method, path, query, headers, ";".join(signed_headers), body))


def _pairs(query: str) -> list[tuple[str, str]]:
    """The fields of a query string. A plus is a space in it, as for those who read it; it is signed as %20."""
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(value)) for name, _, value in parts]


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="-_.~")


def _without_dots(path: str) -> str:
    """A path without `.`, `..` and empty parts."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


def sign(request: WireRequest, keys: tuple[str, str, str], region: str, service: str, now: float) -> dict[str, str]:
    """The headers that sign a request; `keys` are access key, secret, session token (or empty)."""
    access_key, secret, token = keys
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {**request.headers, "x-amz-date": stamp, **({"x-amz-security-token": token} if token else {})}
    claim = Claim(access_key, stamp[:8], region, service, tuple(sorted(headers)), "", stamp, token)
    whole = WireRequest(request.method, request.path, request.query, headers, request.body)
    made = signature(whole, claim, secret)
    headers["authorization"] = (
        f"{ALGORITHM} Credential={access_key}/{claim.date}/{region}/{service}/aws4_request, "
        f"SignedHeaders={';'.join(claim.signed_headers)}, Signature={made}"
    )
    return headers
