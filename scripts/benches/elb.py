"""Requests a second through a load balancer, against a HAProxy that somebody has configured by hand, on the same targets.

Both stand in namespaces of their own on the same bridge, with as many threads; targets are namespaces, too, and the firewall is
in force. Both do what everybody asks of a balancer: health checks and X-Forwarded-For, -Proto and -Port; ours also traces.
"""

import re
import shutil
import statistics
import subprocess
import tempfile
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from minicloud.host import balancer_namespace, bridges, haproxy, networks
from minicloud.host.firewall import IptablesFirewall
from minicloud.host.firewall_spec import ANY, FirewallSpec, Group, Lan, Permission, Port
from minicloud.host.load_balancer_spec import Check, Forward, Leg, Listener, LoadBalancerSpec, Options, Target
from minicloud.host.load_balancer_spec import Group as TargetGroup
from minicloud.host.run import run
from tests.host.wires import Wire
from tests.real_cloud import IDENTITY

from .measure import command, wait_for

SECONDS, RUNS, CONNECTIONS = 4, 7, 32
LAN = Lan("subnet-0a", IPv4Interface("172.31.0.1/20"), IPv4Network("172.31.0.0/16"))
TARGETS = tuple(Target(IPv4Address(f"172.31.0.{10 + number}"), 80, "a") for number in range(3))
WEB = """\
global
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend web
  bind :80
  http-request return status 200 content-type text/plain string "hello"
"""
BY_HAND = """\
global
  nbthread {threads}
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option forwardfor
frontend web
  bind 172.31.0.201:80
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port 80
  default_backend web
backend web
  balance roundrobin
  option httpchk GET /
"""


def leg(number: int) -> Leg:
    """The interface of one of the two balancers."""
    address = IPv4Interface(f"172.31.0.{200 + number}/20")
    return Leg(f"mcb{number}", f"0a:00:00:00:03:0{number}", LAN.network_id, address, LAN.gateway.ip, "a")


def spec() -> LoadBalancerSpec:
    """The balancer of ours, as reconcilers would ask for it."""
    check = Check("HTTP", 0, "/", "200", 5, 2, 2, 2)
    group = TargetGroup("tg-0a", "HTTP", TARGETS, check)
    return LoadBalancerSpec("elb-0a", (leg(0),), (Listener(80, "HTTP", Forward((("tg-0a", 1),))),), (group,), options=Options())


def port(tap: str, mac: str, address: str) -> Port:
    """A port that may do everything."""
    return Port(tap, mac, LAN.network_id, (IPv4Address(address),), ("sg-0a",))


def serve(wire: Wire, directory: Path) -> subprocess.Popen[bytes]:
    """A web server in a target."""
    path = directory / f"{wire.tap}.cfg"
    path.write_text(WEB)
    return subprocess.Popen(["nsenter", f"--net=/run/netns/{wire.tap}", "haproxy", "-db", "-q", "-f", str(path)])


def by_hand(directory: Path, threads: int) -> None:
    """The HAProxy that somebody has configured; a daemon as ours is, because the kernel gives each daemon a share of its own."""
    servers = "".join(f"  server t{number} {target.name} check\n" for number, target in enumerate(TARGETS))
    path = directory / "by-hand.cfg"
    path.write_text(BY_HAND.format(threads=threads) + servers)
    (directory / "hand").mkdir()
    holder = balancer_namespace.ensure(directory / "hand", (leg(1),), for_clients=False, alive=None)
    run([*balancer_namespace.command(holder), "haproxy", "-D", "-q", "-f", path])


def rate(address: str) -> float:
    """Requests a second."""
    said = command("wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{SECONDS}s", f"http://{address}/")
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"requests failed:\n{said}")
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0])


def answers(address: str) -> bool:
    """Whether a web server answers there, through healthy targets."""
    return run(["curl", "-sf", "-o", "/dev/null", f"http://{address}/"], check=False).status == 0


def main() -> None:
    """Measure."""
    directory = Path(tempfile.mkdtemp(dir="/run"))
    wall = IptablesFirewall(directory / "firewall", IDENTITY)
    bridges.ensure(LAN.network_id, LAN.gateway)
    macs = [f"0a:00:00:00:00:0{number}" for number in range(3)]
    ports = [port(f"mc0{number}", macs[number], str(target.address)) for number, target in enumerate(TARGETS)]
    ports += [port(one.tap, one.mac, str(one.address.ip)) for one in (leg(0), leg(1))]
    every = (Permission(ANY, -1, -1, IPv4Network("0.0.0.0/0")),)
    wall.apply(FirewallSpec((LAN,), tuple(ports), (Group("sg-0a", every, every),)))
    wires = [Wire(one.tap, one.mac, str(one.addresses[0]), LAN.network_id, LAN.gateway) for one in ports[:3]]
    processes = [serve(wire, directory) for wire in wires]
    nets = networks.BridgeNetworks(directory / "networks", IDENTITY)
    ours = haproxy.HaproxyBalancers(directory / "balancers", nets, Path("/dev/null"), IDENTITY)
    ours.ensure(spec())
    threads = int(re.findall(r"nbthread (\d+)", (directory / "balancers/elb-0a/current/haproxy.cfg").read_text())[0])
    by_hand(directory, threads)
    addresses = {"minicloud": str(leg(0).address.ip), "written by hand": str(leg(1).address.ip)}
    for address in addresses.values():
        wait_for("a balancer", lambda address=address: answers(address), 30)  # type: ignore[misc]
    wait_for("health", lambda: all(one.up for one in ours.health("elb-0a").values()), 30)
    found: dict[str, list[float]] = {name: [] for name in addresses}
    for turn in range(RUNS + 1):
        for name, address in addresses.items():
            measured = rate(address)
            if turn:
                found[name].append(measured)
    print(f"\nrequests a second through a balancer with three targets, {CONNECTIONS} connections, {threads} threads")
    for name, rates in found.items():
        print(f"  {name:44} median {statistics.median(rates):8.0f}     ({min(rates):.0f} to {max(rates):.0f})")
    ratio = statistics.median(a / b for a, b in zip(*found.values(), strict=True))
    print(f"  ratio of the first to the second (wanted: at least 0.95): {ratio:.2f}")
    for process in processes:
        process.kill()
        process.wait()
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
