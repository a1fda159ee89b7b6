"""A person at a guest's serial console: their terminal and the guest's, joined until they press Ctrl-] or the guest stops.

The guest's end is a pseudo-terminal of QEMU's; it keeps no connection, so leaving changes nothing for the guest, and its log
goes on meanwhile. What the guest writes goes to the person's terminal as it is: that is what a console is.
"""

import contextlib
import errno
import os
import select
import termios
import tty
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import Permanent

ESCAPE = b"\x1d"
"""Ctrl-], as virsh and telnet have it."""
_CHUNK = 4096


def attach(path: str, stdin: BinaryIO, stdout: BinaryIO) -> str:
    """Join the terminal at `path` with this one; returns why it ended, in words.

    `stdin` may also be a pipe: the console is left at its end. Raises Permanent if the terminal cannot be opened.
    """
    try:
        guest = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise Permanent(f"the serial console at {path} cannot be opened: {error.strerror}; does the guest run?") from error
    try:
        with _raw(guest), _raw(stdin.fileno()):
            return _join(guest, stdin.fileno(), stdout)
    finally:
        os.close(guest)


def _join(guest: int, keyboard: int, screen: BinaryIO) -> str:
    while True:
        ready = select.select([guest, keyboard], [], [])[0]
        if guest in ready:
            said = _read(guest)
            if not said:
                return "the guest stopped"
            screen.write(said)
            screen.flush()
        if keyboard in ready:
            typed = _read(keyboard)
            kept, escape, _ = typed.partition(ESCAPE)
            if not _write(guest, kept):
                return "the guest stopped"
            if escape or not typed:
                return "left the console"


def _read(terminal: int) -> bytes:
    """Empty at the end; a pseudo-terminal whose other side is gone says so with an error."""
    try:
        return os.read(terminal, _CHUNK)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise


def _write(terminal: int, data: bytes) -> bool:
    try:
        while data:
            data = data[os.write(terminal, data) :]
    except OSError as error:
        if error.errno == errno.EIO:
            return False
        raise
    return True


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Keys go through one by one, Ctrl-C too; the terminal is afterwards as it was. What is no terminal is left alone."""
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        with contextlib.suppress(termios.error):  # the guest's, once it is gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
