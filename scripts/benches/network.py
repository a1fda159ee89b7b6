"""What the firewall costs: a change in a large group, a connection past a large set, throughput through the rules.

Guests are network namespaces on a bridge: what is measured is the rules, not emulated processors.
"""

import socket
import tempfile
import threading
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from minicloud.host import bridges
from minicloud.host.firewall import IptablesFirewall
from minicloud.host.firewall_spec import ANY, FirewallSpec, Group, Lan, Permission, Port
from minicloud.host.run import run
from tests.host.wires import Wire

from .measure import in_turn, report, seconds

RULES = 1000
CONNECTIONS = 300
MEGABYTES = 400
ALL = IPv4Network("0.0.0.0/0")
LAN = Lan("subnet-0a", IPv4Interface("172.31.0.1/20"), IPv4Network("172.31.0.0/16"))
ADDRESSES = ("172.31.0.10", "172.31.0.11")


def port(number: int) -> Port:
    """One of the two guests."""
    return Port(f"mc0{number}", f"0a:00:00:00:00:0{number}", LAN.network_id, (IPv4Address(ADDRESSES[number]),), ("sg-0a",))


def spec(*ingress: Permission) -> FirewallSpec:
    """Two guests of one group that lets in what is given."""
    group = Group("sg-0a", ingress, (Permission(ANY, -1, -1, ALL),))
    return FirewallSpec((LAN,), (port(0), port(1)), (group,))


def change(wall: IptablesFirewall) -> None:
    """One rule of a thousand, each with ports of its own, against as many calls of iptables."""
    many = [Permission("tcp", 1000 + number, 1000 + number, IPv4Network(f"10.0.{number % 250}.0/24")) for number in range(RULES)]
    wall.apply(spec(*many))
    turns = iter(range(100))

    def one_rule() -> None:
        extra = Permission("tcp", 80, 80, IPv4Network(f"192.0.2.{next(turns)}/32"))
        wall.apply(spec(*many, extra))

    def one_by_one() -> None:
        run(["iptables", "-N", "BENCH"])
        for permission in many:
            words = ["-s", str(permission.peer), "-p", "tcp", "--dport", str(permission.low), "-j", "ACCEPT"]
            run(["iptables", "-A", "BENCH", *words])
        run(["iptables", "-F", "BENCH"])
        run(["iptables", "-X", "BENCH"])

    ratio = report(
        f"a change in a group with {RULES} rules, against iptables -A {RULES} times",
        {"minicloud": [seconds(one_rule) for _ in range(3)], "iptables -A": [seconds(one_by_one)] * 3},
        "at most 0.05",
    )
    print(f"  {1 / ratio:.0f} times as fast")


def latency(wall: IptablesFirewall, guests: list[Wire]) -> None:
    """Connections that a set lets in, with many entries in it against few."""
    guests[0].serve(80)

    def sized(entries: int) -> FirewallSpec:
        others = [Permission("tcp", 80, 80, IPv4Network((0x0A000000 + 512 * number, 24))) for number in range(entries - 1)]
        return spec(Permission("tcp", 80, 80, IPv4Network(ADDRESSES[1])), *others)

    def connect() -> None:
        for _ in range(CONNECTIONS):
            if guests[1].tcp(ADDRESSES[0], 80) is None:
                raise SystemExit("a connection that is allowed was not let in")

    times: dict[str, list[float]] = {"5,000 entries": [], "10 entries": []}
    for _ in range(7):
        for name, entries in (("5,000 entries", 5000), ("10 entries", 10)):
            wall.apply(sized(entries))
            connect()  # the kernel still takes the old rules apart
            times[name].append(seconds(connect))
    report(f"{CONNECTIONS} connections past a set", times, "at most 1.10")


def throughput(wall: IptablesFirewall, guests: list[Wire]) -> None:
    """One TCP stream between two guests of a bridge, with the rules against without any."""
    wall.apply(spec(Permission("tcp", 5001, 5001, ALL)))
    server = guests[0].open(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("", 5001))
    server.listen()
    name = bridges.bridge_name(LAN.network_id)

    def stream() -> None:
        with guests[1].open(socket.AF_INET, socket.SOCK_STREAM) as sender:
            reader = threading.Thread(target=swallow, args=(server,))
            reader.start()
            sender.connect((ADDRESSES[0], 5001))
            block = bytes(1 << 20)
            for _ in range(MEGABYTES):
                sender.sendall(block)
            sender.close()
            reader.join()

    def through(filtered: str) -> None:
        run(["ip", "link", "set", "dev", name, "type", "bridge", "nf_call_iptables", filtered])
        stream()

    times = in_turn({"without rules": lambda: through("0"), "through the rules": lambda: through("1")}, 7)
    for title, measured in times.items():
        print(f"  {title}: {MEGABYTES / min(measured):.0f} MB/s at best")
    report("throughput through the rules, as a part of that without", times, "at least 0.90")
    server.close()


def swallow(server: socket.socket) -> None:
    """Read a connection to its end."""
    connection, _ = server.accept()
    with connection:
        while connection.recv(1 << 20):
            pass


def main() -> None:
    """All three."""
    bridges.ensure(LAN.network_id, LAN.gateway)
    with tempfile.TemporaryDirectory() as directory:
        wall = IptablesFirewall(Path(directory), "0" * 32)
        change(wall)
        guests = [Wire(one.tap, one.mac, str(one.addresses[0]), LAN.network_id, LAN.gateway) for one in (port(0), port(1))]
        latency(wall, guests)
        throughput(wall, guests)
        for guest in guests:
            guest.remove()
        wall.apply(FirewallSpec())


if __name__ == "__main__":
    main()
