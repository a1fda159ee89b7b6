"""The state: opened on first use, a connection for each thread.

Rows are read and written with the standard library's sqlite3; sqlite_utils, which takes 45 ms to import, is for the tables
themselves (`schema.py`), and is imported only when a database does not say that it is of this version.

Every change happens inside `transaction()`; writers take turns (BEGIN IMMEDIATE), so what a transaction read still holds when
it writes. Readers never wait.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .. import files
from . import (
    opening,
    rows,
    rows_access,
    rows_autoscaling,
    rows_clock,
    rows_cloudwatch,
    rows_failures,
    rows_identity,
    rows_lb,
    rows_network,
    rows_storage,
)
from .table import Table

VERSION = 26
"""How many migrations `schema.py` has: a database with this PRAGMA user_version needs none."""


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold a directory's own lock (flock): nothing is left of it, however its holder ends."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class State:
    """All tables of one database file."""

    def __init__(self, path: Path, kept: Callable[[], str] = str, refuse: Callable[[], object] = str) -> None:
        """`kept` tells of what is there that no state but a lost one can have left; empty where there is nothing. `refuse` raises
        StateError where the file is not to be opened.
        """
        self._path = path
        self._kept = kept
        self._refuse = refuse
        self._threads = threading.local()
        self.vpcs = Table(self._connection, "vpcs", rows.Vpc)
        self.subnets = Table(self._connection, "subnets", rows.Subnet)
        self.security_groups = Table(self._connection, "security_groups", rows.SecurityGroup)
        self.security_group_rules = Table(self._connection, "security_group_rules", rows_network.SecurityGroupRule)
        self.internet_gateways = Table(self._connection, "internet_gateways", rows_network.InternetGateway)
        self.route_tables = Table(self._connection, "route_tables", rows_network.RouteTable)
        self.routes = Table(self._connection, "routes", rows_network.Route, ("table_id", "cidr"))
        self.route_associations = Table(self._connection, "route_associations", rows_network.RouteAssociation)
        self.public_addresses = Table(self._connection, "public_addresses", rows_network.PublicAddress, ("address",))
        self.images = Table(self._connection, "images", rows.Image)
        self.key_pairs = Table(self._connection, "key_pairs", rows.KeyPair)
        self.volumes = Table(self._connection, "volumes", rows.Volume)
        self.instances = Table(self._connection, "instances", rows.Instance)
        self.interfaces = Table(self._connection, "interfaces", rows.Interface)
        self.tags = Table(self._connection, "tags", rows.Tag, ("resource_id", "key"))
        self.access_keys = Table(self._connection, "access_keys", rows_access.AccessKey)
        self.roles = Table(self._connection, "roles", rows_access.Role, ("name",))
        self.instance_profiles = Table(self._connection, "instance_profiles", rows_access.InstanceProfile, ("name",))
        self.profile_associations = Table(self._connection, "profile_associations", rows_access.ProfileAssociation)
        self.launch_templates = Table(self._connection, "launch_templates", rows_access.LaunchTemplate)
        versions = ("template_id", "version")
        self.launch_template_versions = Table(
            self._connection, "launch_template_versions", rows_access.LaunchTemplateVersion, versions
        )
        self.placement_groups = Table(self._connection, "placement_groups", rows_access.PlacementGroup)
        self.alarms = Table(self._connection, "alarms", rows_cloudwatch.Alarm, ("name",))
        self.alarm_history = Table(self._connection, "alarm_history", rows_cloudwatch.AlarmHistory)
        self.alarm_actions = Table(self._connection, "alarm_actions", rows_cloudwatch.AlarmAction)
        self.notifications = Table(self._connection, "notifications", rows_cloudwatch.Notification)
        self.dashboards = Table(self._connection, "dashboards", rows_cloudwatch.Dashboard, ("name",))
        self.load_balancers = Table(self._connection, "load_balancers", rows_lb.LoadBalancer)
        self.target_groups = Table(self._connection, "target_groups", rows_lb.TargetGroup)
        self.targets = Table(self._connection, "targets", rows_lb.Target, ("group_id", "target_id", "port"))
        self.listeners = Table(self._connection, "listeners", rows_lb.Listener)
        self.rules = Table(self._connection, "rules", rows_lb.Rule)
        self.lb_policies = Table(self._connection, "lb_policies", rows_lb.LbPolicy, ("load_balancer_id", "name"))
        self.certificates = Table(self._connection, "certificates", rows_lb.Certificate, ("arn",))
        self.capacity_reservations = Table(self._connection, "capacity_reservations", rows_access.CapacityReservation)
        self.failures = Table(self._connection, "failures", rows_failures.Failure, ("part", "subject"))
        self.host_clock = Table(self._connection, "host_clock", rows_clock.HostClock, ("boot_id",))
        self.ended_keys = Table(self._connection, "ended_keys", rows_clock.EndedKey, ("name",))
        self._of_storage()
        self._of_autoscaling()
        self._of_state()

    def _of_state(self) -> None:
        """What the state is itself, and what it keeps of the account and of requests."""
        self.account_settings = Table(self._connection, "account_settings", rows_access.AccountSetting, ("name",))
        self.client_tokens = Table(self._connection, "client_tokens", rows.ClientToken, ("scope", "token"))
        self.identities = Table(self._connection, "identity", rows_identity.Identity)

    def _of_storage(self) -> None:
        """The tables of layers, snapshots, and what takes them."""
        self.layers = Table(self._connection, "layers", rows_storage.Layer)
        self.snapshots = Table(self._connection, "snapshots", rows_storage.Snapshot)
        self.modifications = Table(self._connection, "modifications", rows_storage.Modification, ("volume_id",))
        self.thaws = Table(self._connection, "thaws", rows_storage.Thaw, ("instance_id",))
        self.policies = Table(self._connection, "policies", rows_storage.Policy)
        self.policy_runs = Table(self._connection, "policy_runs", rows_storage.PolicyRun, ("policy_id", "schedule", "due"))

    def _of_autoscaling(self) -> None:
        """The tables of Auto Scaling."""
        connection, of_group = self._connection, ("group_name", "name")
        self.scaling_groups = Table(connection, "scaling_groups", rows_autoscaling.ScalingGroup, ("name",))
        self.scaling_members = Table(connection, "scaling_members", rows_autoscaling.ScalingMember, ("instance_id",))
        self.scaling_activities = Table(connection, "scaling_activities", rows_autoscaling.ScalingActivity)
        self.scaling_tags = Table(connection, "scaling_tags", rows_autoscaling.ScalingTag, ("group_name", "key"))
        self.launch_configurations = Table(connection, "launch_configurations", rows_autoscaling.LaunchConfiguration, ("name",))
        self.scaling_policies = Table(connection, "scaling_policies", rows_autoscaling.ScalingPolicy, of_group)
        self.scheduled_actions = Table(connection, "scheduled_actions", rows_autoscaling.ScheduledAction, of_group)
        self.lifecycle_hooks = Table(connection, "lifecycle_hooks", rows_autoscaling.LifecycleHook, of_group)
        self.instance_refreshes = Table(connection, "instance_refreshes", rows_autoscaling.InstanceRefresh)
        key = ("group_name", "topic", "kind")
        self.scaling_notifications = Table(connection, "scaling_notifications", rows_autoscaling.ScalingNotification, key)

    @property
    def identity(self) -> rows_identity.Identity:
        """Which state this is."""
        (row,) = self.identities.query()
        return row

    def begin_anew(self) -> None:
        """From now on whatever is there does not keep an empty database from being made."""
        self._kept = str

    def advance(self, beyond: int = 0) -> rows_identity.Identity:
        """Count one more change (`generations`); it is on the disk itself when this returns. Not inside a transaction."""
        if self._connection().in_transaction:
            raise RuntimeError("a generation counts when it is on the disk, and this would not be")
        with self.transaction():
            self._connection().execute("update identity set generation = max(generation, ?) + 1", (beyond,))
            return self.identity

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = self._open()
        return connection

    def _open(self) -> sqlite3.Connection:
        """A connection of one thread, with foreign keys on. It waits up to 30 s for another writer."""
        self._refuse()
        opening.refuse_lost(self._path, self._kept)
        files.directory(self._path.parent, 0o711)
        # Only a file that is not there is opened here: closing a descriptor of a database that this process has open would
        # drop all its locks (POSIX), and the next process to close it would take the log away under this one.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=30.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys=ON")
        if opening.version(connection, self._path) != VERSION:
            from .schema import migrate

            # One at a time: a change to write-ahead logging does not wait for others that look at the file, it fails.
            with _alone(self._path.parent):
                opening.refuse_strange(connection, self._path, self._kept)
                migrate(connection, str(self._path))
        # What is committed must be there after a power failure: else disks would look newer than their own state.
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def close(self) -> None:
        """Close this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is not None:
            connection.close()
            self._threads.connection = None

    @contextlib.contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[None]:
        """All or nothing; with `write=False` one consistent view. Inside another transaction it is part of that one."""
        connection = self._connection()
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself where the disk is full; what cannot be committed must not stay open.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def part(self, *, keep: bool = True) -> Iterator[None]:
        """Inside a transaction: what is written in here is taken back, and it alone, where something is raised; without `keep`
        in any case.
        """
        connection, kept = self._connection(), False
        connection.execute("SAVEPOINT part")
        try:
            yield
            kept = keep
        finally:
            if connection.in_transaction:  # SQLite has rolled back by itself where the disk is full
                if not kept:
                    connection.execute("ROLLBACK TO part")
                connection.execute("RELEASE part")

    def tags_of(self, resource_ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
        """The tags of many resources, as AWS answers them; an empty list where there are none."""
        found: dict[str, list[dict[str, str]]] = defaultdict(list)
        for tag in self.tags.among("resource_id", resource_ids):
            found[tag.resource_id].append({"Key": tag.key, "Value": tag.value})
        return found
