"""What the network's tables became after `schema.py` (`rows.py` and `rows_network.py` say what they hold)."""

from sqlite_utils import Database, Migrations


def register(migrations: Migrations) -> None:
    """Add them to the history."""

    @migrations()
    def m211_attachments(db: Database) -> None:
        """How far a network interface is on its way into an instance, or out of it."""
        interfaces = db.table("interfaces")
        for name in ("attachment", "detach_asked"):
            interfaces.add_column(name, str, not_null_default="")
        for name in ("force_detach", "failures"):
            interfaces.add_column(name, int, not_null_default=0)
        db.conn.execute("update interfaces set attachment = 'attached' where instance_id != ''")
