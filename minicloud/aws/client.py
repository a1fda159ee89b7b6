"""A client of an AWS endpoint, as small as `minicloud --endpoint-url` needs it: it starts in a fraction of botocore's time."""

import http.client
import os
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ApiError
from . import documents, empties, json_protocol, model, query_client, rest_client, sigv4, validate, wire
from .model import Operation
from .wire import WireAnswer, WireRequest

SPOKEN = ("ec2", "query", "json", "rest-json")
"""The protocols that it speaks, the first that a service knows."""
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
        return answer(operation, self._send(operation, request(operation, checked(operation, params))))

    def _send(self, operation: Operation, wanted: WireRequest) -> WireAnswer:
        parts = urllib.parse.urlsplit(self.url)
        path = parts.path.rstrip("/") + wanted.path
        metadata = operation.service.metadata
        unsigned = replace(wanted, path=path, headers={**wanted.headers, "host": parts.netloc})
        keys = (self.keys.access_key, self.keys.secret, self.keys.token)
        scope = str(metadata.get("signingName") or metadata["endpointPrefix"])
        signed = sigv4.sign(unsigned, keys, self.region, scope, time.time())
        try:
            connection = _connection(parts)
            connection.request(wanted.method, f"{path}?{wanted.query}" if wanted.query else path, wanted.body, signed)
            response = connection.getresponse()
            return WireAnswer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the endpoint {self.url} does not answer: {error or type(error).__name__}") from error


def _connection(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    if parts.scheme != "https":
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    import ssl

    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_SECONDS, context=context)


def _spoken(operation: Operation) -> str:
    there = wire.protocols(operation.service)
    return next(known for known in SPOKEN if known in there)


def checked(operation: Operation, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as `api.call` would take them: a value of a wrong type would be sent as some text. Raises ApiError."""
    given = empties.without(operation, {name: value for name, value in params.items() if value is not None})
    validate.validate(operation, given)
    return given


def request(operation: Operation, params: dict[str, Any]) -> WireRequest:
    """A request of an operation, unsigned and without a host, of parameters that are `checked`."""
    protocol = _spoken(operation)
    if protocol == "rest-json":
        return rest_client.request(operation, params)
    if protocol != "json":
        fields = query_client.form(operation, params, ec2=protocol == "ec2")
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        return WireRequest("POST", "/", "", headers, urllib.parse.urlencode(fields).encode())
    metadata, shape = operation.service.metadata, operation.input_shape
    headers = {
        "content-type": f"application/x-amz-json-{metadata['jsonVersion']}",
        "x-amz-target": f"{metadata['targetPrefix']}.{operation.name}",
    }
    body = json_protocol.dump(documents.write(shape, params, documents.JSON) if shape else {})
    return WireRequest("POST", "/", "", headers, body)


def answer(operation: Operation, sent: WireAnswer) -> dict[str, Any]:
    """The answer in a response, whose headers' names are in lower case. Raises ApiError for a refusal."""
    protocol = _spoken(operation)
    if protocol == "rest-json":
        return rest_client.answer(operation, sent)
    if protocol == "json":
        return _json_answer(operation, sent)
    if sent.status >= 300:
        raise query_client.error(sent.body, sent.status)
    return query_client.answer(operation, sent.body, ec2=protocol == "ec2")


def _json_answer(operation: Operation, sent: WireAnswer) -> dict[str, Any]:
    found = json_protocol.load(sent.body)
    if sent.status >= 300:
        raise ApiError(str(found.get("__type", "InternalFailure")).rpartition("#")[2], str(found.get("message", "")), sent.status)
    made: dict[str, Any] = documents.read(operation.output, found, documents.JSON) if operation.output else {}
    return made
