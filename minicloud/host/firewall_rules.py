"""The rules of a FirewallSpec, as text for iptables-restore: pure functions.

What guests may send and receive is judged in the table `security`, which a packet meets after the table `filter`: what the one
lets through, the other may still drop. So in `filter` nothing of ours stands in the way of the host's own rules. There only what
goes between guests, or between a guest and the uplinks, is accepted at once; what a guest exchanges with any other device (a
container's bridge, a VPN, a second LAN) is left to whoever rules the host: Docker, ufw, libvirt, a person.

The way of a packet that is new (what belongs to a connection that was let through is accepted before):

    filter FORWARD -> MC-FORWARD -> accepted if both its devices are ours or uplinks, else the host's own rules follow
    security FORWARD -> MC-FORWARD -> (a bridge of ours) MC-GUEST -> MC-EGRESS -> MC-E-<tap> -> MC-e-<group> -> MC-INGRESS
                                                           MC-INGRESS -> MC-I-<tap> -> MC-i-<group> -> accepted

A group's chain goes on where it allows and returns where it does not; an interface's chain tries its groups one after another
and drops. Between two guests of one bridge the same rules work, because frames of our bridges pass through iptables.
- Which guest a packet is from tells the port that it came through, so nothing that a guest writes into it matters. Which it
  is for tells its address; where the bridge itself delivers it, it must leave through that guest's port.
- What is for a VPC leaves by a bridge of ours or not at all.
- From guest to guest by public address, rules are about public addresses, as on EC2: there it is the internet's gateway that
  translates. Here the packet has its private ones already, so these packets have chains of their own (H in their names),
  where peers are the private addresses of those whose public ones the rule means.
- From the host to a guest's private address nothing is filtered: who owns the host has the guest's console anyway. To its
  public address the groups' rules hold, as for anybody.
- To the host itself guests speak DHCP, DNS and metadata, and nothing else; to the AWS endpoint where the settings say so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from . import firewall_clients, firewall_nat
from .bridges import bridge_name
from .firewall_seen import Hook
from .firewall_sets import Sets
from .firewall_spec import ANY, FirewallSpec, Group, Permission, Port

Peers = Callable[[IPv4Network | str], Iterable[IPv4Network]]
TABLES = ("security", "filter", "nat", "mangle")
"""In the order in which they change: what is forbidden is so before anything is accepted."""

HOOKS = (
    Hook("filter", "INPUT", "MC-INPUT"),
    Hook("filter", "FORWARD", "MC-FORWARD"),
    Hook("filter", "OUTPUT", "MC-OUTPUT"),
    Hook("security", "FORWARD", "MC-FORWARD"),
    Hook("security", "OUTPUT", "MC-OUTPUT"),
    Hook("nat", "PREROUTING", "MC-PREROUTING"),
    Hook("nat", "OUTPUT", "MC-NAT-OUTPUT"),
    Hook("nat", "POSTROUTING", "MC-POSTROUTING"),
    firewall_clients.HOOK,
)


@dataclass(frozen=True)
class Rules:
    """Chains with their rules, by table, and the sets that they need."""

    chains: dict[str, dict[str, list[str]]]
    sets: Sets


def render(spec: FirewallSpec, uplinks: Sequence[str]) -> Rules:
    """Everything that a spec means on a host that reaches the outside by `uplinks`. Nothing for an empty spec."""
    sets = Sets()
    if not spec.lans:
        return Rules({table: {} for table in TABLES}, sets)
    chains = {
        "security": _security(spec, sets),
        "filter": _filter(spec, uplinks),
        "nat": firewall_nat.chains(spec, uplinks),
        "mangle": firewall_clients.chains(spec),
    }
    return Rules(chains, sets)


def _bridges(spec: FirewallSpec) -> list[str]:
    return [bridge_name(lan.network_id) for lan in spec.lans]


def _filter(spec: FirewallSpec, uplinks: Sequence[str]) -> dict[str, list[str]]:
    bridges = _bridges(spec)
    return {
        "MC-INPUT": [f"-i {bridge} -j MC-HOST" for bridge in bridges],
        "MC-HOST": list(_host(spec)),
        "MC-OUTPUT": list(_replies(bridges)),
        "MC-FORWARD": [f"-i {bridge} -j MC-FROM" for bridge in bridges] + [f"-i {uplink} -j MC-TO" for uplink in uplinks],
        "MC-FROM": [f"-o {device} -j ACCEPT" for device in (*bridges, *uplinks)],
        "MC-TO": [f"-o {bridge} -j ACCEPT" for bridge in bridges],
    }


def _security(spec: FirewallSpec, sets: Sets) -> dict[str, list[str]]:
    bridges = _bridges(spec)
    return {
        "MC-FORWARD": [f"-{way} {bridge} -j MC-GUEST" for bridge in bridges for way in "io"],
        "MC-OUTPUT": list(_output(bridges)),
        "MC-GUEST": list(_guest(spec, sets)),
        **_families(spec, sets),
    }


def _host(spec: FirewallSpec) -> Iterator[str]:
    """What guests may ask of the host."""
    yield "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "-p udp -m udp --sport 68 --dport 67 -j ACCEPT"
    for lan in spec.lans:
        for protocol in ("udp", "tcp"):
            asked = f"-d {lan.gateway.ip}/32 -p {protocol} -m {protocol} --dport {spec.dns_port}"
            yield f"{asked} -m conntrack --ctorigdstport 53 -j ACCEPT"
    if spec.endpoint is not None:
        address, port = spec.endpoint
        yield f"{'' if address.is_unspecified else f'-d {address}/32 '}-p tcp -m tcp --dport {port} -j ACCEPT"
    if spec.metadata_port:
        yield (
            f"-p tcp -m tcp --dport {spec.metadata_port} "
            f"-m conntrack --ctorigdst {firewall_nat.METADATA} --ctorigdstport 80 -j ACCEPT"
        )
    yield "-j DROP"


def _replies(bridges: Iterable[str]) -> Iterator[str]:
    """What the host answers to guests."""
    for bridge in bridges:
        # Two guests that speak by public addresses are neighbours too; they must not be told to do without the host.
        yield f"-o {bridge} -p icmp -m icmp --icmp-type 5 -j DROP"
        yield f"-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"


def _output(bridges: Iterable[str]) -> Iterator[str]:
    """What the host sends to guests' public addresses."""
    for bridge in bridges:
        yield f"-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        yield f"-o {bridge} -m conntrack --ctstate DNAT -j MC-INGRESS"


def _guest(spec: FirewallSpec, sets: Sets) -> Iterator[str]:
    yield "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "-m conntrack --ctstate INVALID -j DROP"
    closed = [lan for lan in spec.lans if not lan.outside]
    for lan in closed if spec.publics else ():
        yield f"-s {lan.gateway.network} -m conntrack --ctstate DNAT -j DROP"
    vpcs = sorted({lan.vpc for lan in spec.lans})
    for bridge in _bridges(spec) if spec.publics else ():
        # Others translate, too: to a container, for one.
        yield f"-i {bridge}{sets.match(vpcs, 'dst')} -m conntrack --ctstate DNAT -g MC-HEGRESS"
    # What is left of translation stays in its VPC.
    for vpc in vpcs if len(vpcs) > 1 else ():
        others = sets.match((other for other in vpcs if other != vpc), "dst")
        yield f"-s {vpc}{others} -j DROP"
    for lan in closed:
        yield f"-s {lan.gateway.network} ! -d {lan.vpc} -j DROP"
        yield f"! -s {lan.vpc} -d {lan.gateway.network} -j DROP"
    yield "-g MC-EGRESS"


def _families(spec: FirewallSpec, sets: Sets) -> dict[str, list[str]]:
    """The chains of interfaces and groups; twice where packets between guests can go by public addresses."""
    members: dict[str, list[IPv4Network]] = {}
    for port in spec.ports:
        for group_id in port.group_ids:
            members.setdefault(group_id, []).extend(IPv4Network(address) for address in port.addresses)
    found = _family(spec, sets, "", lambda peer: [peer] if isinstance(peer, IPv4Network) else members.get(peer, ()))
    # Without public addresses they are empty, so that nobody else takes their names.
    found |= {"MC-HEGRESS": [], "MC-HINGRESS": []}
    if spec.publics:

        def translated(peer: IPv4Network | str) -> Iterable[IPv4Network]:
            if not isinstance(peer, IPv4Network) or not peer.prefixlen:
                return [peer] if isinstance(peer, IPv4Network) else ()
            return [IPv4Network(pair.private) for pair in spec.publics if pair.public in peer]

        found |= _family(spec, sets, "H", translated)
    return found


def _family(spec: FirewallSpec, sets: Sets, mark: str, peers: Peers) -> dict[str, list[str]]:
    bridges = _bridges(spec)
    egress, ingress = f"MC-{mark}EGRESS", f"MC-{mark}INGRESS"
    chains: dict[str, list[str]] = {egress: [], ingress: []}
    for port in spec.ports:
        chains[egress].append(f"-m physdev --physdev-in {port.tap} -g MC-{mark}E-{port.tap}")
        chains[ingress] += _to_port(port, f"MC-{mark}I-{port.tap}")
        chains[f"MC-{mark}E-{port.tap}"] = [*_tries(port, f"MC-{mark}e"), "-j DROP"]
        through = f"-m physdev ! --physdev-out {port.tap} --physdev-is-bridged -j DROP"
        chains[f"MC-{mark}I-{port.tap}"] = [through, *_tries(port, f"MC-{mark}i"), "-j DROP"]
    chains[egress] += [*(f"-i {bridge} -j DROP" for bridge in bridges), f"-g {ingress}"]
    elsewhere = [f"-d {vpc} -j DROP" for vpc in sorted({lan.vpc for lan in spec.lans})]
    chains[ingress] += [*(f"-o {bridge} -j DROP" for bridge in bridges), *elsewhere, "-j ACCEPT"]
    used = {group_id for port in spec.ports for group_id in port.group_ids}
    for group in spec.groups:
        if group.group_id in used:
            chains |= _group(group, sets, mark, peers)
    return chains


def _to_port(port: Port, chain: str) -> Iterator[str]:
    for address in port.addresses:
        yield f"-d {address}/32 -g {chain}"
    if not port.strict:
        yield f"-m physdev --physdev-out {port.tap} --physdev-is-bridged -g {chain}"


def _tries(port: Port, prefix: str) -> list[str]:
    return [f"-j {prefix}-{_short(group_id)}" for group_id in port.group_ids]


def _short(group_id: str) -> str:
    """A group's id without its prefix: a chain's name has at most 28 characters."""
    return group_id.removeprefix("sg-")


def _group(group: Group, sets: Sets, mark: str, peers: Peers) -> dict[str, list[str]]:
    name = _short(group.group_id)
    return {
        f"MC-{mark}e-{name}": list(_permissions(group.egress, sets, "dst", f"-g MC-{mark}INGRESS", peers)),
        f"MC-{mark}i-{name}": list(_permissions(group.ingress, sets, "src", "-j ACCEPT", peers)),
    }


def _permissions(permissions: Iterable[Permission], sets: Sets, side: str, verdict: str, peers: Peers) -> Iterator[str]:
    """One rule for each protocol and range of ports, with all its peers in a set."""
    grouped: dict[tuple[str, int, int], list[IPv4Network]] = {}
    for one in permissions:
        grouped.setdefault((one.protocol, one.low, one.high), []).extend(peers(one.peer))
    for (protocol, low, high), networks in sorted(grouped.items()):
        who = sets.match(networks, side)
        if who is not None:
            yield f"{who}{_what(protocol, low, high)} {verdict}".lstrip()


def _what(protocol: str, low: int, high: int) -> str:
    """The words that stand for a protocol and its ports, or type and code."""
    if protocol == ANY:
        return ""
    if protocol == "icmp":
        kind = "" if low == -1 else f" -m icmp --icmp-type {low}" + ("" if high == -1 else f"/{high}")
        return f" -p icmp{kind}"
    if protocol in ("tcp", "udp") and (low, high) != (0, 65535):
        ports = str(low) if low == high else f"{low}:{high}"
        return f" -p {protocol} -m {protocol} --dport {ports}"
    return f" -p {protocol}"
