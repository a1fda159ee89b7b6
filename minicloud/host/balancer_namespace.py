"""The network namespace of a load balancer, with a cable into the bridge of each of its subnets.

The namespace has no name: a process that only sleeps holds it, in the balancer's directory, by which it is known again. So
nothing is mounted anywhere, a restart of the host leaves nothing, and the kernel takes the cables away with the namespace.

Inside, an answer leaves through the interface whose address it comes from. Connections that the balancer makes in its clients'
names are answered to addresses that are not its own: where it makes such, whatever comes by TCP is for itself.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import Retry
from . import iproute
from .bridges import bridge_name
from .load_balancer_spec import Leg
from .run import run

_PROC = Path("/proc")
_START_SECONDS = 10.0
_MINE = 100
_LEG = 101
"""Routing tables inside: what is for itself, and one for each leg from this number on."""
_SETTINGS = (
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.ip_forward=0",
    "net.ipv4.ip_unprivileged_port_start=0",
    "net.ipv4.ip_local_port_range=1024 65535",
    "net.ipv4.tcp_tw_reuse=1",
)


@dataclass(frozen=True)
class Cable:
    """The host's end of a cable as it is now: the bridge that it is plugged into (empty for none), and whether it is up."""

    bridge: str
    up: bool


def processes(directory: Path, argument: bytes) -> Iterator[int]:
    """The processes that have `argument` on their command line, or that sleep in `directory`."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if argument in words or _holds(int(entry.name), directory):
                    yield int(entry.name)


def _holds(pid: int, directory: Path) -> bool:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes()
        return words == b"sleep\0infinity\0" and os.readlink(_PROC / str(pid) / "cwd") == os.path.realpath(directory)
    except OSError:
        return False


def holder(directory: Path) -> int | None:
    """The process that holds the namespace of the balancer whose files are in `directory`."""
    try:
        pid = int((directory / "holder").read_text())
    except (OSError, ValueError):
        return None
    return pid if _holds(pid, directory) else None


def command(pid: int) -> list[str]:
    """What runs a command inside the namespace that a process holds."""
    return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]


def cables() -> dict[str, Cable]:
    """All cables of the host by name."""
    links = iproute.rows(run(["ip", "-json", "link", "show", "type", "veth"]).text)
    return {link["ifname"]: Cable(link.get("master", ""), "UP" in link["flags"]) for link in links if "ifname" in link}


def plugged(legs: Iterable[Leg], seen: dict[str, Cable]) -> bool:
    """Whether each leg is in its bridge."""
    return all(seen.get(leg.tap) == Cable(bridge_name(leg.network_id), True) for leg in legs)


def ensure(directory: Path, legs: tuple[Leg, ...], *, for_clients: bool, alive: int | None) -> int:
    """Make the namespace so, with exactly these legs; the process that holds it. Connections inside do not notice.

    `alive` is a process that lives in it, if there is one: it still does when the one that holds it was killed.
    """
    pid = holder(directory)
    if pid is None and alive is None:
        # The kernel takes a dead namespace's cables away some time later.
        unplug(leg.tap for leg in legs)
    pid = pid or _hold(directory, alive)
    inside = command(pid)
    there = cables()
    lines: list[str] = []
    for leg in legs:
        if leg.tap not in there:
            lines.append(f"link add {leg.tap} type veth peer name {leg.tap} address {leg.mac} netns {pid}")
        lines.append(f"link set dev {leg.tap} master {bridge_name(leg.network_id)} up")
    run([*inside, "sysctl", "-q", "-e", "-w", *_SETTINGS])
    run(["ip", "-batch", "-"], input="\n".join(lines).encode())
    _forget_legs(inside, legs)
    _rules(inside, legs, for_clients)
    run([*inside, "ip", "-batch", "-"], input="\n".join(_routes(legs)).encode())
    return pid


def unplug(taps: Iterable[str]) -> None:
    """Take cables away, with both their ends."""
    there = cables()
    for tap in taps:
        if tap in there:
            run(["ip", "link", "delete", "dev", tap], check=False)


def _hold(directory: Path, alive: int | None) -> int:
    # start-stop-daemon makes it nobody's child, and waits for nothing.
    (directory / "holder").unlink(missing_ok=True)
    words = ["--start", "--background", "--make-pidfile", "--pidfile", str(directory / "holder"), "--chdir", str(directory)]
    how = ["unshare", "--", "--net"] if alive is None else ["nsenter", "--", f"--net=/proc/{alive}/ns/net"]
    run(["start-stop-daemon", *words, "--startas", f"/usr/bin/{how[0]}", *how[1:], "sleep", "infinity"])
    end = time.monotonic() + _START_SECONDS
    while (pid := holder(directory)) is None:
        if time.monotonic() > end:
            raise Retry("the holder of a balancer's network namespace does not start")
        time.sleep(0.01)
    return pid


def _forget_legs(inside: list[str], legs: tuple[Leg, ...]) -> None:
    """Take away the cables of subnets in which the balancer stands no more; with one end goes the other."""
    there = iproute.rows(run([*inside, "ip", "-json", "link", "show", "type", "veth"]).text)
    wanted = {leg.tap for leg in legs}
    for name in (link["ifname"] for link in there if link.get("ifname") not in (None, *wanted)):
        run([*inside, "ip", "link", "delete", "dev", name])


def _rules(inside: list[str], legs: tuple[Leg, ...], for_clients: bool) -> None:
    """Rules of ours are all those that name one of our tables."""
    wanted = {f"from {leg.address.ip} lookup {_LEG + number}" for number, leg in enumerate(legs)}
    if for_clients:
        wanted |= {f"iif {leg.tap} ipproto tcp lookup {_MINE}" for leg in legs}
    text = run([*inside, "ip", "-4", "rule", "show"]).text
    have = {" ".join(line.split()[1:]) for line in text.splitlines() if line.split()[-1] not in ("local", "main", "default")}
    lines = [f"rule del {_words(rule)}" for rule in sorted(have) if _words(rule) not in wanted]
    lines += [f"rule add {rule} pref 10" for rule in sorted(wanted) if rule not in {_words(one) for one in have}]
    if lines:
        run([*inside, "ip", "-4", "-batch", "-"], input="\n".join(lines).encode())


def _words(rule: str) -> str:
    """A rule as it was added: iproute2 shows `from all` before what comes in through an interface."""
    return rule.removeprefix("from all ")


def _routes(legs: tuple[Leg, ...]) -> Iterator[str]:
    yield "link set dev lo up"
    yield f"route replace local default dev lo table {_MINE}"
    for leg in legs:
        yield f"link set dev {leg.tap} up"
        yield f"address replace {leg.address} broadcast + dev {leg.tap}"
    for number, leg in enumerate(legs):
        table = _LEG + number
        yield f"route replace {leg.address.network} dev {leg.tap} src {leg.address.ip} table {table}"
        yield f"route replace default via {leg.gateway} dev {leg.tap} table {table}"
    yield f"route replace default via {legs[0].gateway} dev {legs[0].tap}"


def end(directory: Path, argument: bytes) -> None:
    """End all processes of a balancer; the namespace goes with the last of them."""
    deadline = time.monotonic() + _START_SECONDS
    while there := list(processes(directory, argument)):
        if time.monotonic() > deadline:
            raise Retry(f"the process {there[0]} of a balancer does not end")
        for pid in there:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
