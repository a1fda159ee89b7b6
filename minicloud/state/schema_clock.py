"""What is kept of the host's clocks, and of files that are to be removed (`rows_clock.py` says what they hold)."""

from sqlite_utils import Database, Migrations


def register(migrations: Migrations) -> None:
    """Add them to the history."""

    @migrations()
    def m801_clock(db: Database) -> None:
        """One clock for all that waits; how far it was ahead of backups; keys that end; why messages wait; ends of others."""
        columns = {"wall": float, "uptime": float, "steady": float, "gap": float, "jump": float, "doubted": float}
        db.table("host_clock").create({"boot_id": str, **columns}, pk="boot_id")
        db.conn.execute("insert into host_clock select boot_id, wall, uptime, wall, 0, 0, -1 from scaling_clock")
        db.table("scaling_clock").drop()
        for name in ("snapshots", "images"):
            db.table(name).add_column("ahead", float, not_null_default=0.0)
        db.table("ended_keys").create({"name": str}, pk="name")
        db.table("capacity_reservations").add_column("ended", str, not_null_default="")
        db.table("notifications").add_column("reason", str, not_null_default="")
