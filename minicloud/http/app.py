"""The AWS endpoint as a WSGI application: one URL for all services.

    host -> read -> route -> rate -> authenticate -> authorize -> parse -> api.call -> serialise -> compress -> log, count

Each request gets one line of JSON in the log `minicloud.access`, which has no parameters and no secrets. A fault of ours is
logged with its traceback and answered as AWS's InternalError; nothing of it goes out. Whatever the path, the endpoint answers to
its own names only (`hosts.py`).
"""

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import api, callers
from ..aws import routing, sigv4
from ..aws.refusals import Words
from ..aws.routing import Target
from ..aws.wire import WireAnswer, WireRequest
from ..callers import Caller
from ..cloud import Cloud
from ..errors import ApiError
from . import compression, requests
from .authentication import authenticate
from .hosts import Hosts, own_names
from .metrics import CONTENT_TYPE, Metrics
from .rates import Rates

log = logging.getLogger(__name__)
access = logging.getLogger("minicloud.access")
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_LOOPBACK = ("127.", "::1", "::ffff:127.")
_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
    412: "Precondition Failed", 421: "Misdirected Request", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


@dataclass
class Exchange:
    """One request and what becomes of it, for the log."""

    peer: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.perf_counter)
    access_key: str = ""
    service: str = ""
    operation: str = ""
    code: str = "OK"
    received: int = 0


class Endpoint:
    """The application. `rate` and `burst` are requests a second, and at once, of one access key; `names` are more of its own."""

    def __init__(self, cloud: Cloud, rate: float = 1000.0, burst: float = 2000.0, names: Iterable[str] = ()) -> None:
        self._cloud = cloud
        self._hosts = Hosts([*own_names(), *cloud.settings.endpoint_names, *names])
        self._rates = Rates(rate, burst)
        self._metrics = Metrics(cloud)
        self._services = api.services()

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, as WSGI has it."""
        exchange = Exchange(str(environ.get("REMOTE_ADDR", "")))
        path = requests.target(environ)[0]
        if not self._hosts.allow(environ.get("HTTP_HOST", "")):
            answer = self._misdirected(exchange)
            self._note(exchange, answer)
        elif environ["REQUEST_METHOD"] in ("GET", "HEAD") and path in ("/health", "/metrics"):
            answer = self._health() if path == "/health" else self._figures(exchange.peer)
        else:
            answer = compression.compressed(self._answer(environ, exchange), environ.get("HTTP_ACCEPT_ENCODING", ""))
            self._note(exchange, answer)
        headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status} {_REASONS.get(answer.status, 'Refused')}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: Mapping[str, Any], exchange: Exchange) -> WireAnswer:
        target = Target(routing.EC2)
        try:
            request = requests.read(environ)
            exchange.received = len(request.body)
            claim, refused = _claim(request)
            scope, caller = claim.service if claim else "", None
            if requests.is_packed_form(request):  # nothing is unpacked for a stranger
                target = Target(routing.EC2 if scope == "ec2" else routing.QUERY)
                caller = self._sender(request, claim, refused, exchange, target.words)
                request = requests.unpacked(request)
            target = routing.route(request, scope, self._services)
            exchange.service = target.service.name if target.service else ""
            caller = caller or self._sender(request, claim, refused, exchange, target.words)
            return self._carry_out(target, request, caller, exchange)
        except ApiError as error:
            refusal = error
        except Exception:
            log.exception("request %s (%s %s) failed", exchange.request_id, exchange.service, exchange.operation)
            refusal = target.words.fault()
        exchange.code = refusal.code
        return target.protocol.error(target.service, refusal, exchange.request_id)

    def _sender(
        self, request: WireRequest, claim: sigv4.Claim | None, refused: ApiError | None, exchange: Exchange, words: Words
    ) -> Caller:
        """Who asks, within the rate: of its access key, or of its address while it shows no valid one. Raises ApiError."""
        try:
            if refused is not None:
                raise refused
            caller = authenticate(self._cloud, request, claim, time.time(), words)
        except ApiError:
            self._limit(f"from {exchange.peer}", words)
            raise
        exchange.access_key = caller.access_key
        self._limit(caller.access_key, words)
        return caller

    def _carry_out(self, target: Target, request: WireRequest, caller: Caller, exchange: Exchange) -> WireAnswer:
        if target.refused is not None or target.service is None:
            raise target.refused or ApiError("MissingAction", "The request is missing an action or a required parameter.")
        service = target.service.name
        found = api.find(service, target.operation)
        exchange.operation = found.name
        callers.authorize(caller, service, found.name)  # what may not be done is not even parsed
        params = target.protocol.parse(found.model, requests.unpacked(request))
        answer = api.call(self._cloud, service, found.name, params, caller=caller, request_id=exchange.request_id)
        return target.protocol.answer(found.model, answer, exchange.request_id)

    def _limit(self, who: str, words: Words) -> None:
        if not self._rates.take(who):
            raise words.rate()

    def _misdirected(self, exchange: Exchange) -> WireAnswer:
        exchange.code = "MisdirectedRequest"
        said = b"the endpoint is not known by this name: the setting endpoint_names has those that it is to answer to\n"
        return WireAnswer(421, {"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff"}, said)

    def _health(self) -> WireAnswer:
        """Whether the state can be read."""
        try:
            with self._cloud.state.transaction(write=False):
                self._cloud.state.vpcs.query()
        except Exception:
            log.exception("the state cannot be read")
            return WireAnswer(503, {"Content-Type": "application/json"}, b'{"status": "the state cannot be read"}\n')
        return WireAnswer(200, {"Content-Type": "application/json"}, b'{"status": "ok"}\n')

    def _figures(self, peer: str) -> WireAnswer:
        if not peer.startswith(_LOOPBACK):
            return WireAnswer(403, {"Content-Type": "text/plain"}, b"metrics are for this host only\n")
        return WireAnswer(200, {"Content-Type": CONTENT_TYPE}, self._metrics.text())

    def _note(self, exchange: Exchange, answer: WireAnswer) -> None:
        seconds = time.perf_counter() - exchange.started
        self._metrics.count(exchange.service, exchange.operation, exchange.code, seconds)
        if access.isEnabledFor(logging.INFO):
            access.info("%s", _line(exchange, answer, seconds))


def _claim(request: WireRequest) -> tuple[sigv4.Claim | None, ApiError | None]:
    """The claim of a request, or why it has none that can be read."""
    try:
        return sigv4.claim_of(request), None
    except ApiError as error:
        return None, error


def _line(exchange: Exchange, answer: WireAnswer, seconds: float) -> str:
    return json.dumps(
        {
            "request_id": exchange.request_id,
            "peer": exchange.peer,
            "access_key": exchange.access_key,
            "service": exchange.service,
            "operation": exchange.operation,
            "status": answer.status,
            "code": exchange.code,
            "ms": round(seconds * 1000, 1),
            "received": exchange.received,
            "sent": len(answer.body),
        }
    )
