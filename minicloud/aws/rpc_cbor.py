"""Smithy RPC v2 with CBOR: POST /service/NAME/operation/NAME."""

from ..errors import ApiError
from . import cbor, documents
from .json_protocol import error_type, query_error
from .model import Operation, Service
from .wire import Params, WireAnswer, WireRequest


class RpcCbor:
    """The protocol."""

    name = "rpc-v2-cbor"

    def parse(self, operation: Operation, request: WireRequest) -> Params:
        """The parameters. Raises ApiError."""
        try:
            given = cbor.loads(request.body) if request.body else {}
        except (ValueError, OverflowError) as error:
            raise ApiError("SerializationException", f"The body of the request is not CBOR: {error}") from error
        if not isinstance(given, dict):
            raise ApiError("SerializationException", "The body of the request is not a CBOR map")
        if operation.input_shape is None:
            return given
        found: Params = documents.read(operation.input_shape, given, documents.CBOR)
        return found

    def answer(self, operation: Operation, answer: Params, request_id: str) -> WireAnswer:
        """An answer as CBOR."""
        value = documents.write(operation.output, answer, documents.CBOR) if operation.output else {}
        return WireAnswer(200, self._headers(request_id), cbor.dumps(value))

    def error(self, service: Service | None, error: ApiError, request_id: str) -> WireAnswer:
        """A refusal as CBOR."""
        body = {"__type": error_type(service, error), "message": error.message}
        return WireAnswer(error.status, {**self._headers(request_id), **query_error(service, error)}, cbor.dumps(body))

    def _headers(self, request_id: str) -> dict[str, str]:
        return {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "x-amzn-RequestId": request_id}
