"""A database whose migration is killed, as `kill -9` does, is as it was before or wholly of this version; then it opens."""

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from minicloud.state.schema import migrations
from minicloud.state.store import VERSION, State

from ..processes import die, killed

NAMES = [migration.name for migration in migrations.pending(Database(memory=True))]
STARTS = sorted({0, 1, 2, *random.Random(1).sample(range(3, VERSION - 3), 4), *range(VERSION - 3, VERSION)})  # noqa: S311
"""How many migrations a database has had."""
DRAWN = 4
KEY = {"id": "key-1", "name": "mine", "kind": "rsa", "fingerprint": "aa", "public_key": "ssh-rsa A", "created": "t"}
VPC = {"id": "vpc-1", "cidr": "10.0.0.0/16", "is_default": 0, "dns_hostnames": 1, "dns_support": 1, "created": "t"}
MORE = {"dhcp_options_id": "d", "internet_gateway_id": "igw-1", "route_table_id": "rtb-1", "network_acl_id": "acl-1"}


def old(path: Path, start: int) -> None:
    """A database that has had the first `start` migrations, with rows in it."""
    path.parent.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        db = Database(connection)
        migrations.apply(db, stop_before=NAMES[start])
        connection.execute("PRAGMA journal_mode=WAL")
        if start >= 1:
            db.table("vpcs").insert(VPC | MORE)
        if start >= 2:
            db.table("key_pairs").insert(KEY)
        connection.execute(f"PRAGMA user_version={start}")
        connection.commit()


def dump(path: Path) -> tuple[int, list[str], list[str]]:
    """The version, the migrations that it says it has had, and all its tables and rows."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = [one.name for one in migrations.applied(Database(connection))]
        return connection.execute("PRAGMA user_version").fetchone()[0], names, list(connection.iterdump())


def tables(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {str(sql) for (sql,) in connection.execute("select sql from sqlite_master where sql is not null")}


def migrating(path: Path, at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Opens the state; `at` hears the number of each statement before it is carried out."""
    genuine, count = sqlite3.connect, [0]

    def statement(_: str) -> None:
        count[0] += 1
        at(count[0])

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = genuine(*args, **more)
        connection.set_trace_callback(statement)
        return connection

    def task() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", connect)
            State(path).vpcs.query()

    return task


def whole(path: Path, before: tuple[int, list[str], list[str]], wanted: set[str], start: int) -> None:
    """Fails where it is neither the old one nor the new one, and where it does not become the new one when it is opened."""
    found = dump(path)
    if found[0] != VERSION:
        assert found == before
    else:
        assert found[1] == NAMES
        assert tables(path) == wanted
    state = State(path)
    assert [row.id for row in state.vpcs.query()] == (["vpc-1"] if start >= 1 else [])
    assert [row.name for row in state.key_pairs.query()] == (["mine"] if start >= 2 else [])
    assert len(state.identity.id) == 32
    state.close()
    assert dump(path)[:2] == (VERSION, NAMES)
    assert tables(path) == wanted


def fresh(place: Path) -> Iterator[Path]:
    """Places for databases."""
    for number in range(1 << 20):
        yield place / str(number) / "state.sqlite"


@pytest.mark.parametrize("start", STARTS)
def test_killed_before_a_statement(start: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, counted = fresh(tmp_path), [0]
    old(path := next(paths), start)
    migrating(path, lambda number: counted.__setitem__(0, number), monkeypatch)()
    wanted, statements = tables(path), counted[0]
    drawn = random.Random(start).sample(range(2, statements), DRAWN)  # noqa: S311
    for number in sorted({1, statements - 1, statements, *drawn}):
        old(path := next(paths), start)
        before = dump(path)
        assert killed(migrating(path, lambda at, number=number: die() if at == number else None, monkeypatch)), number
        whole(path, before, wanted, start)


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """From outside: in the midst of a statement, of a commit, of writing the log into the database."""
    paths = fresh(tmp_path)
    old(path := next(paths), 0)
    State(path).vpcs.query()
    wanted, moments = tables(path), random.Random(7)  # noqa: S311
    for _ in range(20):
        start = moments.choice(STARTS)
        old(path := next(paths), start)
        before = dump(path)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                State(path).vpcs.query()
            os._exit(0)
        time.sleep(moments.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        whole(path, before, wanted, start)
