"""The AWS endpoint: against moto_server, of many rows against few, and our command line against the aws CLI.

All three with the same client in the same run. moto_server is found on the PATH, or as MINICLOUD_MOTO names it; it is a
measure only and no dependency: `python -m venv DIR && DIR/bin/pip install 'moto[ec2,server]'`.
"""

import functools
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minicloud.aws import sigv4
from minicloud.aws.wire import WireRequest

from . import measure

MANY, INSTANCES, FEW = 10_000, 1_000, 10
_HEADERS = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


@contextmanager
def ours(count: int) -> Iterator[dict[str, str]]:
    """An endpoint of ours with so many instances."""
    with tempfile.TemporaryDirectory() as directory:
        argv = [sys.executable, "-m", "scripts.benches.api_server", directory, str(count)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=measure.ROOT) as process:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
            assert process.stdin is not None
            process.stdin.close()


@contextmanager
def motos(count: int) -> Iterator[dict[str, str]]:
    """A moto_server with so many instances."""
    program = os.environ.get("MINICLOUD_MOTO") or shutil.which("moto_server")
    if program is None:
        raise SystemExit("moto_server is not here; see the first lines of scripts/benches/api.py")
    port = "5555"
    process = subprocess.Popen([program, "-p", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        there = {"url": f"http://127.0.0.1:{port}", "access_key": "AKIAEXAMPLE", "secret": "x"}
        measure.wait_for("moto_server", functools.partial(_answers, there), 60)
        image = _text(there, "Action=DescribeImages&Version=2016-11-15").partition("<imageId>")[2].partition("<")[0]
        run = f"Action=RunInstances&Version=2016-11-15&ImageId={image}&InstanceType=t3.nano&MinCount=100&MaxCount=100"
        for _ in range(count // 100):
            _text(there, run)
        yield there
    finally:
        process.terminate()
        process.wait()


def _answers(there: dict[str, str]) -> bool:
    try:
        return bool(_text(there, "Action=DescribeRegions&Version=2016-11-15"))
    except OSError:
        return False


def _text(there: dict[str, str], body: str) -> str:
    return Caller(there).send(body).decode()


class Caller:
    """A client with one connection that it keeps."""

    def __init__(self, there: dict[str, str]) -> None:
        self._there = there
        self._host = urllib.parse.urlsplit(there["url"]).netloc
        self._connection = http.client.HTTPConnection(self._host, timeout=600)

    def send(self, body: str) -> bytes:
        """One signed request; the answer, which must be a good one."""
        plain = WireRequest("POST", "/", "", {**_HEADERS, "host": self._host}, body.encode())
        keys = (self._there["access_key"], self._there["secret"], "")
        self._connection.request("POST", "/", body, sigv4.sign(plain, keys, "us-east-1", "ec2", time.time()))
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{self._there['url']}: {response.status} {answer[:300]!r}")
        return answer


DESCRIBE = "Action=DescribeInstances&Version=2016-11-15"


def against_moto() -> None:
    """DescribeInstances of a thousand."""
    with ours(INSTANCES) as mine, motos(INSTANCES) as theirs:
        callers = {name: Caller(there) for name, there in (("moto_server", theirs), ("minicloud", mine))}
        for name, caller in callers.items():
            found = caller.send(DESCRIBE).decode().count("<instanceId>")
            if found < INSTANCES:
                raise SystemExit(f"{name} has {found} instances")
        works = {name: functools.partial(caller.send, DESCRIBE) for name, caller in callers.items()}
        times = measure.in_turn(works, 10)
    measure.report("DescribeInstances, 1,000 instances: seconds a request", times, "at least 5")


def many_against_few() -> None:
    """One instance by its id, of many and of few."""
    with ours(MANY) as many, ours(FEW) as few:
        works = {}
        for name, there in ((f"by id, {MANY} instances", many), (f"by id, {FEW} instances", few)):
            body = f"{DESCRIBE}&InstanceId.1={there['instance']}"
            works[name] = functools.partial(_often, Caller(there), body)
        times = measure.in_turn(works, 15)
    measure.report("DescribeInstances by id: seconds for 50 requests", times, "at most 1.3")


def _often(caller: Caller, body: str) -> None:
    for _ in range(50):
        caller.send(body)


def commands() -> None:
    """The two command lines on the same endpoint."""
    with ours(FEW) as there, tempfile.TemporaryDirectory() as home:
        environment: dict[str, Any] = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "AWS_ACCESS_KEY_ID": there["access_key"],
            "AWS_SECRET_ACCESS_KEY": there["secret"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        flag = ["--endpoint-url", there["url"]]
        beside = Path(sys.executable).parent
        run = functools.partial(subprocess.run, env=environment, check=True, stdout=subprocess.DEVNULL, cwd=measure.ROOT)
        works = {
            "minicloud describe-instances": lambda: run([sys.executable, "-m", "minicloud", *flag, "describe-instances"]),
            "aws ec2 describe-instances": lambda: run([beside / "aws", *flag, "ec2", "describe-instances"]),
        }
        times = measure.in_turn(works, 7)
    measure.report("The command lines", times, "at most 0.4")


def main() -> None:
    """All three."""
    against_moto()
    many_against_few()
    commands()


if __name__ == "__main__":
    main()
