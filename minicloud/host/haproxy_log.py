"""Access logs in the fields that AWS's have, as far as HAProxy can tell them: pure functions. `-` is what it cannot.

HAProxy writes to a file that is opened for it, whose number it finds in its environment. Each write is a whole line.
"""

from collections.abc import Iterator

from .load_balancer_spec import Listener, Options

DESCRIPTOR = "MINICLOUD_LOG"
"""The environment variable with the number of the open file."""
_TIME = "%[date,utime(%Y-%m-%dT%H:%M:%S)].000000Z"
_TOOK = "%[var(txn.took),div(1000)].%[var(txn.took),mod(1000),add(1000),bytes(1,3)]"
_KEPT = {"agent": "req.fhdr(user-agent)", "domain": "ssl_fc_sni", "authority": "req.hdr(host)", "url": "url"}


def lines(listener: Listener, options: Options) -> Iterator[str]:
    """The lines of a frontend, none where nothing is noted. A network balancer notes its TLS connections, as AWS's does."""
    if not options.log or (options.kind == "network" and not listener.tls):
        return
    yield f'log "fd@${{{DESCRIPTOR}}}" format raw local0 info'
    yield f"log-format '{_format(listener, options)}'"
    if listener.protocol == "HTTP":
        yield "http-request set-var(txn.began) date(0,ms)"
        for name, fetch in _KEPT.items():
            yield f"http-request set-var(txn.{name}) {fetch}"


def _format(listener: Listener, options: Options) -> str:
    secure = "%sslc %sslv" if listener.tls else "- -"
    scheme = "https" if listener.tls else "http"
    name = options.log_name
    if options.kind == "network":
        return (
            f"tls 2.0 {_TIME} {name} {listener.port} %ci:%cp %si:%sp %Tt %Th %U %B - - - {secure} - "
            f"%[ssl_fc_sni] %[ssl_fc_alpn] - - {_TIME}"
        )
    if listener.protocol != "HTTP":
        return f'{_TIME} {name} %ci:%cp %si:%sp 0.000 0.000 0.000 - - %U %B "- - - " "-" {secure}'
    request = f'"%HM {scheme}://%[var(txn.authority)]%[var(txn.url)] %HV"'
    times = f"0.000 {_TOOK} 0.000 %ST %[var(txn.status)] %U %B"
    agent = '"%[var(txn.agent)]"'
    if options.kind == "classic":
        return f"%{{+E}}o {_TIME} {name} %ci:%cp %si:%sp {times} {request} {agent} {secure}"
    kind = scheme if not listener.tls else "h2" if "h2" in listener.tls.alpn else "https"
    return (
        f"%{{+E}}o {kind} {_TIME} {name} %ci:%cp %si:%sp {times} {request} {agent} {secure} %[var(txn.arn)] "
        f'"%[var(txn.trace)]" "%[var(txn.domain)]" "-" %[var(txn.rule)] {_TIME} "-" "-" "-" '
        '"%si:%sp" "%[var(txn.status)]" "-" "-" -'
    )
