"""Requests of guests, before anybody looks at what they ask for: their size, their time, their number, their host."""

import http.client
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from .crowd import Phase
from .hosts import Hosts
from .metadata_peers import Peer, Peers

_HOSTS = Hosts(["instance-data", "instance-data.ec2.internal"])


class Head:
    """The lines of a request's head, all together within a bound. Raises http.client.LineTooLong beyond it."""

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._most, self._left = file, most, most

    def begin(self) -> None:
        """Another request."""
        self._left = self._most

    def readline(self, limit: int = -1) -> bytes:
        """One line."""
        line: bytes = self._file.readline(min(limit, self._left + 1) if limit >= 0 else self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.LineTooLong("head")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class GuestHandler(BaseHTTPRequestHandler):
    """One connection of a guest; what it asks for is up to a subclass, which also says how an answer looks."""

    peers: Peers
    peer: Peer

    def _answer(self, status: int, body: str | bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        raise NotImplementedError

    def setup(self) -> None:
        """Begin, with a bound for what is read."""
        super().setup()
        self._head = Head(self.rfile, self.peers.limits.head_bytes)
        self.rfile = self._head  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        """One request, from its first byte, or from the silence before it, within the deadline."""
        self._head.begin()
        if self.peers.crowd.at(self.peer, Phase.HEAD):
            super().handle_one_request()
        else:
            self.close_connection = True

    def parse_request(self) -> bool:
        """Whether there is one that is to be answered by its method."""
        if not super().parse_request():
            return False
        if not self.peers.crowd.at(self.peer, Phase.WORK):
            self.close_connection = True
        elif not self.peers.may_ask(self.peer):
            self._answer(503)
        elif not _HOSTS.allow(self.headers.get("Host", "")):
            self._answer(421)
        else:
            return True
        return False

    def flush_headers(self) -> None:
        """From the first byte of the answer the guest is waited for again."""
        self.peers.crowd.at(self.peer, Phase.ANSWER)
        super().flush_headers()
