r"""The patterns of AWS's models, which are Java's regular expressions. A value must match one as a whole.

Java's `\w` and `\d` are of ASCII; letters and digits of all languages are `\p{L}` and `\p{N}`, which AWS never has without each
other and the underscore: together they are Python's `\w`. Characters beyond 16 bits stand as pairs of surrogates.
"""

import functools
import re

_SPACES = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_REST_OF_UNICODE = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")


@functools.cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """A pattern as Python's; None for one with other classes of characters, as newer models may have."""
    text = pattern.replace(*_REST_OF_UNICODE).replace(r"\p{all}", r"\s\S")
    of_unicode = r"\p{" in text
    text = text.replace(r"\p{L}", r"\w").replace(r"\p{N}", r"\w").replace(r"\p{Z}", _SPACES)
    try:
        return re.compile(text, 0 if of_unicode else re.ASCII)
    except re.error:
        return None


def fits(pattern: str, value: str) -> bool:
    """Whether a text is what a model's pattern says; true where nobody here can tell."""
    found = compiled(pattern)
    return found is None or found.fullmatch(value) is not None
