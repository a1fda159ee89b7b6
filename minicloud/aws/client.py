"""A client of an AWS endpoint, as small as `minicloud --endpoint-url` needs it: it starts in a fraction of botocore's time."""

import http.client
import os
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

from ..errors import ApiError
from . import documents, json_protocol, model, query_client, sigv4
from .model import Operation
from .wire import WireRequest

_SECONDS = 300.0


class Unreachable(Exception):
    """Nobody answers at the endpoint; the message says who was asked."""


@dataclass(frozen=True)
class Keys:
    """Credentials; `token` is empty for long-term ones."""

    access_key: str
    secret: str
    token: str = ""


@dataclass(frozen=True)
class Client:
    """An endpoint, and as whom to speak to it."""

    url: str
    region: str
    keys: Keys

    def call(self, service: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Carry an operation out; parameters and answer as `api.call` has them. Raises ApiError, Unreachable."""
        operation = model.service(service).operation(name)
        protocols = operation.service.metadata.get("protocols") or [operation.service.metadata["protocol"]]
        chosen = next((known for known in ("ec2", "query", "json") if known in protocols), None)
        if chosen is None:
            raise Unreachable(f"minicloud speaks to {service} only on the host itself: leave --endpoint-url away")
        headers, body = _request(operation, params, chosen)
        status, answer = self._send(operation, headers, body)
        if chosen == "json":
            return _json_answer(operation, status, answer)
        if status >= 300:
            raise query_client.error(answer, status)
        return query_client.answer(operation, answer, ec2=chosen == "ec2")

    def _send(self, operation: Operation, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        parts = urllib.parse.urlsplit(self.url)
        path = parts.path or "/"
        metadata = operation.service.metadata
        unsigned = WireRequest("POST", path, "", {**headers, "host": parts.netloc}, body)
        keys = (self.keys.access_key, self.keys.secret, self.keys.token)
        scope = str(metadata.get("signingName") or metadata["endpointPrefix"])
        signed = sigv4.sign(unsigned, keys, self.region, scope, time.time())
        try:
            connection = _connection(parts)
            connection.request("POST", path, body, signed)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the endpoint {self.url} does not answer: {error or type(error).__name__}") from error


def _connection(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    if parts.scheme != "https":
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    import ssl

    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_SECONDS, context=context)


def _request(operation: Operation, params: dict[str, Any], protocol: str) -> tuple[dict[str, str], bytes]:
    if protocol != "json":
        fields = query_client.form(operation, params, ec2=protocol == "ec2")
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        return headers, urllib.parse.urlencode(fields).encode()
    metadata, shape = operation.service.metadata, operation.input_shape
    headers = {
        "content-type": f"application/x-amz-json-{metadata['jsonVersion']}",
        "x-amz-target": f"{metadata['targetPrefix']}.{operation.name}",
    }
    return headers, json_protocol.dump(documents.write(shape, params, documents.JSON) if shape else {})


def _json_answer(operation: Operation, status: int, body: bytes) -> dict[str, Any]:
    found = json_protocol.load(body)
    if status >= 300:
        raise ApiError(str(found.get("__type", "")).rpartition("#")[2], str(found.get("message", "")), status)
    answer: dict[str, Any] = documents.read(operation.output, found, documents.JSON) if operation.output else {}
    return answer
