"""Load balancers over a fake host: clients of the three services that hold every answer against AWS's model."""

import datetime
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.errors import ApiError

from .cloud_fixtures import Ec2


@dataclass
class Client:
    """A client of one service."""

    cloud: Cloud
    service: str

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(self.cloud, self.service, operation, params)

    def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """Code and message of the error."""
        with pytest.raises(ApiError) as caught:
            self(operation, **params)
        return caught.value.code, caught.value.message


def issue(names: list[str], *, issuer: "Issued | None" = None, days: tuple[int, int] = (-1, 30), key: Any = None) -> "Issued":
    """A certificate for `names`, signed by `issuer` or by itself, that holds from and to these days from now."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.made.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(issuer.own if issuer else own, hashes.SHA256())
    )
    return Issued(certificate, own)


@dataclass
class Issued:
    """A certificate with its key."""

    made: x509.Certificate
    own: Any

    @property
    def pem(self) -> bytes:
        return self.made.public_bytes(serialization.Encoding.PEM)

    @property
    def key(self) -> bytes:
        return bytes(
            self.own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )


@dataclass
class Scene:
    """The services of one cloud, and short ways to what most tests need."""

    cloud: Cloud
    ec2: Ec2 = field(init=False)
    v2: Client = field(init=False)
    old: Client = field(init=False)
    acm: Client = field(init=False)

    def __post_init__(self) -> None:
        self.ec2 = Ec2(self.cloud)
        self.v2, self.old, self.acm = (Client(self.cloud, name) for name in ("elbv2", "elb", "acm"))

    @property
    def vpc(self) -> str:
        return str(self.ec2("DescribeVpcs")["Vpcs"][0]["VpcId"])

    @property
    def subnets(self) -> list[str]:
        found = sorted(self.ec2("DescribeSubnets")["Subnets"], key=lambda one: one["AvailabilityZone"])
        return [one["SubnetId"] for one in found]

    def balancer(self, name: str = "web", **params: Any) -> str:
        """A new balancer in two subnets; its ARN."""
        wanted = {"Subnets": self.subnets[:2], **params}
        return str(self.v2("CreateLoadBalancer", Name=name, **wanted)["LoadBalancers"][0]["LoadBalancerArn"])

    def group(self, name: str = "blue", **params: Any) -> str:
        """A new target group; its ARN."""
        wanted = {"Protocol": "HTTP", "Port": 80, "VpcId": self.vpc, **params}
        return str(self.v2("CreateTargetGroup", Name=name, **wanted)["TargetGroups"][0]["TargetGroupArn"])

    def listener(self, balancer: str, *actions: dict[str, Any], port: int = 80, protocol: str = "HTTP", **more: Any) -> str:
        """A new listener; its ARN."""
        made = self.v2(
            "CreateListener", LoadBalancerArn=balancer, Protocol=protocol, Port=port, DefaultActions=list(actions), **more
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def certificate(self, *names: str) -> str:
        """An imported certificate; its ARN."""
        made = issue(list(names or ("www.example.com",)))
        return str(self.acm("ImportCertificate", Certificate=made.pem, PrivateKey=made.key)["CertificateArn"])

    def health(self, group: str, **params: Any) -> dict[str, tuple[str, str]]:
        """State and reason of each target of a group."""
        found = self.v2("DescribeTargetHealth", TargetGroupArn=group, **params)["TargetHealthDescriptions"]
        return {one["Target"]["Id"]: (one["TargetHealth"]["State"], one["TargetHealth"].get("Reason", "")) for one in found}


def forward(*groups: str) -> dict[str, Any]:
    """A forward action to one group, or to several by equal weight."""
    if len(groups) == 1:
        return {"Type": "forward", "TargetGroupArn": groups[0]}
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": one, "Weight": 1} for one in groups]}}


ANSWER = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
