"""Access keys and session tokens, derived from one master key and therefore kept nowhere.

SigV4 needs the secret itself, so no hash of it would do. Instead a secret is HMAC(master key, access key id): the state holds
ids only, and a copy of the state betrays no secret. A session's token carries who it is and until when, sealed with an HMAC
of the same master key. The master key is a file of mode 0600 (state/master_key.py); with it deleted, all keys end.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
from dataclasses import asdict, dataclass

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MOST_TOKEN = 4096
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
LONG_TERM, SESSION = "AKIA", "ASIA"


@dataclass(frozen=True)
class Session:
    """What a session token says: the key that it belongs to, until when (seconds since 1970), who made it, and as whom.

    `parent` is the long-term access key that asked for it; empty for the credentials of a guest. `role` and `role_id` are the
    name and the unique id of a role, empty for GetSessionToken. `source` is the instance id of a guest. Tokens that an older
    minicloud made have no `role_id`.
    """

    access_key: str
    expires: int
    parent: str
    role: str = ""
    name: str = ""
    source: str = ""
    role_id: str = ""


def new_id(prefix: str) -> str:
    """A fresh access key id of AWS's form."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def secret_of(master: bytes, access_key: str) -> str:
    """The secret access key of an id: 40 characters, as AWS's are."""
    digest = hmac.digest(master, f"secret access key {access_key}".encode(), "sha256")
    return base64.b64encode(digest[:30]).decode()


def seal(master: bytes, session: Session) -> str:
    """A session token."""
    content = json.dumps(asdict(session), separators=(",", ":")).encode()
    return f"{_encode(content)}.{_encode(_mac(master, content))}"


def unseal(master: bytes, token: str) -> Session | None:
    """The session of a token that this minicloud made; None for any other text. Says nothing about its time."""
    if len(token) > _MOST_TOKEN or not _TOKEN.fullmatch(token):
        return None
    head, _, tail = token.partition(".")
    try:
        content, mac = _decode(head), _decode(tail)
    except (binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(mac, _mac(master, content)):
        return None
    return Session(**json.loads(content))


def _mac(master: bytes, content: bytes) -> bytes:
    return hmac.digest(master, b"session token " + content, "sha256")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
