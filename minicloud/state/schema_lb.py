"""The tables of load balancers and certificates (`rows_lb.py` says what they hold)."""

from sqlite_utils import Database, Migrations


def register(migrations: Migrations) -> None:
    """Add them to the history."""

    @migrations()
    def m401_load_balancers(db: Database) -> None:
        """Balancers, target groups, targets; balancers' network interfaces."""
        db.table("load_balancers").create(
            {
                "id": str, "arn": str, "kind": str, "name": str, "scheme": str, "vpc_id": str, "group_ids": str,
                "ip_type": str, "dns_name": str, "attributes": str, "created": str, "state": str, "reason": str,
                "backend_policies": str,
            },
            pk="id",
        )  # fmt: skip
        db.table("load_balancers").create_index(["arn"], unique=True)
        db.table("load_balancers").create_index(["name"])
        db.table("target_groups").create(
            {
                "id": str, "arn": str, "name": str, "protocol": str, "protocol_version": str, "port": int, "vpc_id": str,
                "target_type": str, "ip_type": str, "check_enabled": int, "check_protocol": str, "check_port": str,
                "check_path": str, "check_interval": int, "check_timeout": int, "healthy_count": int,
                "unhealthy_count": int, "check_codes": str, "attributes": str, "created": str,
            },
            pk="id",
        )  # fmt: skip
        db.table("target_groups").create_index(["arn"], unique=True)
        db.table("targets").create(
            {
                "group_id": str, "target_id": str, "port": int, "zone": str, "created": str, "wish": str,
                "drain_until": str, "health": str, "reason": str, "description": str, "since": str,
            },
            pk=("group_id", "target_id", "port"),
            foreign_keys=[("group_id", "target_groups", "id")],
        )  # fmt: skip
        db.table("targets").create_index(["target_id"])
        db.table("interfaces").add_column("load_balancer_id", str, not_null_default="")
        db.table("interfaces").create_index(["load_balancer_id"])

    @migrations()
    def m402_listeners(db: Database) -> None:
        """Listeners, rules, policies of classic balancers, certificates."""
        db.table("listeners").create(
            {
                "id": str, "arn": str, "load_balancer_id": str, "protocol": str, "port": int, "ssl_policy": str,
                "certificates": str, "actions": str, "default_rule": str, "alpn": str, "created": str,
                "instance_protocol": str, "instance_port": int, "policies": str, "attributes": str,
            },
            pk="id",
            foreign_keys=[("load_balancer_id", "load_balancers", "id")],
        )  # fmt: skip
        db.table("listeners").create_index(["arn"], unique=True)
        db.table("listeners").create_index(["load_balancer_id"])
        db.table("rules").create(
            {
                "id": str, "arn": str, "listener_id": str, "priority": int, "conditions": str, "actions": str,
                "created": str,
            },
            pk="id",
            foreign_keys=[("listener_id", "listeners", "id")],
        )  # fmt: skip
        db.table("rules").create_index(["arn"], unique=True)
        db.table("rules").create_index(["listener_id"])
        db.table("lb_policies").create(
            {"load_balancer_id": str, "name": str, "kind": str, "attributes": str, "created": str},
            pk=("load_balancer_id", "name"),
            foreign_keys=[("load_balancer_id", "load_balancers", "id")],
        )
        db.table("certificates").create(
            {
                "arn": str, "domain": str, "names": str, "certificate": str, "chain": str, "key_file": str,
                "key_algorithm": str, "signature_algorithm": str, "serial": str, "subject": str, "issuer": str,
                "not_before": str, "not_after": str, "imported": str, "created": str, "name": str, "path": str,
            },
            pk="arn",
        )  # fmt: skip
