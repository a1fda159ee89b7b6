"""Routes of the host that send packets inside others stand in the way as any do, whatever else their JSON says of an address."""

from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from minicloud.host import iproute, routes
from minicloud.host.run import run

NETWORK = IPv4Network("10.99.16.0/20")
SAID = (
    '[{"dst":"10.99.0.0/16","encap":"%s","id":1,"src":"%s","dst":"%s","ttl":0,"tos":0,"dev":"lo","scope":"link","flags":[]},'
    '{"dst":"default","encap":"%s","id":1,"src":"%s","dst":"%s","ttl":0,"tos":0,"dev":"eth9","flags":[]}]'
)
"""As iproute2 6.1.0 says it (findings/iproute2-json-two-dst.sh)."""
KINDS = [("ip", "0.0.0.0", "10.0.0.1"), ("ip6", "::", "fd00::1")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
def test_the_destination_of_a_route_is_its_own(kind: tuple[str, str, str]) -> None:
    there = iproute.rows(SAID % (*kind, *kind))
    assert [route["dst"] for route in there] == ["10.99.0.0/16", "default"]
    assert routes.overlapping(there, set(), NETWORK) == "lo"
    assert routes.overlapping(there, set(), IPv4Network("10.0.0.0/24")) is None


def test_of_nothing_there_are_no_rows() -> None:
    assert iproute.rows("") == []


@pytest.fixture(params=KINDS, ids=lambda kind: kind[0])
def route(request: pytest.FixtureRequest) -> Iterator[None]:
    kind, _, to = request.param
    run(["ip", "route", "add", "10.99.0.0/16", "encap", kind, "id", "1", "dst", to, "dev", "lo"])
    yield
    run(["ip", "route", "delete", "10.99.0.0/16"])


@pytest.mark.lab
@pytest.mark.usefixtures("route")
def test_a_real_one_is_in_the_way() -> None:
    assert routes.overlapping(routes.all_tables(), set(), NETWORK) == "lo"
    assert routes.overlapping(routes.all_tables(), set(), IPv4Network("10.0.0.0/24")) is None
