"""`minicloud network`: subnets with their bridges, who lives in them, by which addresses, and what may come in."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from . import own

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..host.firewall_spec import FirewallSpec, Permission
    from ..state.rows import Interface


def gather(cloud: "Cloud") -> dict[str, Any]:
    """The answer, with names in AWS's way. Raises HostError."""
    from ..reconcile import firewall

    cloud.worker.refresh("DescribeNetworkInterfaces")
    rows = firewall.read(cloud.state)
    spec = firewall.wanted(rows, cloud.settings)
    groups = {group.id: group.name for group in cloud.state.security_groups.query()}
    return {
        "InForce": cloud.host.firewall.in_force(spec),
        "PublicCidr": str(cloud.settings.public_cidr),
        "PublicInterface": cloud.settings.public_interface,
        "Subnets": subnets(spec),
        "Interfaces": interfaces(spec, groups, rows.interfaces),
        "ElasticIps": [
            {"PublicIp": row.address, "AllocationId": row.allocation_id, "PrivateIpAddress": row.private_address}
            for row in cloud.state.public_addresses.query("allocation_id != ''", order="address")
        ],
    }


def subnets(spec: "FirewallSpec") -> list[dict[str, Any]]:
    """The subnets that are on the host."""
    from ..host.bridges import bridge_name

    return [
        {
            "SubnetId": lan.network_id,
            "CidrBlock": str(lan.gateway.network),
            "Bridge": bridge_name(lan.network_id),
            "Interfaces": sum(port.network_id == lan.network_id for port in spec.ports),
            "Outside": lan.outside,
        }
        for lan in spec.lans
    ]


def interfaces(spec: "FirewallSpec", names: dict[str, str], rows: "Iterable[Interface]") -> list[dict[str, Any]]:
    """The interfaces of instances and load balancers, with what may come in; `rows` are those that the spec was made of."""
    known = {row.mac: row for row in rows}
    rules = {group.group_id: group.ingress for group in spec.groups}
    publics = {pair.private: str(pair.public) for pair in spec.publics}
    return [
        {
            "InstanceId": known[port.mac].instance_id,
            "Description": known[port.mac].description,
            "PrivateIpAddress": str(port.addresses[0]),
            "PublicIpAddress": next((publics[address] for address in port.addresses if address in publics), ""),
            "Tap": port.tap,
            "Groups": [names.get(group_id, group_id) for group_id in port.group_ids],
            "Ingress": sorted({line for group_id in port.group_ids for line in said(rules.get(group_id, ()), names)}),
        }
        for port in spec.ports
    ]


def said(permissions: "Iterable[Permission]", names: dict[str, str]) -> list[str]:
    """Rules in few words: `tcp 80 from 0.0.0.0/0`, `all from web`."""
    lines = []
    for one in permissions:
        peer = names.get(one.peer, one.peer) if isinstance(one.peer, str) else str(one.peer)
        ports = "" if one.low == -1 else f" {one.low}" if one.low == one.high else f" {one.low}-{one.high}"
        if one.protocol == "icmp":
            ports = "" if one.low == -1 else f" type {one.low}" + ("" if one.high == -1 else f" code {one.high}")
        lines.append(f"{'all' if one.protocol == '-1' else one.protocol}{ports} from {peer}")
    return lines


def hosts_text(cloud: "Cloud") -> str:
    """Private names of the interfaces that instances have, and names of public addresses, as this host reaches them."""
    from ..aws.names import private_dns_name
    from ..reconcile import networks

    with cloud.state.transaction(write=False):
        addresses = [row.address for row in cloud.state.interfaces.query("instance_id != ''", order="address")]
        lines = [f"{address} {private_dns_name(address, cloud.settings)}\n" for address in addresses]
        lines += [f"{one.public} {one.name}\n" for one in networks.public_names(cloud.state, cloud.settings)]
    return "".join(lines)


def table_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The same for a person."""
    where = f"on {answer['PublicInterface']}" if answer["PublicInterface"] else "known on this host only"
    shown = [
        {"Of": one["InstanceId"] or one["Description"]}
        | {name: value for name, value in one.items() if name not in ("InstanceId", "Description")}
        | {"Groups": ", ".join(one["Groups"]), "Ingress": "; ".join(one["Ingress"]) or "nothing"}
        for one in answer["Interfaces"]
    ]
    return {
        "Firewall": "in force" if answer["InForce"] else "NOT in force; see minicloud doctor",
        "Public addresses": f"{answer['PublicCidr']}, {where}",
        "Subnets": answer["Subnets"] or "none on the host",
        "Interfaces": shown or "none",
        "Elastic IPs": answer["ElasticIps"] or "none",
    }


@click.command("network", short_help="Show subnets, interfaces, addresses, and what may come in.")
@click.option("--hosts", is_flag=True, help="Print the names of instances and public addresses, as lines for /etc/hosts.")
@own.answers
@click.pass_context
def command(ctx: click.Context, hosts: bool, output: str | None, query: str | None) -> None:
    """Show subnets with their bridges, who lives in them by which addresses, and what may come in."""
    if hosts:
        click.echo(hosts_text(ctx.obj.cloud), nl=False)
        return
    answer = gather(ctx.obj.cloud)
    for_person = own.format_of(ctx, output) == "table" and not (query or ctx.obj.query)
    own.show(ctx, table_of(answer) if for_person else answer, output, query)
