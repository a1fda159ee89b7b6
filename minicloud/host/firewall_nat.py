"""The rules that translate addresses: pure functions.

- A public address becomes its private one on the way in, whoever asks: the LAN, another guest, the host.
- On the way out a guest with a public address speaks as that one where it is known: to other guests by their public
  addresses always, to the LAN where public addresses are the LAN's. Everybody else speaks as the host.
- Inside a VPC nothing is translated.
- A guest reaches itself by its own public address, and comes to itself from there.
- 169.254.169.254 leads from each bridge to the metadata service.
"""

from collections.abc import Iterator

from .bridges import bridge_name
from .firewall_spec import FirewallSpec

METADATA = "169.254.169.254"


def chains(spec: FirewallSpec) -> dict[str, list[str]]:
    """The chains of the table nat."""
    inward = [f"-d {pair.public}/32 -j DNAT --to-destination {pair.private}" for pair in spec.publics]
    return {
        "MC-PREROUTING": [*_metadata(spec), *inward],
        "MC-NAT-OUTPUT": inward,
        "MC-POSTROUTING": list(_outward(spec)),
    }


def _metadata(spec: FirewallSpec) -> Iterator[str]:
    for lan in spec.lans if spec.metadata_port else ():
        bridge = bridge_name(lan.network_id)
        yield f"-d {METADATA}/32 -i {bridge} -p tcp -m tcp --dport 80 -j REDIRECT --to-ports {spec.metadata_port}"


def _outward(spec: FirewallSpec) -> Iterator[str]:
    for pair in spec.publics:
        yield f"-s {pair.private}/32 -m conntrack --ctstate DNAT -j SNAT --to-source {pair.public}"
    for lan in spec.lans:
        yield f"-s {lan.gateway.network} -m conntrack --ctstate DNAT -j MASQUERADE"
    for vpc in sorted({lan.vpc for lan in spec.lans}):
        yield f"-s {vpc} -d {vpc} -j RETURN"
    for pair in spec.publics if spec.uplink else ():
        yield f"-s {pair.private}/32 -o {spec.uplink} -j SNAT --to-source {pair.public}"
    bridges = {lan.network_id: bridge_name(lan.network_id) for lan in spec.lans}
    for lan in spec.lans:
        yield f"-s {lan.gateway.network} ! -o {bridges[lan.network_id]} -j MASQUERADE"
