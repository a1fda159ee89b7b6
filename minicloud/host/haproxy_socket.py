"""What a running HAProxy tells through its socket, and what it is told before it starts: the health of its targets.

HAProxy takes a server for healthy until a probe says otherwise. So each start reads a state in which the targets that were
known keep their health, and new ones are down, one good probe away from being up.
"""

import csv
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .contracts_lb import Health, Place
from .haproxy_backends import Variant
from .load_balancer_spec import LoadBalancerSpec

_SECONDS = 5.0
_VERSION = 1
_FIELDS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change "
    "srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn "
    "srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port"
)
_TLS, _CHECK_PORT = _FIELDS.split().index("srv_use_ssl"), _FIELDS.split().index("srv_check_port")
_WANTED = re.compile(r"(L7OK|L7OKC|L6OK|L4OK)")
_TIMEOUTS = ("L4TOUT", "L6TOUT", "L7TOUT")
Row = dict[str, str]


def ask(path: Path, command: str) -> tuple[int, str]:
    """Who answers a command (its process), and what. Raises OSError where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_SECONDS)
        sock.connect(str(path))
        sock.sendall(f"show info; {command}\n".encode())
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
    info, _, answer = b"".join(parts).decode(errors="replace").partition("\n\n")
    found = re.search(r"^Pid: ([0-9]+)$", info, re.MULTILINE)
    return int(found[1]) if found else 0, answer


def rows(stat: str) -> list[Row]:
    """What `show stat` answered: a line for each frontend, server and backend."""
    return list(csv.DictReader(stat.removeprefix("# ").splitlines()))


def health(stat: Iterable[Row]) -> dict[Place, Health]:
    """What probes said of the servers that are probed."""
    return {(row["pxname"], row["svname"]): _health(row) for row in stat if row["type"] == "2" and row.get("check_status")}


def _health(row: Row) -> Health:
    # A star before the status: a probe is under way, and this was the last one's.
    status = row["check_status"].removeprefix("* ")
    up = row["status"].startswith("UP")
    if status in ("INI", "UNK"):
        return Health(up, None)
    if _WANTED.fullmatch(status):
        return Health(up, "")
    if status in _TIMEOUTS:
        return Health(up, "timeout")
    if status == "L7STS":
        return Health(up, "codes", int(row["check_code"] or 0))
    return Health(up, "failed")


def known(states: str) -> dict[Place, list[str]]:
    """The lines of `show servers state`, or of a state file, by target."""
    lines = (line.split() for line in states.splitlines() if line and not line.startswith("#"))
    return {(words[1], words[3]): words for words in lines if len(words) == len(_FIELDS.split())}


def state(spec: LoadBalancerSpec, before: Mapping[Place, list[str]]) -> str:
    """The state that a balancer starts with. Numbers of servers change with their order: names are what counts."""
    return "".join(f"{line}\n" for line in (str(_VERSION), f"# {_FIELDS}", *_lines(spec, before)))


def _lines(spec: LoadBalancerSpec, before: Mapping[Place, list[str]]) -> Iterator[str]:
    for group in spec.groups:
        for target in group.targets if group.check else ():
            name = Variant(group).name
            words = list(before.get((name, target.name), ()))
            if not words:
                nearly = group.check.healthy - 1 if group.check else 0
                address = [str(target.address), "0", "0", "1", "1", "0", "1", "0", str(nearly), "6", "0", "0", "0", "-"]
                words = ["0", name, "0", target.name, *address, str(target.port), "-", "0", "0", "-", "-", "0"]
            words[0] = words[2] = "0"
            # What a spec says is not for a state to change: TLS, and the port of probes.
            words[_TLS] = "1" if group.protocol in ("HTTPS", "TLS") else "0"
            words[_CHECK_PORT] = str(group.check.port) if group.check else "0"
            yield " ".join(words)
