"""Load balancers on real packets: HAProxy, firewall and networks as they are in life, targets in namespaces."""

import base64
import dataclasses
import hashlib
import http.client
import re
import shlex
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from minicloud.host import access_logs, log_writers

from .balancer_scene import Scene, ask, context, forward, scene, until

pytestmark = pytest.mark.lab

KEY = base64.b64encode(b"sixteen bytes...")
"""What a client of WebSocket sends (RFC 6455); its server must answer with a hash of it."""
THREE = ("one", "two", "three")


@pytest.fixture(scope="module")
def field() -> Iterator[Scene]:
    """Guests one and two in the first zone, three in the second; a client in the first."""
    with scene() as made:
        for name in THREE:
            made.guest(name, subnet=int(name == "three"))
        made.guest("client")
        yield made


@pytest.fixture(scope="module")
def alb(field: Scene) -> str:
    """An ALB whose port 80 leads to all three; its name."""
    arn = field.balancer("alb")
    group = field.targets("all", *THREE)
    field.listener(arn, group)
    field.healthy(group, *THREE)
    return arn


def test_requests_are_spread(field: Scene, alb: str) -> None:
    name = field.dns(alb)
    assert Counter(ask(name).name for _ in range(30)) == dict.fromkeys(THREE, 10)
    state = field("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[alb])["LoadBalancers"][0]["State"]
    assert state == {"Code": "active"}


def test_what_targets_are_told(field: Scene, alb: str) -> None:
    found = ask(field.dns(alb), "/a?b=c", X_Forwarded_For="192.0.2.1", X_Amzn_Trace_Id="Root=1-67891233-abcdef012345678912345678")
    leg = field.cloud.state.interfaces.query("load_balancer_id != ''")[0]
    assert found.client in {one.address for one in field.cloud.state.interfaces.query("load_balancer_id != ''")}
    assert found.seen("X-Forwarded-For") == f"192.0.2.1, {leg.address.rpartition('.')[0]}.1"
    assert (found.seen("X-Forwarded-Proto"), found.seen("X-Forwarded-Port")) == ("http", "80")
    traced = found.seen("X-Amzn-Trace-Id") or ""
    assert traced.startswith("Self=1-")
    assert traced.endswith(";Root=1-67891233-abcdef012345678912345678")
    assert (ask(field.dns(alb)).seen("X-Amzn-Trace-Id") or "").startswith("Root=1-")


def test_conditions_and_actions(field: Scene, alb: str) -> None:
    """Each kind of condition with a hit and a miss; each action. Rules are tried by their priority."""
    only = field.targets("only", "one")
    both = [field.targets("half-a", "one"), field.targets("half-b", "two")]
    listener = field.listener(alb, {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}, port=81)
    said = {
        "Type": "fixed-response",
        "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": ""},
    }

    def body(text: str) -> dict[str, object]:
        return {**said, "FixedResponseConfig": {**said["FixedResponseConfig"], "MessageBody": text}}  # type: ignore[dict-item]

    field.rule(listener, 1, body("host"), {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}})
    field.rule(listener, 2, body("path 100% '\""), {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/img/?.png"]}})
    agent = {"HttpHeaderName": "X-Kind", "Values": ["*(b.ta)*"]}
    field.rule(listener, 3, body("header"), {"Field": "http-header", "HttpHeaderConfig": agent})
    pairs = {"Values": [{"Key": "version", "Value": "v?"}, {"Value": "*new*"}]}
    field.rule(listener, 4, body("query"), {"Field": "query-string", "QueryStringConfig": pairs})
    nobody = {"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}}
    field.rule(listener, 5, body("source"), nobody)
    path = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/old/*"]}}
    moved = {"Protocol": "HTTPS", "Port": "443", "Host": "new.#{host}", "Path": "/new/#{path}", "StatusCode": "HTTP_301"}
    field.rule(listener, 6, {"Type": "redirect", "RedirectConfig": moved}, path)
    field.rule(listener, 7, forward(only), {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/only"]}})
    weighted = forward(*both, Enabled=True, DurationSeconds=60)
    field.rule(listener, 8, weighted, {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/both"]}})
    until(lambda: field.health(only)["one"] == field.health(both[0])["one"] == field.health(both[1])["two"] == "healthy")
    name = field.dns(alb)

    def says(path: str, **headers: str) -> str:
        found = ask(name, path, port=81, **headers)
        return found.body if found.status == 200 else str(found.status)

    assert says("/", Host="WWW.Example.com:81") == "host"
    assert says("/", Host="example.com") == "404"
    assert says("/img/a.png") == "path 100% '\""
    assert (says("/img/ab.png"), says("/IMG/a.png"), says("/img/a-png")) == ("404", "404", "404")
    assert (says("/", X_Kind="a (B.TA) c"), says("/", X_Kind="(beta)")) == ("header", "404")
    assert (says("/?a=b&VERSION=V1"), says("/?x=renewed"), says("/?version=v10")) == ("query", "query", "404")
    found = ask(name, "/old/a%20b?x=1&y=2", port=81, Host="site.example:81")
    assert (found.status, found.headers["location"]) == (301, "https://new.site.example:443/new/old/a%20b?x=1&y=2")
    assert ask(name, "/old/", port=81, Host="s").headers["location"] == "https://new.s:443/new/old/"
    assert {says("/only").split("\n")[0] for _ in range(4)} == {"one"}
    assert {says("/both").split("\n")[0] for _ in range(40)} == {"one", "two"}
    first = ask(name, "/both", port=81)
    cookie = next(one for one in first.cookies if one.startswith("AWSALBTG="))
    assert {ask(name, "/both", port=81, Cookie=cookie.partition(";")[0]).name for _ in range(10)} == {first.name}


def test_clients_stay_with_their_target(field: Scene, alb: str) -> None:
    sticky = {"stickiness.enabled": "true", "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "60"}
    group = field.targets("sticky", *THREE, attributes=sticky)
    named = {"stickiness.enabled": "true", "stickiness.type": "app_cookie", "stickiness.app_cookie.cookie_name": "APP"}
    app = field.targets("sticky-app", *THREE, attributes=named)
    field.listener(alb, group, port=82)
    field.listener(alb, app, port=83)
    field.healthy(group, *THREE)
    field.healthy(app, *THREE)
    name = field.dns(alb)
    first = ask(name, port=82)
    cookie = next(one for one in first.cookies if one.startswith("AWSALB=")).partition(";")[0]
    assert len([one for one in first.cookies if one.startswith("AWSALBCORS=") and "SameSite=None" in one]) == 1
    assert field.address(first.name) not in cookie
    assert {ask(name, port=82, Cookie=cookie).name for _ in range(9)} == {first.name}
    assert {ask(name, port=82).name for _ in range(9)} == set(THREE)
    assert ask(name, "/no", port=83).cookies == []
    first = ask(name, "/app", port=83)
    ours = next(one for one in first.cookies if one.startswith("AWSALBAPP-0=")).partition(";")[0]
    assert {ask(name, port=83, Cookie=f"{ours}; APP={first.name}").name for _ in range(9)} == {first.name}
    assert {ask(name, port=83, Cookie=ours).name for _ in range(9)} == set(THREE)


def test_tls_at_the_balancer_and_to_targets(field: Scene, alb: str) -> None:
    """An own certificate, another by SNI, HTTP/2, and targets that speak HTTPS with a certificate that nobody knows."""
    group = field.targets("secure", "one", Protocol="HTTPS", Port=443, HealthCheckProtocol="HTTPS")
    arns = [field.certificate(domain) for domain in ("a.example", "b.example")]
    listener = field.listener(alb, group, 443, "HTTPS", Certificates=[{"CertificateArn": arns[0]}])
    field("elbv2", "AddListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": arns[1]}])
    field.healthy(group, "one")
    address = field.dns(alb)
    for asked, shown in (("a.example", "a.example"), ("b.example", "b.example"), ("c.example", "a.example")):
        assert _subject(address, asked) == shown
    found = ask(address, port=443, tls="a.example")
    assert (found.name, found.seen("X-Forwarded-Proto")) == ("one", "https")
    words = ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"https://{address}/"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "2 200"


def _subject(address: str, asked: str) -> str:
    with socket.create_connection((address, 443), timeout=5) as raw, context().wrap_socket(raw, server_hostname=asked) as sock:
        certificate = x509.load_der_x509_certificate(sock.getpeercert(binary_form=True) or b"")
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_websockets_outlive_changes(field: Scene, alb: str) -> None:
    """A connection that was upgraded goes on through reloads, also when its target is deregistered meanwhile."""
    group = field.targets("socket", Port=9000, HealthCheckPort="80")
    _upgrading(field.wires["one"].open(socket.AF_INET, socket.SOCK_STREAM))
    field("elbv2", "RegisterTargets", TargetGroupArn=group, Targets=[{"Id": field.ids["one"]}])
    field.listener(alb, group, port=84)
    field.healthy(group, "one")
    with socket.create_connection((field.dns(alb), 84), timeout=10) as sock:
        sock.sendall(b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        sock.sendall(b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 101 ")
        for number in range(3):
            field.listener(alb, group, port=850 + number)
            sock.sendall(b"frame %d" % number)
            assert sock.recv(100) == b"frame %d" % number
        field.deregister(group, "one")
        sock.sendall(b"still here")
        assert sock.recv(100) == b"still here"
        assert ask(field.dns(alb), port=84).status == 503


def _upgrading(server: socket.socket) -> None:
    """A server that agrees to any upgrade, and then gives back what comes."""
    server.bind(("", 9000))
    server.listen()

    def work() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        accept = base64.b64encode(hashlib.sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        connection.sendall(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while data := connection.recv(4096):
            connection.sendall(data)

    threading.Thread(target=work, daemon=True).start()


def test_errors_are_those_of_aws(field: Scene, alb: str) -> None:
    """No target: 503. A target that refuses: 502. All unhealthy: all are tried."""
    empty = field.targets("empty")
    field.listener(alb, empty, port=86)
    closed = field.targets("closed", "one", Port=7, HealthCheckPort="80")
    field.listener(alb, closed, port=87)
    sick = field.targets("sick", *THREE, HealthCheckPath="/missing", Matcher={"HttpCode": "404"})
    field.listener(alb, sick, port=88)
    field.healthy(closed, "one")
    name = field.dns(alb)
    found = ask(name, port=86)
    assert (found.status, found.headers["server"]) == (503, "awselb/2.0")
    found = ask(name, port=87)
    assert found.status == 502
    assert "502 Bad Gateway" in found.body
    until(lambda: set(field.health(sick).values()) == {"unhealthy"})
    told = field("elbv2", "DescribeTargetHealth", TargetGroupArn=sick)["TargetHealthDescriptions"][0]["TargetHealth"]
    assert told["Reason"] == "Target.ResponseCodeMismatch"
    assert told["Description"] == "Health checks failed with these codes: [200]"
    assert {ask(name, port=88).name for _ in range(9)} == set(THREE)


def test_requests_are_noted(field: Scene, alb: str) -> None:
    keys = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs", "access_logs.s3.prefix": "web"}
    pairs = [{"Key": key, "Value": value} for key, value in keys.items()]
    field("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=alb, Attributes=pairs)
    ask(field.dns(alb), "/noted", User_Agent='it\'s "me"')
    paths = list((field.settings.home / "logs/logs/web").rglob("*.log"))
    assert len(paths) == 1
    line = until(lambda: [line for line in paths[0].read_text().splitlines() if "/noted" in line])[0]
    words = shlex.split(line)
    assert (words[0], words[2], words[8], words[9]) == ("http", alb.partition(":loadbalancer/")[2], "200", "200")
    assert words[12:14] == [f"GET http://{field.dns(alb)}/noted HTTP/1.1", 'it\'s "me"']
    assert len(words) == 30


def _noted(field: Scene, alb: str, prefix: str) -> Path:
    """The access log of a balancer, begun with a request."""
    keys = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs", "access_logs.s3.prefix": prefix}
    pairs = [{"Key": key, "Value": value} for key, value in keys.items()]
    field("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=alb, Attributes=pairs)
    ask(field.dns(alb), "/first")
    (path,) = (field.settings.home / "logs/logs" / prefix).rglob("*.log")
    until(path.read_text)
    return path


def _whole_lines(path: Path) -> list[str]:
    """The paths that were asked for. Fails if a line is neither of a request, nor what HAProxy says as it leaves."""
    said = re.compile(r"Proxy \S+ stopped \(cumulated conns: .*\)\.")
    lines = [shlex.split(line) for line in path.read_text().splitlines() if not said.fullmatch(line)]
    assert [(words[0], len(words)) for words in lines] == [("http", 30)] * len(lines)
    return ["/" + words[12].split("/", 3)[3].partition(" ")[0] for words in lines]


def test_notes_have_a_bound(field: Scene, alb: str) -> None:
    """A log that the kernel lets grow no more: requests are answered, and when it was turned they are noted again."""
    field.cloud.settings = dataclasses.replace(field.settings, access_logs_mib=1)
    path = _noted(field, alb, "small")
    most = access_logs.most_of_one(1 << 20)
    with open(log_writers.open_for(path), "wb") as file:
        file.write(b"x" * (most - path.stat().st_size))
    for _ in range(20):
        assert ask(field.dns(alb), "/full").status == 200
    assert path.stat().st_size == most
    told = field.cloud.host.balancers.bound_logs(field.settings.home, 4 * most)
    assert told == []
    ask(field.dns(alb), "/after")
    until(lambda: _whole_lines(path)[-1:] == ["/after"])
    assert path.with_name(f"{path.name}.1").stat().st_size == most


def test_notes_outlive_changes(field: Scene, alb: str) -> None:
    """What a process notes stands after what was noted before it, and beside what the one that leaves still notes."""
    path = _noted(field, alb, "kept")
    asked = ["/first"]
    for number in range(3):
        kept = http.client.HTTPConnection(field.dns(alb), 80, timeout=10)
        kept.request("GET", f"/before{number}")
        kept.getresponse().read()
        field.listener(alb, field.targets(f"noted{number}"), port=870 + number)
        ask(field.dns(alb), f"/new{number}")
        kept.request("GET", f"/leaving{number}")
        kept.getresponse().read()
        ask(field.dns(alb), f"/last{number}")
        asked += [f"/{name}{number}" for name in ("before", "new", "leaving", "last")]
    until(lambda: set(asked) <= set(_whole_lines(path)))
    assert sorted(_whole_lines(path)) == sorted(asked)


def test_security_groups_of_both_sides(field: Scene, alb: str) -> None:
    """The balancer's groups say who reaches it; a target's may name the balancer's, and then nobody else reaches it."""
    name, client = field.dns(alb), field.wires["client"]
    address = socket.gethostbyname(name)
    assert client.tcp_open(address, 80)
    field.forbid(field.groups["balancers"], "0.0.0.0/0")
    assert not client.tcp_open(address, 80)
    field.allow(field.groups["balancers"], f"{client.address}/32")
    assert client.tcp_open(address, 80)
    field.forbid(field.groups["guests"], "0.0.0.0/0")
    group = field("elbv2", "DescribeTargetGroups", Names=["all"])["TargetGroups"][0]["TargetGroupArn"]
    until(lambda: set(field.health(group).values()) == {"unhealthy"})
    field.allow(field.groups["guests"], field.groups["balancers"])
    field.healthy(group, *THREE)
    assert not client.tcp_open(field.address("one"), 80)
    field.allow(field.groups["balancers"], "0.0.0.0/0")
    field.allow(field.groups["guests"], "0.0.0.0/0")
    assert ask(name).status == 200
