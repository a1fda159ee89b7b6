"""Text that others chose (names, tags, what a guest says), made safe for a terminal.

Control characters can move the cursor, change colours or answer for the user, and direction marks can make text read as
another; all are shown as Python would write them (\\x1b). Newlines and tabs stay where the caller says so.
"""

import re

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, keep: str = "") -> str:
    """`text` with every dangerous character written out, except those in `keep`."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), text)


def json_clean(text: str) -> str:
    """JSON text with dangerous characters as JSON escapes; means the same. Line ends of the layout stay."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()
