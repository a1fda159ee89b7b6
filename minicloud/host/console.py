"""A person at a guest's serial console: their terminal and the guest's, joined until they press Ctrl-] or the guest stops.

The guest's end is a pseudo-terminal of QEMU's; it keeps no connection, so leaving changes nothing for the guest, and its log
goes on meanwhile. What the guest writes goes to the person's terminal as it is: that is what a console is.

A guest that does not read what is typed keeps nobody there: that is kept for it up to a limit, and a person's keys beyond it
are lost, but for the one that leaves.
"""

import contextlib
import errno
import os
import select
import termios
import tty
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ..errors import Permanent

ESCAPE = b"\x1d"
"""Ctrl-], as virsh and telnet have it."""
_CHUNK = 4096
_MOST_UNREAD = 64 << 10


def attach(path: str, stdin: BinaryIO, stdout: BinaryIO) -> str:
    """Join the terminal at `path` with this one; returns why it ended, in words.

    `stdin` may also be a pipe: the console is left at its end. Raises Permanent if the terminal cannot be opened.
    """
    try:
        guest = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Permanent(f"the serial console at {path} cannot be opened: {error.strerror}; does the guest run?") from error
    try:
        with _raw(guest), _raw(stdin.fileno()):
            return _join(guest, stdin.fileno(), stdout)
    finally:
        os.close(guest)


def _join(guest: int, keyboard: int, screen: BinaryIO) -> str:
    person, unread, over = os.isatty(keyboard), b"", False
    while not over or (unread and not person):
        listened = [guest] if over or (not person and len(unread) >= _MOST_UNREAD) else [guest, keyboard]
        readable, writable = _wait(listened, [guest] if unread else [])
        if guest in readable:
            said = _read(guest)
            if not said:
                return "the guest stopped"
            screen.write(said)
            screen.flush()
        if keyboard in readable:
            typed = _read(keyboard)
            kept, escape, _ = typed.partition(ESCAPE)
            unread, over = unread + kept, bool(escape) or not typed
            unread = unread[:_MOST_UNREAD] if person else unread
        if unread and (over or guest in writable):
            rest = _write(guest, unread)
            if rest is None:
                return "the guest stopped"
            unread = rest
    return "left the console"


def _wait(listened: Iterable[int], written: Iterable[int]) -> tuple[set[int], set[int]]:
    """Which of these can be read, and which can be written to; one at least."""
    wanted = dict.fromkeys(listened, select.POLLIN)
    for descriptor in written:
        wanted[descriptor] = wanted.get(descriptor, 0) | select.POLLOUT
    waiting = select.poll()
    for descriptor, events in wanted.items():
        waiting.register(descriptor, events)
    found = waiting.poll()
    ended = select.POLLHUP | select.POLLERR
    can_read = {descriptor for descriptor, events in found if events & (select.POLLIN | ended)} & set(listened)
    return can_read, {descriptor for descriptor, events in found if events & (select.POLLOUT | ended)}


def _read(terminal: int) -> bytes:
    """Empty at the end; a pseudo-terminal whose other side is gone says so with an error."""
    try:
        return os.read(terminal, _CHUNK)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise


def _write(terminal: int, data: bytes) -> bytes | None:
    """What there was no room for; None for a terminal whose other side is gone."""
    try:
        return data[os.write(terminal, data) :]
    except BlockingIOError:
        return data
    except OSError as error:
        if error.errno == errno.EIO:
            return None
        raise


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
