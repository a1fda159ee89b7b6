"""What a load balancer is asked to be: plain values, in AWS's terms. No configuration syntax here.

Every text may be anything that AWS's API takes: whoever writes a configuration of it quotes or refuses it. Times are in
seconds. Names of target groups are unique within a balancer, and so are targets, by address and port, within a group.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface


@dataclass(frozen=True)
class Leg:
    """A balancer's interface in one subnet: `tap` is the host's end of its cable, `address` has the subnet's prefix length."""

    tap: str
    mac: str
    network_id: str
    address: IPv4Interface
    gateway: IPv4Address
    zone: str


@dataclass(frozen=True)
class Target:
    """Where a group's requests go. `zone` is empty for a target that every zone may use."""

    address: IPv4Address
    port: int
    zone: str = ""

    @property
    def name(self) -> str:
        """Unique in its group."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Check:
    """How the health of a target is found out: by HTTP or HTTPS (a GET of `path`, answered by one of `codes`), SSL or TCP.

    `port` is 0 for the target's own. `codes` are AWS's matcher: `200,301-302`. After `healthy` answers in a row a target is
    healthy, after `unhealthy` failures it is not; a new one is healthy with its first.
    """

    protocol: str
    port: int
    path: str
    codes: str
    interval: int
    timeout: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True)
class Stickiness:
    """Requests that belong together go to one target.

    `kind` is `cookie` (for `seconds`, 0 for as long as the browser runs), `application` (while the application's own cookie
    `application` is sent; ours lives `seconds`, 0 as before) or `source` (by the client's address). `cookies` are the names
    of ours; one that ends with CORS is also sent to pages of other sites.
    """

    kind: str
    seconds: int = 0
    application: str = ""
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """A target group. `protocol` is HTTP, HTTPS, TCP or TLS: how targets are spoken to. Certificates of targets are not checked.

    Where fewer than `fewest` targets are healthy, all of them get requests; 0 for never. Without a check all are healthy.
    """

    group_id: str
    protocol: str
    targets: tuple[Target, ...]
    check: Check | None
    http2: bool = False
    algorithm: str = "round_robin"
    """round_robin, least_outstanding_requests or weighted_random"""
    stickiness: Stickiness | None = None
    slow_start: int = 0
    cross_zone: bool = True
    client_address: bool = False
    """Targets see the client's address as where a connection comes from."""
    proxy_protocol: int = 0
    """The version of the PROXY protocol by which targets are told of the client; 0 for none."""
    fewest: int = 1
    follows: tuple[str, int] | None = None
    """Another group, by id and port: targets are as healthy as those there with the same address. Then there is no check here."""
    log_name: str = ""
    """What access logs call the group: its ARN."""


@dataclass(frozen=True)
class Forward:
    """To groups by weight; with `sticky` seconds a client stays with its group for so long."""

    groups: tuple[tuple[str, int], ...]
    sticky: int = 0


@dataclass(frozen=True)
class Redirect:
    """To another URL. Each part may name those of the request: #{protocol}, #{host}, #{port}, #{path}, #{query}."""

    protocol: str
    host: str
    port: str
    path: str
    query: str
    status: int


@dataclass(frozen=True)
class FixedResponse:
    """An answer of the balancer's own."""

    status: int
    content_type: str = ""
    body: str = ""


Action = Forward | Redirect | FixedResponse


@dataclass(frozen=True)
class Condition:
    """What a request must have: one of `values` in `field`, which is AWS's (host-header, path-pattern, http-header,
    http-request-method, query-string, source-ip). `name` is the header's. In the first three and in query strings `*` stands
    for any text and `?` for any character; those of query strings are (key, value), with an empty key for any.
    """

    field: str
    values: tuple[str, ...] = ()
    name: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Rule:
    """Where all conditions hold, the action. Rules are tried in their order."""

    priority: int
    conditions: tuple[Condition, ...]
    action: Action


@dataclass(frozen=True)
class Tls:
    """How clients are spoken to: certificates by name (the first where a client asks for none of the others)."""

    certificates: tuple[str, ...]
    protocols: tuple[str, ...]
    """Without gaps, oldest first: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3."""
    ciphers: tuple[str, ...]
    """OpenSSL's names, those of TLS 1.3 (TLS_...) among them."""
    alpn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listener:
    """A port. `protocol` is HTTP or TCP: what is balanced, requests or connections; with `tls` it is spoken inside TLS."""

    port: int
    protocol: str
    action: Action
    rules: tuple[Rule, ...] = ()
    tls: Tls | None = None
    idle: int = 60
    headers: tuple[tuple[str, str], ...] = ()
    """Set in every response."""
    server_name: bool = True
    """Whether responses have a Server header: the target's, or the balancer's where it answers itself."""


@dataclass(frozen=True)
class Options:
    """What holds for all listeners of requests."""

    kind: str = "application"
    """application, network or classic"""
    forwarded_for: str = "append"
    """append, preserve or remove"""
    client_port: bool = False
    tls_headers: bool = False
    drop_invalid_headers: bool = False
    trace: bool = True
    """Whether requests get X-Amzn-Trace-Id."""
    log: str = ""
    """The file to which each request is noted; empty for none."""
    log_most: int = 0
    """The bytes that it may have."""
    log_name: str = ""
    """What notes call the balancer."""


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain and private key, as PEM. `name` is a file's."""

    name: str
    pem: str = field(repr=False)


@dataclass(frozen=True)
class LoadBalancerSpec:
    """A load balancer. `names` are (name, address): what guests and the host find it by."""

    balancer_id: str
    legs: tuple[Leg, ...]
    listeners: tuple[Listener, ...]
    groups: tuple[Group, ...]
    certificates: tuple[Certificate, ...] = ()
    options: Options = Options()
    names: tuple[tuple[str, IPv4Address], ...] = ()

    @property
    def client_address(self) -> bool:
        """Whether it speaks to targets as its clients."""
        return any(group.client_address for group in self.groups)

    def fingerprint(self) -> str:
        """Another for any other balancer. It tells nothing of private keys."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), default=str).encode()).hexdigest()
