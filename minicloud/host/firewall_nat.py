"""The rules that translate addresses: pure functions.

- A public address becomes its private one on the way in, whoever asks: the LAN, another guest, the host.
- On the way out a guest with a public address speaks as that one where it is known: to other guests by their public
  addresses always, to the LAN where public addresses are the LAN's. Everybody else speaks as the host.
- Only what leaves by an uplink, or comes to a guest by a public address, is translated: inside a VPC nothing is, and to the
  host's own containers and networks guests speak as themselves.
- A guest reaches itself by its own public address, and comes to itself from there.
- 169.254.169.254 leads from each bridge to the metadata service, and port 53 of a gateway to the DNS of guests, which has a
  port of its own: 53 may be taken, on all addresses of the host, by a server that is the host's.
"""

from collections.abc import Iterable, Iterator

from .bridges import bridge_name
from .firewall_spec import FirewallSpec

METADATA = "169.254.169.254"


def chains(spec: FirewallSpec, uplinks: Iterable[str]) -> dict[str, list[str]]:
    """The chains of the table nat."""
    inward = [f"-d {pair.public}/32 -j DNAT --to-destination {pair.private}" for pair in spec.publics]
    return {
        "MC-PREROUTING": [*(f"-i {bridge_name(lan.network_id)} -j MC-NAT-HOST" for lan in spec.lans), *inward],
        "MC-NAT-HOST": [*_metadata(spec), *_dns(spec)],
        "MC-NAT-OUTPUT": [*_dns(spec), *inward],
        "MC-POSTROUTING": [
            *(f"-o {bridge_name(lan.network_id)} -j MC-NAT-INWARD" for lan in spec.lans),
            *(f"-o {uplink} -j MC-NAT-OUTWARD" for uplink in uplinks),
        ],
        "MC-NAT-INWARD": list(_inward(spec)),
        "MC-NAT-OUTWARD": list(_outward(spec)),
    }


def _metadata(spec: FirewallSpec) -> Iterator[str]:
    if spec.metadata_port:
        yield f"-d {METADATA}/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports {spec.metadata_port}"


def _dns(spec: FirewallSpec) -> Iterator[str]:
    for gateway in (lan.gateway.ip for lan in spec.lans):
        for protocol in ("udp", "tcp"):
            asked = f"-d {gateway}/32 -p {protocol} -m {protocol} --dport 53"
            yield f"{asked} -j DNAT --to-destination {gateway}:{spec.dns_port}"


def _inward(spec: FirewallSpec) -> Iterator[str]:
    for pair in spec.publics:
        yield f"-s {pair.private}/32 -m conntrack --ctstate DNAT -j SNAT --to-source {pair.public}"
    for lan in spec.lans:
        yield f"-s {lan.gateway.network} -m conntrack --ctstate DNAT -j MASQUERADE"


def _outward(spec: FirewallSpec) -> Iterator[str]:
    for pair in spec.publics if spec.uplink else ():
        yield f"-s {pair.private}/32 -o {spec.uplink} -j SNAT --to-source {pair.public}"
    for lan in spec.lans:
        yield f"-s {lan.gateway.network} -j MASQUERADE"
