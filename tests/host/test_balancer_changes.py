"""Clients that keep their connections while a load balancer changes: the process that leaves answers each of them once more.

That answer is as true as any other: it comes from a target that is healthy and registered, also where a cookie names another.
"""

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from .balancer_scene import Scene, ask, scene, until

pytestmark = pytest.mark.lab
THREE = ("one", "two", "three")
KEPT = 40


@pytest.fixture(scope="module")
def field() -> Iterator[Scene]:
    """Two guests in the first zone, one in the second, which fails its health checks."""
    with scene() as made:
        made.guest("one")
        made.guest("two")
        made.guest("three", subnet=1)
        made.silence("three")
        made.serve("three", SICK="1")
        yield made


@pytest.fixture(scope="module")
def alb(field: Scene) -> str:
    """An ALB without listeners."""
    return field.balancer("alb")


class Client:
    """A client that keeps its connection, and its cookies."""

    def __init__(self, address: str, port: int) -> None:
        self.connection = http.client.HTTPConnection(address, port, timeout=30)
        self.cookies: dict[str, str] = {}

    def ask(self, path: str = "/") -> tuple[int, str]:
        """Status, and which of ours it was."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        self.connection.request("GET", path, headers=headers)
        response = self.connection.getresponse()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return response.status, response.read().decode().split("\n")[0]


@contextlib.contextmanager
def keeping(field: Scene, arn: str, port: int, clients: int = KEPT) -> Iterator[list[Client]]:
    """Clients that have asked once, and have not hung up."""
    made = [Client(field.dns(arn), port) for _ in range(clients)]
    for client in made:
        client.ask()
    yield made
    for client in made:
        client.connection.close()


def change(field: Scene, arn: str, seconds: int) -> None:
    """Another idle timeout: another configuration, and so another process."""
    attribute = {"Key": "idle_timeout.timeout_seconds", "Value": str(seconds)}
    field("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=[attribute])


def test_an_unhealthy_target_is_not_asked_by_the_process_that_leaves(field: Scene, alb: str) -> None:
    group = field.targets("mixed", *THREE, HealthCheckPath="/health")
    field.listener(alb, group, port=80)
    until(lambda: field.health(group) == {"one": "healthy", "two": "healthy", "three": "unhealthy"})
    with keeping(field, alb, 80) as clients:
        change(field, alb, 61)
        answers = {client.ask() for client in clients}
    assert answers == {(200, "one"), (200, "two")}


def test_where_none_is_healthy_all_are_asked_by_the_process_that_leaves_too(field: Scene, alb: str) -> None:
    group = field.targets("sick", *THREE, HealthCheckPath="/missing", Matcher={"HttpCode": "404"})
    field.listener(alb, group, port=81)
    until(lambda: set(field.health(group).values()) == {"unhealthy"})
    with keeping(field, alb, 81) as clients:
        change(field, alb, 62)
        answers = {client.ask() for client in clients}
    assert answers == {(200, name) for name in THREE}


def test_fewer_than_the_group_asks_for(field: Scene, alb: str) -> None:
    """Two healthy of three, where three are asked for: all are tried, and after a change never without a healthy one."""
    few = {"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "3"}
    group = field.targets("few", *THREE, HealthCheckPath="/health", attributes=few)
    field.listener(alb, group, port=82)
    until(lambda: field.health(group) == {"one": "healthy", "two": "healthy", "three": "unhealthy"})
    assert {ask(field.dns(alb), port=82).name for _ in range(12)} == set(THREE)
    with keeping(field, alb, 82) as clients:
        change(field, alb, 63)
        answers = {client.ask() for client in clients}
    assert {status for status, _ in answers} == {200}


def test_a_target_that_was_deregistered_gets_no_new_request(field: Scene, alb: str) -> None:
    """Neither by turns nor by a cookie, on connections of before the change; what is in flight is another matter."""
    sticky = {"stickiness.enabled": "true", "stickiness.type": "lb_cookie"}
    group = field.targets("sticky", "one", "two", attributes=sticky)
    field.listener(alb, group, port=83)
    field.healthy(group, "one", "two")
    with keeping(field, alb, 83) as clients:
        assert {client.ask() for client in clients} == {(200, "one"), (200, "two")}
        field.deregister(group, "two")
        assert {client.ask() for client in clients} == {(200, "one")}
    field.register(group, "two")
    field.healthy(group, "one", "two")


def test_a_cookie_of_a_target_that_is_unhealthy_leads_to_another(field: Scene, alb: str) -> None:
    group = next(arn["TargetGroupArn"] for arn in field("elbv2", "DescribeTargetGroups", Names=["sticky"])["TargetGroups"])
    with keeping(field, alb, 83, 8) as clients:
        assert {client.ask()[1] for client in clients} == {"one", "two"}
        field.silence("two")
        until(lambda: field.health(group)["two"] == "unhealthy")
        change(field, alb, 64)
        assert {client.ask() for client in clients} == {(200, "one")}
        field.serve("two")
        field.healthy(group, "one", "two")


def test_each_zone_keeps_to_its_healthy_targets(field: Scene, alb: str) -> None:
    """Where zones keep to themselves the one whose only target is unhealthy tries it; the other asks none but its own."""
    group = field.targets("zones", *THREE, HealthCheckPath="/health", attributes={"load_balancing.cross_zone.enabled": "false"})
    field.listener(alb, group, port=84)
    until(lambda: field.health(group) == {"one": "healthy", "two": "healthy", "three": "unhealthy"})
    found = field("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[alb])["LoadBalancers"][0]["AvailabilityZones"]
    assert len(found) == 2
    with keeping(field, alb, 84) as clients:
        zones = [client.connection.sock.getpeername()[0] for client in clients]
        change(field, alb, 65)
        answers = {(zone, *client.ask()) for zone, client in zip(zones, clients, strict=True)}
    for zone in set(zones):
        names = {name for where, status, name in answers if where == zone and status == 200}
        assert names in ({"one", "two"}, {"three"})


def _answering(server: socket.socket) -> None:
    """A server that reads any head; `/N` is answered with headers of N bytes."""
    server.bind(("", 9000))
    server.listen()

    def work() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        asked = head.split(b" ", 2)[1][1:]
        number = int(asked) if asked.isdigit() else 0
        long = b"".join(b"X-%d: %s\r\n" % (each, b"y" * (1000 - 9)) for each in range(10, 10 + number // 1000))
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n" + long + b"\r\n")
        connection.close()

    threading.Thread(target=work, daemon=True).start()


@pytest.fixture(scope="module")
def large(field: Scene, alb: str) -> str:
    """The balancer's name, of which port 85 leads to a server that takes and gives long heads."""
    group = field.targets("large", Port=9000, HealthCheckPort="80")
    _answering(field.wires["one"].open(socket.AF_INET, socket.SOCK_STREAM))
    field.register(group, "one")
    field.listener(alb, group, port=85)
    field.healthy(group, "one")
    return field.dns(alb)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (16_384, [100], 200),
        (16_385, [100], 400),
        (20, [16_384], 200),
        (20, [16_386], 400),
        (20, [16_000] * 4 + [1_000], 200),
        (20, [16_000] * 4 + [10_000], 400),
        (20, [30] * 300, 200),
    ],
)
def test_sizes_of_requests_are_those_of_aws(large: str, line: int, headers: list[int], status: int) -> None:
    """A request line of 16 KiB, each header 16 KiB, all headers 64 KiB, as many as will."""
    with contextlib.closing(http.client.HTTPConnection(large, 85, timeout=30)) as connection:
        connection.putrequest("GET", "/" + "x" * (line - len("GET / HTTP/1.1")))
        for number, length in enumerate(headers):
            name = f"X-Long-{number}"
            connection.putheader(name, "y" * (length - len(name) - 2))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == status
        assert response.getheader("Server") == ("awselb/2.0" if status == 400 else None)


@pytest.mark.parametrize(("length", "status"), [(0, 200), (32_000, 200), (34_000, 502), (200_000, 502)])
def test_sizes_of_responses_are_those_of_aws(large: str, length: int, status: int) -> None:
    """Headers of 32 KiB."""
    with contextlib.closing(http.client.HTTPConnection(large, 85, timeout=30)) as connection:
        connection.request("GET", f"/{length}")
        assert connection.getresponse().status == status
