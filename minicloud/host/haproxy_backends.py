"""Target groups as backends of HAProxy: pure functions.

A group is one backend, which probes its targets, and variants of it where they differ in who may be chosen or how:
- `:open` has all targets, whatever probes say: it is taken while fewer are healthy than the group asks for;
- `:<zone>` has the targets of one zone, for connections that came to that zone's address, where the group keeps to zones;
- `:own` speaks as the balancer: to the host itself no target could answer past the balancer.
Variants follow the probes of the first one.

Who stays with a target is decided by cookies that name it by a hash, or by a hash of the client's address: both are as true
after a reload, or a kill, as before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .haproxy_rules import SERVER
from .haproxy_text import between, fetch, literal, mark
from .load_balancer_spec import Check, Group, LoadBalancerSpec, Stickiness, Target

_UNREACHED = "X-Minicloud-Unreached"
_BALANCE = {"round_robin": "roundrobin", "least_outstanding_requests": "leastconn", "weighted_random": "random"}


def nobody(protocol: str) -> str:
    """The backend without any server, for listeners of HTTP or TCP."""
    return f"none:{protocol.lower()}"


@dataclass(frozen=True)
class Variant:
    """One backend of a group, and what a frontend asks before it takes it."""

    group: Group
    zone: str = ""
    own: bool = False
    open: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        marks = [self.zone, "own" if self.own else "", "open" if self.open else ""]
        return ":".join([self.group.group_id, *filter(None, marks)])

    @property
    def probing(self) -> bool:
        """Whether it is the one that probes."""
        return not (self.zone or self.own or self.open)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Who may be chosen."""
        return tuple(one for one in self.group.targets if not self.zone or one.zone in ("", self.zone))


def variants(group: Group, zones: Sequence[str]) -> list[Variant]:
    """Those that frontends choose from, the most special first."""
    every = [""] if group.cross_zone else list(dict.fromkeys(zones))
    opens = [True, False] if group.check and group.fewest else [False]
    found = [
        Variant(group, zone, own, open_)
        for zone in every
        for own in ([True, False] if group.client_address else [False])
        for open_ in opens
    ]
    return [one for one in found if one.targets or not one.open]


def choices(variant: Variant, spec: LoadBalancerSpec) -> list[str]:
    """The conditions under each of which a connection goes to a variant, where it goes to its group at all.

    A process that leaves after a reload counts no healthy servers any more (`nbsrv` is 0 there), but knows each server's state:
    it takes the open variant only where none of the servers is up.
    """
    words = []
    if variant.zone:
        words.append("{ dst " + " ".join(str(leg.address.ip) for leg in spec.legs if leg.zone == variant.zone) + " }")
    if variant.own:
        words.append("{ src " + " ".join(str(leg.gateway) for leg in spec.legs) + " }")
    if not variant.open:
        return [" ".join(words)]
    closed = _closed(variant)
    few = f"{{ nbsrv({closed.name}) lt {min(variant.group.fewest, len(variant.targets))} }}"
    return [" ".join([*words, "!{ stopping }", few]), " ".join([*words, "{ stopping }", f"!{_up(closed)}"])]


def knowledge(variant: Variant) -> Iterator[str]:
    """What the choices of a variant refer to: lines of a frontend."""
    if variant.open:
        closed = _closed(variant)
        for target in closed.targets:
            yield f"acl {_up(closed)} srv_is_up({closed.name}/{target.name})"


def _closed(variant: Variant) -> Variant:
    """The variant that has only healthy targets, beside an open one."""
    return Variant(variant.group, variant.zone, variant.own)


def _up(variant: Variant) -> str:
    return f"up:{variant.name}"


def _all(group: Group, spec: LoadBalancerSpec) -> list[Variant]:
    """Those that frontends choose from, and the one that probes."""
    wanted = variants(group, [leg.zone for leg in spec.legs])
    return wanted if any(one.probing for one in wanted) else [*wanted, Variant(group)]


def servers(spec: LoadBalancerSpec) -> dict[str, set[str]]:
    """The names of all servers, by their backend."""
    return {one.name: {target.name for target in one.targets} for group in spec.groups for one in _all(group, spec)}


def backends(spec: LoadBalancerSpec, idle: int) -> Iterator[str]:
    """All backends. `idle` is the longest silence that any listener allows."""
    for group in spec.groups:
        for variant in _all(group, spec):
            yield f"backend {variant.name}"
            yield from (f"  {line}" for line in _backend(variant, spec, idle))
    for protocol in ("HTTP", "TCP"):
        yield from (f"backend {nobody(protocol)}", f"  mode {protocol.lower()}", f"  timeout server {idle}s")


def _backend(variant: Variant, spec: LoadBalancerSpec, idle: int) -> Iterator[str]:
    group = variant.group
    requests = group.protocol in ("HTTP", "HTTPS")
    source = group.stickiness is not None and group.stickiness.kind == "source"
    yield f"mode {'http' if requests else 'tcp'}"
    yield f"balance {'source' if source else _BALANCE[group.algorithm]}"
    if source:
        yield "hash-type consistent"
    yield f"timeout server {idle}s"
    yield f"timeout tunnel {idle}s"
    if group.client_address and not variant.own:
        yield "source 0.0.0.0 usesrc clientip"
    if requests:
        yield from _requests(variant, spec)
    if variant.probing and group.check:
        yield from _probe(group.check)
    for target in variant.targets:
        yield _server(variant, target)


def _requests(variant: Variant, spec: LoadBalancerSpec) -> Iterator[str]:
    """A target that cannot be reached is the 502 of AWS's balancers; 503 is for no target at all."""
    if variant.targets:
        yield f"http-error status 503 content-type text/html file errors/502 hdr Server {SERVER} hdr {_UNREACHED} 1"
        ours = f"if {{ status 503 }} {{ res.hdr({_UNREACHED}) -m found }}"
        yield f"http-after-response set-status 502 reason 'Bad Gateway' {ours}"
        yield f"http-after-response del-header {_UNREACHED} if {{ status 502 }}"
    if spec.options.log:
        yield f"http-request set-var(txn.arn) str({literal(variant.group.log_name)})"
        yield "http-response set-var(txn.status) status"
        yield "http-response set-var(txn.took) date(0,ms),sub(txn.began)"
    sticky = variant.group.stickiness
    if sticky is not None and sticky.cookies:
        yield from _sticky(sticky, variant.targets)


def _sticky(sticky: Stickiness, targets: Sequence[Target]) -> Iterator[str]:
    for cookie in sticky.cookies:
        yield f"http-request set-var(txn.stuck) {fetch('req.cook', cookie)} if !{{ var(txn.stuck) -m found }}"
    answered = ""
    if sticky.application:
        yield f"http-request unset-var(txn.stuck) if !{{ {fetch('req.cook', sticky.application)} -m found }}"
        answered = f" if {{ {fetch('res.cook', sticky.application)} -m found }}"
    for target in targets:
        yield f"use-server {target.name} if {{ var(txn.stuck) -m str {mark(target.name)} }}"
    for cookie in sticky.cookies:
        value = f"{cookie}=%[srv_name,sha1,hex,lower]"
        value += f"; Expires=%[date({sticky.seconds}),http_date]" if sticky.seconds else ""
        value += "; Path=/" + ("; SameSite=None; Secure" if cookie.endswith("CORS") else "")
        yield f"http-response add-header Set-Cookie {between(value)}{answered}"


def _probe(check: Check) -> Iterator[str]:
    yield f"timeout check {check.timeout}s"
    if check.protocol not in ("HTTP", "HTTPS"):
        yield "option tcp-check"
        return
    yield "option httpchk"
    words = "hdr Host '%[srv_name]' hdr User-Agent ELB-HealthChecker/2.0 hdr Connection close"
    yield f"http-check send meth GET uri {literal(check.path)} ver HTTP/1.1 {words}"
    yield f"http-check expect status {check.codes or '200'}"


def _server(variant: Variant, target: Target) -> str:
    group = variant.group
    words = [f"server {target.name} {target.name}"]
    tls = group.protocol in ("HTTPS", "TLS")
    if tls:
        words.append("ssl verify none")
    if group.http2:
        words.append("alpn h2" if tls else "proto h2")
    if group.proxy_protocol:
        words.append("send-proxy-v2" if group.proxy_protocol == 2 else "send-proxy")
    if group.protocol in ("TCP", "TLS") and (group.check or group.follows) and not variant.open:
        words.append("on-marked-down shutdown-sessions")
    if variant.probing and group.check:
        words += _checking(group, group.check, tls)
    elif group.follows:
        words.append(f"track {group.follows[0]}/{target.address}:{group.follows[1]}")
    elif not variant.open and group.check:
        words.append(f"track {Variant(group).name}/{target.name}")
    if group.slow_start and group.check and not variant.open:
        words.append(f"slowstart {group.slow_start}s")
    return " ".join(words)


def _checking(group: Group, check: Check, tls: bool) -> Iterator[str]:
    yield f"check inter {check.interval}s rise {check.healthy} fall {check.unhealthy}"
    if check.port:
        yield f"port {check.port}"
    if check.protocol in ("HTTPS", "SSL"):
        yield "check-ssl verify none" + (" check-alpn h2" if group.http2 and check.protocol == "HTTPS" else "")
    elif tls:
        yield "no-check-ssl"
    if group.http2 and check.protocol not in ("HTTP", "HTTPS"):
        yield "check-proto none"
    if group.proxy_protocol:
        yield "check-send-proxy"
