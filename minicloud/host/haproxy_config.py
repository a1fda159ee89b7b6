"""The configuration of the HAProxy that is a load balancer, as text: pure functions from a LoadBalancerSpec.

Every file's name is relative to the directory that HAProxy is started in, so that a new configuration is written and tried
beside the one in use. A listener is a frontend, a target group a backend (haproxy_backends). Balancers that speak to targets
as their clients keep one right of root's (to bind any address); all others have none, and live in an empty directory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import Permanent
from . import haproxy_backends, haproxy_log, haproxy_rules
from .haproxy_rules import SERVER
from .haproxy_text import format_of, name
from .load_balancer_spec import Listener, LoadBalancerSpec, Tls

CONFIGURATION = "haproxy.cfg"
CERTIFICATES = "certificates"
_ERRORS = {
    400: "Bad Request",
    408: "Request Time-out",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_CIPHER = re.compile(r"[A-Z0-9_-]{1,64}")
_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CONNECTIONS = 8192
_LINE, _HEADER, _HEADERS, _ANSWER = 16 << 10, 16 << 10, 64 << 10, 32 << 10
"""Bytes that a request line, one header of a request, all of them, and those of a response may have: AWS's quotas."""
_BUFFER, _REWRITE, _MOST_HEADERS = 96 << 10, 16 << 10, 1000
"""What a message's head is read into, with HAProxy's own notes of it; how much of that is for what is added to it."""
_CODES = re.compile(r"\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*")


@dataclass(frozen=True)
class Place:
    """Where HAProxy lives: `socket` is where it is asked, `state` where it finds its targets' health, `empty` its root."""

    socket: Path
    state: Path
    empty: Path
    threads: int
    user: str = "haproxy"
    group: str = "haproxy"


def files(spec: LoadBalancerSpec, place: Place) -> dict[str, str]:
    """The files by relative name. Raises Permanent for what no configuration can say."""
    check(spec)
    found = {f"errors/{status}": _page(status, words) for status, words in _ERRORS.items()}
    lines = [*_global(spec, place), *_defaults()]
    for listener in spec.listeners:
        lines += _frontend(listener, spec, found)
    idle = max([listener.idle for listener in spec.listeners], default=60)
    lines += haproxy_backends.backends(spec, idle)
    found[CONFIGURATION] = "".join(f"{line}\n" for line in lines)
    found |= {f"{CERTIFICATES}/{name(one.name)}.pem": one.pem for one in spec.certificates}
    return found


def check(spec: LoadBalancerSpec) -> None:
    """Raise Permanent for what no configuration can say."""
    for group in spec.groups:
        if group.check and group.check.codes and not _CODES.fullmatch(group.check.codes):
            raise Permanent(f"{group.check.codes!r} are not codes of HTTP")
    for listener in spec.listeners:
        for cipher in listener.tls.ciphers if listener.tls else ():
            if not _CIPHER.fullmatch(cipher):
                raise Permanent(f"{cipher!r} is not the name of a cipher")


def _page(status: int, words: str) -> str:
    title = f"{status} {words}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )


def _global(spec: LoadBalancerSpec, place: Place) -> Iterator[str]:
    yield "# Written by minicloud; changes are overwritten."
    yield "global"
    owner = f"user {place.user} group {place.group} "
    if not spec.client_address:
        yield from (f"  user {place.user}", f"  group {place.group}", f"  chroot {place.empty}")
    else:
        owner = ""
    yield f"  stats socket {place.socket} {owner}mode 600 level admin expose-fd listeners"
    yield f"  server-state-file {place.state}"
    yield f"  maxconn {_CONNECTIONS}"
    yield f"  nbthread {place.threads}"
    yield "  no strict-limits"
    yield "  max-spread-checks 500"
    yield "  tune.ssl.default-dh-param 2048"
    yield f"  tune.bufsize {_BUFFER}"
    yield f"  tune.maxrewrite {_REWRITE}"
    yield f"  tune.http.maxhdr {_MOST_HEADERS}"


def _defaults() -> Iterator[str]:
    """Old processes of a reload give idle clients one more answer before they close."""
    yield "defaults"
    yield "  load-server-state-from-file global"
    yield "  option idle-close-on-response"
    yield "  option redispatch 1"
    yield "  option tcpka"
    yield "  retries 3"
    yield "  timeout connect 3s"
    yield "  timeout queue 10s"
    for status in _ERRORS:
        yield f"  http-error status {status} content-type text/html file errors/{status} hdr Server {SERVER}"


def _frontend(listener: Listener, spec: LoadBalancerSpec, found: dict[str, str]) -> Iterator[str]:
    http = listener.protocol == "HTTP"
    lines = [f"mode {'http' if http else 'tcp'}", f"timeout client {listener.idle}s"]
    tls = _tls(listener, found) if listener.tls else ""
    lines += [f"bind {leg.address.ip}:{listener.port}{tls}" for leg in spec.legs]
    lines += haproxy_log.lines(listener, spec.options)
    if http:
        lines += [f"timeout http-request {listener.idle}s", f"timeout http-keep-alive {listener.idle}s"]
        lines += [*_requests(listener, spec), *haproxy_rules.lines(listener, found), *_responses(listener)]
    lines += _choices(listener, spec)
    yield f"frontend {frontend(listener.port)}"
    yield from (f"  {line}" for line in lines)


def frontend(port: int) -> str:
    """What a listener's frontend is called."""
    return f"port-{port}"


def _tls(listener: Listener, found: dict[str, str]) -> str:
    tls: Tls = listener.tls or Tls((), (), ())
    path = f"{CERTIFICATES}/list-{listener.port}"
    found[path] = "".join(f"{CERTIFICATES}/{name(one)}.pem\n" for one in tls.certificates)
    words = [f" ssl crt-list {path}"]
    words += [f"ssl-min-ver {_version(tls.protocols[0])}", f"ssl-max-ver {_version(tls.protocols[-1])}"]
    old = [cipher for cipher in tls.ciphers if not cipher.startswith("TLS_")]
    new = [cipher for cipher in tls.ciphers if cipher.startswith("TLS_")]
    # OpenSSL's own level of security lets no version before 1.2 be spoken.
    level = ":@SECLEVEL=0" if tls.protocols[0] in _VERSIONS[:2] else ""
    words += [f"ciphers {':'.join(old)}{level}"] if old else []
    words += [f"ciphersuites {':'.join(new)}"] if new else []
    words += [f"alpn {','.join(name(one.replace('/', '_')).replace('_', '/') for one in tls.alpn)}"] if tls.alpn else []
    return " ".join(words)


def _version(protocol: str) -> str:
    if protocol not in _VERSIONS:
        raise Permanent(f"{protocol!r} is not a version of TLS")
    return "TLSv1.0" if protocol == "TLSv1" else protocol


def _requests(listener: Listener, spec: LoadBalancerSpec) -> Iterator[str]:
    """What is too large, and what targets are told of the client."""
    options = spec.options
    # The 400 of AWS's balancers for a long target (the line has a method and a version, too) or long headers.
    yield f"http-request deny deny_status 400 if {{ url,length gt {_LINE - len('GET  HTTP/1.1')} }}"
    long = "{ req.hdrs,length gt %d }"
    yield f"http-request deny deny_status 400 if {long % _HEADERS}"
    yield f"http-request deny deny_status 400 if {long % _HEADER} {{ req.hdrs -m reg '(?m)^[^\\r\\n]{{{_HEADER + 1}}}' }}"
    if options.drop_invalid_headers:
        yield "http-request del-header '[^-A-Za-z0-9]' -m reg"
    client = "%[src]:%[src_port]" if options.client_port else "%[src]"
    header = "X-Forwarded-For"
    if options.forwarded_for == "remove":
        yield f"http-request del-header {header}"
    elif options.forwarded_for == "append":
        count = f"req.fhdr_cnt({header})"
        yield f"http-request set-header {header} '%[req.fhdr({header})], {client}' if {{ {count} eq 1 }}"
        if options.client_port:
            yield f"http-request add-header {header} '{client}' unless {{ {count} eq 1 }}"
        else:
            # HAProxy's own way for requests without the header costs half as much.
            yield f"http-request add-header {header} '{client}' if {{ {count} gt 1 }}"
            yield "option forwardfor if-none"
    yield f"http-request set-header X-Forwarded-Proto {'https' if listener.tls else 'http'}"
    yield f"http-request set-header X-Forwarded-Port {listener.port}"
    if options.trace:
        yield from _trace(bool(options.log))
    if options.tls_headers and listener.tls:
        yield "http-request set-header X-Amzn-Tls-Version '%[ssl_fc_protocol]'"
        yield "http-request set-header X-Amzn-Tls-Cipher-Suite '%[ssl_fc_cipher]'"


def _trace(noted: bool) -> Iterator[str]:
    """A request that has a root keeps it; Self is then what this balancer adds. The digits are the last of two random UUIDs."""
    there = "{ req.hdr(X-Amzn-Trace-Id) -m sub Root= }"
    identifier = "1-%[date,hex,bytes(8,8),lower]-%[uuid,bytes(24,12)]%[uuid,bytes(24,12)]"
    if noted:
        yield f"http-request set-var-fmt(txn.trace) '{identifier}'"
        identifier = "%[var(txn.trace)]"
    yield f"http-request set-header X-Amzn-Trace-Id 'Self={identifier};%[req.fhdr(X-Amzn-Trace-Id)]' if {there}"
    yield f"http-request set-header X-Amzn-Trace-Id 'Root={identifier}' unless {there}"


def _responses(listener: Listener) -> Iterator[str]:
    yield f"http-response deny deny_status 502 if {{ res.hdrs,length gt {_ANSWER} }}"
    if not listener.server_name:
        yield "http-after-response del-header Server"
    for header, value in listener.headers:
        yield f"http-after-response set-header {name(header)} {format_of(value)}"


def _choices(listener: Listener, spec: LoadBalancerSpec) -> Iterator[str]:
    groups = {group.group_id: group for group in spec.groups}
    zones = [leg.zone for leg in spec.legs]
    for group_id in haproxy_rules.groups_of(listener):
        mine = f"{{ var(txn.group) -m str {group_id} }}" if haproxy_rules.chooses(listener) else ""
        for variant in haproxy_backends.variants(groups[group_id], zones):
            yield from haproxy_backends.knowledge(variant)
            for choice in haproxy_backends.choices(variant, spec):
                condition = " ".join(filter(None, (mine, choice)))
                yield f"use_backend {variant.name}" + (f" if {condition}" if condition else "")
    yield f"default_backend {haproxy_backends.nobody(listener.protocol)}"
