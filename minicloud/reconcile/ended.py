"""Rows of things that have ended go: at once where AWS shows them no more, else when AWS's time for them is over.

What is old is told by a clock that is believed (`clock.believed`): one that was set forward makes nothing old. `GOES` says of
each table when its rows go; what a user made goes when a user deletes it.
"""

from ..aws import times
from ..cloud import Cloud
from ..state.store import State
from . import clock

DAY = 86400.0
ACTIVITIES, TOKENS, RESERVATIONS, IMAGES, RUNS = 42 * DAY, 7 * DAY, 42 * DAY, DAY, 42 * DAY
"""Seconds that activities and refreshes of groups, client tokens, ended reservations, deregistered images, and runs of schedules
that a policy has no more are kept."""
_USER, _WITH = "when a user deletes it", "with what it belongs to"
GOES = {
    "vpcs": _USER, "subnets": _USER, "security_groups": _USER, "security_group_rules": _USER, "internet_gateways": _USER,
    "route_tables": _USER, "routes": _USER, "route_associations": _USER, "public_addresses": _USER, "key_pairs": _USER,
    "volumes": _USER, "snapshots": _USER, "policies": _USER, "access_keys": _USER, "roles": _USER, "instance_profiles": _USER,
    "launch_templates": _USER, "placement_groups": _USER, "alarms": _USER, "dashboards": _USER, "load_balancers": _USER,
    "target_groups": _USER, "listeners": _USER, "rules": _USER, "lb_policies": _USER, "certificates": _USER,
    "scaling_groups": _USER, "launch_configurations": _USER, "scaling_policies": _USER, "scheduled_actions": _USER,
    "lifecycle_hooks": _USER, "scaling_notifications": _USER, "interfaces": _USER,
    "launch_template_versions": _WITH, "modifications": _WITH, "scaling_members": _WITH, "scaling_tags": _WITH, "tags": _WITH,
    "targets": "when it has drained, or its instance is terminated",
    "layers": "when nothing reads from it",
    "instances": "an hour after its termination",
    "images": "a day after it was deregistered, when no instance, no store and no backup has it",
    "profile_associations": "with its instance's termination",
    "policy_runs": "beyond 100 of a schedule, and 42 days after it if the policy has the schedule no more",
    "client_tokens": "after 7 days",
    "alarm_history": "after 30 days, and beyond 100000",
    "alarm_actions": "when it was carried out or refused",
    "notifications": "when it was delivered or given up, after an hour at most; beyond 1000 of a topic",
    "capacity_reservations": "42 days after its end",
    "scaling_activities": "after 42 days",
    "instance_refreshes": "42 days after its end",
    "ended_keys": "when the file is removed",
    "host_clock": "there is one",
    "identities": "there is one",
    "failures": "when it works again, or what failed is gone",
    "thaws": "when its guest is known to be thawed, is off, or starts anew",
    "account_settings": "there is one of each name",
}  # fmt: skip
_OWNERS = (
    ("i-%", "instances", "id"), ("vol-%", "volumes", "id"), ("snap-%", "snapshots", "id"), ("ami-%", "images", "id"),
    ("sg-%", "security_groups", "id"), ("sgr-%", "security_group_rules", "id"), ("eni-%", "interfaces", "id"),
    ("vpc-%", "vpcs", "id"), ("subnet-%", "subnets", "id"), ("igw-%", "internet_gateways", "id"), ("rtb-%", "route_tables", "id"),
    ("eipalloc-%", "public_addresses", "allocation_id"), ("key-%", "key_pairs", "id"), ("lt-%", "launch_templates", "id"),
    ("pg-%", "placement_groups", "id"), ("cr-%", "capacity_reservations", "id"), ("policy-%", "policies", "id"),
)  # fmt: skip
"""Whose tags are told by their ids."""


def forget(cloud: Cloud) -> None:
    """Remove what is over."""
    state, wall = cloud.state, times.seconds(times.now())
    now = clock.believed(cloud, wall)

    def before(seconds: float) -> str:
        return times.text(now - seconds)

    with state.transaction():
        state.profile_associations.remove_where("instance_id not in (select id from instances where state != 'terminated')")
        state.scaling_activities.remove_where("started < ?", before(ACTIVITIES))
        state.instance_refreshes.remove_where("ended != '' and ended < ?", before(ACTIVITIES))
        state.client_tokens.remove_where("created < ? or created > ?", before(TOKENS), times.text(wall + times.SLACK))
        over = "(state = 'cancelled' and ended < ?) or (state = 'active' and ends != '' and ends < ?)"
        state.capacity_reservations.remove_where(over, before(RESERVATIONS), before(RESERVATIONS))
        _runs(state, before(RUNS))
        _tags(state)
    _images(cloud, before(IMAGES))


def _runs(state: State, before: str) -> None:
    state.policy_runs.remove_where("policy_id not in (select id from policies)")
    for policy in state.policies.query():
        names = [one["Name"] for one in policy.details.get("Schedules", [{"Name": "default"}])]
        strange = f"policy_id = ? and due < ? and schedule not in ({', '.join('?' * len(names))})"
        state.policy_runs.remove_where(strange, policy.id, before, *names)


def _tags(state: State) -> None:
    for like, table, column in _OWNERS:
        there = f"select {column} from {table}"  # noqa: S608 - names of our own
        state.tags.remove_where(f"resource_id like ? and resource_id not in ({there})", like)


def _images(cloud: Cloud, before: str) -> None:
    """Deregistered ones that nobody speaks of. One whose files are in the store would be registered anew."""
    state = cloud.state
    over = "state = 'deregistered' and deregistered_at < ? and id not in (select image_id from instances)"
    rows = state.images.query(over, [before])
    there = cloud.host.images.list() if rows else {}
    with state.transaction():
        for row in rows:
            if row.id not in there and not state.volumes.find(snapshot_id=row.snapshot_id):
                state.images.remove(row.id)
