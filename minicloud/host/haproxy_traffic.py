"""Traffic of a balancer over the lives of its processes: HAProxy counts from its own start only. Pure functions, and one file.

What a process counted is noted at each look; when another process is seen, the last note of the one before is added to what
those before it counted.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .contracts_lb import Place, Statistics, Traffic
from .haproxy_socket import Row

_CODES = {str(digit): f"hrsp_{digit}xx" for digit in range(1, 6)}
_COUNTS = {"connections": "stot", "bytes_in": "bin", "bytes_out": "bout", "failed": "econ"}
Counts = dict[str, dict[str, float]]
"""By `listener PORT`, `group ID` or `target GROUP ADDRESS:PORT`."""


def counted(stat: Iterable[Row]) -> Counts:
    """What one process has counted; the variants of a group together."""
    found: Counts = {}
    for row in stat:
        group = row["pxname"].partition(":")[0]
        if row["type"] == "0":
            key = f"listener {group.removeprefix('port-')}"
        elif row["type"] == "1" and group != "none":
            key = f"group {group}"
        elif row["type"] == "2":
            key = f"target {group} {row['svname']}"
        else:
            continue
        _add(found.setdefault(key, {}), _counts(row))
    return found


def _counts(row: Row) -> dict[str, float]:
    found = {name: _number(row.get(column)) for name, column in (_COUNTS | _CODES).items()}
    # A backend's and a server's requests are its responses and those that never came; HAProxy counts connections to servers.
    found["requests"] = _number(row.get("req_tot")) or sum(found[digit] for digit in _CODES)
    found["active"] = _number(row.get("scur"))
    found["response_time"] = _number(row.get("rtime"))
    return found


def _number(text: str | None) -> float:
    return float(text or 0)


def _add(into: dict[str, float], other: dict[str, float]) -> None:
    for name, value in other.items():
        if name == "response_time":
            into[name] = max(into.get(name, 0.0), value)
        else:
            into[name] = into.get(name, 0.0) + value


def total(past: Counts, present: Counts) -> Counts:
    """Both together. What is active, and how long answers take, is the present's only."""
    found = {key: {**values, "active": 0.0, "response_time": 0.0} for key, values in past.items()}
    for key, values in present.items():
        _add(found.setdefault(key, {}), values)
    return found


def kept(path: Path) -> Counts:
    """What was noted last."""
    with contextlib.suppress(OSError, ValueError):
        said = json.loads(path.read_text())
        return total(total(said["past"], said["present"]), {})
    return {}


def note(path: Path, pid: int, present: Counts) -> Counts:
    """Keep what the process `pid` has counted by now; what all have counted until now."""
    kept: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(path.read_text())
    past: Counts = kept.get("past", {})
    if kept.get("pid") not in (None, pid):
        past = total(past, kept.get("present", {}))
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640), "w") as file:
        file.write(json.dumps({"pid": pid, "past": past, "present": present}))
    new.rename(path)
    return total(past, present)


def statistics(counts: Counts) -> Statistics:
    """As the contract has it."""
    listeners: dict[int, Traffic] = {}
    groups: dict[str, Traffic] = {}
    targets: dict[Place, Traffic] = {}
    for key, values in counts.items():
        kind, *names = key.split(" ")
        if kind == "listener":
            listeners[int(names[0])] = _traffic(values)
        elif kind == "group":
            groups[names[0]] = _traffic(values)
        else:
            targets[names[0], names[1]] = _traffic(values)
    return Statistics(listeners, groups, targets)


def _traffic(values: dict[str, float]) -> Traffic:
    whole = {name: int(values.get(name, 0)) for name in (*_COUNTS, "requests", "active")}
    codes = {int(digit): int(values.get(digit, 0)) for digit in _CODES}
    return Traffic(**whole, codes=codes, response_time=values.get("response_time", 0.0))
