"""The promises of host/contracts_lb.py, asked of the fake host and of the real one."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from minicloud.config import load
from minicloud.errors import Permanent
from minicloud.host import fake, local
from minicloud.host.contracts import Host, NetworkSpec
from minicloud.host.contracts_lb import Health
from minicloud.host.load_balancer_spec import Check, FixedResponse, Forward, Group, Leg, Listener, LoadBalancerSpec, Target

from ..real_cloud import IDENTITY

LEG = Leg("mct0lb", "0a:00:00:00:02:0a", "subnet-0a", IPv4Interface("172.31.0.100/20"), IPv4Address("172.31.0.1"), "us-east-1a")
NAME = "a-0123.us-east-1.elb.internal"
GROUP = Group(
    "tg-0a", "HTTP", (Target(IPv4Address("172.31.0.99"), 80),), Check("HTTP", 0, "/", "200", 1, 1, healthy=2, unhealthy=2)
)  # fmt: skip
SPEC = LoadBalancerSpec(
    "elb-0a",
    (LEG,),
    (Listener(80, "HTTP", Forward((("tg-0a", 1),))), Listener(81, "HTTP", FixedResponse(200, "text/plain", "hello"))),
    (GROUP,),
    names=((NAME, LEG.address.ip),),
)


@pytest.fixture(params=["fake", "fake-in-a-directory", pytest.param("real", marks=pytest.mark.lab)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param != "real":
        made: Host = fake.host(tmp_path if "directory" in request.param else None)
    else:
        made = local.host(dataclasses.replace(load(), home=Path("/var/lib/minicloud/b"), run=Path("/run/minicloud/b")), IDENTITY)
    made.networks.ensure(NetworkSpec("subnet-0a", IPv4Interface("172.31.0.1/20"), "ec2.internal"))
    yield made
    for balancer_id in made.balancers.list():
        made.balancers.remove(balancer_id)
    made.networks.remove("subnet-0a")


def until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return found


def test_a_balancer_comes_changes_and_goes(host: Host) -> None:
    assert host.balancers.list() == {}
    host.balancers.ensure(SPEC)
    host.balancers.ensure(SPEC)
    assert host.balancers.list() == {"elb-0a": SPEC.fingerprint()}
    other = dataclasses.replace(SPEC, listeners=SPEC.listeners[:1])
    assert other.fingerprint() != SPEC.fingerprint()
    host.balancers.ensure(other)
    assert host.balancers.list() == {"elb-0a": other.fingerprint()}
    host.balancers.remove("elb-0a")
    host.balancers.remove("elb-0a")
    assert host.balancers.list() == {}


def test_a_new_target_is_not_up_before_its_first_probe(host: Host) -> None:
    assert host.balancers.health("elb-0a") == {}
    host.balancers.ensure(SPEC)
    place = ("tg-0a", "172.31.0.99:80")
    assert host.balancers.health("elb-0a")[place].up is False
    if isinstance(host, fake.FakeHost):
        host.probe("elb-0a", place, "failed", up=False)
    # Nobody has that address.
    until(lambda: host.balancers.health("elb-0a")[place] in (Health(False, "failed"), Health(False, "timeout")))
    host.balancers.ensure(dataclasses.replace(SPEC, groups=(dataclasses.replace(GROUP, check=None),)))
    assert host.balancers.health("elb-0a") == {}


def test_what_makes_no_sense_is_refused_and_the_old_goes_on(host: Host) -> None:
    host.balancers.ensure(SPEC)
    codes = dataclasses.replace(GROUP, check=Check("HTTP", 0, "/", "200\n  bind :1", 1, 1, 2, 2))
    for bad in (dataclasses.replace(SPEC, groups=(codes,)), dataclasses.replace(SPEC, legs=())):
        with pytest.raises(Permanent):
            host.balancers.ensure(bad)
        assert host.balancers.list()["elb-0a"] != bad.fingerprint()
        host.balancers.ensure(SPEC)
        assert host.balancers.list() == {"elb-0a": SPEC.fingerprint()}


def test_traffic_is_counted(host: Host) -> None:
    host.balancers.ensure(SPEC)
    assert host.balancers.statistics("elb-0a").listeners[81].requests == 0
    for turn in (1, 2):
        if isinstance(host, fake.FakeHost):
            host.carry("elb-0a", 81, 3)
        else:
            from .balancer_scene import ask

            assert {ask(str(LEG.address.ip), port=81).body for _ in range(3)} == {"hello"}
        found = host.balancers.statistics("elb-0a").listeners[81]
        assert (found.requests, found.connections, found.codes[2]) == (3 * turn, 3 * turn, 3 * turn)
        # A reload forgets nothing.
        host.balancers.ensure(dataclasses.replace(SPEC, listeners=SPEC.listeners[1:]))
    assert host.balancers.statistics("elb-nobody").listeners == {}
