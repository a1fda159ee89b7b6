"""The endpoint as an HTTP server: limits, logs, health, metrics, TLS, and an end that loses nothing."""

import dataclasses
import gzip
import http.client
import json
import logging
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from minicloud.aws import model, query_client, sigv4
from minicloud.aws.wire import WireRequest
from minicloud.cloud import Cloud
from minicloud.errors import ApiError, UsageError
from minicloud.http import certificate, requests
from minicloud.http.app import Endpoint
from minicloud.http.rates import Rates
from minicloud.http.server import Server, listen
from scripts.benches.api_server import fill
from tests.cloud_fixtures import RUN
from tests.endpoint_fixtures import Served, error_of, new_keys


def post(served: Served, body: bytes, **more: str) -> tuple[int, bytes]:
    """One signed request with any body."""
    host = urllib.parse.urlsplit(served.url).netloc
    headers = {"host": host, "content-type": "application/x-www-form-urlencoded", **more}
    plain = WireRequest("POST", "/", "", headers, body)
    signed = sigv4.sign(plain, (served.keys.access_key, served.keys.secret, ""), "us-east-1", "ec2", time.time())
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("POST", "/", body, signed)
    response = connection.getresponse()
    return response.status, response.read()


def test_a_million_filters_are_refused_and_the_server_lives(served: Served) -> None:
    names = "&".join(f"Filter.{number}.Name=a" for number in range(1_000_000))
    status, body = post(served, f"Action=DescribeVpcs&Version=2016-11-15&{names}".encode())
    assert status == 400
    assert b"RequestEntityTooLarge" in body
    few = "&".join(f"F{number}" for number in range(200_000))
    status, body = post(served, f"Action=DescribeVpcs&{few}".encode())
    assert (status, b"MalformedQueryString" in body) == (400, True)
    assert post(served, b"Action=DescribeVpcs&Version=2016-11-15")[0] == 200


BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">%s]><a>&z;</a>""" % b"".join(
    b'<!ENTITY %c "%s">' % (letter + 1, b"&%c;" % letter * 10) for letter in range(ord("b"), ord("z"))
)


def test_bombs_of_xml_are_bytes_that_nobody_reads(served: Served) -> None:
    for kind in ("text/xml", "application/xml", "application/x-www-form-urlencoded"):
        status, answer = post(served, BOMB, **{"content-type": kind})
        assert status == 400, answer
        assert b"bbbbbbbbbbbb" not in answer
    # Nor does our own client read one, whoever sends it.
    for sent in (BOMB, b" " * 5000 + BOMB):
        with pytest.raises(ApiError, match="does not answer as AWS does"):
            query_client.answer(model.service("ec2").operation("DescribeVpcs"), sent, ec2=True)
    assert post(served, b"Action=DescribeVpcs&Version=2016-11-15")[0] == 200


def test_huge_numbers_and_unknown_names_are_refused_by_name(served: Served) -> None:
    for body, code in (
        (b"Action=DescribeInstances&MaxResults=99999999999999999999", b"InvalidParameterValue"),
        (b"Action=DescribeInstances&MaxResults=3000000000", b"InvalidParameterValue"),
        (b"Action=DescribeInstances&Bogus=1", b"UnknownParameter"),
        (b"Action=DescribeInstances&Filter.1.Name.x=1", b"UnknownParameter"),
        (b"Action=DescribeInstances&Filter.1=x", b"InvalidParameterValue"),
        (b"Action=NoSuchThing", b"InvalidAction"),
        (b"Version=2016-11-15", b"MissingAction"),
        (b"Action=DescribeInstances&InstanceId.1=%ff", b"MalformedQueryString"),
    ):
        status, answer = post(served, body)
        assert (status, code in answer) == (400, True), answer


def test_lists_are_read_as_old_clients_write_them(served: Served) -> None:
    first = served.boto().run_instances(**RUN)["Instances"][0]["InstanceId"]
    for name in ("InstanceId.1", "InstanceId.0", "InstanceId.member.1", "InstanceId"):
        status, answer = post(served, f"Action=DescribeInstances&Version=2014-10-01&{name}={first}".encode())
        assert (status, first.encode() in answer) == (200, True), answer


def test_compressed_bodies_are_bounded(served: Served) -> None:
    good = gzip.compress(b"Action=DescribeVpcs&Version=2016-11-15")
    bomb = gzip.compress(b"Action=DescribeVpcs&A=" + b"x" * (50 << 20))
    assert len(bomb) < requests.MOST_BODY
    for body, expected in ((good, 200), (bomb, 400), (b"no gzip", 400)):
        assert post(served, body, **{"content-encoding": "gzip"})[0] == expected
    stranger = dataclasses.replace(served, keys=dataclasses.replace(served.keys, secret="x" * 40))
    assert post(stranger, bomb, **{"content-encoding": "gzip"})[0] == 401


def test_health_and_metrics_need_no_keys(served: Served) -> None:
    served.boto().describe_vpcs()
    with pytest.raises(ClientError):
        served.boto().describe_instances(InstanceIds=["i-1"])
    with urllib.request.urlopen(f"{served.url}/health") as response:
        assert json.load(response) == {"status": "ok"}
    with urllib.request.urlopen(f"{served.url}/metrics") as response:
        text = response.read().decode()
    assert 'minicloud_requests_total{code="OK",operation="DescribeVpcs",service="ec2"} 1.0' in text
    assert 'code="InvalidInstanceID.Malformed",operation="DescribeInstances"' in text
    assert 'minicloud_instances{state="running"} 0.0' in text


def test_the_access_log_is_json_without_secrets(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "minicloud.access"):
        served.boto().create_key_pair(KeyName="hush", KeyType="ed25519")
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "minicloud.access"]
    assert [(line["operation"], line["status"], line["access_key"]) for line in lines] == [
        ("CreateKeyPair", 200, served.keys.access_key)
    ]
    assert "hush" not in caplog.text
    assert served.keys.secret not in caplog.text
    assert "PRIVATE" not in caplog.text


def test_a_fault_of_ours_says_nothing_of_itself(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("minicloud.http.app.api.call", broken)
    with pytest.raises(ClientError) as caught:
        served.boto().describe_vpcs()
    assert error_of(caught) == ("InternalError", 500)
    assert "inner" not in str(caught.value)


def test_too_many_requests_are_refused(cloud: Cloud) -> None:
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud, rate=0.001, burst=2))
    served = Served(cloud, server.start().url, new_keys(cloud))
    other = new_keys(cloud)
    client = served.boto()
    client.describe_vpcs()
    client.describe_vpcs()
    with pytest.raises(ClientError) as caught:
        client.describe_vpcs()
    assert error_of(caught) == ("RequestLimitExceeded", 503)
    served.boto(keys=other).describe_vpcs()
    server.stop()


def test_buckets_refill_and_are_bounded() -> None:
    now = [0.0]
    rates = Rates(2.0, 3.0, lambda: now[0])
    assert [rates.take("a") for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [rates.take("a") for _ in range(2)] == [True, False]
    for number in range(20_000):
        rates.take(str(number))
    assert len(rates._buckets) <= 10_000


def test_it_ends_by_finishing_what_it_began(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
    served = Served(cloud, server.start().url, new_keys(cloud))
    began, go, answers = threading.Event(), threading.Event(), list[str]()
    work = cloud.worker.work

    def slow(touched: object) -> None:
        began.set()
        assert go.wait(60)
        work(touched)  # type: ignore[arg-type]

    monkeypatch.setattr(cloud.worker, "work", slow)

    def ask() -> None:
        answers.append(served.boto().run_instances(**RUN)["Instances"][0]["InstanceId"])

    asking = threading.Thread(target=ask)
    asking.start()
    assert began.wait(60)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    go.set()
    asking.join(60)
    stopping.join(60)
    assert [row.id for row in cloud.state.instances.query()] == answers


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", {400, 403}),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", {400}),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", {413}),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", {400, 403}),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", {400, 403}),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 413, 414}),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", {400, 413, 431}),
        (b"GET http://elsewhere/?Action=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 403}),
        (b"GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: \xff\r\n\r\n", {421}),
        (b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 403}),
    ],
)
def test_bytes_that_are_hardly_http(served: Served, sent: bytes, statuses: set[int]) -> None:
    parts = urllib.parse.urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(sent)
        first = connection.recv(100).split()
    assert int(first[1]) in statuses, first
    assert post(served, b"Action=DescribeVpcs&Version=2016-11-15")[0] == 200


def test_an_address_that_is_taken_is_said_so(served: Served) -> None:
    taken = urllib.parse.urlsplit(served.url).netloc
    with pytest.raises(UsageError, match="cannot listen at"):
        Server(listen(taken, None, None, insecure=False), object()).start()


def test_tls_with_its_own_certificate(cloud: Cloud, tmp_path: Path) -> None:
    made, key = certificate.own(tmp_path, "127.0.0.1")
    server = Server(listen("127.0.0.1:0", made, key, insecure=False), Endpoint(cloud))
    url = server.start().url
    assert url.startswith("https://")
    with urllib.request.urlopen(f"{url}/health", context=ssl.create_default_context(cafile=str(made))) as response:
        assert response.status == 200
    vpcs = Served(cloud, url, new_keys(cloud)).boto(verify=str(made)).describe_vpcs()
    assert len(vpcs["Vpcs"]) == 1
    server.stop()


def test_a_thousand_instances_are_small_on_the_wire(cloud: Cloud) -> None:
    fill(cloud, 1000)
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
    served = Served(cloud, server.start().url, new_keys(cloud))
    body = b"Action=DescribeInstances&Version=2016-11-15"
    try:
        status, packed = post(served, body, **{"accept-encoding": "gzip"})
        plain = post(served, body)[1]
    finally:
        server.stop()
    assert (status, plain.count(b"<instanceId>")) == (200, 1000)
    assert gzip.decompress(packed).count(b"<instanceId>") == 1000
    print(f"{len(packed)} of {len(plain)} bytes")  # noqa: T201
    assert len(packed) < 250_000


@pytest.mark.parametrize("version", ["2016-11-15", "2010-05-08"])
def test_signature_version_2_is_named(served: Served, version: str) -> None:
    query = f"Action=A&Version={version}&AWSAccessKeyId=A&SignatureVersion=2&SignatureMethod=HmacSHA256&Signature=x"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{served.url}/?{query}", timeout=60)
    body = caught.value.read()
    assert caught.value.code == 400
    assert b"<Code>IncompleteSignature</Code><Message>Signature Version 2 is not supported." in body
    assert (b"<Errors>" in body) is (version == "2016-11-15")


def test_a_plus_in_a_url_is_a_space(served: Served) -> None:
    """As libcloud writes it, which signs %20."""
    vpc = served.boto().describe_vpcs()["Vpcs"][0]["VpcId"]
    fields = f"Action=CreateTags&ResourceId.1={vpc}&Tag.1.Key=Name&Tag.1.Value=a%20b&Version=2016-11-15"
    host = urllib.parse.urlsplit(served.url).netloc
    plain = WireRequest("GET", "/", fields, {"host": host}, b"")
    signed = sigv4.sign(plain, (served.keys.access_key, served.keys.secret, ""), "us-east-1", "ec2", time.time())
    sent = urllib.request.Request(f"{served.url}/?{fields.replace('%20', '+')}", headers=signed)
    with urllib.request.urlopen(sent, timeout=60) as response:
        assert b"<return>true</return>" in response.read()
    assert served.boto().describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == [{"Key": "Name", "Value": "a b"}]
