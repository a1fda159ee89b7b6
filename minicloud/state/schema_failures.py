"""The table of present failures (`rows_failures.py` says what it holds)."""

from sqlite_utils import Database, Migrations


def register(migrations: Migrations) -> None:
    """Add it to the history."""

    @migrations()
    def m701_failures(db: Database) -> None:
        """What reconcilers cannot do at present."""
        db.table("failures").create(
            {
                "part": str, "subject": str, "code": str, "message": str, "since": str, "latest": str, "count": int,
                "retry_at": str,
            },
            pk=("part", "subject"),
        )  # fmt: skip
        db.table("failures").create_index(["subject"])
