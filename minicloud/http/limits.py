"""How long a peer may keep the endpoint waiting, and how much it may hold: the bounds of one server.

Deadlines are for the whole of what they name, in seconds; a byte now and then does not move them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that hold whoever asks."""

    handshake: float = 10.0
    """From the connection to the end of the TLS handshake."""
    head: float = 10.0
    """From the connection, or a request's first byte, to the end of its header fields."""
    body: float = 60.0
    """From the end of the header fields to that of the body."""
    answer: float = 60.0
    """From the answer's first byte to its last."""
    linger: float = 2.0
    """From the last answer of a connection to its end, for what its peer still sends: thrown away, so that the answer arrives."""
    idle: float = 60.0
    """Between requests of one connection."""
    end: float = 30.0
    """From the wish to end to the end: what is being worked on until then is answered."""

    connections: int = 256
    of_address: int = 64
    """Connections of one address (of a /64 of IPv6). This host itself has no bound but the one above."""
    held: int = 64 << 20
    """Bytes of bodies and of answers that are held for all connections together."""
    workers: int = 8
    """Requests that are worked on at one time."""
    head_bytes: int = 64 << 10
    fields: int = 200
    """Header fields of one request."""
