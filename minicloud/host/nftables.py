"""Other people's nftables that drop what guests send and receive: they judge packets besides iptables, and after it.

Of interest are base chains of the hooks `forward` and `input` with the policy drop. The tables of iptables itself (where our own
rules are first) and of firewalld (which is told of our bridges) are no obstacle.
"""

import json
import shutil
from dataclasses import dataclass
from typing import Any

from ..errors import Retry
from .run import CommandFailed, run

_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_OF_IPTABLES = {"filter", "nat", "mangle", "raw", "security"}
_NO_TABLES = b"Protocol not supported"
"""What nft says of its socket where the kernel has no nf_tables."""


@dataclass(frozen=True)
class Chain:
    """A base chain that drops what it does not know: `inet filter forward`, hook forward."""

    family: str
    table: str
    name: str
    hook: str


def dropping(ruleset: dict[str, Any]) -> list[Chain]:
    """Those of what `nft -j list chains` prints."""
    found = []
    for entry in ruleset.get("nftables", ()):
        chain = entry.get("chain", {})
        ours = chain.get("family") == "ip" and chain.get("table") in _OF_IPTABLES
        relevant = chain.get("family") in ("ip", "inet", "bridge") and chain.get("hook") in ("forward", "input")
        if relevant and chain.get("policy") == "drop" and not ours and chain.get("table") != "firewalld":
            found.append(Chain(chain["family"], chain["table"], chain["name"], chain["hook"]))
    return found


def look() -> list[Chain]:
    """Those of this host; none where there is no nft(8), or no nf_tables in the kernel, without which nobody has such tables.

    Raises HostError where they cannot be seen.
    """
    if shutil.which("nft", path=_PATH) is None:
        return []
    try:
        said = json.loads(run(["nft", "-j", "list", "chains"], timeout=10.0).text.strip() or "{}")
    except CommandFailed as error:
        if _NO_TABLES in error.stderr:
            return []
        raise
    except ValueError as error:
        raise Retry(f"nft -j list chains prints what is no JSON: {error}") from error
    if not isinstance(said, dict):
        raise Retry("nft -j list chains prints what it is not to print")
    return dropping(said)
