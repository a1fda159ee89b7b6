"""A process that has more than a thousand files open, as a daemon with many clients has: everything that waits still works."""

import io
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.host import console
from minicloud.host.messages import LocalMessages
from minicloud.host.run import readable

MANY = 1100


@pytest.fixture(autouse=True)
def many() -> Iterator[None]:
    """All numbers below MANY are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * MANY), hard))
    taken = [os.open("/dev/null", os.O_RDONLY)]
    while taken[-1] < MANY:
        taken.append(os.open("/dev/null", os.O_RDONLY))
    yield
    for each in taken:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_command_is_told_and_heard(tmp_path: Path) -> None:
    out = tmp_path / "out"
    LocalMessages().run(("/usr/bin/tee", str(out)), b"body")
    assert out.read_bytes() == b"body"


def test_the_end_of_a_process_is_seen() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        handle = os.pidfd_open(process.pid)
        assert handle > MANY
        assert not readable(handle, 0.0)
        process.kill()
        assert readable(handle, 60.0)
        os.close(handle)


def test_a_console_is_typed_to_and_left(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    (tmp_path / "typed").write_bytes(b"hello\n")
    with (tmp_path / "typed").open("rb") as stdin:
        assert console.attach(os.ttyname(theirs), stdin, io.BytesIO()) == "left the console"  # type: ignore[arg-type]
    assert os.read(ours, 100) == b"hello\n"
    os.close(ours)
    os.close(theirs)
