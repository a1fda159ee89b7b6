"""Ten thousand requests that nobody should send, all with good signatures: no fault of ours, no growth, and life afterwards."""

import contextlib
import ctypes
import gc
import gzip
import io
import resource
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minicloud import api
from minicloud.aws import cbor, sigv4
from minicloud.aws.client import Keys
from minicloud.aws.wire import WireRequest
from minicloud.host import fake
from minicloud.http.app import Endpoint
from tests.cloud_fixtures import IMAGE, cloud_in
from tests.endpoint_fixtures import new_keys

REQUESTS = 10_000
AGAIN = 2000
"""How many of them are sent again, and again, to see what they leave in memory."""
MOST_LEFT = 8 << 20
"""Bytes that four rounds of those may leave: 1 KiB for each request."""
MOST_AT_ONCE = 100 << 20
"""Bytes that a large request may take while it is answered."""
READS = [
    (service, name)
    for service in api.services()
    for name in api.operations(service)
    if not name.startswith(("Create", "Run", "Register", "Import", "Assume")) and service != "dlm"
]
"""Those of DLM are known by paths, not by names."""
NAMES = ["Filter", "Name", "Value", "member", "item", "InstanceId", "MaxResults", "NextToken", "DryRun"]
PARTS = [*NAMES, "1", "0", "999999999", "-1"]
WORDS = [
    "i-0123456789abcdef0",
    "true",
    "\0",
    "*",
    "[",
    "\\",
    "tag:x",
    "vpc-id",
    "x" * 300,
    "9" * 30,
    "1e999",
    "\ud7ff",
    "é",
    "<!D x>",
]

fields = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PARTS) | st.text(max_size=5), min_size=1, max_size=20).map(".".join),
        st.sampled_from(WORDS) | st.text(max_size=30),
    ),
    max_size=8,
)
operations = st.sampled_from(READS) | st.tuples(st.sampled_from(["ec2", "sts", "iam", "nobody", ""]), st.text(max_size=20))
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def form(sent: tuple[tuple[str, str], list[tuple[str, str]]]) -> tuple[str, dict[str, str], bytes]:
    (service, name), pairs = sent
    body = "&".join([f"Action={quoted(name)}", *(f"{quoted(key)}={quoted(value)}" for key, value in pairs)])
    return service, {"content-type": "application/x-www-form-urlencoded"}, body.encode()


requests = st.one_of(
    st.tuples(operations, fields).map(form),
    st.tuples(operations, st.binary(max_size=200)).map(
        lambda sent: (sent[0][0], {"content-type": "application/x-www-form-urlencoded"}, b"Action=DescribeVpcs&" + sent[1])
    ),
    st.tuples(st.just("monitoring"), st.just({"smithy-protocol": "rpc-v2-cbor"}), st.binary(max_size=100)),
    st.binary(max_size=100).map(lambda body: ("ec2", {"content-encoding": "gzip"}, gzip.compress(body))),
    st.tuples(
        st.just("ec2"), st.just({"x-amz-target": "A.B", "content-type": "application/x-amz-json-1.1"}), st.binary(max_size=50)
    ),
)  # fmt: skip


class App:
    """An endpoint that is called without a network."""

    def __init__(self, directory: Path) -> None:
        host = fake.host()
        host.add_image(IMAGE)
        self.cloud = cloud_in(directory, host)
        self.endpoint = Endpoint(self.cloud, 1e9, 1e9)
        self.keys: Keys = new_keys(self.cloud)
        self.sent: deque[tuple[str, dict[str, str], bytes]] = deque(maxlen=AGAIN)
        api.call(self.cloud, "ec2", "DescribeVpcs", {})
        self.cloud.worker.refresh = lambda _: None  # type: ignore[method-assign]

    def send(self, service: str, headers: dict[str, str], body: bytes, path: str = "/") -> tuple[int, bytes]:
        plain = WireRequest("POST", path, "", {"host": "127.0.0.1", **headers}, body)
        keys = (self.keys.access_key, self.keys.secret, "")
        signed = sigv4.sign(plain, keys, "us-east-1", service or "ec2", time.time())
        environ: dict[str, Any] = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed.items()}
        environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
        environ |= {
            "REQUEST_METHOD": "POST",
            "REQUEST_URI": path,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "REMOTE_ADDR": "127.0.0.1",
        }
        seen: list[str] = []
        answer = b"".join(self.endpoint(environ, lambda status, _: seen.append(status)))
        return int(seen[0].split()[0]), answer

    def request(self, service: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Send one of `requests`."""
        path = "/service/X/operation/Y" if "smithy-protocol" in headers else "/"
        return self.send(service.replace("nobody", "kms"), headers, body, path)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    made = App(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.cloud.state.close()


@settings(max_examples=REQUESTS // 50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(requests, min_size=50, max_size=50))
def test_no_request_is_a_fault_of_ours(app: App, sent: list[tuple[str, dict[str, str], bytes]]) -> None:
    for service, headers, body in sent:
        status, answer = app.request(service, headers, body)
        assert status < 500, (service, headers, body, answer)
    app.sent.extend(sent)


def held() -> int:
    """The memory that this process has, in bytes, without what nobody needs any more."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_they_leave_nothing_in_memory(app: App) -> None:
    """What hypothesis keeps of its examples is much more than they do, so the same ones are sent again without it."""
    assert len(app.sent) == AGAIN
    before = 0
    for number in range(5):
        for sent in app.sent:
            app.request(*sent)
        before = before or held()  # after the first round: models and modules are there
        assert held() - before < MOST_LEFT, number


def test_large_requests_take_a_bounded_amount_and_the_endpoint_lives(app: App) -> None:
    before = held()
    Path("/proc/self/clear_refs").write_text("5")  # the kernel counts the peak from here (proc(5))
    for number in range(60):
        body = b"Action=DescribeInstances&" + b"&".join(b"Filter.%d.Name=%d" % (n, number) for n in range(9000))
        status, _ = app.send("ec2", {"content-type": "application/x-www-form-urlencoded"}, body)
        assert status == 400
    (peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    assert int(peak) * 1024 - before < MOST_AT_ONCE
    assert app.send("ec2", {"content-type": "application/x-www-form-urlencoded"}, b"Action=DescribeVpcs")[0] == 200


@given(documents)
@settings(max_examples=300, deadline=None)
def test_cbor_reads_what_it_wrote(value: Any) -> None:
    def sized(found: Any) -> bool:
        if isinstance(found, int):
            return -(2**64) <= found < 2**64
        inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
        return all(sized(each) for each in inner)

    if sized(value):
        assert repr(cbor.loads(cbor.dumps(value))) == repr(value)


@given(st.binary(max_size=60))
@settings(max_examples=1000, deadline=None)
def test_cbor_of_strangers_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        cbor.dumps(cbor.loads(data))


@pytest.mark.parametrize(
    "data", [b"\x81" * 100, b"\x9f" * 100, b"\x9b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8, b"\xbf\x01\x02\xff", b""]
)
def test_cbor_that_is_too_deep_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"document|value"):
        cbor.loads(data)
