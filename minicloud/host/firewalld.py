"""firewalld beside us: where it runs, our bridges are in its zone `trusted`, or it would drop what our rules let through.

It filters in tables of its own, after ours: what we drop it never sees, and what comes through a bridge of ours has been
judged by our rules. It is asked over D-Bus, and never started by being asked. Only interfaces with a bridge's name of ours are
ever added or removed. A reload makes it forget them, which is seen as any other harm to the firewall is.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from .run import run

ZONE = "trusted"
_TRACE = Path("/run/firewalld")
"""A directory that is there once firewalld has run; without it nobody is asked."""
_OURS = re.compile(r"mc[0-9a-f]{12}")
_NAME = "org.fedoraproject.FirewallD1"


def trusted() -> set[str] | None:
    """The bridges of ours that firewalld trusts; None where it does not run."""
    if not _TRACE.exists():
        return None
    status, text = _call("getInterfaces", "s", ZONE)
    if status != 0:
        return None
    names: list[str] = json.loads(text)["data"][0]
    return {name for name in names if _OURS.fullmatch(name)}


def in_force(bridges: Iterable[str]) -> bool:
    """Whether it trusts these bridges and no others of ours, or does not run."""
    found = trusted()
    return found is None or found == set(bridges)


def apply(bridges: Iterable[str]) -> None:
    """Have it trust these and no others of ours."""
    found, wanted = trusted(), set(bridges)
    if found is None:
        return
    for name in sorted(wanted - found):
        _call("changeZoneOfInterface", "ss", ZONE, name)
    for name in sorted(found - wanted):
        _call("removeInterface", "ss", ZONE, name)


def _call(method: str, signature: str, *words: str) -> tuple[int, str]:
    path = "/" + _NAME.replace(".", "/")
    options = ["--system", "--auto-start=no", "--json=short", "--timeout=10"]
    done = run(["busctl", *options, "call", _NAME, path, f"{_NAME}.zone", method, signature, *words], check=False)
    return done.status, done.text
