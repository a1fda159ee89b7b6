"""The endpoint is stopped, and killed, again and again while clients launch: no wish is lost, and none is carried out twice.

The server is a process of its own over a fake host that lives in files; clients do what SDKs do: they try again with the
same client token until they have an answer.
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from minicloud.host import fake
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen
from tests.cloud_fixtures import IMAGE, RUN, cloud_in
from tests.endpoint_fixtures import Served, new_keys
from tests.waits import until

_FORK = multiprocessing.get_context("fork")
WISHES, CLIENTS, SECONDS = 24, 6, 240.0


def serve(directory: Path, address: str) -> None:
    """One life of the server: SIGTERM ends it in order."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    server = Server(listen(address, None, None, insecure=False), Endpoint(cloud_in(directory)))
    server.start()
    ended.wait()
    server.stop()
    os._exit(0)


class Lives:
    """A server that is started as often as it ends."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._directory = directory
        self._start()

    def _start(self) -> None:
        self._process = _FORK.Process(target=serve, args=(self._directory, self.address), daemon=True)
        self._process.start()
        until("the server listens", self._listens, SECONDS)

    def _listens(self) -> bool:
        host, _, port = self.address.partition(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    def end(self, how: signal.Signals) -> None:
        """End it, and start the next."""
        self.stop(how)
        self._start()

    def stop(self, how: signal.Signals) -> None:
        """End it."""
        assert self._process.pid is not None
        os.kill(self._process.pid, how)
        self._process.join(SECONDS)
        assert self._process.exitcode == (0 if how is signal.SIGTERM else -how)


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    fake.host(tmp_path / "host").add_image(IMAGE)
    made = Lives(tmp_path)
    yield made
    made.stop(signal.SIGTERM)


def test_no_wish_is_lost_or_doubled(lives: Lives, tmp_path: Path) -> None:
    cloud = cloud_in(tmp_path)
    served = Served(cloud, f"http://{lives.address}", new_keys(cloud))
    served.config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)
    clients, made = threading.local(), dict[str, str]()
    failed: list[str] = []

    def wish(number: int) -> None:
        token, deadline = f"wish-{number}", time.monotonic() + SECONDS
        if not hasattr(clients, "ec2"):
            clients.ec2 = served.boto()
        while time.monotonic() < deadline:
            try:
                made[token] = launch(clients.ec2, token)
            except BotoCoreError as error:  # nobody answers, or stopped to in the midst
                failed.append(type(error).__name__)
                time.sleep(0.05)
            else:
                return

    with ThreadPoolExecutor(CLIENTS) as pool:
        working = [pool.submit(wish, number) for number in range(WISHES)]
        for number, how in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), 1):
            until("some wishes have come true", lambda part=number: len(made) >= part * WISHES // 6, SECONDS)
            lives.end(how)
        for each in working:
            each.result()
    assert len(made) == len(set(made.values())) == WISHES
    assert failed, "no restart hit a request"
    found = served.boto().describe_instances()["Reservations"]
    instances = {one["InstanceId"]: one for each in found for one in each["Instances"]}
    assert set(instances) == set(made.values())
    assert {token: instances[one]["ClientToken"] for token, one in made.items()} == {token: token for token in made}
    assert {one["State"]["Name"] for one in instances.values()} == {"running"}
    assert len({one["PrivateIpAddress"] for one in instances.values()}) == WISHES


def launch(ec2: Any, token: str) -> str:
    """One wish. A refusal is none of the ways in which a restart may be felt."""
    try:
        made: dict[str, Any] = ec2.run_instances(**RUN, ClientToken=token)
    except ClientError as error:
        raise AssertionError(error) from error
    return str(made["Instances"][0]["InstanceId"])
