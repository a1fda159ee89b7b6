"""What follows from the rows of load balancers: who forwards to which group, where a target is, whether it is in use.

Operations and the reconciler ask the same questions here, so that what is shown is what is done. A target that is not in
use, drains, or is not checked says so whatever its row has as `health`: the row's is what the last probes said.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .rows import Instance, Interface
from .rows_lb import LoadBalancer, Target, TargetGroup, forwards
from .store import State

CLASSIC = "classic"
_OFF = {"pending", "stopping", "stopped", "shutting-down", "terminated"}


@dataclass(frozen=True)
class Standing:
    """A target's health as AWS says it: state, reason code and description, the latter two empty for a healthy one."""

    health: str
    reason: str = ""
    description: str = ""


NOT_IN_USE = Standing("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
OTHER_ZONE = Standing("unused", "Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer")
UNUSABLE = Standing("unused", "Target.IpUnusable", "Target IP address is not usable")
DRAINING = Standing("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
UNCHECKED = Standing("unavailable", "Target.HealthCheckDisabled", "Health checks are disabled for this target group")


class Registry:
    """The rows of one moment; build it inside a transaction, and anew for each look."""

    def __init__(self, state: State) -> None:
        self.balancers: dict[str, LoadBalancer] = {row.id: row for row in state.load_balancers.query()}
        self.groups: dict[str, TargetGroup] = {row.id: row for row in state.target_groups.query()}
        self._by_arn = {row.arn: row.id for row in self.groups.values()}
        self._users = self._forwarding(state)
        self._instances: Mapping[str, Instance] = {row.id: row for row in state.instances.query()}
        self._zones = {row.id: row.zone for row in state.subnets.query()}
        self._cards: dict[str, Interface] = {}
        self._owners: dict[str, Interface] = {}
        self.zones: dict[str, set[str]] = {identifier: set() for identifier in self.balancers}
        """The zones in which each balancer stands."""
        for card in state.interfaces.query(order="device_index desc, rowid"):
            if card.load_balancer_id in self.zones:
                self.zones[card.load_balancer_id].add(self._zones[card.subnet_id])
            if card.instance_id:
                self._cards[card.instance_id] = card
                self._owners.update(dict.fromkeys((card.address, *card.secondary), card))

    def _forwarding(self, state: State) -> dict[str, list[str]]:
        """The balancers that forward to each group, by identifiers of groups."""
        listeners = {row.id: row for row in state.listeners.query()}
        actions = [(row.load_balancer_id, row.actions) for row in listeners.values()]
        actions += [(listeners[row.listener_id].load_balancer_id, row.actions) for row in state.rules.query()]
        users: dict[str, list[str]] = {row.id: [row.id] for row in self.groups.values() if row.target_type == CLASSIC}
        for balancer, found in actions:
            for arn, _ in forwards(found):
                there = users.setdefault(self._by_arn.get(arn, ""), [])
                if balancer not in there:
                    there.append(balancer)
        return users

    def group(self, arn: str) -> TargetGroup | None:
        """The target group of an ARN."""
        return self.groups.get(self._by_arn.get(arn, ""))

    def balancer_of(self, group: TargetGroup) -> LoadBalancer | None:
        """The balancer that forwards to a group; a group has one at most."""
        return next((self.balancers[one] for one in self._users.get(group.id, ()) if one in self.balancers), None)

    def count_groups(self, balancer: LoadBalancer) -> int:
        """How many target groups a balancer forwards to."""
        return sum(balancer.id in users for users in self._users.values())

    def address_of(self, target: Target) -> str:
        """The address that a target has in its VPC; empty for an instance without one."""
        if not target.target_id.startswith("i-"):
            return target.target_id
        card = self._cards.get(target.target_id)
        return card.address if card else ""

    def instance_of(self, target: Target) -> Instance | None:
        """The instance that a target is, by its id or by its address; None for an address that no instance has."""
        if target.target_id.startswith("i-"):
            return self._instances.get(target.target_id)
        card = self._owners.get(target.target_id)
        return self._instances.get(card.instance_id) if card else None

    def zone_of(self, target: Target) -> str:
        """The zone where a target is; empty where that is not known."""
        instance = self.instance_of(target)
        return instance.zone if instance else "" if target.zone == "all" else target.zone

    def unused(self, group: TargetGroup, target: Target) -> Standing | None:
        """Why nothing is sent to a target and it is not probed, or None for one that is in use (it may be draining)."""
        balancer, instance = self.balancer_of(group), self.instance_of(target)
        if instance is not None and instance.state in _OFF:
            return Standing("unused", "Target.InvalidState", f"Target is in the {instance.state} state")
        if target.target_id.startswith("i-") and (instance is None or not self.address_of(target)):
            return UNUSABLE
        if balancer is None:
            return NOT_IN_USE
        zone = self.zone_of(target)
        if zone and zone not in self.zones[balancer.id]:
            return OTHER_ZONE
        return None

    def standing(self, group: TargetGroup, target: Target) -> Standing:
        """What describe-target-health says of a target."""
        if target.wish == "draining":
            return DRAINING
        unused = self.unused(group, target)
        if unused is not None:
            return unused
        if not group.check_enabled:
            return UNCHECKED
        return Standing(target.health, target.reason, target.description)
