"""Whatever is refused in a test here is asked for twice: through boto3 over HTTP, and in process. Both must say the same."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud.aws import model
from minicloud.aws.model import Shape
from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from minicloud.host.fake import FakeHost
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen
from minicloud.reconcile import loop

from ..cloud_fixtures import Ec2, cloud_in
from ..endpoint_fixtures import Served, new_keys


class Wire:
    """One endpoint for all tests, which speaks for the cloud of the one that runs."""

    def __init__(self) -> None:
        self._endpoint: Endpoint | None = None
        self._server = Server(listen("127.0.0.1:0", None, None, insecure=False), self._answer)
        self._url = self._server.start().url
        self.stop = self._server.stop

    def _answer(self, *request: Any) -> Any:
        assert self._endpoint is not None
        return self._endpoint(*request)

    def boto(self, cloud: Cloud) -> Any:
        """A client of this cloud."""
        self._endpoint = Endpoint(cloud)
        return Served(cloud, self._url, new_keys(cloud)).boto()


@dataclass
class Wired(Ec2):
    """A client that asks for refusals over the wire, too."""

    wire: Wire

    def refused(self, operation: str, **params: Any) -> ApiError:
        """The error, which boto3 gets as well."""
        heard = self._heard(operation, params) if _sendable(operation, params) else None
        error = super().refused(operation, **params)
        # A test may have moved the clock, for which boto3 is late.
        assert heard in (None, (error.code, error.status, error.message)) or heard[0] == "RequestExpired"
        return error

    @functools.cached_property
    def _boto(self) -> Any:
        return self.wire.boto(self.cloud)

    def _heard(self, operation: str, params: dict[str, Any]) -> tuple[str, int, str]:
        given = {name: value for name, value in params.items() if value is not None}
        with pytest.raises(ClientError) as caught:
            getattr(self._boto, model.xform_name(operation))(**given)
        said = caught.value.response
        return said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"], said["Error"]["Message"]


def _sendable(operation: str, params: dict[str, Any]) -> bool:
    """Whether boto3 sends such a request as it is: it encodes user data itself."""
    if operation not in model.service("ec2").operation_names or "UserData" in params:
        return False
    shape = model.service("ec2").operation(operation).input_shape
    given = {name: value for name, value in params.items() if value is not None}
    return not given or (shape is not None and _typed(shape, given))


_TYPES = {
    "string": str,
    "timestamp": str,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "blob": bytes,
}


def _typed(shape: Shape, value: Any) -> bool:
    """Whether a value is of the model's type, with known members: a form carries no other, and nothing for an empty map."""
    if shape.kind == "structure":
        known = isinstance(value, dict) and bool(value) and set(value) <= set(shape.members)
        return known and all(_typed(shape.members[name].shape, inner) for name, inner in value.items())
    if shape.kind == "list":
        return isinstance(value, list) and all(_typed(shape.element, inner) for inner in value)
    return type(value) is _TYPES[shape.kind] and not (isinstance(value, int) and abs(value) >= 2**63)


@pytest.fixture(scope="session")
def wire() -> Iterator[Wire]:
    """The endpoint of all tests."""
    made = Wire()
    yield made
    made.stop()


@pytest.fixture
def ec2(cloud: Cloud, wire: Wire) -> Wired:
    """A client of `cloud`."""
    return Wired(cloud, wire)


@pytest.fixture
def idle(tmp_path: Path, host: FakeHost, wire: Wire) -> Wired:
    """A client of a cloud that knows its images and where nobody does any work."""
    loop.run_pass(cloud_in(tmp_path, host))
    return Wired(cloud_in(tmp_path, host, work=False), wire)
