"""Answers compressed with gzip for who asks for it (Accept-Encoding, RFC 9110), as AWS's endpoints do.

At the lowest level: it takes a small part of the time in which the answer was made, whatever its size, and the XML of many
resources comes down to a fraction nevertheless. Short answers, which fit into a packet or two, stay as they are.
"""

import gzip
import re
from dataclasses import replace

from ..aws.wire import WireAnswer

LEAST = 2048
"""Bytes from which on an answer is compressed."""
_LEVEL = 1
_CODING = re.compile(r"([a-z0-9*-]+)(?:\s*;\s*q=([01](?:\.[0-9]{0,3})?))?", re.IGNORECASE)


def wants_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header takes gzip: by its name, or by `*`; a weight of 0 means no."""
    weights = {}
    for part in accepted.split(",")[:16]:
        if found := _CODING.fullmatch(part.strip()):
            weights[found[1].lower()] = float(found[2] or 1)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def compressed(answer: WireAnswer, accepted: str) -> WireAnswer:
    """An answer as its receiver takes it; `accepted` is the Accept-Encoding header of the request."""
    if len(answer.body) < LEAST or not wants_gzip(accepted):
        return answer
    body = gzip.compress(answer.body, _LEVEL, mtime=0)
    return replace(answer, headers={**answer.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}, body=body)
