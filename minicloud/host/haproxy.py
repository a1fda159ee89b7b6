"""Load balancers of this host: a network namespace and a HAProxy each, and a directory with their files.

- A configuration is written beside the one in use, tried there by HAProxy itself, and takes its place if that agrees.
- A reload is a new process that takes over the listening sockets of the old one, which then answers what it has accepted and
  ends: nobody is turned away. A target that is no more in the configuration so keeps the connections that it has.
- `served`, written last, is the fingerprint of what all this is for. What was refused is noted, too: it is not tried again.
- A balancer is ours if its directory is signed with our identity; one without was made by a minicloud that signed none.
- A process is ours if its command line names our directory. All of it lives on when minicloud's own processes are dead.
- To see that there is no balancer, which is all that most commands do, little is imported.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Permanent
from . import bridges, failures, hosts_file
from .bridges import bridge_name
from .contracts_lb import Health, Place, Statistics
from .networks import BridgeNetworks

if TYPE_CHECKING:
    from .balancer_namespace import Cable
    from .haproxy_process import Process
    from .load_balancer_spec import LoadBalancerSpec

_OWNER = "identity"
_ID = re.compile(r"elb-[a-z0-9-]{1,40}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class HaproxyBalancers:
    """Balancers whose files are in `directory`; their names are in the networks' and in the file `hosts`."""

    def __init__(self, directory: Path, networks: BridgeNetworks, hosts: Path, identity: str) -> None:
        self._directory = directory
        self._networks = networks
        self._hosts = hosts
        self._identity = identity

    def _of(self, balancer_id: str) -> "Process":
        from .haproxy_process import Process

        if not _ID.fullmatch(balancer_id):
            raise Permanent(f"not the id of a load balancer: {balancer_id!r}")
        return Process(self._directory / balancer_id)

    @failures.of_system()
    def list(self) -> dict[str, str | None]:
        """The balancers of ours, with what each serves."""
        hosts = hosts_file.read(self._hosts)
        names = {name for name in hosts_file.owners(hosts) if _ID.fullmatch(name)}
        with contextlib.suppress(FileNotFoundError):
            names |= {entry.name for entry in os.scandir(self._directory) if entry.is_dir() and _ID.fullmatch(entry.name)}
        names = {name for name in names if self._is_ours(name)}
        if not names:
            return {}
        from .balancer_namespace import cables

        plugged = cables()
        return {name: self._served(self._of(name), hosts, plugged) for name in names}

    def _is_ours(self, name: str) -> bool:
        """Whether it carries our identity, or none. One of which only names are left is not ours while networks are others'."""
        if (self._directory / name).is_dir():
            return self._owner(name) in ("", self._identity)
        return not bridges.strangers(self._identity)

    def _owner(self, balancer_id: str) -> str:
        try:
            return (self._directory / balancer_id / _OWNER).read_text()
        except FileNotFoundError:
            return ""

    @failures.of_system()
    def unmarked(self) -> set[str]:
        """Those whose directories no state has signed."""
        return {name for name in self.list() if (self._directory / name).is_dir() and not self._owner(name)}

    def _served(self, balancer: "Process", hosts: bytes, plugged: dict[str, "Cable"]) -> str | None:
        from .balancer_namespace import Cable, holder

        kept, name = balancer.kept(), balancer.directory.name
        if kept is None or self._owner(name) != self._identity or balancer.pid() is None or holder(balancer.directory) is None:
            return None
        taps = {tap: Cable(bridge, True) for tap, bridge in kept["taps"].items()}
        if not taps.items() <= plugged.items() or self._networks.published(name) != kept["names"]:
            return None
        if self._hosts.is_file() and hosts_file.of(hosts, name) != kept["hosts"]:
            return None
        return str(kept["fingerprint"])

    @failures.of_system()
    def ensure(self, spec: "LoadBalancerSpec") -> None:
        """Make it so, from whatever is there."""
        from . import balancer_namespace

        _check(spec)
        bridges.refuse_strange(self._identity)
        balancer = self._of(spec.balancer_id)
        self._refuse_strange(spec.balancer_id)
        balancer.prepare()
        balancer.write(balancer.directory / _OWNER, self._identity)
        pid = balancer_namespace.ensure(balancer.directory, spec.legs, for_clients=spec.client_address, alive=balancer.pid())
        kept = self._name(spec)
        refused = balancer.configure(spec, pid)
        kept["fingerprint"] = "" if refused else spec.fingerprint()
        balancer.write(balancer.served, json.dumps(kept))
        if refused:
            raise Permanent(refused)

    def _refuse_strange(self, balancer_id: str) -> None:
        if (other := self._owner(balancer_id)) not in ("", self._identity):
            raise Permanent(f"the load balancer {balancer_id} belongs to another minicloud, the state {other}")

    def _name(self, spec: "LoadBalancerSpec") -> dict[str, Any]:
        """Let guests and the host find it by name; what is noted of that, and of the cables."""
        text = "".join(f"{address} {name}\n" for name, address in spec.names)
        self._networks.publish(spec.balancer_id, text)
        lines = hosts_file.lines(spec.balancer_id, spec.names)
        hosts_file.put(self._hosts, self._directory / "hosts.lock", spec.balancer_id, lines)
        taps = {leg.tap: bridge_name(leg.network_id) for leg in spec.legs}
        return {"fingerprint": "", "taps": taps, "names": text, "hosts": lines}

    @failures.of_system()
    def remove(self, balancer_id: str) -> None:
        """End its processes, and forget it."""
        from . import balancer_namespace

        balancer = self._of(balancer_id)
        self._refuse_strange(balancer_id)
        kept = balancer.kept() or {"taps": {}}
        balancer_namespace.end(balancer.directory, balancer.mark)
        balancer_namespace.unplug(kept["taps"])
        self._networks.publish(balancer_id, "")
        hosts_file.put(self._hosts, self._directory / "hosts.lock", balancer_id, [])
        shutil.rmtree(balancer.directory, ignore_errors=True)

    @failures.of_system()
    def health(self, balancer_id: str) -> dict[Place, Health]:
        """What probes say now. What was said and counted is noted for the time after a kill."""
        from . import haproxy_socket

        balancer = self._of(balancer_id)
        if balancer.pid() is None:
            return {}
        rows = balancer.rows()
        balancer.note(rows)
        return haproxy_socket.health(rows)

    @failures.of_system()
    def bound_logs(self, home: Path, most: int) -> Sequence[str]:
        """The oldest lines go."""
        from . import access_logs

        return access_logs.bound(home, most)

    @failures.of_system()
    def statistics(self, balancer_id: str) -> Statistics:
        """What went through."""
        from . import haproxy_traffic

        balancer = self._of(balancer_id)
        if balancer.pid() is None:
            return haproxy_traffic.statistics(haproxy_traffic.kept(balancer.traffic))
        return haproxy_traffic.statistics(balancer.note(balancer.rows()))


def _check(spec: "LoadBalancerSpec") -> None:
    """What ends in files of other programs is what it should be; all else is haproxy_config's to quote or to refuse."""
    if not spec.legs:
        raise Permanent(f"{spec.balancer_id} stands in no subnet")
    bad = next((name for name, _ in spec.names if not _NAME.fullmatch(name)), None)
    if bad is not None:
        raise Permanent(f"not a DNS name: {bad!r}")
