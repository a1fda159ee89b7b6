"""The only door to subprocess: argument lists, never a shell; every call has an end.

Commands get a clean, English environment and no standard input unless some is given. What fails raises CommandFailed with
the last lines of what the command said.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Retry

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
