"""Operations of load balancing with parameters of the right types and any sense: they answer, or refuse in AWS's way."""

import random
from typing import Any

import pytest

from minicloud import api
from minicloud.aws.model import Shape
from minicloud.cloud import Cloud, Idle
from minicloud.errors import ApiError

from ..lb_scene import ANSWER, Scene, forward, issue

TEXTS = [
    "", "a", "-", "web", "x" * 200, "80", "traffic-port", "9" * 5000, "/", "/a b", "\n", '"', "é", "*.example.com", "10.0.0.0/8",
    "#{host}", "HTTP:80/x", "TCP:80", "true", "off", "us-east-1a", "all", "path-pattern", "200-299",
]  # fmt: skip
NUMBERS = [0, 1, 2, 5, 10, 80, 443, 70000, -1]
BYTES = [b"", b"x", issue(["a.example.com"]).pem]


class Maker:
    """Parameters at random. `known` are identifiers that mean something, and so are chosen often."""

    def __init__(self, seed: int, known: list[str]) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._known = known

    def params(self, shape: Shape | None) -> dict[str, Any]:
        if shape is None:
            return {}
        found = {}
        for name, member in shape.members.items():
            if name in shape.required or self._random.random() < 0.4:
                found[name] = self._value(member.shape)
        return found

    def _value(self, shape: Shape) -> Any:
        pick = self._random
        if shape.kind == "structure":
            return self.params(shape)
        if shape.kind == "list":
            return [self._value(shape.element) for _ in range(pick.choice([0, 1, 1, 2]))]
        plain: dict[str, list[Any]] = {"integer": NUMBERS, "long": NUMBERS, "boolean": [True, False], "blob": BYTES}
        words = self._known if pick.random() < 0.6 else TEXTS
        return pick.choice(plain.get(shape.kind) or (shape.enum if shape.enum and pick.random() < 0.9 else words))


@pytest.mark.parametrize("service", ["elbv2", "elb", "acm"])
def test_no_request_is_a_fault_of_ours(cloud: Cloud, service: str) -> None:
    scene = Scene(cloud)
    group, certificate, instance = scene.group(), scene.certificate(), scene.ec2.run()
    balancer, network = scene.balancer(), scene.balancer("net", Type="network")
    listener = scene.listener(balancer, forward(group))
    secure = scene.listener(balancer, ANSWER, port=443, protocol="HTTPS", Certificates=[{"CertificateArn": certificate}])
    rules = [{"Field": "path-pattern", "Values": ["/a"]}]
    rule = scene.v2("CreateRule", ListenerArn=listener, Priority=1, Conditions=rules, Actions=[ANSWER])["Rules"][0]["RuleArn"]
    scene.old("CreateLoadBalancer", LoadBalancerName="old", Subnets=scene.subnets[:1], Listeners=[
        {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80},
    ])  # fmt: skip
    known = [group, certificate, instance, balancer, network, listener, secure, rule, scene.vpc, *scene.subnets, "old", "web"]
    maker, cloud.worker = Maker(7, known), Idle()
    kept = [name for name in api.operations(service) if not name.startswith("Delete")]
    answered, codes = 0, set[str]()
    for number in range(1500):
        found = api.find(service, kept[number % len(kept)])
        params = maker.params(found.model.input_shape)
        try:
            api.call(cloud, service, found.name, params)
            answered += 1
        except ApiError as error:
            codes.add(error.code)
    assert answered > 50
    assert len(codes) > 1
    assert not codes & {"InternalError", "InternalFailure"}
