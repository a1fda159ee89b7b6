"""Rows of load balancers, of all three kinds, and of certificates. A field is a column of the same name.

What is wished for and what is known stand in the same row: `state` and `reason` of a balancer, `health`, `reason` and
`description` of a target are written by the reconciler only, everything else by operations only.

- A balancer stands in a subnet where it has a row in `interfaces` (its `load_balancer_id` is the balancer's id): that row
  has its subnet, its address there and its security groups; a row in `public_addresses` has its public one, with an
  allocation id where it is an Elastic IP. Deleting a balancer deletes all of its rows at once.
- A classic balancer's instances and its health check are a target group with the balancer's own id and the target type
  `classic`, whose targets have the port 0: it is the listener that names the instance's port.
- Structures are kept as AWS's API writes them, by its names, after they were checked: whatever stands in a row is valid.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LoadBalancer:
    """A load balancer. `id` is `elb-` and 16 hexadecimal digits, those that its ARN (of kinds other than classic) ends with.

    `kind` is application, network or classic; `scheme` internet-facing or internal; `state` provisioning, active,
    active_impaired or failed, with a `reason` in words for the last two. `attributes` has every attribute of its kind by
    AWS's elbv2 keys, values as texts (`idle_timeout.timeout_seconds`: `60`); a classic balancer's as well, with
    `connection_draining.enabled` and `connection_draining.timeout` beside them. `backend_policies` is a classic balancer's:
    names of its policies by the instance port as text. `group_ids` are its security groups, the same as its interfaces have.
    """

    id: str
    arn: str
    kind: str
    name: str
    scheme: str
    vpc_id: str
    group_ids: list[str]
    ip_type: str
    dns_name: str
    attributes: dict[str, str]
    created: str
    state: str = "provisioning"
    reason: str = ""
    backend_policies: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class TargetGroup:
    """A target group. `id` is `tg-` and the 16 digits that its ARN ends with; of a classic balancer it is the balancer's.

    `protocol` is HTTP, HTTPS, TCP or TLS, `protocol_version` HTTP1 or HTTP2 (empty for those of network
    balancers); `target_type` instance, ip or classic. The health check: `check_port` is a number or `traffic-port`, times
    are seconds, `check_codes` AWS's matcher such as `200-299,301` (empty where nothing but a connection is asked for).
    Of a classic balancer `check_protocol` is HTTP, HTTPS, TCP or SSL. `attributes` has every attribute by AWS's keys.
    """

    id: str
    arn: str
    name: str
    protocol: str
    protocol_version: str
    port: int
    vpc_id: str
    target_type: str
    ip_type: str
    check_enabled: bool
    check_protocol: str
    check_port: str
    check_path: str
    check_interval: int
    check_timeout: int
    healthy_count: int
    unhealthy_count: int
    check_codes: str
    attributes: dict[str, str]
    created: str


@dataclass
class Target:
    """A target of a group: `target_id` is an instance's id or an address, `port` its port (0 in a classic balancer's group).

    `zone` is the zone that it was registered with: empty, a zone, or `all`. `wish` is registered or draining; one that
    drains gets no new connections and is removed at `drain_until`. `health` is initial, healthy, unhealthy, unused, draining
    or unavailable, `reason` and `description` AWS's TargetHealthReasonEnum and its text; `since` is when `health` changed.
    """

    group_id: str
    target_id: str
    port: int
    zone: str
    created: str
    wish: str = "registered"
    drain_until: str = ""
    health: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    since: str = ""


@dataclass
class Listener:
    """A listener. `id` is `listener-` and 16 digits. `protocol` is HTTP or HTTPS; TCP or TLS; classic HTTP,
    HTTPS, TCP or SSL.

    `certificates` are ARNs, the default one first, those for SNI after it. `actions` are AWS's default Actions with ARNs of
    target groups; a forward always has its ForwardConfig. `default_rule` is the ARN under which they are shown as a rule.
    `alpn` is empty or one of AWS's ALPN policies. Of a classic balancer only: `instance_protocol`, `instance_port`,
    and `policies`, names of `lb_policies`. `attributes` are AWS's listener attributes by key, those that are set.
    """

    id: str
    arn: str
    load_balancer_id: str
    protocol: str
    port: int
    ssl_policy: str
    certificates: list[str]
    actions: list[dict[str, Any]]
    default_rule: str
    alpn: str
    created: str
    instance_protocol: str = ""
    instance_port: int = 0
    policies: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Rule:
    """A rule of a listener, tried by rising `priority` (1 to 50000, one of each). The default rule is the listener's `actions`.

    `conditions` are AWS's RuleConditions, each with its …Config only (`Field` and, for example, `PathPatternConfig`).
    """

    id: str
    arn: str
    listener_id: str
    priority: int
    conditions: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    created: str


@dataclass
class LbPolicy:
    """A policy of a classic balancer: `kind` is AWS's PolicyTypeName, `attributes` its attributes by name."""

    load_balancer_id: str
    name: str
    kind: str
    attributes: dict[str, str]
    created: str


@dataclass
class Certificate:
    """A certificate, imported into ACM or uploaded to IAM. `certificate` and `chain` are PEM; the private key is in no row.

    It is in the file `key_file` of the directory `certificates` beside the database (`certificate_keys`), mode 0600.
    `names` are the DNS names that it is for, `domain` the first of them; times are ISO 8601.
    """

    arn: str
    domain: str
    names: list[str]
    certificate: str
    chain: str
    key_file: str
    key_algorithm: str
    signature_algorithm: str
    serial: str
    subject: str
    issuer: str
    not_before: str
    not_after: str
    imported: str
    created: str
    name: str = ""
    path: str = ""


def forwards(actions: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """The target groups that actions lead to: ARN and weight."""
    for action in actions:
        for group in action.get("ForwardConfig", {}).get("TargetGroups", ()):
            yield group["TargetGroupArn"], group.get("Weight", 1)
