"""The tables of Auto Scaling."""

from sqlite_utils import Database, Migrations


def register(migrations: Migrations) -> None:
    """Add the migrations of this area."""

    @migrations()
    def m601_autoscaling(db: Database) -> None:
        """Groups, members, activities, and what steers them."""
        _groups(db)
        _steering(db)

    @migrations()
    def m602_makers(db: Database) -> None:
        """Who is behind what acts later: nobody but the account for all that there is already."""
        for name in (
            "alarms", "alarm_actions", "scaling_groups", "instance_refreshes", "scaling_notifications", "lifecycle_hooks",
            "launch_templates", "launch_template_versions", "policies",
        ):  # fmt: skip
            db.table(name).add_column("makers", str, not_null_default="[]")
        db.table("alarms").add_column("set_by", str, not_null_default="[]")


def _groups(db: Database) -> None:
    db.table("scaling_groups").create(
        {
            "name": str, "arn": str, "min_size": int, "max_size": int, "desired": int, "settings": str, "created": str,
            "cause": str, "sources": str, "suspended": str, "metrics": str, "warm_pool": str, "cooldown_until": str,
            "failures": int, "retry_at": str, "deleting": str, "measured": str,
        },
        pk="name",
    )  # fmt: skip
    db.table("scaling_members").create(
        {
            "instance_id": str, "group_name": str, "state": str, "zone": str, "subnet_id": str, "instance_type": str,
            "image_id": str, "joined": str, "changed": str, "launch_configuration": str, "launch_template": str, "health": str,
            "protected": int, "in_service": str, "activity_id": str, "hooks": str, "surge": int, "refresh": str, "to_pool": int,
        },
        pk="instance_id",
        foreign_keys=[("group_name", "scaling_groups", "name")],
    )  # fmt: skip
    db.table("scaling_members").create_index(["group_name"])
    db.table("scaling_activities").create(
        {
            "id": str, "group_name": str, "group_arn": str, "description": str, "cause": str, "started": str, "details": str,
            "instance_id": str, "status": str, "message": str, "progress": int, "ended": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("scaling_activities").create_index(["group_name", "id"])
    db.table("scaling_activities").create_index(["started"])
    db.table("scaling_tags").create({"group_name": str, "key": str, "value": str, "propagate": int}, pk=("group_name", "key"))
    db.table("scaling_clock").create({"boot_id": str, "wall": float, "uptime": float}, pk="boot_id")


def _steering(db: Database) -> None:
    of_group = ("group_name", "name")
    db.table("launch_configurations").create({"name": str, "arn": str, "data": str, "created": str}, pk="name")
    db.table("scaling_policies").create(
        {"group_name": str, "name": str, "arn": str, "kind": str, "settings": str, "created": str, "alarms": str}, pk=of_group
    )
    db.table("scaling_policies").create_index(["arn"])
    db.table("scheduled_actions").create({"group_name": str, "name": str, "arn": str, "settings": str, "due": str}, pk=of_group)
    db.table("scheduled_actions").create_index(["due"])
    db.table("lifecycle_hooks").create({"group_name": str, "name": str, "transition": str, "settings": str}, pk=of_group)
    db.table("instance_refreshes").create(
        {
            "id": str, "group_name": str, "status": str, "preferences": str, "wanted": str, "before": str, "started": str,
            "total": int, "reason": str, "ended": str, "checkpoint": int, "paused": str, "rollback": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("instance_refreshes").create_index(["group_name", "ended"])
    db.table("scaling_notifications").create({"group_name": str, "topic": str, "kind": str}, pk=("group_name", "topic", "kind"))
