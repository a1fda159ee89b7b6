"""Load balancers for tests: one of each kind that has everything of its kind."""

import datetime
from functools import cache
from ipaddress import IPv4Address, IPv4Interface

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from minicloud.host.load_balancer_spec import (
    Certificate,
    Check,
    Condition,
    FixedResponse,
    Forward,
    Group,
    Leg,
    Listener,
    LoadBalancerSpec,
    Options,
    Redirect,
    Rule,
    Stickiness,
    Target,
    Tls,
)

LEGS = (
    Leg("mclb0a", "0a:00:00:00:01:0a", "subnet-0a", IPv4Interface("172.31.0.100/20"), IPv4Address("172.31.0.1"), "us-east-1a"),
    Leg("mclb0b", "0a:00:00:00:01:0b", "subnet-0b", IPv4Interface("172.31.16.100/20"), IPv4Address("172.31.16.1"), "us-east-1b"),
)
TARGETS = (
    Target(IPv4Address("172.31.0.10"), 80, "us-east-1a"),
    Target(IPv4Address("172.31.0.11"), 80, "us-east-1a"),
    Target(IPv4Address("172.31.16.12"), 8080, "us-east-1b"),
)
CHECK = Check("HTTP", 0, "/health?a=1", "200-299,301", 5, 2, 2, 2)
SIMPLE = Check("TCP", 0, "", "", 5, 2, 2, 2)
STICKY = Stickiness("cookie", 60, cookies=("AWSALB", "AWSALBCORS"))
CIPHERS = ("TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256")


@cache
def certificate(domain: str) -> Certificate:
    """A certificate for a domain, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domain)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Certificate(domain, made.public_bytes(serialization.Encoding.PEM).decode() + private)


def tls(*domains: str, alpn: tuple[str, ...] = ("h2", "http/1.1")) -> Tls:
    return Tls(domains, ("TLSv1.2", "TLSv1.3"), CIPHERS, alpn)


def application() -> LoadBalancerSpec:
    """An ALB with each kind of condition, action and stickiness."""
    rules = (
        Rule(
            1,
            (Condition("host-header", ("*.example.com", "a?b")), Condition("path-pattern", ("/img/*",))),
            Forward((("tg-b", 1),)),
        ),
        Rule(
            2, (Condition("http-header", ('*Chrome\'s "9"*',), "User-Agent"),), FixedResponse(404, "text/html", "<p>it's 100%\n")
        ),
        Rule(3, (Condition("http-request-method", ("POST",)), Condition("source-ip", ("10.0.0.0/8",))), FixedResponse(403)),
        Rule(
            4,
            (Condition("query-string", pairs=(("version", "v?"), ("", "*beta*"))),),
            Redirect("HTTPS", "#{host}", "443", "/new/#{path}", "#{query}&from=it's", 301),
        ),
        Rule(5, (Condition("path-pattern", ("/weighted",)),), Forward((("tg-a", 3), ("tg-b", 1), ("tg-c", 0)), 3600)),
    )
    groups = (
        Group("tg-a", "HTTP", TARGETS, CHECK, stickiness=STICKY, log_name="arn:a"),
        Group(
            "tg-b", "HTTPS", TARGETS[:1], CHECK, http2=True, algorithm="least_outstanding_requests", slow_start=30,
            stickiness=Stickiness("application", 60, "JSESSIONID", ("AWSALBAPP-0",)), cross_zone=False, log_name="arn:b",
        ),
        Group("tg-c", "HTTP", (), CHECK, algorithm="weighted_random", log_name="arn:c"),
    )  # fmt: skip
    listeners = (
        Listener(80, "HTTP", Forward((("tg-a", 1),)), rules),
        Listener(
            443, "HTTP", Forward((("tg-a", 1),)), (), tls("a.example", "b.example"), 4000, (("X-Frame-Options", "it's 5%"),)
        ),
        Listener(8080, "HTTP", Redirect("#{protocol}", "#{host}", "443", "/#{path}", "#{query}", 302), server_name=False),
    )
    certificates = (certificate("a.example"), certificate("b.example"))
    options = Options(
        client_port=True, tls_headers=True, drop_invalid_headers=True, log="/var/log/x", log_name="app/a/0123456789abcdef"
    )
    return LoadBalancerSpec("elb-0a", LEGS, listeners, groups, certificates, options)


def network() -> LoadBalancerSpec:
    """An NLB that shows its clients to its targets, one that tells of them, and TLS."""
    groups = (
        Group("tg-a", "TCP", TARGETS, SIMPLE, client_address=True, cross_zone=False, log_name="arn:a"),
        Group("tg-b", "TLS", TARGETS, CHECK, proxy_protocol=2, stickiness=Stickiness("source"), log_name="arn:b"),
        Group("tg-c", "TCP", TARGETS, None, log_name="arn:c"),
    )
    listeners = (
        Listener(80, "TCP", Forward((("tg-a", 1),)), idle=350),
        Listener(443, "TCP", Forward((("tg-b", 1),)), tls=tls("a.example", alpn=("h2",)), idle=350),
        Listener(90, "TCP", Forward((("tg-c", 1),)), idle=350),
    )
    options = Options(kind="network", log="/var/log/x", log_name="net/a/0123456789abcdef")
    return LoadBalancerSpec("elb-0b", LEGS, listeners, groups, (certificate("a.example"),), options)


def classic() -> LoadBalancerSpec:
    """A classic balancer with each of its protocols."""
    groups = (
        Group("http-80", "HTTP", TARGETS, CHECK, stickiness=Stickiness("cookie", 0, cookies=("AWSELB",)), fewest=0),
        Group("ssl-443", "TLS", TARGETS[:2], Check("SSL", 443, "", "", 10, 5, 3, 2), fewest=0, proxy_protocol=1),
        Group("tcp-25", "TCP", (Target(IPv4Address("172.31.0.10"), 25, "us-east-1a"),), None, fewest=0, follows=("http-80", 80)),
    )
    listeners = (
        Listener(80, "HTTP", Forward((("http-80", 1),))),
        Listener(443, "HTTP", Forward((("http-80", 1),)), tls=tls("a.example", alpn=())),
        Listener(25, "TCP", Forward((("ssl-443", 1),)), tls=tls("a.example", alpn=())),
        Listener(26, "TCP", Forward((("tcp-25", 1),))),
    )
    options = Options(kind="classic", trace=False, log="/var/log/x", log_name="old")
    return LoadBalancerSpec("elb-0c", LEGS, listeners, groups, (certificate("a.example"),), options)
