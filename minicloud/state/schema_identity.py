"""Which state this is (`rows_identity.py`)."""

import secrets

from sqlite_utils import Database, Migrations

from ..aws import times


def register(migrations: Migrations) -> None:
    """Add it to the history."""

    @migrations()
    def m007_identity(db: Database) -> None:
        """One row, also for a database that was there before."""
        identity = db.table("identity")
        identity.create({"id": str, "generation": int, "created": str}, pk="id")
        identity.insert({"id": secrets.token_hex(16), "generation": 0, "created": times.now()})
