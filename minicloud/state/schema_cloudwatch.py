"""The tables of CloudWatch, as migrations 501 and on."""

from sqlite_utils import Database, Migrations


def m501_cloudwatch(db: Database) -> None:
    """Alarms with their history and their unfinished actions; messages on their way; dashboards."""
    db.table("alarms").create(
        {
            "name": str, "kind": str, "settings": str, "actions_enabled": int, "configured": str, "state": str, "reason": str,
            "reason_data": str, "updated": str, "transitioned": str, "evaluation_state": str, "acted": str,
            "suppressed_by": str, "suppressed_at": str, "suppressed_reason": str,
        },
        pk="name",
    )  # fmt: skip
    db.table("alarm_history").create(
        {"id": int, "alarm": str, "kind": str, "at": str, "item": str, "summary": str, "data": str}, pk="id"
    )
    db.table("alarm_history").create_index(["alarm"])
    db.table("alarm_history").create_index(["at"])
    db.table("alarm_actions").create({"id": str, "alarm": str, "arn": str, "created": str, "details": str}, pk="id")
    db.table("notifications").create(
        {
            "id": str, "topic": str, "subject": str, "message": str, "created": str, "alarm": str, "attempts": int,
            "due": str,
        },
        pk="id",
    )  # fmt: skip
    db.table("dashboards").create({"name": str, "body": str, "modified": str}, pk="name")


def register(migrations: Migrations) -> None:
    """Add them to the history."""
    migrations()(m501_cloudwatch)
