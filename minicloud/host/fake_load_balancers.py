"""The load balancers of a fake host: they remember what they were asked to serve. Probes say what a test lets them say.

A new target waits for its first probe, as on a real host; `FakeHost.probe` answers it.
"""

from collections.abc import Sequence
from pathlib import Path

from ..errors import Permanent, Retry
from . import access_logs, haproxy_config
from .contracts_lb import Health, Place, Statistics, Traffic
from .fake_store import Store
from .load_balancer_spec import LoadBalancerSpec


class FakeLoadBalancers:
    """Implements contracts_lb.LoadBalancers."""

    def __init__(self, store: Store, identity: str = "") -> None:
        self._store = store
        self._identity = identity

    def list(self) -> dict[str, str | None]:
        """All, each with what it serves; None for one that `FakeHost.kill_balancer` killed."""
        with self._store.call("balancers.list") as held:
            mine = ("", self._identity)
            return {name: said["fingerprint"] for name, said in held["balancers"].items() if said.get("owner", "") in mine}

    def unmarked(self) -> set[str]:
        """Those that drivers without an identity made."""
        with self._store.call("balancers.unmarked") as held:
            return {name for name, said in held["balancers"].items() if self._identity and not said.get("owner")}

    def ensure(self, spec: LoadBalancerSpec) -> None:
        """Remember it, if it could be said to a real one."""
        with self._store.call("balancers.ensure", spec.balancer_id) as held:
            missing = next((leg.network_id for leg in spec.legs if not held["networks"].get(leg.network_id)), None)
            if missing is not None:
                raise Retry(f"there is no network {missing}")
            if not spec.legs:
                raise Permanent(f"{spec.balancer_id} stands in no subnet")
            haproxy_config.check(spec)
            before = held["balancers"].get(spec.balancer_id, {"health": {}, "carried": {}})
            probed = [f"{group.group_id}|{one.name}" for group in spec.groups if group.check for one in group.targets]
            health = {key: before["health"].get(key, [False, None, 0]) for key in probed}
            served = {
                "fingerprint": spec.fingerprint(),
                "owner": self._identity,
                "health": health,
                "carried": before["carried"],
                "ports": [one.port for one in spec.listeners],
            }
            held["balancers"][spec.balancer_id] = served

    def remove(self, balancer_id: str) -> None:
        """Forget it."""
        with self._store.call("balancers.remove", balancer_id) as held:
            held["balancers"].pop(balancer_id, None)

    def health(self, balancer_id: str) -> dict[Place, Health]:
        """What probes said last."""
        with self._store.call("balancers.health", balancer_id) as held:
            said = held["balancers"].get(balancer_id)
            if said is None or said["fingerprint"] is None:
                return {}
            return {_place(key): Health(*found) for key, found in said["health"].items()}

    def bound_logs(self, home: Path, most: int) -> Sequence[str]:
        """As on a host: they are files."""
        with self._store.call("balancers.bound_logs"):
            return access_logs.bound(home, most)

    def statistics(self, balancer_id: str) -> Statistics:
        """What `FakeHost.carry` carried, all of it answered with 200."""
        with self._store.call("balancers.statistics", balancer_id) as held:
            said = held["balancers"].get(balancer_id)
            if said is None:
                return Statistics()
            counts = {**dict.fromkeys(map(str, said["ports"]), 0), **said["carried"]}
            found = {int(port): Traffic(connections=count, requests=count, codes={2: count}) for port, count in counts.items()}
            return Statistics(listeners=found)


def _place(key: str) -> Place:
    group, _, name = key.partition("|")
    return group, name
