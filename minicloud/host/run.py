"""The only door to subprocess: argument lists, never a shell; every call has an end.

Commands get a clean, English environment and no standard input unless some is given. What fails raises CommandFailed with
the last lines of what the command said.
"""

import contextlib
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ..errors import Retry

_TAIL, _LEFT, _LOOK = 4096, 1 << 20, 0.05
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Limits:
    """What a command may use at most: processor time in seconds, address space in bytes."""

    cpu_seconds: int
    address_space: int


@dataclass(frozen=True)
class Completed:
    """What a finished command left: its exit status and its two outputs."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")


class CommandFailed(Retry):
    """A command ended with a status other than 0, or did not end in time."""

    def __init__(self, argv: Sequence[str], status: int | None, stderr: bytes) -> None:
        lines = stderr.decode(errors="replace").strip().splitlines()[-4:]
        how = "did not end in time" if status is None else f"failed with status {status}"
        super().__init__(f"{Path(argv[0]).name} {how}: {' / '.join(lines) or 'it said nothing'}")
        self.status = status
        self.stderr = stderr


def environment() -> dict[str, str]:
    """What a command sees of ours: proxies and certificates of the host's administrator, but no language settings."""
    kept = ("HOME", "TERM", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
    return {"PATH": _PATH, "LC_ALL": "C.UTF-8", **{name: os.environ[name] for name in kept if name in os.environ}}


def run(
    argv: Sequence[str | Path],
    *,
    input: bytes = b"",
    timeout: float = 60.0,
    limits: Limits | None = None,
    check: bool = True,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    keep: Sequence[int] = (),
) -> Completed:
    """Run a command to its end. `timeout` is in seconds; `limits` are the kernel's (RLIMIT_CPU, RLIMIT_AS); `keep` are open
    files that it inherits, by number.
    """
    words = [str(word) for word in argv]
    full = words
    if limits is not None:
        full = ["prlimit", f"--cpu={limits.cpu_seconds}", f"--as={limits.address_space}", "--core=0", "--", *words]
    try:
        done = subprocess.run(
            full,
            input=input,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd=cwd,
            env={**environment(), **(env or {})},
            pass_fds=tuple(keep),
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(words, None, error.stderr or b"") from error
    except FileNotFoundError as error:
        raise CommandFailed(words, 127, b"not installed; run scripts/setup") from error
    if check and done.returncode != 0:
        raise CommandFailed(words, done.returncode, done.stderr)
    return Completed(done.returncode, done.stdout, done.stderr)


def tell(argv: Sequence[str], body: bytes, timeout: float) -> None:
    """Give a command of the administrator's something to read, and wait for its end, whatever and however much it says.

    Raises CommandFailed with the end of what it said on standard error. Who it has started and left behind is not waited for.
    """
    with tempfile.TemporaryFile() as given:
        given.write(body)
        given.seek(0)
        try:
            process = subprocess.Popen(
                argv, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), bufsize=0
            )
        except FileNotFoundError as error:
            raise CommandFailed(argv, 127, b"not installed; run scripts/setup") from error
    said = _hear(process, time.monotonic() + timeout)
    if process.poll() is None:
        process.kill()
        process.wait()
        raise CommandFailed(argv, None, said)
    if process.returncode != 0:
        raise CommandFailed(argv, process.returncode, said)


def readable(descriptor: int, seconds: float) -> bool:
    """Wait at most so long until there is something to read, or nothing more to come; whether that is so.

    select(2) takes no descriptor above 1023, and a daemon with many clients has such.
    """
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(max(0.0, seconds) * 1000))


def _hear(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """The end of what a process says until it ends, or until its time is over."""
    said, handle = b"", cast("IO[bytes]", process.stderr)
    with handle:
        while process.poll() is None and time.monotonic() < deadline:
            if readable(handle.fileno(), _LOOK):
                if not (piece := handle.read(_TAIL)):
                    break
                said = (said + piece)[-_TAIL:]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        for _ in range(_LEFT // _TAIL):  # what is in the pipe: whoever was left behind may go on writing
            if not readable(handle.fileno(), 0) or not (piece := handle.read(_TAIL)):
                break
            said = (said + piece)[-_TAIL:]
    return said
