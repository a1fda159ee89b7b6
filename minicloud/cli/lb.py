"""`minicloud lb`: load balancers of all kinds as a person wants to see them: listeners, targets, health, traffic.

Gathering asks the host; what follows from it is a pure function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from . import own

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..host.contracts_lb import Statistics, Traffic
    from ..state.lb_registry import Registry
    from ..state.rows_lb import Listener, LoadBalancer, Target

_MIB = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What the report is made of. `addresses` are a balancer's by zone, private and public (empty where it has none)."""

    registry: "Registry"
    balancers: "Sequence[LoadBalancer]"
    listeners: "Sequence[Listener]"
    rules: Mapping[str, int]
    targets: "Sequence[Target]"
    addresses: Mapping[str, Sequence[tuple[str, str, str]]]
    statistics: "Mapping[str, Statistics]"


def gather(cloud: "Cloud", wanted: Sequence[str] = ()) -> Facts:
    """Look at the host and at the rows; `wanted` are names, none for all. Raises HostError, click.UsageError."""
    from ..state.lb_registry import Registry

    cloud.worker.refresh("DescribeTargetHealth")
    state = cloud.state
    with state.transaction(write=False):
        rows = state.load_balancers.query(order="name, kind")
        if missing := sorted(set(wanted) - {row.name for row in rows}):
            raise click.UsageError(f"there is no load balancer {missing[0]!r}")
        rows = [row for row in rows if not wanted or row.name in wanted]
        rules: dict[str, int] = {}
        for rule in state.rules.query():
            rules[rule.listener_id] = rules.get(rule.listener_id, 0) + 1
        facts = Facts(
            registry=Registry(state),
            balancers=rows,
            listeners=state.listeners.query(order="port"),
            rules=rules,
            targets=state.targets.query(),
            addresses={row.id: _addresses(cloud, row.id) for row in rows},
            statistics={},
        )
    statistics = {row.id: cloud.host.balancers.statistics(row.id) for row in rows}
    return Facts(**{**vars(facts), "statistics": statistics})


def _addresses(cloud: "Cloud", balancer_id: str) -> list[tuple[str, str, str]]:
    state, found = cloud.state, []
    for card in state.interfaces.find(load_balancer_id=balancer_id):
        subnet = state.subnets.get(card.subnet_id)
        public = next((row.address for row in state.public_addresses.find(interface_id=card.id)), "")
        found.append((subnet.zone if subnet else "", card.address, public))
    return sorted(found)


def report(facts: Facts) -> dict[str, Any]:
    """The answer, with names in AWS's way; traffic since each balancer was made, bytes, milliseconds."""
    return {"LoadBalancers": [_balancer(facts, row) for row in facts.balancers]}


def _balancer(facts: Facts, row: "LoadBalancer") -> dict[str, Any]:
    statistics = facts.statistics[row.id]
    return {
        "LoadBalancerName": row.name,
        "Type": row.kind,
        "Scheme": row.scheme,
        "State": {"Code": row.state, **({"Reason": row.reason} if row.reason else {})},
        "DNSName": row.dns_name,
        "Addresses": [
            {"ZoneName": zone, "PrivateIpAddress": private, **({"PublicIpAddress": public} if public else {})}
            for zone, private, public in facts.addresses[row.id]
        ],
        "Listeners": [
            _listener(facts, one, statistics.listeners.get(one.port)) for one in facts.listeners if one.load_balancer_id == row.id
        ],
        "Targets": [found for one in facts.targets if (found := _target(facts, row, one, statistics)) is not None],
    }


def _listener(facts: Facts, row: "Listener", traffic: "Traffic | None") -> dict[str, Any]:
    return {
        "Port": row.port,
        "Protocol": row.protocol,
        "To": leads_to(facts.registry, row),
        "Rules": facts.rules.get(row.id, 0),
        "Traffic": traffic_view(traffic),
    }


def leads_to(registry: "Registry", row: "Listener") -> str:
    """Where a listener's default action leads, in few words: `blue 90, green 10`, `answers 404`."""
    if row.instance_port:
        return f"{row.instance_protocol} {row.instance_port}"
    action: dict[str, Any] = row.actions[0] if row.actions else {"Type": "none"}
    if action["Type"] == "forward":
        groups = action["ForwardConfig"]["TargetGroups"]
        names = [(found.name if (found := registry.group(one["TargetGroupArn"])) else "?", one["Weight"]) for one in groups]
        return ", ".join(name if len(names) == 1 else f"{name} {weight}" for name, weight in names)
    if action["Type"] == "redirect":
        parts = action["RedirectConfig"]
        return f"redirects to {parts['Protocol']}://{parts['Host']}:{parts['Port']}{parts['Path']}"
    return f"answers {action['FixedResponseConfig']['StatusCode']}" if action["Type"] == "fixed-response" else "nothing"


def _target(facts: Facts, row: "LoadBalancer", target: "Target", statistics: "Statistics") -> dict[str, Any] | None:
    """A target of a group that this balancer forwards to."""
    group = facts.registry.groups.get(target.group_id)
    balancer = facts.registry.balancer_of(group) if group else None
    if group is None or balancer is None or balancer.id != row.id:
        return None
    standing, address = facts.registry.standing(group, target), facts.registry.address_of(target)
    place = f"{address}:{target.port}"
    shown: dict[str, Any] = {"TargetGroupName": group.name, "Id": target.target_id, "Address": address, "Port": target.port}
    if row.kind == "classic":
        del shown["Port"]
        parts = [found for (name, at), found in statistics.targets.items() if at.startswith(f"{address}:")]
        traffic = parts[0] if len(parts) == 1 else None
    else:
        traffic = statistics.targets.get((group.id, place))
    health = {"State": standing.health, "Reason": standing.reason, "Description": standing.description}
    return {**shown, "TargetHealth": {name: value for name, value in health.items() if value}, "Traffic": traffic_view(traffic)}


def traffic_view(traffic: "Traffic | None") -> dict[str, Any]:
    """Traffic as the answer has it; empty where nothing is known."""
    if traffic is None:
        return {}
    return {
        "Requests": traffic.requests,
        "Connections": traffic.connections,
        "Active": traffic.active,
        "BytesIn": traffic.bytes_in,
        "BytesOut": traffic.bytes_out,
        "Codes": {f"{digit}XX": count for digit, count in sorted(traffic.codes.items()) if count},
        "ResponseTime": traffic.response_time,
        "Failed": traffic.failed,
    }


def table_of(answer: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The same for a person."""
    found = answer["LoadBalancers"]
    return {
        "Load balancers": [_line(one) for one in found] or "none",
        "Listeners": [
            {"Balancer": one["LoadBalancerName"], "Listener": f"{each['Protocol']} {each['Port']}", "To": each["To"],
             "Rules": each["Rules"], **_traffic_line(each["Traffic"])}
            for one in found for each in one["Listeners"]
        ] or "none",
        "Targets": [
            {"Balancer": one["LoadBalancerName"], "Group": each["TargetGroupName"], "Target": each["Id"],
             "Address": f"{each['Address']}:{each['Port']}" if "Port" in each else each["Address"],
             "Health": each["TargetHealth"]["State"], "Why": each["TargetHealth"].get("Description", ""),
             **_traffic_line(each["Traffic"])}
            for one in found for each in one["Targets"]
        ] or "none",
    }  # fmt: skip


def _line(one: dict[str, Any]) -> dict[str, Any]:
    state, targets = one["State"], one["Targets"]
    healthy = sum(each["TargetHealth"]["State"] == "healthy" for each in targets)
    return {
        "Name": one["LoadBalancerName"],
        "Type": "classic (old)" if one["Type"] == "classic" else one["Type"],
        "State": f"{state['Code']}: {state['Reason']}" if "Reason" in state else state["Code"],
        "DNS name": one["DNSName"],
        "Addresses": ", ".join(each.get("PublicIpAddress", each["PrivateIpAddress"]) for each in one["Addresses"]),
        "Healthy": f"{healthy} of {len(targets)}",
    }


def _traffic_line(traffic: dict[str, Any]) -> dict[str, Any]:
    if not traffic:
        return {"Requests": "", "Active": "", "In/out": "", "Answers": ""}
    return {
        "Requests": traffic["Requests"] or traffic["Connections"],
        "Active": traffic["Active"],
        "In/out": f"{traffic['BytesIn'] / _MIB:.1f}/{traffic['BytesOut'] / _MIB:.1f} MiB",
        "Answers": ", ".join(f"{count} {code}" for code, count in traffic["Codes"].items()),
    }


@click.command("lb", short_help="Show load balancers: listeners, targets, health, traffic.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@own.answers
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], output: str | None, query: str | None) -> None:
    """Show load balancers of all kinds, or those named: where they listen, to whom they send, who of these is well, and what
    went through them.
    """
    answer = report(gather(ctx.obj.cloud, names))
    for_person = own.format_of(ctx, output) == "table" and not (query or ctx.obj.query)
    own.show(ctx, table_of(answer) if for_person else answer, output, query)
