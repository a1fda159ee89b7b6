"""The process of one balancer: its files, how it starts, and how it makes way for the next.

Who speaks to targets as the clients starts without root's rights but one (to bind any address), and has its socket in a
directory that is its own. All others start as root, bind, and then give up all rights and all files: nothing that they could
write is where root writes.
"""

import contextlib
import grp
import json
import os
import pwd
import re
import resource
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import Permanent, Retry
from ..files import directory as make_directory
from . import balancer_namespace, haproxy_backends, haproxy_config, haproxy_socket, haproxy_traffic, log_writers
from .contracts_lb import Place
from .haproxy_log import DESCRIPTOR
from .load_balancer_spec import LoadBalancerSpec
from .run import CommandFailed, run

_ACCOUNT = "haproxy"
_MOST_THREADS = 4
_FILES = 65536
_AT_ONCE = 100
_LEAVING, _PAUSE = 10.0, 0.02
"""Seconds: for how long one that makes way may still answer, and how often the next is asked for meanwhile."""
_FOR_CLIENTS, _ALONE = "for-clients", "alone"
_NOISE = re.compile(r"^\[(NOTICE|WARNING|ALERT)\]\s*\(\d+\)\s*:\s*")


class Process:
    """What is in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.current = directory / "current"
        self.served = directory / "served"
        self.traffic = directory / "traffic"
        self.mark = str(self.current).encode()
        self._refused = directory / "refused"
        self._state = directory / "state"
        self._seen = directory / "seen"

    def prepare(self) -> None:
        """The directories. HAProxy's group may read them, and write where the one for clients lives."""
        for path, mode in ((self.directory, 0o750), (self.directory / _FOR_CLIENTS, 0o770), (self.directory / "empty", 0o750)):
            make_directory(path, mode)
            os.chown(path, 0, _group())
            path.chmod(mode)

    def kept(self) -> dict[str, Any] | None:
        """What was noted when it was last made so."""
        try:
            found = json.loads(self.served.read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write(self, path: Path, text: str) -> None:
        """Replace a file as a whole; HAProxy's group may read it."""
        new = path.with_name(f".{path.name}.new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
            file.write(text)
        os.chown(new, 0, _group())
        new.rename(path)

    def _home(self, kind: str) -> Path:
        """Where its socket and its number are."""
        return self.directory / _FOR_CLIENTS if kind == _FOR_CLIENTS else self.directory

    def _kind(self) -> str:
        try:
            return (self.current / "kind").read_text()
        except OSError:
            return _ALONE

    def pid(self) -> int | None:
        """The process that accepts connections."""
        return self._pid(self._kind())

    def _pid(self, kind: str) -> int | None:
        try:
            number = int((self._home(kind) / "pid").read_text())
            words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return number if self.mark in words else None

    def ask(self, command: str) -> str:
        """What it answers. Raises Retry where it does not.

        The one before has the same socket until it has met its signal, and may take what is asked.
        """
        deadline, path = time.monotonic() + _LEAVING, self._home(self._kind()) / "socket"
        while True:
            try:
                pid, answer = haproxy_socket.ask(path, command)
            except OSError as error:
                raise Retry(f"the load balancer {self.directory.name} does not answer: {error}") from error
            if pid == self.pid():
                return answer
            if time.monotonic() > deadline:
                raise Retry(f"the load balancer {self.directory.name} does not answer: the process {pid}, which leaves, does")
            time.sleep(_PAUSE)

    def rows(self) -> list[haproxy_socket.Row]:
        """What it tells of itself."""
        return haproxy_socket.rows(self.ask("show stat"))

    def note(self, rows: list[haproxy_socket.Row]) -> haproxy_traffic.Counts:
        """Keep what it has seen and counted, for a time when it can't be asked; what was counted in all."""
        pid = self.pid()
        self.write(self._seen, self.ask("show servers state"))
        return haproxy_traffic.note(self.traffic, pid or 0, haproxy_traffic.counted(rows))

    def configure(self, spec: LoadBalancerSpec, holder: int) -> str:
        """Serve a spec in the namespace of `holder`; why not, or nothing. What was served before is served as before then."""
        reason = self._reason(spec) or self._try(spec, holder)
        if reason and self.pid() is None and self.current.exists():
            self._start(holder)
        return reason

    def _reason(self, spec: LoadBalancerSpec) -> str:
        """Why this was refused before."""
        with contextlib.suppress(OSError, ValueError):
            said = json.loads(self._refused.read_text())
            return str(said["reason"]) if said["fingerprint"] == spec.fingerprint() else ""
        return ""

    def _try(self, spec: LoadBalancerSpec, holder: int) -> str:
        kind = _FOR_CLIENTS if spec.client_address else _ALONE
        place = haproxy_config.Place(
            self._home(kind) / "socket", self._state, self.directory / "empty", min(_MOST_THREADS, os.cpu_count() or 1)
        )
        try:
            files = haproxy_config.files(spec, place) | {"kind": kind, "log": f"{spec.options.log}\n{spec.options.log_most}"}
        except Permanent as error:
            return self._refuse(spec, error.message)
        if self.pid() is not None and self._has(files):
            return ""
        new = self.directory / "new"
        self._write_all(new, files)
        tried = run([*_prefix(holder, kind), "haproxy", "-c", *_words(new)], env=_environment(-1), check=False)
        if tried.status != 0:
            shutil.rmtree(new)
            complaint = _complaint(tried.stderr)
            if not complaint:
                raise CommandFailed(["haproxy"], tried.status, tried.stderr)
            return self._refuse(spec, complaint)
        self._take(spec, holder)
        self._refused.unlink(missing_ok=True)
        return ""

    def _refuse(self, spec: LoadBalancerSpec, reason: str) -> str:
        self.write(self._refused, json.dumps({"fingerprint": spec.fingerprint(), "reason": reason}))
        return reason

    def _has(self, files: dict[str, str]) -> bool:
        there = {str(path.relative_to(self.current)): path for path in self.current.rglob("*") if path.is_file()}
        return there.keys() == files.keys() and all(there[name].read_bytes() == text.encode() for name, text in files.items())

    def _write_all(self, directory: Path, files: dict[str, str]) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        for path in (directory, *{(directory / name).parent for name in files}):
            make_directory(path, 0o750)
            os.chown(path, 0, _group())
            path.chmod(0o750)
        for name, text in files.items():
            self.write(directory / name, text)

    def _take(self, spec: LoadBalancerSpec, holder: int) -> None:
        """Put the new files in the place of the old ones, and start with them; the old ones come back if that fails."""
        before = self._known()
        old = self.directory / "old"
        shutil.rmtree(old, ignore_errors=True)
        if self.current.exists():
            self.current.rename(old)
        (self.directory / "new").rename(self.current)
        self.write(self._state, haproxy_socket.state(spec, before))
        gone = self._deregistered(spec)
        self._set(gone, "maint")
        try:
            self._start(holder)
        except CommandFailed:
            if old.exists():
                shutil.rmtree(self.current)
                old.rename(self.current)
            with contextlib.suppress(Retry):
                self._set(gone, "ready")
            raise
        shutil.rmtree(old, ignore_errors=True)

    def _deregistered(self, spec: LoadBalancerSpec) -> list[Place]:
        """Servers for requests that the running process has, and groups of `spec` have no more.

        Those of groups that are no more in use stay: the process that leaves still decides by the rules of before.
        """
        if self.pid() is None:
            return []
        kept = haproxy_backends.servers(spec)
        rows = [row for row in self.rows() if row["type"] == "2" and row["mode"] == "http" and row["pxname"] in kept]
        return [(row["pxname"], row["svname"]) for row in rows if row["svname"] not in kept[row["pxname"]]]

    def _set(self, servers: Sequence[Place], state: str) -> None:
        """Tell the running process to choose these servers no more (`maint`), or again (`ready`)."""
        for first in range(0, len(servers), _AT_ONCE):
            some = servers[first : first + _AT_ONCE]
            self.ask("; ".join(f"set server {backend}/{server} state {state}" for backend, server in some))

    def _known(self) -> dict[Place, list[str]]:
        """The health of targets: what the running process says, or what was last seen."""
        if self.pid() is not None:
            with contextlib.suppress(Retry):
                self.note(self.rows())
        with contextlib.suppress(OSError):
            return haproxy_socket.known(self._seen.read_text())
        return {}

    def _start(self, holder: int) -> None:
        """Start with the current files, taking over from whoever runs. It accepts connections when this returns."""
        kind = self._kind()
        words = ["-D", *_words(self.current), "-p", str(self._home(kind) / "pid")]
        running = [(each, pid) for each in (_ALONE, _FOR_CLIENTS) if (pid := self._pid(each)) is not None]
        if running:
            words += ["-x", str(self._home(running[0][0]) / "socket"), "-sf", *(str(pid) for _, pid in running)]
        if not self._state.exists():
            self.write(self._state, "1\n")
        path, _, most = (self.current / "log").read_text().partition("\n")
        with _log(path) as log:
            kept = (log,) if log >= 0 else ()
            run([*_prefix(holder, kind), *_bound(int(most or 0)), "haproxy", *words], env=_environment(log), keep=kept)


def _group() -> int:
    try:
        return grp.getgrnam(_ACCOUNT).gr_gid
    except KeyError as error:
        raise Permanent("HAProxy is not installed on this host; run scripts/setup") from error


def _prefix(holder: int, kind: str) -> list[str]:
    """What runs HAProxy inside, with the rights that its kind has."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
    words = [*balancer_namespace.command(holder), "prlimit", f"--nofile={files}", "--core=0", "--"]
    if kind == _FOR_CLIENTS:
        _group()
        user = str(pwd.getpwnam(_ACCOUNT).pw_uid)
        rights = [f"--{which}={'-all,+net_raw'}" for which in ("bounding-set", "inh-caps", "ambient-caps")]
        words += ["setpriv", "--reuid", user, "--regid", str(_group()), "--clear-groups", "--no-new-privs", *rights, "--"]
    return words


def _bound(most: int) -> list[str]:
    """What keeps its log from growing: writes beyond that fail, and are counted by it (DroppedLogs), and no signal ends it."""
    return ["prlimit", f"--fsize={most}", "--", "env", "--ignore-signal=XFSZ"] if most else []


def _words(directory: Path) -> list[str]:
    return ["-C", str(directory), "-f", haproxy_config.CONFIGURATION]


def _environment(log: int) -> dict[str, str]:
    return {DESCRIPTOR: str(log if log >= 0 else 2)}


def _complaint(said: bytes) -> str:
    """What HAProxy has against a configuration, in one line; empty where it was not HAProxy that failed."""
    lines = [line for line in said.decode(errors="replace").splitlines() if "ALERT" in line]
    return " / ".join(_NOISE.sub("", line) for line in lines[:3])


@contextlib.contextmanager
def _log(path: str) -> Any:
    """The number of a file that is open for lines to be added to it; -1 for none."""
    if not path:
        yield -1
        return
    make_directory(Path(path).parent)
    descriptor = log_writers.open_for(Path(path))
    try:
        yield descriptor
    finally:
        os.close(descriptor)
