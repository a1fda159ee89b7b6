"""The tables, as a history of migrations. A migration that was released is never changed; a new one is added below it.

Columns hold text, numbers, or JSON (lists and maps). Times are ISO 8601 text. Foreign keys are enforced.
"""

import sqlite3
import time

from sqlite_utils import Database, Migrations

from ..aws.ids import new_id
from ..errors import UsageError
from . import (
    schema_autoscaling,
    schema_clock,
    schema_cloudwatch,
    schema_endpoint,
    schema_failures,
    schema_identity,
    schema_lb,
    schema_network,
)

migrations = Migrations("minicloud")


@migrations()
def m001_network(db: Database) -> None:
    """The VPC, its subnets, security groups and network interfaces."""
    db.table("vpcs").create(
        {
            "id": str, "cidr": str, "is_default": int, "dns_hostnames": int, "dns_support": int, "dhcp_options_id": str,
            "internet_gateway_id": str, "route_table_id": str, "network_acl_id": str, "created": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("subnets").create(
        {
            "id": str, "vpc_id": str, "cidr": str, "zone": str, "is_default": int, "public_ip_on_launch": int, "created": str,
        },
        pk="id",
        foreign_keys=[("vpc_id", "vpcs", "id")],
    )  # fmt: skip
    db.table("security_groups").create(
        {"id": str, "vpc_id": str, "name": str, "description": str, "created": str},
        pk="id",
        foreign_keys=[("vpc_id", "vpcs", "id")],
    )
    db.table("security_groups").create_index(["vpc_id", "name"], unique=True)


@migrations()
def m002_images_and_keys(db: Database) -> None:
    """Images, key pairs, and the layers and volumes that hold bytes."""
    db.table("images").create(
        {
            "id": str, "base": str, "name": str, "description": str, "architecture": str, "boot_mode": str, "default_user": str,
            "root_device_name": str, "size": int, "snapshot_id": str, "state": str, "public": int, "location": str,
            "created": str, "deregistered_at": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("images").create_index(["name"])
    db.table("key_pairs").create(
        {"id": str, "name": str, "kind": str, "fingerprint": str, "public_key": str, "created": str}, pk="id"
    )
    db.table("key_pairs").create_index(["name"], unique=True)
    db.table("volumes").create(
        {
            "id": str, "size": int, "kind": str, "iops": int, "throughput": int, "zone": str, "snapshot_id": str, "base": str,
            "state": str, "instance_id": str, "device": str, "delete_on_termination": int, "attached": str, "created": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("volumes").create_index(["instance_id"])


@migrations()
def m003_instances(db: Database) -> None:
    """Instances and their network interfaces."""
    db.table("instances").create(
        {
            "id": str, "reservation_id": str, "launch_index": int, "image_id": str, "instance_type": str, "key_name": str,
            "public_key": str, "user_data": bytes, "zone": str, "shutdown_behavior": str, "protect_termination": int,
            "protect_stop": int, "monitoring": str, "ebs_optimized": int, "credits": str, "client_token": str,
            "metadata_options": str,
            "wish": str, "state": str,
            "reason_code": str, "reason_message": str, "transition_reason": str, "launched": str, "created": str,
            "started_boot": str, "stop_asked": str, "stop_began": str, "stop_forced": int,
            "reboots_asked": int, "reboots_done": int,
            "terminated": str, "failures": int, "retry_at": str, "reachable": str, "reachable_since": str, "checked": str,
            "host_keys": str, "accelerators": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("instances").create_index(["state"])
    db.table("interfaces").create(
        {
            "id": str, "subnet_id": str, "vpc_id": str, "mac": str, "address": str, "description": str, "group_ids": str,
            "instance_id": str, "device_index": int, "attachment_id": str, "attached": str, "delete_on_termination": int,
            "source_dest_check": int, "created": str,
        },
        pk="id",
        foreign_keys=[("subnet_id", "subnets", "id"), ("vpc_id", "vpcs", "id")],
    )  # fmt: skip
    db.table("interfaces").create_index(["subnet_id", "address"], unique=True)
    db.table("interfaces").create_index(["mac"], unique=True)
    db.table("interfaces").create_index(["instance_id"])


@migrations()
def m004_tags_and_tokens(db: Database) -> None:
    """Tags of any resource; client tokens with the answers that they replay."""
    db.table("tags").create({"resource_id": str, "key": str, "value": str, "resource_type": str}, pk=("resource_id", "key"))
    db.table("client_tokens").create(
        {"scope": str, "token": str, "digest": str, "answer": str, "created": str}, pk=("scope", "token")
    )


@migrations()
def m201_security_group_rules(db: Database) -> None:
    """Rules of security groups. Groups that are there already get those that every group starts with."""
    db.table("security_group_rules").create(
        {
            "id": str, "group_id": str, "egress": int, "protocol": str, "from_port": int, "to_port": int, "cidr": str,
            "cidr6": str, "peer_group_id": str, "description": str, "created": str,
        },
        pk="id",
        foreign_keys=[("group_id", "security_groups", "id")],
    )  # fmt: skip
    same = ["group_id", "egress", "protocol", "from_port", "to_port", "cidr", "cidr6", "peer_group_id"]
    db.table("security_group_rules").create_index(same, unique=True)
    columns = "id, group_id, egress, protocol, from_port, to_port, cidr, cidr6, peer_group_id, description, created"
    insert = f"insert into security_group_rules ({columns}) values (?, ?, ?, '-1', -1, -1, ?, '', ?, '', ?)"  # noqa: S608
    for group_id, name, created in db.conn.execute("select id, name, created from security_groups").fetchall():
        db.conn.execute(insert, (new_id("security-group-rule"), group_id, 1, "0.0.0.0/0", "", created))
        if name == "default":
            db.conn.execute(insert, (new_id("security-group-rule"), group_id, 0, "", group_id, created))


@migrations()
def m202_public_addresses(db: Database) -> None:
    """Public addresses: Elastic IPs, and those that running instances have from the pool."""
    db.table("public_addresses").create(
        {
            "address": str, "allocation_id": str, "interface_id": str, "private_address": str, "association_id": str,
            "created": str,
        },
        pk="address",
    )  # fmt: skip
    db.table("public_addresses").create_index(["interface_id"])
    db.table("interfaces").add_column("auto_public", int, not_null_default=0)
    db.table("interfaces").add_column("last_public", str, not_null_default="")
    db.table("interfaces").add_column("secondary", str, not_null_default="[]")


@migrations()
def m203_internet_gateways(db: Database) -> None:
    """Internet gateways, which come and go without a VPC; those that VPCs have already."""
    db.table("internet_gateways").create({"id": str, "created": str}, pk="id")
    db.conn.execute("insert into internet_gateways select internet_gateway_id, created from vpcs where internet_gateway_id != ''")


@migrations()
def m301_access(db: Database) -> None:
    """Access keys, roles, instance profiles."""
    db.table("access_keys").create({"id": str, "status": str, "created": str}, pk="id")
    db.table("roles").create(
        {
            "name": str, "id": str, "path": str, "description": str, "trust": str, "max_session": int, "created": str,
            "policies": str,
        },
        pk="name",
    )  # fmt: skip
    db.table("instance_profiles").create({"name": str, "id": str, "path": str, "created": str, "role": str}, pk="name")
    db.table("profile_associations").create({"id": str, "instance_id": str, "profile": str, "created": str}, pk="id")
    db.table("profile_associations").create_index(["instance_id"], unique=True)


@migrations()
def m302_launch_templates(db: Database) -> None:
    """Launch templates with all their versions; placement groups."""
    db.table("launch_templates").create(
        {"id": str, "name": str, "default_version": int, "latest_version": int, "created": str}, pk="id"
    )
    db.table("launch_templates").create_index(["name"], unique=True)
    db.table("launch_template_versions").create(
        {"template_id": str, "version": int, "description": str, "data": str, "created": str}, pk=("template_id", "version")
    )
    db.table("placement_groups").create({"id": str, "name": str, "strategy": str, "created": str}, pk="id")
    db.table("placement_groups").create_index(["name"], unique=True)


@migrations()
def m101_storage(db: Database) -> None:
    """Layers under volumes, snapshots, the disks of images, lifecycle policies."""
    volumes = db.table("volumes")
    volumes.transform(drop={"base"})
    for name in ("layer_id", "attachment", "detach_asked", "reason"):
        volumes.add_column(name, str, not_null_default="")
    for name in ("force_detach", "auto_enable_io", "failures"):
        volumes.add_column(name, int, not_null_default=0)
    images = db.table("images")
    for name, default in (("devices", "[]"), ("deprecated_at", ""), ("instance_id", ""), ("reboot", ""), ("reason", "")):
        images.add_column(name, str, not_null_default=default)
    images.add_column("users", str, not_null_default="[]")
    db.table("layers").create({"id": str, "parent": str, "base": str, "size": int, "created": str, "made": int}, pk="id")
    db.table("layers").create_index(["parent"])
    db.table("snapshots").create(
        {
            "id": str, "volume_id": str, "layer_id": str, "size": int, "description": str, "started": str, "batch": str,
            "state": str, "next_layer": str, "completed": str, "message": str, "failures": int, "users": str, "image_id": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("snapshots").create_index(["layer_id"])
    db.table("snapshots").create_index(["state"])
    db.table("modifications").create(
        {"volume_id": str, "state": str, "target": str, "original": str, "started": str, "ended": str, "message": str},
        pk="volume_id",
    )
    db.table("policies").create(
        {
            "id": str, "description": str, "state": str, "message": str, "role": str, "details": str, "created": str,
            "modified": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("policy_runs").create(
        {"policy_id": str, "schedule": str, "due": str, "ran": str, "made": str, "removed": str, "failed": str},
        pk=("policy_id", "schedule", "due"),
    )


@migrations()
def m005_reboots(db: Database) -> None:
    """Since when a guest has been asked to restart."""
    db.table("instances").add_column("reboot_began", str, not_null_default="")


@migrations()
def m006_auto_recovery(db: Database) -> None:
    """Whether an instance is started again after a restart of its host: default or disabled."""
    db.table("instances").add_column("auto_recovery", str, not_null_default="default")


@migrations()
def m102_thaws(db: Database) -> None:
    """The guests whose file systems may be frozen."""
    db.table("thaws").create({"instance_id": str, "due": str, "tries": int, "message": str}, pk="instance_id")


schema_network.register(migrations)
schema_endpoint.register(migrations)
schema_lb.register(migrations)
schema_cloudwatch.register(migrations)
schema_autoscaling.register(migrations)
schema_identity.register(migrations)
schema_failures.register(migrations)
schema_clock.register(migrations)


def _write_ahead(db: Database) -> None:
    """Turn write-ahead logging on. Somebody may just be reading the version: then it fails at once, and is tried again."""
    deadline = time.monotonic() + 30.0
    while True:
        try:
            db.enable_wal()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a database to this version. Raises UsageError, and changes nothing, if a newer minicloud wrote it."""
    db = Database(connection)
    known = [migration.name for migration in migrations.pending(Database(memory=True))]
    if strange := [migration.name for migration in migrations.applied(db) if migration.name not in known]:
        raise UsageError(
            f"{path} was written by a newer minicloud (it has {strange[0]}); "
            "upgrade minicloud, or set MINICLOUD_HOME to another directory"
        )
    _write_ahead(db)
    # Two commands may find the same old database: the second waits here, and then finds nothing left to do.
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(db)
        connection.execute(f"PRAGMA user_version={len(known)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
