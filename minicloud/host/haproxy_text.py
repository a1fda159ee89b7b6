"""Words of an HAProxy configuration: what a user wrote becomes one word that means only itself, or is refused. Pure functions.

Between single quotes HAProxy interprets nothing; in a format `%` begins a variable, so it is doubled. In a pattern every byte
that is neither a letter nor a digit is written as its number, so that no regular expression's sign is left.
"""

import hashlib
import re
from urllib.parse import quote

from ..errors import Permanent

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&*+^_`|~.-]{1,256}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URL_SAFE = "/:?#[]@!$&()*+,;=~%"
_PLACEHOLDER = re.compile(r"#\{(protocol|host|port|path|query)\}")


def name(text: str) -> str:
    """A word of letters, digits, and `_.-`: what a header or a cookie is called. Raises Permanent for anything else."""
    if not _NAME.fullmatch(text):
        raise Permanent(f"{text!r} cannot be served as a name: only letters, digits, '_', '.' and '-' can be")
    return text


def fetch(kind: str, text: str) -> str:
    """The word that looks up a header or a cookie, such as `req.cook(name)`. Raises Permanent for what cannot be its name."""
    if not _TOKEN.fullmatch(text):
        raise Permanent(f"{text!r} cannot be served as the name of a header or a cookie")
    return f"{kind}({text})" if _NAME.fullmatch(text) else f"'{kind}({text})'"


def literal(text: str) -> str:
    """One word that stands for the text. Raises Permanent for control characters."""
    if _CONTROL.search(text):
        raise Permanent(f"{text!r} has control characters, which no header may have")
    return "'" + text.replace("'", "'\\''") + "'"


def format_of(text: str) -> str:
    """The same where HAProxy expects a format."""
    return literal(text.replace("%", "%%"))


def url_format(template: str, parts: dict[str, str]) -> str:
    """A format of a URL's part in which placeholders such as #{host} become `parts`; all else stands for itself, encoded where
    a URL may not have it. Not a word yet: for `between`.
    """
    found, end = "", 0
    for match in _PLACEHOLDER.finditer(template):
        found += _url(template[end : match.start()]) + parts[match[1]]
        end = match.end()
    return found + _url(template[end:])


def _url(text: str) -> str:
    return quote(text, safe=_URL_SAFE).replace("%", "%%")


def between(formatted: str) -> str:
    """A word of a format that has no quotes in it."""
    return f"'{formatted}'"


def pattern(text: str, every: str = ".*", one: str = ".") -> str:
    """A regular expression for a text in which `*` stands for `every`, and `?` for `one`."""
    return "".join({"*": every, "?": one}.get(char) or _byte(char) for char in text)


def _byte(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def mark(text: str) -> str:
    """What stands for a target or a group in a cookie: it tells nothing of addresses. HAProxy computes it as `sha1,hex,lower`."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
