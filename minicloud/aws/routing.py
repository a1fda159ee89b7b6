"""To which service, operation and protocol a request speaks: chosen by what the request says, never by what a model prefers.

The service is named by the target header or the path (JSON, CBOR), else by the credential's scope, else by the host. Where
one name is two services (elasticloadbalancing), the API version decides; where the scope names none, action and API version do:
clients make the scope of the host's name, where nobody tells them (boto 2 signs for the service `127`).
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import ApiError
from . import json_protocol, model, query, refusals, rest_json, rpc_cbor
from .model import Service
from .refusals import Words
from .wire import WireProtocol, WireRequest

EC2, QUERY, REST, CBOR = query.QueryProtocol("ec2"), query.QueryProtocol("query"), rest_json.RestJson(), rpc_cbor.RpcCbor()
JSON = {version: json_protocol.JsonProtocol(version) for version in ("1.0", "1.1")}
_DATE, _FIRST_EC2 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "2006-06-26"
_RPC_PATH = re.compile(r"/service/([A-Za-z0-9_]+)/operation/([A-Za-z0-9_]+)/?")


@dataclass(frozen=True)
class Target:
    """Where a request goes. `service` is None and `refused` says why where nobody is there for it."""

    protocol: WireProtocol
    service: Service | None = None
    operation: str = ""
    refused: ApiError | None = None

    @property
    def words(self) -> Words:
        """How it refuses what concerns no operation alone."""
        return refusals.of(self.service) if self.service else refusals.without_service(self.protocol.name)


@functools.cache
def _present(names: tuple[str, ...]) -> list[Service]:
    return [model.service(name) for name in names]


def _signing_names(service: Service) -> set[str]:
    metadata = service.metadata
    return {str(metadata[name]) for name in ("signingName", "endpointPrefix") if metadata.get(name)}


def route(request: WireRequest, scope: str, names: Sequence[str]) -> Target:
    """Where `request` goes among the services `names`; `scope` is the service in its credential, or empty."""
    services = _present(tuple(names))
    if target := request.headers.get("x-amz-target", ""):
        return _json(request, target, services)
    if path := _RPC_PATH.fullmatch(request.path):
        return _found(CBOR, services, lambda each: each.metadata.get("targetPrefix") == path[1], path[2], path[1])
    try:
        fields = query.form(request)
    except ApiError as error:
        return Target(EC2 if scope == "ec2" else QUERY, refused=error)
    host = request.headers.get("host", "").partition(".")[0]
    wanted = scope or host
    if "Action" in fields:
        fits = [each for each in services if wanted in _signing_names(each)] if wanted else []
        version = fields.get("Version", "")
        named = fits[0] if len(fits) == 1 else _of_version(fits, version)  # any version of one alone: old clients speak to it too
        service = named if fits else _by_action(services, fields["Action"], version, others=not scope)
        protocol = EC2 if wanted == "ec2" or (service and service.metadata["protocol"] == "ec2") else QUERY
        return Target(protocol, service, fields["Action"], None if service else _nobody(wanted))
    return _rest(request, wanted, services)


def _of_version(services: Sequence[Service], version: str) -> Service | None:
    return next((each for each in services if each.metadata["apiVersion"] == version), None)


def _by_action(services: Sequence[Service], action: str, version: str, *, others: bool) -> Service | None:
    """The service of a version that has the action; EC2 with an older version of its own; with `others`, any of the version."""
    able = [each for each in services if action in each.operation_names]
    if service := _of_version(able, version):
        return service
    if _is_old_ec2(version) and (ec2 := next((each for each in able if each.name == "ec2"), None)):
        return ec2
    return _of_version(services, version) if others else None


def _is_old_ec2(version: str) -> bool:
    """Whether a version can be an earlier one of EC2's, which has had about fifty; the other services have had one or two."""
    return bool(_DATE.fullmatch(version)) and _FIRST_EC2 <= version < str(model.service("ec2").metadata["apiVersion"])


def _json(request: WireRequest, target: str, services: Sequence[Service]) -> Target:
    prefix, _, operation = target.rpartition(".")
    protocol = JSON["1.1" if request.content_type.endswith("1.1") else "1.0"]
    return _found(protocol, services, lambda each: each.metadata.get("targetPrefix") == prefix, operation, prefix)


def _found(
    protocol: WireProtocol, services: Sequence[Service], fits: Callable[[Service], bool], operation: str, name: str
) -> Target:
    service = next((each for each in services if fits(each)), None)
    return Target(protocol, service, operation, None if service else _nobody(name))


def _rest(request: WireRequest, wanted: str, services: Sequence[Service]) -> Target:
    for service in services:
        if wanted in _signing_names(service) and "rest-json" in service.metadata.get("protocols", ()):
            if operation := rest_json.find(service, request):
                return Target(REST, service, operation)
            return Target(REST, service, refused=ApiError("UnknownOperationException", "No operation has this path", 404))
    if wanted and not any(wanted in _signing_names(service) for service in services):
        return Target(REST, refused=_nobody(wanted))
    error = ApiError("MissingAction", "The request is missing an action or a required parameter.")
    return Target(EC2 if wanted == "ec2" else QUERY, refused=error)


def _nobody(name: str) -> ApiError:
    return ApiError("UnsupportedOperation", f"minicloud does not have the service {name[:80] or 'that this request means'}")
