"""The names of minicloud's chains and sets, and whose a chain is that has such a name.

Others may use the same prefix: only a name that is one of ours from its first letter to its last is looked at. Of those, a
table's are ours if there is an empty chain beside them whose name is our mark: it carries the identity of the state that made
them, and comes and goes with them in one transaction. Without it such a name is somebody else's, and with another identity in
it another minicloud's; neither is ever changed.
"""

import re

PREFIX = "MC-"
_MARK = f"{PREFIX}ID-"
_DIGITS = 22
"""Of the identity: a chain's name has at most 28 characters."""
_FIXED = (
    "INPUT", "HOST", "OUTPUT", "FORWARD", "FROM", "TO", "GUEST", "H?EGRESS", "H?INGRESS", "PREROUTING", "NAT-OUTPUT",
    "POSTROUTING", "NAT-HOST", "NAT-INWARD", "NAT-OUTWARD", "CLIENTS", "FRAMES", "BACK",
)  # fmt: skip
_CHAIN = re.compile(
    rf"{PREFIX}({'|'.join(_FIXED)}|(H?[EI]|F)-mc[0-9a-f]{{11}}|H?[ei]-([0-9a-f]{{17}}|without)|ID-[0-9a-f]{{{_DIGITS}}})"
)
_SET = re.compile(rf"{PREFIX}[0-9a-f]{{20}}")


def mark(identity: str) -> str:
    """The chain that says that a table's chains are those of the state with this identity (hexadecimal digits)."""
    return f"{_MARK}{identity[:_DIGITS]:0<{_DIGITS}}"


NOBODY = mark("")
"""The mark of a minicloud that did not know of identities: whoever comes next takes it over."""


def is_mark(name: str) -> bool:
    """Whether a chain is somebody's mark."""
    return name.startswith(_MARK) and is_chain(name)


def is_chain(name: str) -> bool:
    """Whether a chain of ours could have this name."""
    return _CHAIN.fullmatch(name) is not None


def is_set(name: str) -> bool:
    """Whether a set of ours could have this name."""
    return _SET.fullmatch(name) is not None
