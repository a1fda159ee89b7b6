"""A real guest with root inside forges for a minute, in ten ways; what reaches its neighbour is looked at, frame by frame."""

import json
import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from minicloud.host.bridges import hardware_address
from minicloud.host.firewall_spec import Port
from minicloud.host.run import run
from minicloud.reconcile import firewall

from .network_scene import Guests, scene, until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
IPV4, ARP = 0x0800, 0x0806
FORGE = """#!/bin/sh
# $1 own address, $2 own hardware address, $3 the neighbour's address, $4 the gateway's
end=$(($(date +%s) + 60))
cat >/tmp/d.conf <<END
start 172.31.0.200
end 172.31.0.250
interface eth0
opt router $1
lease_file /tmp/l
pidfile /tmp/p
END
touch /tmp/l
udhcpd -f -I "$1" /tmp/d.conf &
server=$!
while [ "$(date +%s)" -lt "$end" ]; do
  arping -U -c 1 -w 1 -I eth0 -s "$3" "$3"                          # the neighbour's address is here
  arping -A -c 1 -w 1 -I eth0 -s "$4" "$4"                          # so is the gateway's
  ip address add "$3/32" dev eth0; ping -c 1 -W 1 -I "$3" "$4"      # speaking as the neighbour, to the host
  ip address add 8.8.8.8/32 dev eth0; ping -c 1 -W 1 -I 8.8.8.8 "$3"
  ip address delete "$3/32" dev eth0; ip address delete 8.8.8.8/32 dev eth0
  ping6 -c 1 -W 1 -I eth0 ff02::1; ping6 -c 1 -W 1 -I eth0 ff02::2   # IPv6 to all
  ping -b -c 1 -W 1 172.31.15.255; ping -c 1 -W 1 -I eth0 224.0.0.1  # and IPv4
  for port in 16925 8800 22; do nc -w 1 "$4" $port </dev/null; done # the host's ports
  ip link set eth0 address 0a:00:00:00:00:99; ping -c 1 -W 1 "$3"   # another card
  ip link set eth0 address "$2"
  ip route replace default via "$4"
  echo round >>/tmp/rounds
done
kill $server
touch /tmp/done
"""


@pytest.fixture(scope="module")
def two() -> Iterator[Guests]:
    with scene() as guests:
        subnet = guests("DescribeSubnets")["Subnets"][0]["SubnetId"]
        wide = guests.group("open")
        guests.allow(wide, "-1", -1, -1, "0.0.0.0/0")
        for name in ("forger", "peer"):
            guests.launch(name, [wide], SubnetId=subnet)
        for name in guests.ids:
            guests.listening(name)
        yield guests


def port(guests: Guests, name: str) -> Port:
    spec = firewall.wanted(firewall.read(guests.cloud.state), guests.cloud.settings)
    return next(one for one in spec.ports if str(one.addresses[0]) == guests.private[name])


def dropped(tap: str) -> dict[str, int]:
    """How many frames each rule for a guest's frames has dropped."""
    lines = run(["ebtables-nft", "-t", "nat", "-L", f"MC-F-{tap}", "--Lc"]).text.splitlines()
    counted = (line.split(", pcnt = ") for line in lines if "-j DROP" in line)
    return {rule: int(count.split()[0]) for rule, count in counted}


def mac_of(raw: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in raw)


def wrong(frame: bytes, owners: dict[str, IPv4Address], gateway: str) -> str:
    """What is forged in a frame on its way to the neighbour; empty for an honest one. `owners`: who has which address."""
    source, kind, body = mac_of(frame[6:12]), int.from_bytes(frame[12:14]), frame[14:]
    if source not in owners:
        return f"hardware address {source}"
    if kind == ARP:
        said = mac_of(body[8:14]), IPv4Address(body[14:18])
        return "" if said[0] == source and said[1] in (owners[source], IPv4Address(0)) else f"ARP {said}"
    if kind != IPV4:
        return f"kind {kind:#06x}"
    if source != gateway and IPv4Address(body[12:16]) != owners[source]:
        return f"address {IPv4Address(body[12:16])}"
    return "DHCP" if source != gateway and body[9] == 17 and body[20:22] == b"\0\x43" else ""


def test_nothing_that_it_forges_gets_through(two: Guests) -> None:
    forger, peer = port(two, "forger"), port(two, "peer")
    gateway = hardware_address(forger.network_id)
    # The host's own end of the cable, which says a word of IPv6 when it comes up.
    own = json.loads(run(["ip", "-json", "link", "show", peer.tap]).text)[0]["address"]
    owners = {one.mac: one.addresses[0] for one in (forger, peer)} | {gateway: IPv4Address("172.31.0.1")}
    two.ssh("forger", "cat >/tmp/forge; chmod +x /tmp/forge", input=FORGE.encode())
    arguments = f"{forger.addresses[0]} {forger.mac} {peer.addresses[0]} 172.31.0.1"
    seen, honest = list[str](), 0
    before = dropped(forger.tap)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
        wire.bind((peer.tap, 3))
        wire.settimeout(0.5)
        two.ssh("forger", f"setsid /tmp/forge {arguments} >/tmp/log 2>&1 </dev/null &")
        until(lambda: two.tcp("peer", str(forger.addresses[0]), 80))  # now and then it has another card's address
        end = time.monotonic() + 62
        while time.monotonic() < end:
            try:
                frame, where = wire.recvfrom(4096)
            except TimeoutError:
                continue
            if where[2] == socket.PACKET_OUTGOING and mac_of(frame[6:12]) != own:  # what the host hands to the guest
                honest += 1
                seen += [found] if (found := wrong(frame, owners, gateway)) else []
    assert seen == []
    assert honest
    until(lambda: two.ssh("forger", "test -e /tmp/done").status == 0)
    after = {rule: count - before.get(rule, 0) for rule, count in dropped(forger.tap).items()}
    rounds = int(two.ssh("forger", "wc -l </tmp/rounds").text)
    assert rounds
    assert sum(after.values()) >= 3 * rounds, f"{after} in {rounds} rounds, of three forged frames at least"
    assert [rule for rule, count in after.items() if count and rule.startswith("-s ! ")], "it did speak from another card"
    until(lambda: two.tcp("peer", str(forger.addresses[0]), 80))


def test_its_rules_go_with_it(two: Guests) -> None:
    forger = port(two, "forger")
    two("TerminateInstances", InstanceIds=[two.ids["forger"]])
    until(lambda: two.cloud.state.instances.find(id=two.ids["forger"], state="terminated"))
    two("DescribeInstances")
    saved = run(["iptables-save"]).text + run(["ebtables-nft-save"]).text
    assert not [word for word in (forger.tap, forger.mac, str(forger.addresses[0])) if word in saved]
    del two.ids["forger"]
