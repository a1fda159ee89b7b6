"""By which names a server may be spoken to: a page of a stranger, whose name was bound to this address, gets no answer.

A browser sends the name of the page's host (DNS rebinding changes where a name leads, not the name), so what counts is the field
Host. An IP address is always good: nobody can bind one to another host. So are localhost and all below it, which lead to loopback
by definition, the host's own names, and those that the setting `endpoint_names` and the certificate have. A request of HTTP/1.0
may have none: no browser sends one.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/\s]+))(?::[0-9]{1,5})?")


def own_names() -> list[str]:
    """The names of this host, as far as it knows them without asking anybody."""
    full = socket.gethostname()
    short = full.partition(".")[0]
    return [full, short, f"{short}.local"]


class Hosts:
    """A list of names; one that begins with `*.` stands for all below it."""

    def __init__(self, names: Iterable[str]) -> None:
        clean = [name.lower().rstrip(".") for name in ("localhost", "*.localhost", *names)]
        self._names = {name for name in clean if name and not name.startswith("*.")}
        self._ends = tuple(name[1:] for name in clean if name.startswith("*.") and len(name) > 2)

    def allow(self, host: str) -> bool:
        """Whether a field Host names this server; its port does not matter. Empty where there was none."""
        if not host:
            return True
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found[1] or found[2]).lower().rstrip(".")
        return name in self._names or name.endswith(self._ends) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
