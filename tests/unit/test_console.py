"""Leaving a serial console, whatever the guest does: it and the person's terminal are pseudo-terminals of the test."""

import io
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.host import console


@pytest.fixture
def guest() -> Iterator[tuple[int, str]]:
    """QEMU's end of a serial port, and the path of ours."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_person_leaves_a_guest_that_reads_nothing(guest: tuple[int, str]) -> None:
    keys, terminal = os.openpty()
    ended: list[str] = []
    with os.fdopen(terminal, "rb", buffering=0) as stdin:
        tty.setraw(stdin.fileno())
        attached = threading.Thread(
            target=lambda: ended.append(console.attach(guest[1], stdin, io.BytesIO())),  # type: ignore[arg-type]
            daemon=True,
        )
        attached.start()
        typed = b"x" * (1 << 20) + console.ESCAPE

        def press() -> None:
            left = typed
            while left:
                left = left[os.write(keys, left[:4096]) :]

        threading.Thread(target=press, daemon=True).start()
        attached.join(60)
        assert ended == ["left the console"]
    os.close(keys)


def test_all_of_a_file_arrives_however_slowly_the_guest_reads(guest: tuple[int, str], tmp_path: Path) -> None:
    path = tmp_path / "typed"
    path.write_bytes(os.urandom(1 << 18).replace(console.ESCAPE, b"."))
    got = bytearray()

    def read() -> None:
        while len(got) < path.stat().st_size:
            got.extend(os.read(guest[0], 999))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with path.open("rb") as stdin:
        assert console.attach(guest[1], stdin, io.BytesIO()) == "left the console"  # type: ignore[arg-type]
    reader.join(60)
    assert bytes(got) == path.read_bytes()
