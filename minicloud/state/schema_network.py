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

    @migrations()
    def m212_route_tables(db: Database) -> None:
        """Route tables with their routes and subnets. Each VPC has a main one, which led outside where a gateway was attached."""
        db.table("route_tables").create(
            {"id": str, "vpc_id": str, "created": str}, pk="id", foreign_keys=[("vpc_id", "vpcs", "id")]
        )
        db.table("routes").create(
            {"table_id": str, "cidr": str, "gateway_id": str}, pk=("table_id", "cidr"),
            foreign_keys=[("table_id", "route_tables", "id")],
        )  # fmt: skip
        db.table("route_associations").create(
            {"id": str, "table_id": str, "subnet_id": str}, pk="id",
            foreign_keys=[("table_id", "route_tables", "id"), ("subnet_id", "subnets", "id")],
        )  # fmt: skip
        db.table("route_associations").create_index(["subnet_id"], unique=True)
        db.conn.execute("insert into route_tables select route_table_id, id, created from vpcs")
        outside = "insert into routes select route_table_id, '0.0.0.0/0', internet_gateway_id from vpcs"
        db.conn.execute(f"{outside} where internet_gateway_id != ''")
