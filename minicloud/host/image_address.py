"""Which addresses an image may be fetched from, and the connection to exactly the address that was looked at.

A URL that a person types may lead to the internet or to a private network; to this host itself only if the caller says so. A
redirect may lead to the internet, or into the class of network that the typed URL was in, and never to link-local (where
clouds keep metadata and credentials), unspecified, multicast or reserved addresses. The name is resolved once: what was
checked is what is connected to, so a name server that changes its mind gains nothing.
"""

import enum
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from ..errors import ApiError, Permanent, Retry

Address = IPv4Address | IPv6Address

CONNECT_TIMEOUT = 15.0
STALL_TIMEOUT = 30.0

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_METADATA = IPv6Network("fd00:ec2::/32")


class Reach(enum.Enum):
    """How far away an address is."""

    PUBLIC = "the internet"
    PRIVATE = "a private network"
    LOOPBACK = "this host itself"
    NEVER = "a link-local, metadata, multicast or reserved address"


def classify(address: Address) -> Reach:
    """The class of an address. An IPv6 address that carries an IPv4 address is in that one's class."""
    if isinstance(address, IPv6Address) and (inner := _embedded(address)) is not None:
        return classify(inner)
    if address.is_loopback:
        return Reach.LOOPBACK
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return Reach.NEVER
    if isinstance(address, IPv6Address) and (address.is_site_local or address in _METADATA):
        return Reach.NEVER
    if address.is_global:
        return Reach.PUBLIC
    # What is neither global nor special above: RFC 1918, unique local, carrier NAT; and 0.0.0.0/8, which means "this host".
    return Reach.NEVER if isinstance(address, IPv4Address) and int(address) >> 24 == 0 else Reach.PRIVATE


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, in the order of the resolver. Raises Retry when there are none."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Retry(f"{host} has no address: {error}") from error
    return list(dict.fromkeys(ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers))


def choose(host: str, port: int, allowed: frozenset[Reach]) -> tuple[list[Address], Reach]:
    """The addresses of a host that may be connected to, and the class that they are in. Refuses a host that has none."""
    addresses = resolve(host, port)
    classes = {address: classify(address) for address in addresses}
    for reach in (Reach.PUBLIC, Reach.PRIVATE, Reach.LOOPBACK):
        usable = [address for address in addresses if classes[address] is reach]
        if usable and reach in allowed:
            return usable, reach
    bad = addresses[0]
    raise ApiError("InvalidParameterValue", f"{host} leads to {bad}, {classes[bad].value}; nothing is fetched from there.")


def dial(host: str, port: int, addresses: list[Address]) -> socket.socket:
    """Connect to one of these very addresses."""
    failure: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((str(address), port), timeout=CONNECT_TIMEOUT)
        except OSError as error:
            failure = error
    raise Retry(f"{host} can't be reached: {failure}") from failure


def secure(plain: socket.socket, host: str) -> socket.socket:
    """TLS over a connection, with whoever can prove to be `host`. Raises Permanent when nobody trusted says so."""
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise Permanent(f"the certificate of {host} can't be trusted: {error.verify_message}") from error
    except OSError as error:
        plain.close()
        raise Retry(f"{host} does not answer as HTTPS servers do: {error}") from error
