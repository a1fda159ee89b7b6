"""What a test file left on its laboratory's host goes before the next one begins, so that one failure stays one failure.

A cloud refuses a host on which another state's guests, bridges or rules are: after a test that failed in the midst of its work,
every later file would fail, too, and wait for it. A laboratory has processes and a network of its own, and all in it is a test's.
"""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from minicloud.host.run import run

OURS = ("dnsmasq", "haproxy")
"""Programs that a cloud's networks and load balancers run."""
TOOLS = ("iptables", "ip6tables", "ebtables")
TABLES = ("filter", "nat", "mangle", "raw", "security")


def _said(*argv: str) -> list[str]:
    return run(list(argv), check=False).text.split()


def _processes() -> Iterator[tuple[int, list[str]]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), path.read_bytes().decode(errors="replace").split("\0")


def _daemons() -> list[int]:
    return [pid for pid, words in _processes() if {"minicloud", "serve"} <= {Path(word).name for word in words}]


def _programs() -> list[int]:
    return [pid for pid, words in _processes() if Path(words[0]).name in OURS]


def _end(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _bridges() -> list[str]:
    said = run(["ip", "-json", "link", "show", "type", "bridge"], check=False).text  # /sys may be another network's
    return [link["ifname"] for link in json.loads(said or "[]") if link]


def left() -> list[str]:
    """Guests, bridges, namespaces and daemons that are there."""
    guests = _said("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name")
    spaces = [path.name for path in Path("/run/netns").glob("*")]
    return [*guests, *_bridges(), *spaces, *map(str, _daemons())]


def clear() -> None:
    """Take all of it away, and every rule."""
    _end(_daemons())
    for guest in _said("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name"):
        run(["virsh", "-c", "qemu:///system", "destroy", guest], check=False)
        run(["virsh", "-c", "qemu:///system", "undefine", "--nvram", guest], check=False)
    _end(_programs())
    for space in Path("/run/netns").glob("*"):
        run(["ip", "netns", "delete", space.name], check=False)
    for bridge in _bridges():
        run(["ip", "link", "delete", bridge], check=False)
    for tool in TOOLS:
        for table in TABLES:
            run([tool, "-t", table, "-F"], check=False)
            run([tool, "-t", table, "-X"], check=False)
    run(["ipset", "destroy"], check=False)
