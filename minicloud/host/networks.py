"""Networks: a bridge and a dnsmasq each, and a directory that says what they serve.

`spec.json` is written last, when all that it says is so; what it says is compared with the host at each `list`.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from .. import files
from ..errors import Permanent, Retry
from . import arp, bridges, dnsmasq, failures
from .contracts import Name, NetworkSpec, Reservation

_SPEC = "spec.json"
_IDENTITY = "identity"
_NAMES = "names"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DOMAIN = re.compile(rf"{_HOSTNAME.pattern}(\.{_HOSTNAME.pattern})*")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)
_RELEASE_SECONDS = 2.0


class BridgeNetworks:
    """Networks whose files are in `directory`, and whose DNS is at `dns_port` of their gateways."""

    def __init__(self, directory: Path, identity: str, dns_port: int = 53) -> None:
        self._directory = directory
        self._identity = identity
        self._dns_port = dns_port

    def _service(self, network_id: str) -> dnsmasq.Service:
        if not _ID.fullmatch(network_id) or network_id == _NAMES:
            raise Permanent(f"not the id of a network: {network_id!r}")
        bridge = bridges.bridge_name(network_id)
        return dnsmasq.Service(network_id, bridge, self._directory / network_id, self._directory / _NAMES, self._dns_port)

    @failures.of_system()
    def list(self) -> dict[str, NetworkSpec | None]:
        """The networks of ours, each with what it fully serves. One without an identity serves nothing until it is given one."""
        seen, taps = bridges.look()
        names = set(seen)
        with contextlib.suppress(FileNotFoundError):
            names |= {entry.name for entry in os.scandir(self._directory) if entry.is_dir() and entry.name != _NAMES}
        ours = [name for name in names if self._owner(name, seen) in ("", self._identity)]
        return {name: self._served(name, seen.get(name), taps) for name in ours}

    def _owner(self, network_id: str, seen: Mapping[str, bridges.Bridge]) -> str:
        """The identity of the state that made a network; empty where nobody wrote one."""
        bridge = seen.get(network_id)
        return bridge.identity if bridge else (_text(self._service(network_id).directory / _IDENTITY) or "")

    @failures.of_system()
    def unmarked(self) -> set[str]:
        """Those without an identity."""
        seen = bridges.bridges()
        return {name for name in self.list() if not self._owner(name, seen)}

    @failures.of_system()
    def strangers(self) -> dict[str, str]:
        """Those of other states."""
        return bridges.strangers(self._identity)

    def _served(self, network_id: str, bridge: bridges.Bridge | None, taps: Mapping[str, bridges.Tap]) -> NetworkSpec | None:
        service = self._service(network_id)
        spec = _read(service)
        if spec is None or bridge is None or not bridge.up or bridge.addresses != {spec.gateway}:
            return None
        if bridge.identity != self._identity or bridges.loose(network_id, (one.mac for one in spec.reservations), taps):
            return None
        if dnsmasq.pid(service) is None or any(_text(path) != text for path, text in _texts(spec, service).items()):
            return None
        return spec

    @failures.of_system()
    def ensure(self, spec: NetworkSpec) -> None:
        """Make it so, from whatever is there."""
        check(spec)
        service = self._service(spec.network_id)
        bridges.ensure(spec.network_id, spec.gateway, self._identity, [one.mac for one in spec.reservations])
        self._directories(service)
        _write(service.directory / _IDENTITY, self._identity)
        (service.directory / _SPEC).unlink(missing_ok=True)
        changed = {path for path, text in _texts(spec, service).items() if _write(path, text)}
        if dnsmasq.pid(service) is None or service.configuration in changed:
            dnsmasq.stop(service)
            dnsmasq.start(service)
        self._reload_all(service, service.names / spec.network_id in changed)
        _release_stale(service, spec)
        _write(service.directory / _SPEC, json.dumps(to_json(spec)))

    @failures.of_system()
    def remove(self, network_id: str) -> None:
        """Take away the process, the bridge, the files."""
        service, seen = self._service(network_id), bridges.bridges()
        if self._owner(network_id, seen) not in ("", self._identity):
            raise Permanent(f"the network {network_id} belongs to another minicloud, the state {self._owner(network_id, seen)}")
        dnsmasq.stop(service)
        bridges.remove(network_id, self._identity)
        (service.names / network_id).unlink(missing_ok=True)
        shutil.rmtree(service.directory, ignore_errors=True)
        self._reload_all(service, True)

    @failures.of_system()
    def answers(self, network_id: str, addresses: Iterable[IPv4Address]) -> set[IPv4Address]:
        """Which of these addresses answer on the wire."""
        bridge = bridges.bridges().get(network_id)
        if bridge is None or not bridge.addresses:
            return set()
        return arp.answers(bridge.name, min(bridge.addresses).ip, addresses)

    def published(self, owner: str) -> str:
        """The names that were published for an owner that is no network, as /etc/hosts has them."""
        return _text(self._directory / _NAMES / owner) or ""

    @failures.of_system()
    def publish(self, owner: str, text: str) -> None:
        """Let guests of all networks know the names of an owner that is no network; with no text, forget them."""
        path = self._directory / _NAMES / owner
        if self.published(owner) == text:
            return
        if text:
            files.directory(path.parent)
            _write(path, text)
        else:
            path.unlink(missing_ok=True)
        for entry in self._directory.glob(f"*/{_SPEC}"):
            dnsmasq.reload(self._service(entry.parent.name))

    def _directories(self, service: dnsmasq.Service) -> None:
        """What dnsmasq reads again after it gave up its rights belongs to its group."""
        group = dnsmasq.account().gid
        for path in (self._directory, service.names, service.directory):
            files.directory(path, 0o750)
            os.chown(path, 0, group)
            path.chmod(0o750)

    def _reload_all(self, service: dnsmasq.Service, names_changed: bool) -> None:
        """Have the network's process read again, and those of the others where the names that they share changed."""
        dnsmasq.reload(service)
        if names_changed:
            for entry in self._directory.glob(f"*/{_SPEC}"):
                dnsmasq.reload(self._service(entry.parent.name))


def _texts(spec: NetworkSpec, service: dnsmasq.Service) -> dict[Path, str]:
    return {
        service.configuration: dnsmasq.configuration_text(spec, service, dnsmasq.account()),
        service.hosts: dnsmasq.hosts_text(spec.reservations),
        service.own_names: dnsmasq.own_names_text(spec.names),
        service.names / spec.network_id: dnsmasq.names_text(spec),
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _write(path: Path, text: str) -> bool:
    """Replace a file as a whole; whether it changed."""
    if _text(path) == text:
        return False
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(0o640)
    os.chown(new, 0, dnsmasq.account().gid)
    new.rename(path)
    return True


def check(spec: NetworkSpec) -> None:
    """Nothing that ends in a configuration file may be more than the word that it should be."""
    bad = next((one for one in spec.reservations if not (_HOSTNAME.fullmatch(one.hostname) and _MAC.fullmatch(one.mac))), None)
    strange = next((name for name in (spec.domain, *(one.name for one in spec.names)) if not _DOMAIN.fullmatch(name)), None)
    if bad is not None or strange is not None:
        raise Permanent(f"not a name or a hardware address: {bad or strange!r}")
    outside = next((one for one in spec.reservations if one.address not in spec.gateway.network), None)
    if outside is not None:
        raise Permanent(f"{outside.address} is not in {spec.gateway.network}")


def _release_stale(service: dnsmasq.Service, spec: NetworkSpec) -> None:
    """Give back each lease without reservation, until dnsmasq's file shows none: it writes the file when it has done so."""
    end = time.monotonic() + _RELEASE_SECONDS
    while stale := dnsmasq.stale_leases(_text(service.leases) or "", spec.reservations):
        if time.monotonic() > end:
            raise Retry(f"dnsmasq of {spec.network_id} does not give up the lease of {stale[0][1]}")
        for lease in stale:
            dnsmasq.release(service, spec.gateway.ip, lease)
        time.sleep(0.01)


def to_json(spec: NetworkSpec) -> dict[str, Any]:
    """A spec as JSON has it."""
    return {
        "network_id": spec.network_id,
        "gateway": str(spec.gateway),
        "domain": spec.domain,
        "reservations": [{**dataclasses.asdict(one), "address": str(one.address)} for one in spec.reservations],
        "names": {one.name: str(one.address) for one in spec.names},
    }


def from_json(said: dict[str, Any]) -> NetworkSpec:
    """The spec of `to_json`. Raises ValueError, KeyError or TypeError if it is none."""
    reservations = tuple(Reservation(one["mac"], IPv4Address(one["address"]), one["hostname"]) for one in said["reservations"])
    names = tuple(Name(name, IPv4Address(address)) for name, address in said["names"].items())
    return NetworkSpec(said["network_id"], IPv4Interface(said["gateway"]), said["domain"], reservations, names)


def _read(service: dnsmasq.Service) -> NetworkSpec | None:
    try:
        return from_json(json.loads((service.directory / _SPEC).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
