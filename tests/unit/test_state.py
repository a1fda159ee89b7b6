"""The database: its history, its newer versions, its rows, its transactions."""

import contextlib
import dataclasses
import hashlib
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from minicloud.errors import UsageError
from minicloud.state import rows
from minicloud.state.schema import migrate, migrations
from minicloud.state.store import VERSION, State
from minicloud.state.table import Table

from ..processes import together, values

KEY = rows.KeyPair("key-1", "mine", "rsa", "aa:bb", "ssh-rsa AAAA", "2026-01-02T03:04:05.000Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "state.sqlite"


@pytest.fixture
def state(path: Path) -> State:
    return State(path)


def tables(state: State) -> list[Table[Any]]:
    return [found for found in vars(state).values() if isinstance(found, Table)]


def applied(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [migration.name for migration in migrations.applied(Database(connection))]


class TestMigrations:
    def test_the_version_is_their_number(self) -> None:
        assert len(migrations.pending(Database(memory=True))) == VERSION

    def test_a_fresh_database_has_them_all_once(self, state: State, path: Path) -> None:
        state.key_pairs.query()
        names = applied(path)
        assert len(names) == len(set(names)) >= 4
        State(path).key_pairs.query()
        assert applied(path) == names

    def test_opening_again_loses_nothing(self, state: State, path: Path) -> None:
        state.key_pairs.add(KEY)
        assert State(path).key_pairs.query() == [KEY]

    def test_eight_processes_find_no_database_at_once(self, path: Path) -> None:
        def open_and_write(number: int) -> int:
            made = State(path)
            with made.transaction():
                made.key_pairs.add(dataclasses.replace(KEY, id=f"key-{number}", name=str(number)))
            return len(made.vpcs.query())

        assert values(together(*(lambda number=number: open_and_write(number) for number in range(8)))) == [0] * 8
        assert len(State(path).key_pairs.query()) == 8
        assert len(applied(path)) == len(set(applied(path)))

    def test_an_older_database_is_brought_up(self, path: Path) -> None:
        path.parent.mkdir()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            db = Database(connection)
            known = [migration.name for migration in migrations.pending(db)]
            migrations.apply(db, stop_before=known[-1])
        assert applied(path) == known[:-1]
        state = State(path)
        assert state.key_pairs.query() == []
        assert applied(path) == known

    def test_each_database_has_an_identity_which_stays(self, state: State, path: Path, tmp_path: Path) -> None:
        identity = state.identity
        assert re.fullmatch("[0-9a-f]{32}", identity.id)
        assert identity.generation == 0
        assert State(path).identity == identity
        assert State(tmp_path / "other.sqlite").identity.id != identity.id

    def test_what_was_there_before_makers_were_kept_is_the_accounts(self, path: Path) -> None:
        path.parent.mkdir()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            db = Database(connection)
            migrations.apply(db, stop_before="m602_makers")
            old = {"id": "lt-1", "name": "old", "default_version": 1, "latest_version": 1, "created": ""}
            db.table("launch_templates").insert(old)
            db.table("policies").insert(dict.fromkeys(("id", "description", "state", "message", "role", "created"), "p") | {
                "details": "{}", "modified": "",
            })  # fmt: skip
        state = State(path)
        assert [row.makers for row in (*state.launch_templates.query(), *state.policies.query())] == [[], []]

    def test_a_newer_database_is_refused_and_stays_as_it_is(self, state: State, path: Path) -> None:
        state.key_pairs.add(KEY)
        connection = state._connection()
        Database(connection).table("_sqlite_migrations").insert(
            {"migration_set": "minicloud", "name": "m999_from_the_future", "applied_at": "2030-01-01"}
        )
        connection.execute(f"pragma user_version={VERSION + 1}")
        connection.execute("pragma wal_checkpoint(truncate)")
        state.close()
        before = hashlib.sha256(path.read_bytes()).digest()
        for _ in range(2):
            with pytest.raises(UsageError, match=r"newer minicloud.*m999_from_the_future"):
                State(path).key_pairs.query()
        assert hashlib.sha256(path.read_bytes()).digest() == before
        assert (path.parent / "state.sqlite-wal").exists() is False or (path.parent / "state.sqlite-wal").stat().st_size == 0

    def test_a_migration_that_fails_leaves_nothing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path.parent.mkdir()

        def half(db: Any, **_: Any) -> None:
            db.table("vpcs").create({"id": str})
            raise RuntimeError("in the middle")

        monkeypatch.setattr(migrations, "apply", half)
        connection = sqlite3.connect(path, isolation_level=None)
        with pytest.raises(RuntimeError):
            migrate(connection, str(path))
        monkeypatch.undo()
        assert not Database(connection).table("vpcs").exists()
        migrate(connection, str(path))
        assert Database(connection).table("vpcs").exists()
        connection.close()


def test_nobody_else_may_read_the_database(state: State, path: Path) -> None:
    state.key_pairs.add(KEY)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_each_row_has_the_columns_of_its_table(state: State) -> None:
    assert len(tables(state)) >= 10
    for table in tables(state):
        columns = {row[1] for row in state._connection().execute(f"pragma table_info({table.name})")}
        assert columns == set(table.columns), table.name
        assert set(table.key) <= columns


def test_every_table_of_the_database_has_rows_of_its_own(state: State) -> None:
    known = {table.name for table in tables(state)}
    assert {name for name in Database(state._connection()).table_names() if not name.startswith(("_", "sqlite_"))} == known


class TestTable:
    def test_add_get_find_among_change_remove(self, state: State) -> None:
        state.key_pairs.add(KEY)
        other = state.key_pairs.add(dataclasses.replace(KEY, id="key-2", name="other"))
        assert state.key_pairs.get("key-1") == KEY
        assert state.key_pairs.get("key-3") is None
        assert state.key_pairs.find(name="other", kind="rsa") == [other]
        assert state.key_pairs.among("id", ["key-2", "key-9", "key-1"]) == [KEY, other]
        assert state.key_pairs.change("key-1", name="new") is True
        assert state.key_pairs.change("key-9", name="new") is False
        assert state.key_pairs.find(name="new")[0].id == "key-1"
        assert state.key_pairs.remove("key-1") is True
        assert state.key_pairs.remove("key-1") is False
        assert state.key_pairs.query() == [other]

    def test_a_row_that_has_changed_meanwhile_is_left(self, state: State) -> None:
        read = state.key_pairs.add(KEY)
        state.key_pairs.change(KEY.id, fingerprint="other")
        assert state.key_pairs.change_if(read, ("name",), name="first") is True
        assert state.key_pairs.change_if(read, ("name",), name="again") is False
        assert state.key_pairs.change_if(dataclasses.replace(KEY, id="key-9"), (), name="x") is False
        assert state.key_pairs.get(KEY.id) == dataclasses.replace(KEY, name="first", fingerprint="other")

    def test_more_values_than_sqlite_takes_at_once(self, state: State) -> None:
        with state.transaction():
            for number in range(1200):
                state.key_pairs.add(dataclasses.replace(KEY, id=f"key-{number}", name=str(number)))
        assert len(state.key_pairs.among("id", [f"key-{number}" for number in range(1200)])) == 1200

    def test_lists_maps_bytes_and_truth_come_back_as_they_were(self, state: State) -> None:
        instance = rows.Instance(
            "i-1", "r-1", 0, "ami-1", "t3.nano", "k", "ssh-rsa", b"\x00\xff'\n", "us-east-1a", "stop", "c", "l",
            protect_stop=True, metadata_options={"HttpTokens": "required", "n": [1, None]}, host_keys=["a", "ü"],
        )  # fmt: skip
        state.instances.add(instance)
        assert state.instances.get("i-1") == instance
        state.instances.change("i-1", host_keys=[], metadata_options={}, protect_stop=False, user_data=b"")
        changed = dataclasses.replace(instance, host_keys=[], metadata_options={}, protect_stop=False, user_data=b"")
        assert state.instances.get("i-1") == changed

    def test_texts_are_never_sql(self, state: State) -> None:
        name = "x'); drop table key_pairs; --"
        state.key_pairs.add(dataclasses.replace(KEY, name=name))
        assert state.key_pairs.find(name=name)[0].name == name

    def test_text_that_is_no_unicode_is_written_with_escapes_and_found_again(self, state: State) -> None:
        """In columns, in keys, and in what is kept as JSON."""
        name, escaped = "caf\udce9 ü \U0001f600 .iso", "caf\\udce9 ü \U0001f600 .iso"
        key = dataclasses.replace(KEY, id="key-\udcff", name=name)
        state.key_pairs.add(key)
        assert state.key_pairs.get(key.id) == dataclasses.replace(key, id="key-\\udcff", name=escaped)
        assert [row.name for row in (*state.key_pairs.find(name=name), *state.key_pairs.among("name", [name]))] == [escaped] * 2
        assert state.key_pairs.counts(["name"], "name = ?", [name]) == {(escaped,): 1}
        assert state.key_pairs.change(key.id, fingerprint=name)
        assert state.key_pairs.change_if(key, ("name",), name="\ud800")
        assert state.key_pairs.query()[0].fingerprint == escaped
        assert state.key_pairs.remove_where("name = ?", "\ud800") == 1
        assert not state.key_pairs.remove(key.id)
        instance = rows.Instance(
            "i-1", "r-1", 0, "ami-1", "t3.nano", "k", "ssh-rsa", b"\xff", "us-east-1a", "stop", "c", "l",
            metadata_options={name: [name, {"n": 1}]}, host_keys=[name],
        )  # fmt: skip
        state.instances.add(instance)
        (read,) = state.instances.query()
        assert (read.host_keys, read.metadata_options, read.user_data) == ([escaped], {escaped: [escaped, {"n": 1}]}, b"\xff")

    def test_what_is_unique_is_there_once(self, state: State) -> None:
        state.key_pairs.add(KEY)
        with pytest.raises(sqlite3.IntegrityError):
            state.key_pairs.add(dataclasses.replace(KEY, id="key-2"))

    def test_foreign_keys_hold(self, state: State) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            state.subnets.add(rows.Subnet("subnet-1", "vpc-none", "10.0.0.0/24", "z", False, False, "c"))


class TestTransactions:
    def test_all_or_nothing(self, state: State) -> None:
        def fail_half_way() -> None:
            with state.transaction():
                state.key_pairs.add(KEY)
                raise KeyError

        with pytest.raises(KeyError):
            fail_half_way()
        assert state.key_pairs.query() == []

    def test_one_inside_another_is_part_of_it(self, state: State) -> None:
        def fail_outside() -> None:
            with state.transaction():
                with state.transaction():
                    state.key_pairs.add(KEY)
                raise KeyError

        with pytest.raises(KeyError):
            fail_outside()
        assert state.key_pairs.query() == []

    def test_a_part_that_fails_takes_back_its_own_and_no_more(self, state: State) -> None:
        def fail_in_a_part() -> None:
            with state.part():
                state.key_pairs.add(dataclasses.replace(KEY, id="key-2", name="another"))
                raise KeyError

        with state.transaction():
            with state.part():
                state.key_pairs.add(KEY)
            with pytest.raises(KeyError):
                fail_in_a_part()
        assert state.key_pairs.query() == [KEY]

    def test_a_trial_leaves_nothing_and_what_was_before_it_stays(self, state: State) -> None:
        def fail_inside() -> None:
            with state.part(keep=False):
                state.key_pairs.add(dataclasses.replace(KEY, id="key-3", name="c"))
                raise KeyError

        with state.transaction():
            state.key_pairs.add(KEY)
            with state.part(keep=False), state.transaction():
                state.key_pairs.add(dataclasses.replace(KEY, id="key-2", name="b"))
                assert len(state.key_pairs.query()) == 2
            with pytest.raises(KeyError):
                fail_inside()
        assert state.key_pairs.query() == [KEY]

    def test_a_reader_sees_what_was_there_when_it_began(self, state: State, path: Path) -> None:
        state.key_pairs.query()
        writer = State(path)
        with state.transaction(write=False):
            assert state.key_pairs.query() == []
            writer.key_pairs.add(KEY)
            assert state.key_pairs.query() == []
        assert state.key_pairs.query() == [KEY]

    def test_each_thread_has_a_connection_of_its_own(self, state: State) -> None:
        found: list[Any] = []

        def other() -> None:
            found.append((state._connection(), state.key_pairs.query()))
            state.close()

        with state.transaction():
            state.key_pairs.add(KEY)
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(60)
            assert state.key_pairs.query() == [KEY]
        assert found[0][0] is not state._connection()
        assert found[0][1] == []

    def test_a_closed_state_opens_again(self, state: State) -> None:
        state.key_pairs.add(KEY)
        state.close()
        state.close()
        assert state.key_pairs.query() == [KEY]


def test_tags_of_many(state: State) -> None:
    state.tags.add(rows.Tag("i-1", "a", "b", "instance"))
    state.tags.add(rows.Tag("i-1", "c", "", "instance"))
    found = state.tags_of(["i-1", "i-2"])
    assert found["i-1"] == [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": ""}]
    assert found["i-2"] == []


def test_threads_that_open_it_take_no_locks_from_one_another(path: Path) -> None:
    """SQLite's locks are the process's: had a thread closed a descriptor of the file, the others would read old rows for ever."""
    first = State(path)
    assert first.tags.query() == []
    second = threading.Thread(target=State(path).tags.query)
    second.start()
    second.join()
    write = """
import pathlib, sys
from minicloud.state.rows import Tag
from minicloud.state.store import State
state = State(pathlib.Path(sys.argv[1]))
with state.transaction():
    state.tags.add(Tag(sys.argv[2], "k", "v", "instance"))
state.close()
"""
    for number in ("i-1", "i-2", "i-3"):
        subprocess.run([sys.executable, "-c", write, str(path), number], check=True)
        assert first.tags.get(number, "k") is not None


def test_a_disk_that_is_full_is_what_the_caller_is_told(state: State) -> None:
    """SQLite ends a transaction itself where it cannot write: there is nothing to roll back then."""
    connection = state._connection()
    connection.execute("PRAGMA cache_size=1")
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    whole = dataclasses.replace(KEY, public_key="x" * 400_000)
    with pytest.raises(sqlite3.OperationalError, match="full"), state.transaction():
        state.key_pairs.add(whole)
    assert state.key_pairs.query() == []
