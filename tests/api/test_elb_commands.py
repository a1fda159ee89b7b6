"""The commands: elbv2, elb, acm, their waiters, and what happens where two come at once or nothing is left."""

import dataclasses
import json
import threading
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from minicloud.callers import Caller, Principal, authorize
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import cloud_in
from ..lb_scene import Scene, issue


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


class Shell:
    """Command lines over one cloud."""

    def __init__(self, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
        self._cloud, self._capsys = cloud, capsys

    def __call__(self, *words: str, status: int = 0) -> str:
        found = execute(words, Session(connect=lambda: self._cloud))
        out, error = self._capsys.readouterr()
        assert found == status, error
        return out if status == 0 else error

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--output", "json"))


@pytest.fixture
def shell(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(cloud, capsys)


def test_a_balancer_by_commands(scene: Scene, shell: Shell) -> None:
    made = shell.json("elbv2", "create-load-balancer", "--name", "web", "--subnets", *scene.subnets[:2])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    shell("elbv2", "wait", "load-balancer-available", "--load-balancer-arns", arn)
    shell("elbv2", "wait", "load-balancer-exists", "--names", "web")
    group = shell.json(
        "elbv2", "create-target-group", "--name", "blue", "--protocol", "HTTP", "--port", "80", "--vpc-id", scene.vpc
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    listener = shell.json(
        "elbv2", "create-listener", "--load-balancer-arn", arn, "--protocol", "HTTP", "--port", "80",
        "--default-actions", f"Type=forward,TargetGroupArn={group}",
    )["Listeners"][0]["ListenerArn"]  # fmt: skip
    shell(
        "elbv2", "create-rule", "--listener-arn", listener, "--priority", "5", "--conditions", "Field=path-pattern,Values=/img/*",
        "--actions", "Type=fixed-response,FixedResponseConfig={StatusCode=404,ContentType=text/plain}",
    )  # fmt: skip
    assert "/img/*" in shell("elbv2", "describe-rules", "--listener-arn", listener, "--output", "table")
    assert "blue" in shell("lb", "--output", "table")
    assert shell.json("lb", "--query", "LoadBalancers[].Listeners[].Rules") == [1]
    assert "LoadBalancerNotFound" in shell("elbv2", "describe-load-balancers", "--names", "none", status=254)
    shell("elbv2", "create-load-balancer", status=252)
    shell("elbv2", "delete-load-balancer", "--load-balancer-arn", arn)
    shell("elbv2", "wait", "load-balancers-deleted", "--load-balancer-arns", arn)
    limit = ("--delay", "0.01", "--max-attempts", "2")
    shell("elbv2", "wait", "load-balancer-exists", "--names", "web", *limit, status=255)


def test_certificates_by_commands(shell: Shell, tmp_path: Path) -> None:
    made = issue(["www.example.com"])
    (tmp_path / "cert.pem").write_bytes(made.pem)
    (tmp_path / "key.pem").write_bytes(made.key)
    files = ("--certificate", f"fileb://{tmp_path}/cert.pem", "--private-key", f"fileb://{tmp_path}/key.pem")
    arn = shell.json("acm", "import-certificate", *files)["CertificateArn"]
    assert "www.example.com" in shell("acm", "list-certificates", "--output", "table")
    assert shell.json("acm", "get-certificate", "--certificate-arn", arn)["Certificate"] == made.pem.decode()
    shell("acm", "delete-certificate", "--certificate-arn", arn)


def test_the_old_kind_is_called_old(shell: Shell) -> None:
    assert "the old kind" in " ".join(shell("elb", "--help").split())
    made = shell.json(
        "elb", "create-load-balancer", "--load-balancer-name", "old", "--availability-zones", "us-east-1a",
        "--listeners", "Protocol=HTTP,LoadBalancerPort=80,InstanceProtocol=HTTP,InstancePort=80",
    )  # fmt: skip
    assert made["DNSName"].startswith("old-")
    assert "classic (old)" in shell("lb", "--output", "table")
    assert "us-east-1a" in shell("elb", "describe-load-balancers", "--output", "table")


def test_two_at_once_make_one_balancer(scene: Scene, host: FakeHost, tmp_path: Path) -> None:
    subnets, made, lock = scene.subnets[:2], list[str](), threading.Barrier(4)

    def create() -> None:
        own = Scene(cloud_in(tmp_path, host, work=False))
        lock.wait()
        made.append(own.balancer(Subnets=subnets))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(set(made))) == (4, 1)
    assert len(scene.cloud.state.interfaces.query()) == 2


def test_nothing_is_half_made_where_no_public_address_is_left(tmp_path: Path, host: FakeHost) -> None:
    cloud = cloud_in(tmp_path, host)
    cloud.settings = dataclasses.replace(cloud.settings, public_cidr=IPv4Network("203.0.113.0/31"))
    scene = Scene(cloud)
    code, message = scene.v2.refused("CreateLoadBalancer", Name="web", Subnets=scene.subnets)
    assert code == "InvalidConfigurationRequest"
    assert "203.0.113.0/31" in message
    assert (cloud.state.interfaces.query(), cloud.state.public_addresses.query()) == ([], [])
    assert scene.v2("DescribeLoadBalancers")["LoadBalancers"] == []
    scene.balancer("inside", Scheme="internal")


@pytest.mark.parametrize(
    ("policy", "allowed", "denied"),
    [
        ("ElasticLoadBalancingReadOnly", ("elbv2", "DescribeLoadBalancers"), ("elbv2", "CreateLoadBalancer")),
        ("ElasticLoadBalancingFullAccess", ("elb", "CreateLoadBalancer"), ("ec2", "RunInstances")),
        ("AWSCertificateManagerReadOnly", ("acm", "ListCertificates"), ("acm", "ImportCertificate")),
        ("AWSCertificateManagerFullAccess", ("acm", "ImportCertificate"), ("elbv2", "DescribeLoadBalancers")),
    ],
)
def test_managed_policies(policy: str, allowed: tuple[str, str], denied: tuple[str, str]) -> None:
    arn = "arn:aws:sts::000000000000:assumed-role/r/s"
    caller = Caller(arn, "AROA:s", principals=(Principal("AROA:s", arn, (policy,)),))
    authorize(caller, *allowed)
    with pytest.raises(ApiError) as caught:
        authorize(caller, *denied)
    assert caught.value.status in (400, 403)
