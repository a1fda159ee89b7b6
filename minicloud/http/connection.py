"""One connection of the endpoint: cheroot's, with deadlines for the whole of each thing that its peer has to do.

cheroot's time-out is one of each read; here a read or write may take what is left until the deadline of the connection's
phase (`crowd.py`). The TLS handshake is done where requests are read, never where connections are accepted.
"""

import contextlib
import logging
import socket
import ssl
import time
from typing import Any

from cheroot import server
from cheroot.makefile import StreamReader, StreamWriter

from .crowd import Phase, origin
from .incoming import Request

log = logging.getLogger(__name__)
_LONGEST_WAIT = 3600.0
_MOST_LINGERED = 1 << 20
_PLAIN = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\nThis port speaks HTTPS only."


class _Timed(socket.SocketIO):
    """The bytes of a connection until its deadline. Raises TimeoutError with the text that cheroot knows."""

    def __init__(self, connection: "Connection", mode: Any) -> None:
        super().__init__(connection.socket, mode)
        self._connection = connection

    def readinto(self, buffer: Any) -> int | None:
        self._connection.wait_no_longer()
        try:
            return super().readinto(buffer)
        except TimeoutError as error:
            raise TimeoutError("timed out") from error

    def write(self, data: Any) -> int | None:
        if self._connection.phase is not Phase.ANSWER:
            self._connection.at(Phase.ANSWER)
        self._connection.wait_no_longer()
        try:
            return super().write(data)
        except TimeoutError as error:
            raise TimeoutError("timed out") from error


class _Reader(StreamReader):
    def __init__(self, raw: _Timed, size: int) -> None:
        super(StreamReader, self).__init__(raw, size)  # cheroot's own would make its raw file itself
        self.bytes_read = 0


class _Writer(StreamWriter):
    def __init__(self, raw: _Timed, size: int) -> None:
        super(StreamWriter, self).__init__(raw, size)
        self.bytes_written = 0


class Connection(server.HTTPConnection):
    """A connection, from when it is accepted to its end; a member of the crowd."""

    RequestHandlerClass = Request

    def __init__(self, serving: Any, sock: socket.socket, address: tuple[Any, ...]) -> None:
        self.origin, self.phase, self.held = origin(address[0]), Phase.HEAD, 0
        self.since = self.deadline = time.monotonic()
        super().__init__(serving, sock, self._file)
        self.remote_addr, self.remote_port = address[0], address[1]

    def _file(self, _: socket.socket, mode: str, size: int) -> _Reader | _Writer:
        return _Reader(_Timed(self, mode), size) if "r" in mode else _Writer(_Timed(self, mode), size)

    def at(self, phase: Phase) -> bool:
        """It comes to another phase; False if it was given up meanwhile."""
        return bool(self.server.crowd.at(self, phase))

    def wait_no_longer(self) -> None:
        """Let the next read or write end at the deadline. Raises TimeoutError where that is over."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.socket.settimeout(min(left, _LONGEST_WAIT))

    def has_more(self) -> bool:
        """Whether bytes of another request were read already."""
        return self.rfile.has_data() or (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0)

    def communicate(self) -> bool:
        """Read one request and answer it; whether the connection is to be kept."""
        if self.phase is Phase.HANDSHAKE and not self._secure():
            return False
        if self.phase is not Phase.HEAD:
            self.at(Phase.HEAD)
        keep = bool(super().communicate())
        if not keep:
            self._linger()
        return keep

    def _linger(self) -> None:
        """Take what still comes until the peer has seen the answer and ends: bytes that nobody read would make the kernel
        take the answer back."""
        left = _MOST_LINGERED
        try:
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            self.at(Phase.LINGER)
            while left > 0:
                self.wait_no_longer()
                piece = socket.socket.recv(self.socket, 1 << 16)
                if not piece:
                    break
                left -= len(piece)
        except OSError as error:  # it has ended, or takes too long
            log.debug("%s: %s", self.remote_addr, error)

    def _secure(self) -> bool:
        try:
            self.wait_no_longer()
            self.socket.do_handshake()
        except OSError as error:
            log.debug("%s: no TLS: %s", self.remote_addr, error)
            if getattr(error, "reason", "") == "HTTP_REQUEST":
                with contextlib.suppress(OSError):
                    socket.socket.send(self.socket, _PLAIN)
            return False
        return True

    def _conditional_error(self, req: Any, response: str) -> None:
        with contextlib.suppress(OSError):  # who does not take an answer gets none
            super()._conditional_error(req, response)

    def cut(self) -> None:
        """End it from any thread: a read or write under way returns. Raises nothing."""
        with contextlib.suppress(OSError):  # it has ended by itself
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # not TLS's, which waits for its peer

    def close(self) -> None:
        """The end. Twice does nothing."""
        self.server.crowd.leave(self)
        self.cut()
        self.rfile.close()
        self.socket.close()
