"""Load balancers under traffic while everything changes, guests die, and processes are killed. No request is asked twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.reconcile import load_balancers

from .. import balancers
from .balancer_scene import Scene, ask, forward, scene, until

pytestmark = pytest.mark.lab
THREE = ("one", "two", "three")
RATE = 500


@pytest.fixture(scope="module")
def field() -> Iterator[Scene]:
    """Three guests in one zone."""
    with scene() as made:
        for name in THREE:
            made.guest(name)
        yield made


@pytest.fixture(scope="module")
def alb(field: Scene) -> str:
    """An ALB whose port 80 leads to all three."""
    arn = field.balancer("alb")
    group = field.targets("all", *THREE)
    field.listener(arn, group)
    field.healthy(group, *THREE)
    return arn


@contextlib.contextmanager
def load(field: Scene, arn: str) -> Iterator[dict[str, Any]]:
    """Requests at a rate; what they came to is there afterwards."""
    words = [sys.executable, "-m", "tests.host.load", field.dns(arn), "80", str(RATE)]
    found: dict[str, Any] = {}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        time.sleep(0.5)
        yield found
        said, _ = process.communicate()
    found |= json.loads(said)
    sys.stdout.write(f"{sum(found['names'].values()) / found['seconds']:.0f} requests a second; {found}\n")


def _group(field: Scene) -> str:
    return str(field("elbv2", "DescribeTargetGroups", Names=["all"])["TargetGroups"][0]["TargetGroupArn"])


def _pid(field: Scene) -> int:
    return int(next(field.settings.run.glob("balancers/elb-*/pid")).read_text())


class _OnlyBalancers:
    """A worker that sees to load balancers and to nothing else, so that fifty changes take less time."""

    def __init__(self, field: Scene) -> None:
        self._cloud = field.cloud

    def work(self, touched: object) -> None:  # noqa: ARG002  as a worker has it
        load_balancers.reconcile(self._cloud)

    def refresh(self, operation: str) -> None:
        """Nothing."""

    def admit(self, *, reads: bool) -> None:
        """Anything."""


def test_fifty_changes_lose_no_request(field: Scene, alb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listeners, rules, attributes and targets come and go."""
    group, changes = _group(field), 0
    monkeypatch.setattr(field.cloud, "worker", _OnlyBalancers(field))
    listener = field("elbv2", "DescribeListeners", LoadBalancerArn=alb)["Listeners"][0]["ListenerArn"]
    path = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/load"]}}
    with load(field, alb) as found:
        while changes < 50:
            rule = field.rule(listener, 1 + changes, forward(group), path)
            other = field.listener(alb, group, port=1000 + changes)
            field.deregister(group, "three")
            stick = [{"Key": "stickiness.enabled", "Value": "true" if changes % 2 else "false"}]
            field("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=group, Attributes=stick)
            field("elbv2", "DeleteListener", ListenerArn=other)
            field.register(group, "three")
            field("elbv2", "DeleteRule", RuleArn=rule)
            changes += 7
    assert found["failed"] == {}
    assert set(found["names"]) == set(THREE)


def test_a_guest_that_dies_costs_what_is_in_flight_at_most(field: Scene, alb: str) -> None:
    """The guest is gone from one moment to the next; it is out of service, and comes back when it does."""
    group = _group(field)
    field.healthy(group, *THREE)
    with load(field, alb) as found:
        field.unplug("two")
        until(lambda: field.health(group)["two"] == "unhealthy")
        told = field("elbv2", "DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"]
        assert {one["TargetHealth"].get("Reason") for one in told} == {None, "Target.Timeout"}
        field.replug("two")
        field.healthy(group, *THREE)
    assert sum(found["failed"].values()) <= 20
    with load(field, alb) as found:
        field.silence("two")
        until(lambda: field.health(group)["two"] == "unhealthy")
        field.serve("two")
        field.healthy(group, *THREE)
    assert sum(found["failed"].values()) <= 20


def test_a_stopped_instance_is_unused_and_a_terminated_one_goes(field: Scene, alb: str) -> None:
    group = _group(field)
    field.guest("four")
    field.register(group, "four")
    field.healthy(group, *THREE, "four")
    field("ec2", "StopInstances", InstanceIds=[field.ids["four"]])
    until(lambda: field.health(group)["four"] == "unused")
    assert {ask(field.dns(alb)).name for _ in range(8)} == set(THREE)
    field("ec2", "TerminateInstances", InstanceIds=[field.ids["four"]])
    until(lambda: set(field.health(group)) == set(THREE))


def test_killed_processes(field: Scene, alb: str) -> None:
    """HAProxy, and what holds its namespace: the next pass makes both again, and targets keep their health."""
    before = field.cloud.host.balancers.statistics(next(iter(field.cloud.host.balancers.list()))).listeners[80].requests
    for name in ("pid", "holder"):
        path = next(field.settings.run.glob(f"balancers/elb-*/{name}"))
        os.kill(int(path.read_text()), signal.SIGKILL)
        until(lambda: set(field.cloud.host.balancers.list().values()) == {None})
        field.look()
        assert None not in field.cloud.host.balancers.list().values()
        assert {ask(field.dns(alb)).name for _ in range(9)} == set(THREE)
    after = field.cloud.host.balancers.statistics(next(iter(field.cloud.host.balancers.list()))).listeners[80].requests
    assert after >= before + 18


def test_traffic_goes_on_without_minicloud(field: Scene, alb: str) -> None:
    """`minicloud serve` brings a killed HAProxy back; killed itself it takes nothing with it."""
    environment = {
        **os.environ,
        "MINICLOUD_HOME": str(field.settings.home),
        "MINICLOUD_RUN": str(field.settings.run),
        "MINICLOUD_LISTEN": "none",
    }
    assert {ask(field.dns(alb)).name for _ in range(9)} == set(THREE)
    code = f"import tests.host.balancer_serve as it; it.main({str(field.directory)!r})"
    serve = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        until((field.settings.run / "wake.sock").exists)
        killed = _pid(field)
        os.kill(killed, signal.SIGKILL)
        until(lambda: _pid(field) != killed and _answers(field, alb))
        with load(field, alb) as found:
            serve.kill()
            serve.wait()
            time.sleep(1)
        assert found["failed"] == {}
    finally:
        serve.kill()
        serve.wait()
        Path(field.settings.run / "wake.sock").unlink(missing_ok=True)


def _answers(field: Scene, arn: str) -> bool:
    with contextlib.suppress(OSError):
        return ask(field.dns(arn)).status == 200
    return False


def test_what_haproxy_refuses_leaves_the_old_configuration(field: Scene, alb: str) -> None:
    """A key that does not fit its certificate any more: the balancer says why, and serves on, after a kill, too."""
    group = _group(field)
    listener = field.listener(alb, group, 443, "HTTPS", Certificates=[{"CertificateArn": field.certificate("a.example")}])
    key = next((field.settings.home / "certificates").iterdir())
    before = key.read_text()
    key.write_text(balancers.certificate("b.example").pem.partition("-----BEGIN PRIVATE")[2])
    field.look()
    state = _state(field, alb)
    assert state["Code"] == "active_impaired"
    assert "certificate" in state["Reason"].lower()
    assert "PRIVATE" not in state["Reason"]
    assert ask(field.dns(alb), port=443, tls="a.example").status == 200
    killed = _pid(field)
    os.kill(killed, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{killed}").exists() or _pid(field) != killed)
    field.look()
    assert ask(field.dns(alb), port=443, tls="a.example").status == 200
    key.write_text(before)
    field.look()
    assert _state(field, alb) == {"Code": "active"}
    assert ask(field.dns(alb), port=443, tls="a.example").status == 200
    field("elbv2", "DeleteListener", ListenerArn=listener)


def _state(field: Scene, arn: str) -> dict[str, str]:
    return dict(field("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn])["LoadBalancers"][0]["State"])
