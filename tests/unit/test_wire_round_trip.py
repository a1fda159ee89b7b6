"""Each protocol against botocore: its serialiser makes the requests that ours reads, its parser reads the answers of ours.

Every operation of the services that minicloud has, and whole other services for the protocols that these do not use yet.
"""

import functools
import urllib.parse
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import pytest

from minicloud import api
from minicloud.aws import client, model, routing, times, wire
from minicloud.aws.model import Shape
from minicloud.aws.wire import WireProtocol, WireRequest
from minicloud.errors import ApiError
from tests.samples import sample

PROTOCOLS: dict[str, WireProtocol] = {
    "ec2": routing.EC2, "query": routing.QUERY, "json": routing.JSON["1.0"], "rest-json": routing.REST,
    "smithy-rpc-v2-cbor": routing.CBOR,
}  # fmt: skip
OURS = [
    (found.model.service.metadata["protocol"], found.service, found.name)
    for service in api.services()
    for found in api.operations(service).values()
]
OTHERS = [
    (protocol, service, name)
    for protocol, service in (
        ("query", "elb"), ("query", "elbv2"), ("query", "autoscaling"), ("json", "acm"), ("json", "cloudwatch"),
        ("query", "cloudwatch"), ("smithy-rpc-v2-cbor", "cloudwatch"), ("rest-json", "dlm"),
    )
    for name in model.service(service).operation_names
]  # fmt: skip


def every(test: Any) -> Any:
    return pytest.mark.parametrize(("protocol", "service", "name"), sorted({*OURS, *OTHERS}))(test)


@functools.cache
def of_botocore(service: str) -> botocore.model.ServiceModel:
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def as_request(serialized: dict[str, Any]) -> WireRequest:
    """What botocore would send."""
    body = serialized["body"]
    if isinstance(body, dict):
        body = urllib.parse.urlencode(body).encode()
    body = body.encode() if isinstance(body, str) else body
    query = serialized.get("query_string") or ""
    query = urllib.parse.urlencode(query, doseq=True) if isinstance(query, (dict, list)) else query
    path, _, more = serialized["url_path"].partition("?")
    headers = {name.lower(): str(value) for name, value in serialized["headers"].items()}
    return WireRequest(serialized["method"], path, "&".join(part for part in (more, query) if part), headers, body)


def parsed(shape: Shape | None, value: Any) -> Any:
    """An answer as botocore's parsers give it: times as datetimes."""
    if shape is None:
        return {}
    if shape.kind == "structure":
        return {name: parsed(shape.members[name].shape, inner) for name, inner in value.items()}
    if shape.kind == "list":
        return [parsed(shape.element, inner) for inner in value]
    if shape.kind == "map":
        return {key: parsed(shape.value, inner) for key, inner in value.items()}
    return datetime.fromtimestamp(times.seconds(value), UTC) if shape.kind == "timestamp" else value


def timely(shape: Shape, value: Any) -> Any:
    """Parameters with times as seconds, which all protocols tell exactly enough."""
    if shape.kind == "structure":
        return {name: timely(shape.members[name].shape, inner) for name, inner in value.items()}
    if shape.kind == "list":
        return [timely(shape.element, inner) for inner in value]
    if shape.kind == "map":
        return {key: timely(shape.value, inner) for key, inner in value.items()}
    return round(times.seconds(value)) if shape.kind == "timestamp" else value


def scope_of(operation: model.Operation) -> str:
    """The service that a client signs for; without a name of its own that of the host."""
    metadata = operation.service.metadata
    return str(metadata.get("signingName") or metadata.get("endpointPrefix", ""))


@every
def test_what_botocore_sends_is_read(protocol: str, service: str, name: str) -> None:
    operation = model.service(service).operation(name)
    params = sample(operation.input_shape) if operation.input_shape else {}
    serializer = botocore.serialize.SERIALIZERS[protocol]()
    request = as_request(serializer.serialize_to_request(params, of_botocore(service).operation_model(name)))
    target = routing.route(request, scope_of(operation), [service])
    assert (target.refused, target.operation) == (None, name)
    read = PROTOCOLS[protocol].parse(operation, request)
    if operation.input_shape:
        assert timely(operation.input_shape, read) == timely(operation.input_shape, params)


@every
def test_what_we_answer_botocore_reads(protocol: str, service: str, name: str) -> None:
    operation = model.service(service).operation(name)
    answer = sample(operation.output) if operation.output else {}
    sent = PROTOCOLS[protocol].answer(operation, answer, "request-1")
    response = {"headers": {k.lower(): v for k, v in sent.headers.items()}, "body": sent.body, "status_code": sent.status}
    parser = botocore.parsers.create_parser(protocol)
    found = parser.parse(response, of_botocore(service).operation_model(name).output_shape)
    metadata = found.pop("ResponseMetadata")
    assert "request-1" in (metadata.get("RequestId"), metadata["HTTPHeaders"]["x-amzn-requestid"])
    assert found == parsed(operation.output, answer)


REFUSALS = {
    "ec2": (("InvalidParameterValue", 400), ("ServiceUnavailable", 503)),
    "iam": (("NoSuchEntity", 404), ("ServiceFailure", 500)),
    "cloudwatch": (("ConcurrentModificationException", 429), ("ResourceNotFound", 404)),
    "acm": (("InvalidArnException", 400), ("InternalServerException", 500)),
    "dlm": (("LimitExceededException", 429), ("InternalServerException", 500)),
}
"""Codes of each service with their statuses."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("number", [0, 1])
def test_errors_reach_botocore(protocol: str, number: int) -> None:
    service = {"ec2": "ec2", "query": "iam", "rest-json": "dlm"}.get(protocol, "cloudwatch")
    code, status = REFUSALS[service][number]
    error = ApiError(code, "what is <wrong> & why", status)
    sent = PROTOCOLS[protocol].error(model.service(service), error, "request-1")
    response = {"headers": {k.lower(): v for k, v in sent.headers.items()}, "body": sent.body, "status_code": sent.status}
    shape = of_botocore(service).operation_model(model.service(service).operation_names[0]).output_shape
    found = botocore.parsers.create_parser(protocol).parse(response, shape)
    assert (found["Error"]["Code"], found["Error"]["Message"]) == (code, "what is <wrong> & why")
    assert found["ResponseMetadata"]["HTTPStatusCode"] == status
    assert found["ResponseMetadata"]["RequestId"] == "request-1"


@every
def test_our_own_client_sends_what_is_read_and_reads_what_is_answered(protocol: str, service: str, name: str) -> None:
    operation = model.service(service).operation(name)
    # Of several protocols our client has its own favourite.
    spoken = next(known for known in client.SPOKEN if known in wire.protocols(operation.service))
    if operation.input_shape:
        params = sample(operation.input_shape)
        request = client.request(operation, params)
        target = routing.route(request, scope_of(operation), [service])
        assert (target.refused, target.operation) == (None, name)
        assert PROTOCOLS[spoken].parse(operation, request) == params
    answer = sample(operation.output) if operation.output else {}
    sent = PROTOCOLS[spoken].answer(operation, answer, "r")
    read = client.answer(operation, replace(sent, headers={name.lower(): value for name, value in sent.headers.items()}))
    assert read == answer
    assert list(read) == list(answer)


@pytest.mark.parametrize("service", REFUSALS)
@pytest.mark.parametrize("number", [0, 1])
def test_errors_reach_our_own_client(service: str, number: int) -> None:
    code, status = REFUSALS[service][number]
    found = model.service(service)
    operation = found.operation(found.operation_names[0])
    spoken = next(known for known in client.SPOKEN if known in wire.protocols(found))
    sent = PROTOCOLS[spoken].error(found, ApiError(code, "what is <wrong> & why", status), "r")
    with pytest.raises(ApiError) as caught:
        client.answer(operation, replace(sent, headers={name.lower(): value for name, value in sent.headers.items()}))
    assert (caught.value.code, caught.value.message, caught.value.status) == (code, "what is <wrong> & why", status)
