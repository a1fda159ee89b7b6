"""Load balancers on real packets: HAProxy, firewall and networks as they are in life, targets in namespaces."""

import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from .balancer_scene import Scene, ask, forward, scene, until

pytestmark = pytest.mark.lab

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
