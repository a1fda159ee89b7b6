"""A table as typed rows: dataclasses in, dataclasses out.

Text that is no Unicode, as the system gives it where a file's name is not UTF-8 (lone surrogates), is written with these
escaped: SQLite takes no other, and a reason that cannot be recorded would keep other rows waiting.
"""

import dataclasses
import json
import sqlite3
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")
_MOST_VARIABLES = 500


def _decoder(kind: Any) -> Callable[[Any], Any] | None:
    if kind is bool:
        return bool
    if typing.get_origin(kind) in (list, dict):
        return json.JSONDecoder().decode
    return None


def _text(value: Any) -> Any:
    """A value as SQLite, or what reads JSON, takes it."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_text(name): _text(one) for name, one in value.items()}
    return [_text(one) for one in value] if isinstance(value, list | tuple) else value


class Table(Generic[Row]):
    """One table. `key` are the columns that identify a row."""

    def __init__(
        self, connection: Callable[[], sqlite3.Connection], name: str, kind: type[Row], key: tuple[str, ...] = ("id",)
    ) -> None:
        self._connection = connection
        self.name = name
        self.key = key
        self._kind = kind
        fields = dataclasses.fields(kind)  # type: ignore[arg-type]
        self.columns = [field.name for field in fields]
        self._decoders = [(at, decode) for at, field in enumerate(fields) if (decode := _decoder(field.type))]
        self._json = {field.name for field in fields if typing.get_origin(field.type) in (list, dict)}
        self._select = f"select {', '.join(self.columns)} from {name}"  # noqa: S608 - names of our own

    def _row(self, values: tuple[Any, ...]) -> Row:
        if self._decoders:
            decoded = list(values)
            for at, decode in self._decoders:
                decoded[at] = decode(decoded[at])
            return self._kind(*decoded)
        return self._kind(*values)

    def _encode(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {name: json.dumps(_text(value)) if name in self._json else value for name, value in fields.items()}

    def _execute(self, sql: str, values: Iterable[Any]) -> sqlite3.Cursor:
        return self._connection().execute(sql, tuple(_text(value) for value in values))

    def query(self, where: str = "", values: Iterable[Any] = (), order: str = "rowid") -> list[Row]:
        """The rows that an SQL condition with `?` picks, oldest first."""
        sql = f"{self._select}{' where ' + where if where else ''} order by {order}"
        return [self._row(row) for row in self._execute(sql, values)]

    def counts(self, columns: Sequence[str], where: str, values: Iterable[Any] = ()) -> dict[Any, int]:
        """How many rows that an SQL condition picks have the same values of some columns, by these values; no row is made."""
        names = ", ".join(columns)
        sql = f"select {names}, count(*) from {self.name} where {where} group by {names}"  # noqa: S608
        return {tuple(found[:-1]): found[-1] for found in self._execute(sql, values)}

    def find(self, **equals: Any) -> list[Row]:
        """The rows with these values, oldest first."""
        return self.query(" and ".join(f"{name} = ?" for name in equals), equals.values())

    def among(self, column: str, values: Iterable[Any]) -> list[Row]:
        """The rows whose `column` has one of these values."""
        wanted, rows = list(values), []
        for start in range(0, len(wanted), _MOST_VARIABLES):
            part = wanted[start : start + _MOST_VARIABLES]
            rows += self.query(f"{column} in ({', '.join('?' * len(part))})", part)
        return rows

    def get(self, *key: Any) -> Row | None:
        """The row with this key, or None."""
        rows = self.query(self._by_key, key)
        return rows[0] if rows else None

    @property
    def _by_key(self) -> str:
        return " and ".join(f"{name} = ?" for name in self.key)

    def add(self, row: Row) -> Row:
        """Insert a row. Raises sqlite3.IntegrityError where a unique value is taken."""
        fields = self._encode({name: getattr(row, name) for name in self.columns})
        sql = f"insert into {self.name} ({', '.join(fields)}) values ({', '.join('?' * len(fields))})"  # noqa: S608
        self._execute(sql, fields.values())
        return row

    def change(self, *key: Any, **fields: Any) -> bool:
        """Set some fields of a row; False if there is no such row."""
        values = self._encode(fields)
        sql = f"update {self.name} set {', '.join(f'{name} = ?' for name in values)} where {self._by_key}"  # noqa: S608
        return self._execute(sql, (*values.values(), *key)).rowcount > 0

    def change_if(self, row: Row, columns: Iterable[str], **fields: Any) -> bool:
        """Set some fields of a row, unless one of these columns is not what it was when `row` was read; False if so.

        What a reconciler has done slowly is recorded by this: what was wished for meanwhile stands.
        """
        values = self._encode(fields)
        read = self._encode({name: getattr(row, name) for name in (*self.key, *columns)})
        same = " and ".join(f"{name} is ?" for name in read)
        sql = f"update {self.name} set {', '.join(f'{name} = ?' for name in values)} where {same}"  # noqa: S608
        return self._execute(sql, (*values.values(), *read.values())).rowcount > 0

    def remove(self, *key: Any) -> bool:
        """Delete a row; False if there is none."""
        return self._execute(f"delete from {self.name} where {self._by_key}", key).rowcount > 0  # noqa: S608

    def remove_where(self, where: str, *values: Any) -> int:
        """Delete the rows that an SQL condition with `?` picks; how many there were."""
        return self._execute(f"delete from {self.name} where {where}", values).rowcount  # noqa: S608
