"""What the endpoint's breadth keeps: settings of the account, and what images and instances became for it."""

from sqlite_utils import Database, Migrations


def register(migrations: Migrations) -> None:
    """Add them to the history."""

    @migrations()
    def m311_account(db: Database) -> None:
        """Settings of the account by name, each a map; protection of images; placement groups of instances."""
        db.table("account_settings").create({"name": str, "chosen": str}, pk="name")
        for name in ("protection", "source_image"):
            db.table("images").add_column(name, str, not_null_default="")
        db.table("instances").add_column("placement_group", str, not_null_default="")

    @migrations()
    def m312_capacity_reservations(db: Database) -> None:
        """Capacity that is kept for instances to come, and which instance uses which."""
        db.table("capacity_reservations").create(
            {
                "id": str, "instance_type": str, "zone": str, "count": int, "matches": str, "state": str, "ends": str,
                "ebs_optimized": int, "created": str,
            },
            pk="id",
        )  # fmt: skip
        db.table("instances").add_column("capacity_reservation", str, not_null_default="")

    @migrations()
    def m313_cpu_options(db: Database) -> None:
        """Cores, and threads of each, that a guest sees; 0 for those of its type."""
        for name in ("cpu_cores", "cpu_threads"):
            db.table("instances").add_column(name, int, not_null_default=0)
