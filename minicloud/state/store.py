"""The state: opened on first use, a connection for each thread.

Every change happens inside `transaction()`; writers take turns (BEGIN IMMEDIATE), so what a transaction read still holds when
it writes. Readers never wait.
"""

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlite_utils import Database

from . import rows
from .schema import connect, migrate
from .table import Table


class State:
    """All tables of one database file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()
        self.vpcs = Table(self._db, "vpcs", rows.Vpc)
        self.subnets = Table(self._db, "subnets", rows.Subnet)
        self.security_groups = Table(self._db, "security_groups", rows.SecurityGroup)
        self.images = Table(self._db, "images", rows.Image)
        self.key_pairs = Table(self._db, "key_pairs", rows.KeyPair)
        self.volumes = Table(self._db, "volumes", rows.Volume)
        self.instances = Table(self._db, "instances", rows.Instance)
        self.interfaces = Table(self._db, "interfaces", rows.Interface)
        self.tags = Table(self._db, "tags", rows.Tag, ("resource_id", "key"))
        self.client_tokens = Table(self._db, "client_tokens", rows.ClientToken, ("scope", "token"))

    def _db(self) -> Database:
        db: Database | None = getattr(self._threads, "db", None)
        if db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            db = connect(str(self._path))
            migrate(db, str(self._path))
            self._threads.db = db
        return db

    def close(self) -> None:
        """Close this thread's connection."""
        db: Database | None = getattr(self._threads, "db", None)
        if db is not None:
            db.close()
            self._threads.db = None

    @contextlib.contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[None]:
        """All or nothing; with `write=False` one consistent view. Inside another transaction it is part of that one."""
        connection = self._db().conn
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def tags_of(self, resource_ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
        """The tags of many resources, as AWS answers them; an empty list where there are none."""
        found: dict[str, list[dict[str, str]]] = defaultdict(list)
        for tag in self.tags.among("resource_id", resource_ids):
            found[tag.resource_id].append({"Key": tag.key, "Value": tag.value})
        return found
