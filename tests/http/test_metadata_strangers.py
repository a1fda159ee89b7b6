"""Guests that hold the metadata service, or ask without end: the others are answered, and they themselves are bounded."""

import errno
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from minicloud.http import metadata, metadata_peers, silence
from minicloud.http.metadata import Listener
from minicloud.http.metadata_peers import LIMITS, Peers

from ..cloud_fixtures import RUN, Ec2

OTHER = "127.0.0.2"
PATH = "/latest/meta-data/instance-id"


@contextmanager
def two_guests(ec2: Ec2, monkeypatch: pytest.MonkeyPatch, peers: Peers) -> Iterator[tuple[int, str, str]]:
    """The port of a service whose guests speak from 127.0.0.1 and 127.0.0.2, and their identifiers."""
    shown = ec2("RunInstances", **{**RUN, "MinCount": 2, "MaxCount": 2})["Instances"]
    addresses = {"127.0.0.1": shown[0]["PrivateIpAddress"], OTHER: shown[1]["PrivateIpAddress"]}
    honest = metadata.about_address
    monkeypatch.setattr(
        metadata, "about_address", lambda cloud, network, seen, given: honest(cloud, network, addresses[seen], given)
    )
    object.__setattr__(ec2.cloud.settings, "metadata_port", 0)
    network = shown[0]["SubnetId"]
    peers.know({(network, "127.0.0.1"): shown[0]["InstanceId"], (network, OTHER): shown[1]["InstanceId"]})
    listener = Listener(ec2.cloud, network, "127.0.0.1", "", b"secret", peers=peers)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield listener.server_address[1], shown[0]["InstanceId"], shown[1]["InstanceId"]
    listener.shutdown()
    listener.server_close()
    thread.join()


def connect(port: int, origin: str = "127.0.0.1") -> socket.socket:
    made = socket.socket()
    made.settimeout(60)
    made.bind((origin, 0))
    made.connect(("127.0.0.1", port))
    return made


def ask(port: int, origin: str = "127.0.0.1", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(origin, 0))
    connection.request("GET", PATH, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def is_closed(one: socket.socket) -> bool:
    try:
        while one.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_slow_guests_hold_up_nobody_and_are_ended(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    peers, stop = Peers(replace(LIMITS, head=1.5)), threading.Event()
    with two_guests(ec2, monkeypatch, peers) as (port, mine, other):
        slow = [connect(port) for _ in range(32)]

        def drip() -> None:
            while not stop.wait(0.02):
                for one in slow:
                    try:
                        one.send(b"a")
                    except OSError:
                        continue

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert ask(port, OTHER) == (200, other.encode())
        assert ask(port) == (200, mine.encode())
        assert all(is_closed(one) for one in slow)
        stop.set()
        dripping.join()
        for one in slow:
            one.close()


def test_one_connection_too_many_costs_the_same_guest_its_oldest(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_guests(ec2, monkeypatch, Peers(replace(LIMITS, head=600.0, of_address=4))) as (port, mine, other):
        others = connect(port, OTHER)
        held = [connect(port) for _ in range(8)]
        assert ask(port) == (200, mine.encode())
        assert all(is_closed(one) for one in held[:4])
        others.sendall(f"GET {PATH} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n".encode())
        assert b"".join(iter(lambda: others.recv(4096), b"")).endswith(other.encode())
        for one in (*held, others):
            one.close()


def test_a_guest_that_asks_too_often_is_told_so_and_the_others_are_not(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_guests(ec2, monkeypatch, Peers(rate=0.001, burst=3)) as (port, _, other):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        statuses = []
        for _ in range(4):
            connection.request("GET", PATH)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        assert statuses == [200, 200, 200, 503]
        assert ask(port, OTHER) == (200, other.encode())


def test_a_guest_that_connects_too_often_is_not_heard_by_the_kernel(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SECONDS", 600.0)
    with two_guests(ec2, monkeypatch, Peers(rate=0.001, burst=2)) as (port, mine, other):
        first = [connect(port) for _ in range(3)]
        assert is_closed(first[2])
        unheard = socket.socket()
        unheard.setblocking(False)
        unheard.bind(("127.0.0.1", 0))
        assert unheard.connect_ex(("127.0.0.1", port)) != 0
        assert ask(port, OTHER) == (200, other.encode())
        assert unheard.connect_ex(("127.0.0.1", port)) != 0
        # What it had before is served as before.
        first[0].sendall(f"GET {PATH} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n".encode())
        assert b"".join(iter(lambda: first[0].recv(4096), b"")).endswith(mine.encode())
        for one in (*first, unheard):
            one.close()


def test_after_a_moment_it_is_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = silence.Silence(listening)
        silent.begin("127.0.0.1")
        with socket.socket() as unheard:
            unheard.setblocking(False)
            assert unheard.connect_ex(listening.getsockname()) == errno.EINPROGRESS
        silent.end_overdue()
        with socket.socket() as unheard:
            unheard.setblocking(False)
            assert unheard.connect_ex(listening.getsockname()) == errno.EINPROGRESS
        monkeypatch.setattr(silence, "SECONDS", -1.0)
        silent.begin("127.0.0.1")
        silent.end_overdue()
        connect(listening.getsockname()[1]).close()


def test_a_head_has_a_bound(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_guests(ec2, monkeypatch, Peers()) as (port, mine, _):
        assert ask(port, **{f"X-{number}": "a" * 1000 for number in range(8)})[0] == 200
        assert ask(port, **{f"X-{number}": "a" * 1000 for number in range(20)})[0] == 431
        assert ask(port) == (200, mine.encode())


@pytest.mark.parametrize(("name", "status"), [
    ("169.254.169.254", 200), ("169.254.169.254:80", 200), ("instance-data", 200), ("instance-data.ec2.internal", 200),
    ("rebound.example", 421), ("169.254.169.254.example", 421),
])  # fmt: skip
def test_it_is_spoken_to_by_its_own_names(ec2: Ec2, monkeypatch: pytest.MonkeyPatch, name: str, status: int) -> None:
    with two_guests(ec2, monkeypatch, Peers()) as (port, _, _):
        assert ask(port, Host=name)[0] == status


def test_an_instance_is_one_guest_whatever_address_it_asks_from() -> None:
    peers = Peers(rate=0.001, burst=1)
    peers.know({("subnet-1", "10.0.0.4"): "i-1", ("subnet-2", "10.0.1.4"): "i-1", ("subnet-1", "10.0.0.5"): "i-2"})
    with socket.socket() as one:
        assert peers.admit("subnet-1", "10.0.0.4", one) is not None
        assert peers.admit("subnet-2", "10.0.1.4", one) is None
        assert peers.admit("subnet-1", "10.0.0.5", one) is not None
        assert peers.admit("subnet-1", "10.0.0.9", one) is not None
        assert peers.admit("subnet-1", "10.0.0.10", one) is None


def test_no_more_addresses_are_silent_than_the_filter_may_have() -> None:
    program: Any = silence.program([f"10.0.0.{number}" for number in range(100)])
    assert len(program) == 8 * 103
    assert metadata_peers.RATE > 1
