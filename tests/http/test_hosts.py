"""By which names the endpoint may be spoken to, on every path; what browsers were led here for gets 421."""

import dataclasses
import http.client
import socket
import urllib.parse
from pathlib import Path

import pytest

from minicloud import config
from minicloud.cloud import Cloud
from minicloud.errors import UsageError
from minicloud.http import certificate
from minicloud.http.app import Endpoint
from minicloud.http.hosts import Hosts
from minicloud.http.server import Server, listen
from tests.endpoint_fixtures import Served, new_keys


def status(url: str, method: str, path: str, host: str | None) -> int:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    found = connection.getresponse().status
    connection.close()
    return found


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/?Action=DescribeVpcs", "/console/", "/console-static.js"])
def test_no_path_answers_to_a_name_of_a_stranger(served: Served, method: str, path: str) -> None:
    assert status(served.url, method, path, "rebound.example:8800") == 421


def test_the_refusal_is_in_the_log_and_says_nothing_back(served: Served) -> None:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(served.url).netloc, timeout=60)
    connection.request("GET", "/metrics", headers={"Host": "rebound.example"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("X-Content-Type-Options")) == (421, "nosniff")
    assert b"rebound" not in answer.read()
    connection.request("GET", "/metrics", headers={"Host": "localhost"})
    assert b'code="MisdirectedRequest"' in connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "127.0.0.1:8800", "192.0.2.7:1", "[::1]:8800", "localhost", "LOCALHOST.:1", "ec2.localhost"]
)
def test_its_addresses_and_localhost_are_its_own(served: Served, name: str) -> None:
    assert status(served.url, "GET", "/health", name) == 200
    assert status(served.url, "GET", "/metrics", name) == 200


def test_the_hosts_own_names_are(served: Served) -> None:
    assert status(served.url, "GET", "/health", socket.gethostname()) == 200
    assert status(served.url, "GET", "/health", f"{socket.gethostname().partition('.')[0]}:8800") == 200


@pytest.mark.parametrize(
    "name",
    [
        "localhost.example",
        "evil-localhost",
        "127.0.0.1.example",
        "localhost:x",
        "localhost@evil",
        "[::1",
        "a b",
        "::1",
        "1",
        "0x7f.1",
    ],
)
def test_what_only_looks_like_one_is_not(name: str) -> None:
    assert not Hosts([]).allow(name)


def test_http_1_1_says_which_host_and_says_it_once(served: Served) -> None:
    assert status(served.url, "GET", "/health", None) == 400
    parts = urllib.parse.urlsplit(served.url)
    for sent, expected in (
        (b"GET /health HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n\r\n", b"400"),
    ):
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            connection.sendall(sent)
            assert connection.recv(100).split()[1] == expected


def test_the_setting_and_the_certificate_name_others(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.settings = dataclasses.replace(cloud.settings, endpoint_names=("cloud.example", "*.ec2.example"))
    made, _ = certificate.own(tmp_path, "127.0.0.1", ["tls.example"])
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud, names=certificate.names_in(made)))
    url = server.start().url
    for host in ("cloud.example", "us-east-1.ec2.example", "tls.example"):
        assert status(url, "GET", "/health", host) == 200
    for host in ("a.cloud.example", "ec2.example", "other.example"):
        assert status(url, "GET", "/health", host) == 421
    # boto3 signs the name that it was given, and is answered by it.
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *args, **more: known("127.0.0.1" if host == "cloud.example" else host, *args, **more)
    )
    named = Served(cloud, url.replace("127.0.0.1", "cloud.example"), new_keys(cloud))
    assert len(named.boto().describe_vpcs()["Vpcs"]) == 1
    server.stop()


def test_the_setting_is_a_list_or_has_commas(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('endpoint_names = ["a.example", "b.example"]\n')
    assert config.load({"MINICLOUD_CONFIG": str(file)}).endpoint_names == ("a.example", "b.example")
    both = {"MINICLOUD_CONFIG": str(file), "MINICLOUD_ENDPOINT_NAMES": "c.example, d.example"}
    assert config.load(both).endpoint_names == ("c.example", "d.example")
    file.write_text("endpoint_names = 5\n")
    with pytest.raises(UsageError, match="endpoint_names"):
        config.load({"MINICLOUD_CONFIG": str(file)})


def test_a_file_that_is_no_certificate_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    for path in (tmp_path / "x.pem", tmp_path / "y.pem"):
        with pytest.raises(UsageError, match=path.name):
            certificate.names_in(path)
