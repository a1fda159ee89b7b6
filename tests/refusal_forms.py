"""Where a refusal is not what AWS says: its code, its HTTP status, and its form on the wire as botocore's parser reads it.

A code is declared by the operation's model, or is one that AWS documents for all operations of the service's family. EC2's models
declare none: its codes are those of `ec2_error_codes.tsv`, which AWS's page "Error codes for the Amazon EC2 API" has, and by the
same page Invalid*Resource*.NotFound for resources that it does not name.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore.parsers
from botocore.awsrequest import HeadersDict

from minicloud.aws import model, wire
from minicloud.aws.json_protocol import error_type
from minicloud.aws.model import Service
from minicloud.aws.wire import WireAnswer
from minicloud.errors import ApiError

from .conforms import Difference

_QUERY = {
    "AccessDenied": 403, "ExpiredToken": 403, "IncompleteSignature": 400, "InternalFailure": 500, "InvalidAction": 400,
    "InvalidClientTokenId": 403, "InvalidParameterCombination": 400, "InvalidParameterValue": 400, "InvalidQueryParameter": 400,
    "MalformedQueryString": 400, "MissingAction": 400, "MissingAuthenticationToken": 403, "MissingParameter": 400,
    "OptInRequired": 403, "RequestExpired": 400, "ServiceUnavailable": 503, "SignatureDoesNotMatch": 403, "Throttling": 400,
    "ValidationError": 400,
}  # fmt: skip
_JSON = {
    "AccessDeniedException": 400, "ExpiredTokenException": 400, "IncompleteSignatureException": 400, "InternalFailure": 500,
    "InvalidSignatureException": 400, "MissingAuthenticationTokenException": 400, "SerializationException": 400,
    "ThrottlingException": 400, "UnknownOperationException": 400, "UnrecognizedClientException": 400, "ValidationException": 400,
}  # fmt: skip
_PARSERS = {
    "ec2": "ec2", "query": "query", "json-1.0": "json", "json-1.1": "json", "rest-json": "rest-json",
    "rpc-v2-cbor": "smithy-rpc-v2-cbor",
}  # fmt: skip
"""Botocore's names of the protocols that ours are called by."""
_NOT_FOUND = re.compile(r"Invalid[A-Za-z0-9]+\.NotFound")
_ROOTS = {"ec2": "Response", "query": "ErrorResponse"}


def _ec2() -> dict[str, int]:
    lines = Path(__file__).with_name("ec2_error_codes.tsv").read_text().splitlines()
    return {code: int(status) for code, status, *_ in (line.split("\t") for line in lines if not line.startswith("#"))}


@functools.cache
def _common(service: str) -> Mapping[str, int]:
    """The codes that every operation of a service may answer, with their statuses."""
    protocols = wire.protocols(model.service(service))
    return _ec2() if "ec2" in protocols else _QUERY if "query" in protocols else _JSON


@functools.cache
def _declared(service: str, operation: str) -> Mapping[str, int]:
    """Those that the model has for an operation, or for the whole service where the operation is not known."""
    raw = model.service(service).raw
    if operation:
        shapes = [error["shape"] for error in raw["operations"].get(operation, {}).get("errors", ())]
    else:
        shapes = [name for name, shape in raw["shapes"].items() if shape.get("exception")]
    return dict(_declaration(name, raw["shapes"][name]) for name in shapes)


def _resource(code: str) -> str:
    """What a code is about, whichever way it is spelt: InvalidVpcID.NotFound and InvalidVpc.NotFound are about one thing."""
    return code.partition(".")[0].lower().removesuffix("id")


@functools.cache
def _named() -> set[str]:
    """The resources that AWS's page has a code for, where one is not found."""
    return {_resource(code) for code in _common("ec2") if code.endswith(".NotFound")}


def _declaration(name: str, raw: Mapping[str, Any]) -> tuple[str, int]:
    error = raw.get("error", {})
    return error.get("code", name), error.get("httpStatusCode", 500 if raw.get("fault") else 400)


def of_refusal(service: str, operation: str, error: ApiError) -> Iterator[Difference]:
    """The differences of a refusal by an operation; without `operation`, of one that came before it was known."""
    status = _declared(service, operation).get(error.code) or _common(service).get(error.code)
    if status is None and service == "ec2" and _NOT_FOUND.fullmatch(error.code) and _resource(error.code) not in _named():
        status = 400
    if status is None:
        yield Difference(error.code, "code", error.message)
    elif error.status != status:
        yield Difference(error.code, "status", f"{error.status}, not {status}")


def of_form(protocol: str, service: Service | None, error: ApiError, answer: WireAnswer) -> Iterator[Difference]:
    """The differences of a refusal on the wire from what botocore reads out of it."""
    try:
        parsed = _parser(_PARSERS[protocol]).parse(
            {"status_code": answer.status, "headers": HeadersDict(answer.headers), "body": answer.body}, None
        )
        root = ElementTree.fromstring(answer.body).tag.rpartition("}")[2] if protocol in _ROOTS else ""  # noqa: S314 - our own
    except Exception as unreadable:  # noqa: BLE001 - whatever a parser says of it
        yield Difference(error.code, "form", str(unreadable))
        return
    named_by_code = protocol in _ROOTS or "x-amzn-query-error" in answer.headers
    read = parsed.get("Error", {})
    for name, wanted, found in (
        ("Code", error.code if named_by_code else error_type(service, error), read.get("Code")),
        ("Message", _plain(error.message), _plain(read.get("Message") or "")),
        ("HTTPStatusCode", error.status, answer.status),
        ("RequestId", answer.headers.get("x-amzn-RequestId"), parsed["ResponseMetadata"].get("RequestId")),
        ("root", _ROOTS.get(protocol, ""), root),
    ):
        if wanted != found:
            yield Difference(f"{error.code}.{name}", "form", f"{found!r}, not {wanted!r}")


def _plain(text: str) -> str:
    """What all protocols can carry of a text; for what one cannot, it may write a question mark."""
    return " ".join("".join(letter if " " <= letter <= "~" and letter != "?" else " " for letter in text).split())


@functools.cache
def _parser(name: str) -> Any:
    return botocore.parsers.create_parser(name)
