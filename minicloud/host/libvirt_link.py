"""The only importer of libvirt: a connection to libvirtd on which every call has an end of ours.

libvirt waits for a guest's agent, for a job on a guest and for its QEMU as long as these please, and while it waits in C no
signal is heard. So each call that goes to libvirtd is made by a thread of its own, and who wants its answer waits for that
as long as `LONGEST` says, interruptibly. What is then still under way is what a command leaves that is killed: libvirtd may
yet carry it out, and the next look at the host shows whether it did.

libvirtd takes five calls at a time of a connection. One with an overdue call is therefore not used again.

libvirt is imported when it is first used: 30 ms that most commands save.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from ..errors import Retry

_T = TypeVar("_T")

PATIENCE = 45.0
"""Seconds for a call. libvirt itself gives up after 30 where another has a job on the domain."""
LONGEST = {
    "open": 15.0,
    "create": 300.0,
    "defineXMLFlags": 300.0,
    "fsFreeze": 30.0,
    "fsThaw": 30.0,
    "screenshot": 15.0,
    "recvAll": 15.0,
}
"""The same for calls that take longer (QEMU and its capabilities are looked at), or must not."""
_LOCAL = frozenset({"name", "UUIDString", "ID"})
"""What a handle knows without asking."""
_HEAR = 1.0
"""Seconds at most until a signal is heard that came in the moment before a wait began: Python looks for it between two waits."""
_ending = threading.Event()


@cache
def library() -> Any:
    """The module."""
    import libvirt

    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it prints each error otherwise
    return libvirt


class Overdue(Retry):
    """libvirtd has not answered in time."""


def give_up() -> None:
    """This process ends: nobody in it waits any longer, or again."""
    _ending.set()
    with _waiting_lock:
        for call in _waiting:
            call.done.set()


class _Call:
    """One call, made by a thread that nobody has to wait for."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.done = threading.Event()
        self.over = False
        self.answer: Any = None
        self.error: BaseException | None = None
        self._act = act

    def __call__(self) -> None:
        try:
            self.answer = self._act()
        except BaseException as error:  # noqa: BLE001  it is raised where the answer is waited for
            self.error = error
        self.over = True
        self.done.set()


_waiting: set[_Call] = set()
_waiting_lock = threading.Lock()


def within(seconds: float, doing: str, act: Callable[[], _T]) -> _T:
    """What `act` returns or raises, if it does so within `seconds`. Raises Overdue."""
    call = _Call(act)
    with _waiting_lock:
        _waiting.add(call)
    try:
        threading.Thread(target=call, name=f"libvirt {doing}", daemon=True).start()
        deadline = time.monotonic() + seconds
        while not (_ending.is_set() or call.done.wait(min(_HEAR, max(0.0, deadline - time.monotonic())))):
            if time.monotonic() >= deadline:
                break
    finally:
        with _waiting_lock:
            _waiting.discard(call)
    if not call.over:
        why = "minicloud ends" if _ending.is_set() else f"libvirt has not answered within {seconds:.0f} s"
        raise Overdue(f"{doing}: {why}")
    if call.error is not None:
        error, call.error = call.error, None  # its traceback leads to the call: what that holds would stay until it is collected
        try:
            raise error
        finally:
            del error
    answer: _T = call.answer
    return answer


class Handle:
    """A connection, domain or stream of libvirt's, with an end to each of its calls."""

    def __init__(self, real: Any, link: "Link") -> None:
        self.real = real
        self._link = link

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if name in _LOCAL:
            return method
        return lambda *given: self._link.ask(name, lambda: method(*map(_bare, given)))

    def monitor(self, command: str, arguments: dict[str, Any]) -> Any:
        """What the domain's QEMU answers to a command of its own protocol, errors and all."""
        import libvirt_qemu

        words = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(self._link.ask(command, lambda: libvirt_qemu.qemuMonitorCommand(self.real, words, 0)))


@cache
def _objects() -> tuple[type, ...]:
    libvirt = library()
    return libvirt.virConnect, libvirt.virDomain, libvirt.virStream


def _bare(value: Any) -> Any:
    """What libvirt takes: its own objects in place of handles."""
    if isinstance(value, Handle):
        return value.real
    return [_bare(one) for one in value] if isinstance(value, list) else value


class Link:
    """One connection at a time, opened when it is first used, and again when it was lost or has an overdue call."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._connection: Handle | None = None

    def call(self, function: Callable[[Any], _T]) -> _T:
        """Use the connection; once more with a new one if libvirtd went away from this one."""
        libvirt = library()
        fresh = self._connection is None
        conn = self._connect()
        try:
            return function(conn)
        except libvirt.libvirtError as error:
            if fresh or not _is_lost(error):
                raise
        self._connection = None
        return function(self._connect())

    def close(self) -> None:
        """End the connection. One with an overdue call ends when that does."""
        conn, self._connection = self._connection, None
        if conn is not None:
            with contextlib.suppress(Overdue, library().libvirtError):
                self.ask("close", conn.real.close)

    def ask(self, name: str, act: Callable[[], Any]) -> Any:
        """One call, whose answer is of this connection too. Raises Overdue."""
        try:
            return self._handles(within(LONGEST.get(name, PATIENCE), name, act))
        except Overdue:
            self._connection = None
            raise

    def _handles(self, answer: Any) -> Any:
        if isinstance(answer, (list, tuple)):
            return type(answer)(self._handles(one) for one in answer)
        return Handle(answer, self) if isinstance(answer, _objects()) else answer

    def _connect(self) -> Any:
        conn = self._connection
        if conn is None:
            libvirt = library()
            try:
                conn = self._connection = Handle(within(LONGEST["open"], "open", lambda: libvirt.open(self._uri)), self)
            except libvirt.libvirtError as error:
                raise Retry(
                    f"libvirt does not answer at {self._uri}: {error}. Is it running? Try: systemctl start libvirtd"
                ) from error
        return conn


def _is_lost(error: Any) -> bool:
    """Whether the error says that the connection is gone, rather than that the request failed."""
    libvirt = library()
    return error.get_error_code() in (libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_NO_CONNECT) or (
        error.get_error_domain() == libvirt.VIR_FROM_RPC
    )
