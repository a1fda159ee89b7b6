"""DHCP and DNS of a network: the text of dnsmasq's files, and the one process that serves them.

- The files are pure functions of the network's spec.
- DNS is at a port of its own, to which the firewall leads what guests ask at 53: a server of the host's may have 53, on all
  addresses.
- DHCP gives out reservations and nothing else; a stranger gets no answer.
- Names are in a directory that the networks share, one file each: a guest finds the guests of other subnets by name. Names
  that mean one address here and another elsewhere are in a file of the network's own.
- Changed reservations are read again at a SIGHUP: no request is lost. A lease that is no reservation any more is then given
  back in its holder's name, or dnsmasq would refuse its address to the next one until the lease ran out.
- A process is ours if its command line names our configuration file: a number in a file may be a stranger's by now.
"""

import contextlib
import grp
import os
import pwd
import signal
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

from ..errors import Retry
from .contracts import Name, NetworkSpec, Reservation
from .run import readable, run

_LEASE = "12h"
_STOP_SECONDS = 5.0


class Service:
    """The dnsmasq of one network: its files are in `directory`, its names in a file of `names`, its DNS at `port`."""

    def __init__(self, network_id: str, bridge: str, directory: Path, names: Path, port: int = 53) -> None:
        self.network_id = network_id
        self.bridge = bridge
        self.directory = directory
        self.names = names
        self.port = port

    @property
    def configuration(self) -> Path:
        """What the process was started with."""
        return self.directory / "dnsmasq.conf"

    @property
    def hosts(self) -> Path:
        """The reservations."""
        return self.directory / "hosts"

    @property
    def own_names(self) -> Path:
        """The names that are known in this network only."""
        return self.directory / "names"

    @property
    def leases(self) -> Path:
        """What dnsmasq remembers."""
        return self.directory / "leases"

    @property
    def pid_file(self) -> Path:
        """Where the process writes its number."""
        return self.directory / "pid"


@dataclass(frozen=True)
class Account:
    """A user and its group, by name; the group's number."""

    user: str
    group: str
    gid: int


@cache
def account() -> Account:
    """The account without rights that dnsmasq runs as: its own, or nobody. Both names must be given: left to itself it
    takes a group that its distribution chose, which may read nothing of ours."""
    names = [entry.pw_name for entry in pwd.getpwall()]
    user = pwd.getpwnam("dnsmasq" if "dnsmasq" in names else "nobody")
    return Account(user.pw_name, grp.getgrgid(user.pw_gid).gr_name, user.pw_gid)


def configuration_text(spec: NetworkSpec, service: Service, account: Account) -> str:
    """The configuration file of a network."""
    subnet = spec.gateway.network
    lines = [
        "# Written by minicloud; changes are overwritten.",
        f"pid-file={service.pid_file}",
        f"user={account.user}",
        f"group={account.group}",
        "no-hosts",
        "domain-needed",
        "bogus-priv",
        f"port={service.port}",
        f"interface={service.bridge}",
        "except-interface=lo",
        "bind-dynamic",
        f"addn-hosts={service.names}",
        f"addn-hosts={service.own_names}",
        f"domain={spec.domain}",
        f"local=/{spec.domain}/",
        f"dhcp-range={subnet.network_address},static,{subnet.netmask},{_LEASE}",
        f"dhcp-hostsfile={service.hosts}",
        f"dhcp-leasefile={service.leases}",
        f"dhcp-option=option:router,{spec.gateway.ip}",
        f"dhcp-option=option:dns-server,{spec.gateway.ip}",
        "dhcp-authoritative",
        "dhcp-ignore-names",
        "quiet-dhcp",
    ]
    return "\n".join(lines) + "\n"


def hosts_text(reservations: Iterable[Reservation]) -> str:
    """The reservations, as dhcp-hostsfile has them. The lease time stands with each: the range is for nobody else."""
    ordered = sorted(reservations, key=lambda one: (one.address, one.mac))
    return "".join(f"{one.mac.lower()},{one.address},{one.hostname}\n" for one in ordered)


def names_text(spec: NetworkSpec) -> str:
    """Names and addresses, as /etc/hosts has them: the first name is the one that an address leads back to."""
    ordered = sorted(spec.reservations, key=lambda one: (one.address, one.mac))
    return "".join(f"{one.address} {one.hostname}.{spec.domain} {one.hostname}\n" for one in ordered)


def own_names_text(names: Iterable[Name]) -> str:
    """The same for names of a network's own."""
    return "".join(f"{one.address} {one.name}\n" for one in sorted(names, key=lambda one: one.name))


def pid(service: Service, proc: Path = Path("/proc")) -> int | None:
    """The number of the running process, None if there is none of ours."""
    number = _number(service)
    try:
        words = (proc / str(number) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return number if f"--conf-file={service.configuration}".encode() in words else None


def start(service: Service) -> None:
    """Start the process; it is serving when this returns."""
    run(["dnsmasq", f"--conf-file={service.configuration}"], timeout=20)


def stop(service: Service) -> None:
    """End the process, and wait until it has: its address must be free for the next one.

    A process that was killed shows no command line any more while the kernel still closes its sockets: it is waited for, too.
    """
    number = _number(service)
    if number is None:
        return
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(number)
        try:
            # Asked now that the number cannot be given to another.
            if pid(service) == number:
                _end(handle)
            elif _is_ending(number):
                _ended(handle)
        finally:
            os.close(handle)


def _number(service: Service) -> int | None:
    """The number that the process wrote down, whoever has it now."""
    try:
        return int(service.pid_file.read_text())
    except (OSError, ValueError):
        return None


def _is_ending(number: int, proc: Path = Path("/proc")) -> bool:
    try:
        return (proc / str(number) / "comm").read_text() == "dnsmasq\n" and not (proc / str(number) / "cmdline").read_bytes()
    except OSError:
        return False


def _end(handle: int) -> None:
    for which in (signal.SIGTERM, signal.SIGKILL):
        signal.pidfd_send_signal(handle, which)
        if _ended(handle):
            return
    raise Retry("dnsmasq does not end")


def _ended(handle: int) -> bool:
    """Wait for the end of a process, with its sockets closed; whether it came."""
    return readable(handle, _STOP_SECONDS)


def reload(service: Service) -> None:
    """Have the process read reservations and names again."""
    if (number := pid(service)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGHUP)


def stale_leases(leases: str, reservations: Iterable[Reservation]) -> list[tuple[str, IPv4Address, bytes]]:
    """Of a lease file: hardware address, address and client identifier of each lease that is no reservation."""
    wanted = {(one.mac.lower(), one.address) for one in reservations}
    found: list[tuple[str, IPv4Address, bytes]] = []
    for line in leases.splitlines():
        words = line.split()
        if len(words) < 5 or words[0] == "duid" or ":" in words[2]:
            continue
        mac, address = words[1].lower(), IPv4Address(words[2])
        if (mac, address) not in wanted:
            found.append((mac, address, b"" if words[4] == "*" else bytes.fromhex(words[4].replace(":", ""))))
    return found


def release_message(mac: str, address: IPv4Address, client: bytes, server: IPv4Address) -> bytes:
    """A DHCPRELEASE, as the holder of the lease would send it (RFC 2131)."""
    hardware = bytes.fromhex(mac.replace(":", ""))
    head = struct.pack("!BBBB4s2s2s", 1, 1, 6, 0, os.urandom(4), bytes(2), bytes(2))
    body = head + address.packed + bytes(12) + hardware.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63"
    options = bytes((53, 1, 7)) + bytes((54, 4)) + server.packed
    if client:
        options += bytes((61, len(client))) + client
    return body + options + b"\xff"


def release(service: Service, server: IPv4Address, lease: tuple[str, IPv4Address, bytes]) -> None:
    """Give a lease back in its holder's name. Sent from the bridge, because dnsmasq serves only what comes from there."""
    mac, address, client = lease
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, service.bridge.encode())
        sock.sendto(release_message(mac, address, client, server), (str(server), 67))
