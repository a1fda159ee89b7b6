"""From rows to what the host's load balancers serve. Reads rows; build inside a transaction, and anew for each look."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from ..aws.ssl_policies import POLICIES
from ..config import Settings
from ..errors import Permanent
from ..host import access_logs
from ..host.load_balancer_spec import Certificate, Check, Group, Leg, Listener, LoadBalancerSpec, Options, Target, Tls
from ..state import certificate_keys, rows_lb
from ..state.lb_registry import Registry
from ..state.rows import Interface
from ..state.rows_lb import TargetGroup
from ..state.store import State
from . import balancer_actions, balancer_classic, firewall, guest_spec

_ALPN = {
    "HTTP1Only": ("http/1.1",),
    "HTTP2Only": ("h2",),
    "HTTP2Optional": ("http/1.1", "h2"),
    "HTTP2Preferred": ("h2", "http/1.1"),
}
_HEADER = "routing.http.response."
_CROSS_ZONE = "load_balancing.cross_zone.enabled"


@dataclass(frozen=True)
class Parts:
    """The rows of one moment."""

    state: State
    settings: Settings
    registry: Registry
    interfaces: Mapping[str, list[Interface]]
    """By the balancer that stands there."""
    targets: Mapping[str, list[rows_lb.Target]]
    """By group."""


def parts(state: State, settings: Settings) -> Parts:
    """Read them. Call it inside a transaction."""
    interfaces: dict[str, list[Interface]] = {}
    for interface in state.interfaces.query("load_balancer_id != ''", order="id"):
        interfaces.setdefault(interface.load_balancer_id, []).append(interface)
    targets: dict[str, list[rows_lb.Target]] = {}
    for target in state.targets.query(order="created, target_id, port"):
        targets.setdefault(target.group_id, []).append(target)
    return Parts(state, settings, Registry(state), interfaces, targets)


def spec(given: Parts, row: rows_lb.LoadBalancer) -> LoadBalancerSpec:
    """What a balancer serves. Raises Permanent for what is not there any more, such as a certificate's key."""
    listeners = given.state.listeners.query("load_balancer_id = ?", [row.id], order="port")
    legs = _legs(given, row)
    if row.kind == "classic":
        policies = {one.name: one for one in given.state.lb_policies.find(load_balancer_id=row.id)}
        group = given.registry.groups[row.id]
        whole = [balancer_classic.listener(one, row, _tls(one, row)) for one in listeners]
        groups = [
            balancer_classic.group(one, listeners[0], (row, group, policies), targets(given, group, one.instance_port))
            for one in listeners
        ]
    else:
        whole = [_listener(given, one, row) for one in listeners]
        groups = [_group(given, row, one) for one in _used(given, listeners)]
    return LoadBalancerSpec(
        balancer_id=row.id,
        legs=legs,
        listeners=tuple(whole),
        groups=tuple(groups),
        certificates=tuple(_certificates(given, listeners)),
        options=_options(given.settings, row),
        names=tuple(_names(given, row, legs, groups)),
    )


def _legs(given: Parts, row: rows_lb.LoadBalancer) -> tuple[Leg, ...]:
    found = []
    for interface in given.interfaces.get(row.id, ()):
        subnet = given.state.subnets.get(interface.subnet_id)
        if subnet is not None:
            gateway = firewall.gateway(subnet)
            address = IPv4Interface(f"{interface.address}/{gateway.network.prefixlen}")
            found.append(Leg(guest_spec.tap(interface), interface.mac, subnet.id, address, gateway.ip, subnet.zone))
    return tuple(sorted(found, key=lambda leg: (leg.zone, leg.address.ip)))


def _used(given: Parts, listeners: Iterable[rows_lb.Listener]) -> list[TargetGroup]:
    """The groups that listeners lead to, each once."""
    arns: dict[str, None] = {}
    for listener in listeners:
        rules = given.state.rules.find(listener_id=listener.id)
        for actions in (listener.actions, *(rule.actions for rule in rules)):
            arns.update(dict.fromkeys(arn for arn, _ in rows_lb.forwards(actions)))
    return [group for arn in arns if (group := given.registry.group(arn)) is not None]


def targets(given: Parts, group: TargetGroup, port: int = 0) -> tuple[Target, ...]:
    """The targets of a group that are in use and do not drain; `port` is that of a classic balancer's listener."""
    found: dict[Target, None] = {}
    for row in given.targets.get(group.id, ()):
        if row.wish == "registered" and given.registry.unused(group, row) is None:
            address = IPv4Address(given.registry.address_of(row))
            found[Target(address, row.port or port, given.registry.zone_of(row))] = None
    # By instance and by address the same place can be registered twice.
    return tuple({one.name: one for one in found}.values())


def _group(given: Parts, row: rows_lb.LoadBalancer, group: TargetGroup) -> Group:
    known = group.attributes
    wide = known[_CROSS_ZONE] if known[_CROSS_ZONE] in ("true", "false") else row.attributes[_CROSS_ZONE]
    return Group(
        group_id=group.id,
        protocol=group.protocol,
        targets=targets(given, group),
        check=check(group),
        http2=group.protocol_version == "HTTP2",
        algorithm=known.get("load_balancing.algorithm.type", "round_robin"),
        stickiness=balancer_actions.stickiness(known),
        slow_start=int(known.get("slow_start.duration_seconds", "0")),
        cross_zone=wide == "true",
        client_address=known.get("preserve_client_ip.enabled") == "true",
        proxy_protocol=2 if known.get("proxy_protocol_v2.enabled") == "true" else 0,
        fewest=int(known["target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"]),
        log_name=group.arn,
    )


def check(group: TargetGroup) -> Check | None:
    """How targets are probed."""
    if not group.check_enabled:
        return None
    return Check(
        protocol=group.check_protocol,
        port=0 if group.check_port == "traffic-port" else int(group.check_port),
        path=group.check_path or "/",
        codes=group.check_codes,
        interval=group.check_interval,
        timeout=group.check_timeout,
        healthy=group.healthy_count,
        unhealthy=group.unhealthy_count,
    )


def _listener(given: Parts, row: rows_lb.Listener, balancer: rows_lb.LoadBalancer) -> Listener:
    requests = row.protocol in ("HTTP", "HTTPS")
    idle = (
        balancer.attributes["idle_timeout.timeout_seconds"] if requests else row.attributes.get("tcp.idle_timeout.seconds", "350")
    )
    rules = given.state.rules.query("listener_id = ?", [row.id], order="priority")
    return Listener(
        port=row.port,
        protocol="HTTP" if requests else "TCP",
        action=balancer_actions.action(given.registry, row.actions),
        rules=tuple(balancer_actions.rule(given.registry, one) for one in rules),
        tls=_tls(row, balancer),
        idle=int(idle),
        headers=tuple(_headers(row.attributes)),
        server_name=row.attributes.get(f"{_HEADER}server.enabled") != "false",
    )


def _headers(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in sorted(attributes.items()):
        if key.startswith(_HEADER) and key.endswith(".header_value") and value:
            words = key.removeprefix(_HEADER).removesuffix(".header_value").split("_")
            yield "-".join(word.capitalize() for word in words), value


def _tls(row: rows_lb.Listener, balancer: rows_lb.LoadBalancer) -> Tls | None:
    if not row.certificates:
        return None
    policy = POLICIES[row.ssl_policy]
    alpn: tuple[str, ...] = _ALPN.get(row.alpn, ())
    if balancer.kind == "application":
        alpn = ("h2", "http/1.1") if balancer.attributes["routing.http2.enabled"] == "true" else ("http/1.1",)
    return Tls(tuple(_certificate_name(arn) for arn in row.certificates), policy.protocols, policy.ciphers, alpn)


def _certificate_name(arn: str) -> str:
    return hashlib.sha256(arn.encode()).hexdigest()[:24]


def _certificates(given: Parts, listeners: Iterable[rows_lb.Listener]) -> Iterator[Certificate]:
    for arn in dict.fromkeys(arn for listener in listeners for arn in listener.certificates):
        row = given.state.certificates.get(arn)
        try:
            if row is None:
                raise FileNotFoundError(arn)
            key = certificate_keys.read(given.settings.home, row.key_file)
        except OSError as error:
            raise Permanent(f"the certificate {arn} is gone: {error}") from error
        yield Certificate(
            _certificate_name(arn), "".join(f"{part.strip()}\n" for part in (row.certificate, row.chain, key) if part)
        )


def _options(settings: Settings, row: rows_lb.LoadBalancer) -> Options:
    known: Mapping[str, Any] = row.attributes
    short = row.name if row.kind == "classic" else row.arn.partition(":loadbalancer/")[2]
    log = ""
    if known.get("access_logs.s3.enabled") == "true":
        bucket = settings.home / "logs" / known["access_logs.s3.bucket"] / known.get("access_logs.s3.prefix", "")
        log = str(bucket / f"AWSLogs/{settings.account_id}/elasticloadbalancing/{settings.region}/{short.replace('/', '.')}.log")
    return Options(
        kind=row.kind,
        forwarded_for=known.get("routing.http.xff_header_processing.mode", "append"),
        client_port=known.get("routing.http.xff_client_port.enabled") == "true",
        tls_headers=known.get("routing.http.x_amzn_tls_version_and_cipher_suite.enabled") == "true",
        drop_invalid_headers=known.get("routing.http.drop_invalid_header_fields.enabled") == "true",
        trace=row.kind == "application",
        log=log,
        log_most=access_logs.most_of_one(settings.access_logs_mib << 20) if log else 0,
        log_name=short,
    )


def _names(
    given: Parts, row: rows_lb.LoadBalancer, legs: Iterable[Leg], groups: Iterable[Group]
) -> Iterator[tuple[str, IPv4Address]]:
    """Its name has the address in each zone; where no group sends to other zones, only of zones with targets."""
    public = {}
    for interface in given.interfaces.get(row.id, ()):
        for one in given.state.public_addresses.find(interface_id=interface.id):
            public[one.private_address] = IPv4Address(one.address)
    addresses = {leg: public.get(str(leg.address.ip), leg.address.ip) for leg in legs}
    busy = {target.zone for group in groups for target in group.targets}
    useful = addresses
    if busy and not any(group.cross_zone for group in groups):
        useful = {leg: address for leg, address in addresses.items() if leg.zone in busy} or addresses
    for address in useful.values():
        yield row.dns_name, address
    if row.kind == "network":
        for leg, address in addresses.items():
            yield f"{leg.zone}.{row.dns_name}", address
