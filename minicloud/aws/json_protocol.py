"""AWS JSON 1.0 and 1.1: the operation in the header X-Amz-Target, parameters and answer as one JSON document each."""

import json
from typing import Any

from ..errors import ApiError
from . import documents
from .model import Operation, Service
from .wire import Params, WireAnswer, WireRequest, code_shapes


def load(body: bytes) -> Any:
    """A JSON document. Raises ApiError (SerializationException) for one that is none, or nested too deeply."""
    try:
        return json.loads(body or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError("SerializationException", "The body of the request is not JSON") from error


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def dump(value: Any) -> bytes:
    """A JSON document as UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class JsonProtocol:
    """One version of the protocol."""

    def __init__(self, version: str) -> None:
        self.name = f"json-{version}"
        self._content_type = f"application/x-amz-json-{version}"

    def parse(self, operation: Operation, request: WireRequest) -> Params:
        """The parameters. Raises ApiError."""
        given = load(request.body)
        if not isinstance(given, dict):
            raise ApiError("SerializationException", "The body of the request is not a JSON object")
        if operation.input_shape is None:
            return given
        found: Params = documents.read(operation.input_shape, given, documents.JSON)
        return found

    def answer(self, operation: Operation, answer: Params, request_id: str) -> WireAnswer:
        """An answer as JSON."""
        value = documents.write(operation.output, answer, documents.JSON) if operation.output else {}
        return WireAnswer(200, {"Content-Type": self._content_type, "x-amzn-RequestId": request_id}, dump(value))

    def error(self, service: Service | None, error: ApiError, request_id: str) -> WireAnswer:
        """A refusal as JSON."""
        headers = {"Content-Type": self._content_type, "x-amzn-RequestId": request_id, **query_error(service, error)}
        body = {"__type": error_type(service, error), "message": error.message}
        return WireAnswer(error.status, headers, dump(body))


def error_type(service: Service | None, error: ApiError) -> str:
    """What an error is called outside the query protocols: its shape's name."""
    return code_shapes(service).get(error.code, error.code) if service else error.code


def query_error(service: Service | None, error: ApiError) -> dict[str, str]:
    """The header with the query protocol's code, for services that promise it."""
    if service is None or service.metadata.get("awsQueryCompatible") is None:
        return {}
    return {"x-amzn-query-error": f"{error.code};{'Receiver' if error.status >= 500 else 'Sender'}"}
