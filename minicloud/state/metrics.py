"""The datapoints of metrics: a SQLite file of their own, because they are many, and none of them is worth a wish.

- A series is one metric with its dimensions and one unit. Of a series there is one point for a resolution and a time; what is
  put to a point that is there is merged with it.
- Resolutions are 1, 60, 300 and 3600 seconds. A point that is older than its resolution is kept becomes part of one of the next,
  and of the last it goes (AWS's GetMetricStatistics page has these figures). A point is at one resolution only.
- The file has a bound. Where the points do not fit, all are kept for a shorter time.
- A point of one value is kept as that value alone.
- Losing the last second in a failure of power is no harm; a file that is damaged is put aside and a new one begun.
"""

import contextlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..aws import distribution
from ..aws.distribution import Distribution

log = logging.getLogger(__name__)

HOUR, DAY = 3600, 86400
KEPT = {1: 3 * HOUR, 60: 15 * DAY, 300: 63 * DAY, 3600: 455 * DAY}
"""For how many seconds a point of each resolution is kept as such."""
_NEXT = {1: 60, 60: 300, 300: 3600}
_BATCH = 20_000
_SCHEMA = """
create table series (
    id integer primary key, namespace text not null, name text not null, dimensions text not null, unit text not null,
    first integer not null, last integer not null, unique (namespace, name, dimensions, unit)
);
create table points (
    series integer not null, resolution integer not null, time integer not null, count real not null, total real not null,
    low real, high real, "values" blob, primary key (series, resolution, time)
) without rowid;
create index points_by_age on points (resolution, time);
pragma user_version = 1;
"""
_READ = 'select series, resolution, time, count, total, low, high, "values" from points'


@dataclass(frozen=True)
class Metric:
    """A metric. `dimensions` are pairs of a name and a value, sorted."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str = "None"


@dataclass(frozen=True)
class Series:
    """A metric that is kept, and the times of its first and last points (seconds since 1970)."""

    id: int
    metric: Metric
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Point:
    """What fell into the period of `resolution` seconds from `time` on."""

    series: int
    resolution: int
    time: int
    what: Distribution


Entry = tuple[Metric, int, int, Distribution]
"""A metric, the resolution, the time, and what is put there. The time is rounded down to the resolution."""


def dimensions(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Dimensions as a Metric has them."""
    return tuple(sorted(given.items()))


def _row(point: Distribution) -> tuple[Any, ...]:
    if point.count == 1 and point.low == point.high and point.values is not None:
        return (1.0, point.total, None, None, None)
    return (point.count, point.total, point.low, point.high, distribution.dump(point.values))


def _point(row: Sequence[Any]) -> Point:
    series, resolution, time, count, total, low, high, values = row
    if low is None:
        return Point(series, resolution, time, distribution.of_value(total))
    return Point(series, resolution, time, Distribution(count, total, low, high, distribution.load(values)))


class MetricsStore:
    """The file, opened on first use, a connection for each thread. `most` is in bytes."""

    def __init__(self, path: Path, most: int, refuse: Callable[[], object] = str) -> None:
        """`refuse` raises StateError where the file is not to be opened."""
        self._path, self._most, self._refuse = path, most, refuse
        self._threads = threading.local()
        self._ids: dict[Metric, int] = {}
        self._lock = threading.Lock()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            try:
                connection = self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                log.warning("the metrics in %s are damaged (%s) and put aside; a new file begins", self._path, error)
                self._put_aside()
                connection = self._open()
            self._threads.connection = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        self._refuse()
        files.directory(self._path.parent, 0o711)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=30.0, isolation_level=None, check_same_thread=False)
        if connection.execute("pragma user_version").fetchone()[0] == 0:
            # Both are written into the file's header, which a file that has tables keeps.
            connection.execute("pragma auto_vacuum = incremental")
            connection.execute("pragma journal_mode = wal")
            connection.execute("begin immediate")
            with contextlib.closing(connection.cursor()) as cursor:
                if cursor.execute("pragma user_version").fetchone()[0] == 0:
                    for statement in _SCHEMA.split(";\n"):
                        cursor.execute(statement)
            connection.execute("commit")
        connection.execute("pragma synchronous = normal")
        return connection

    def _put_aside(self) -> None:
        with self._lock:
            for suffix in ("", "-wal", "-shm"):
                path = self._path.with_name(self._path.name + suffix)
                if path.exists():
                    path.rename(path.with_name(path.name + ".damaged"))
            self._ids.clear()

    def close(self) -> None:
        """Close this thread's connection."""
        if (connection := getattr(self._threads, "connection", None)) is not None:
            connection.close()
            self._threads.connection = None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("begin immediate")
        try:
            yield connection
        except BaseException:
            connection.execute("rollback")
            self._ids.clear()
            raise
        connection.execute("commit")

    def put(self, entries: Iterable[Entry]) -> None:
        """Take points in, all or none."""
        together: dict[tuple[Metric, int, int], list[Distribution]] = {}
        for metric, resolution, time, what in entries:
            together.setdefault((metric, resolution, time - time % resolution), []).append(what)
        if not together:
            return
        with self._writing() as connection:
            spans: dict[int, tuple[int, int]] = {}
            for (metric, resolution, time), parts in together.items():
                series = self._series(connection, metric, time)
                self._add(connection, series, resolution, time, parts)
                low, high = spans.get(series, (time, time))
                spans[series] = (min(low, time), max(high, time))
            connection.executemany(
                "update series set first = min(first, ?), last = max(last, ?) where id = ?",
                [(low, high, series) for series, (low, high) in spans.items()],
            )

    def _add(self, connection: sqlite3.Connection, series: int, resolution: int, time: int, parts: list[Distribution]) -> None:
        key = (series, resolution, time)
        there = connection.execute(f"{_READ} where series = ? and resolution = ? and time = ?", key).fetchone()
        whole = distribution.merge([*([_point(there).what] if there else []), *parts])
        connection.execute("insert or replace into points values (?, ?, ?, ?, ?, ?, ?, ?)", (*key, *_row(whole)))

    def _series(self, connection: sqlite3.Connection, metric: Metric, time: int) -> int:
        found = self._ids.get(metric)
        if found is None:
            key = (metric.namespace, metric.name, json.dumps(metric.dimensions), metric.unit)
            connection.execute(
                "insert or ignore into series (namespace, name, dimensions, unit, first, last) values (?, ?, ?, ?, ?, ?)",
                (*key, time, time),
            )
            where = "namespace = ? and name = ? and dimensions = ? and unit = ?"
            found = int(connection.execute(f"select id from series where {where}", key).fetchone()[0])  # noqa: S608
            self._ids[metric] = found
        return found

    def series(
        self, namespace: str = "", name: str = "", exact: tuple[tuple[str, str], ...] | None = None, since: int = 0
    ) -> list[Series]:
        """The series of a namespace and a name (empty: of all), with exactly these dimensions, with points not before `since`."""
        given = {"namespace": namespace, "name": name, "dimensions": None if exact is None else json.dumps(exact)}
        used = {column: value for column, value in given.items() if value not in ("", None)}
        where = "".join(f" and {column} = ?" for column in used)
        sql = f"select id, namespace, name, dimensions, unit, first, last from series where last >= ?{where} order by id"  # noqa: S608
        found = []
        for key, space, title, pairs, unit, first, last in self._connection().execute(sql, (since, *used.values())):
            found.append(Series(key, Metric(space, title, tuple((a, b) for a, b in json.loads(pairs)), unit), first, last))
        return found

    def points(self, series: Sequence[int], start: int, end: int, coarsest: int = 3600) -> list[Point]:
        """The points of series from `start` to before `end`, of resolutions up to `coarsest`, by time."""
        found: list[Point] = []
        for key in series:
            sql = f"{_READ} where series = ? and resolution <= ? and resolution >= 1 and time >= ? and time < ?"
            found += [_point(row) for row in self._connection().execute(sql, (key, coarsest, start, end))]
        return sorted(found, key=lambda point: point.time)

    def size(self) -> int:
        """The bytes of the file that are in use."""
        connection = self._connection()
        pages, free, each = (
            connection.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * each)

    def forget_after(self, time: int, prefix: str) -> None:
        """Forget the points later than `time` in namespaces that begin so: a clock that was ahead wrote them."""
        where = "series in (select id from series where substr(namespace, 1, ?) = ?)"
        with self._writing() as connection:
            connection.execute(f"delete from points where time > ? and {where}", (time, len(prefix), prefix))  # noqa: S608
            connection.execute("update series set last = min(last, ?) where substr(namespace, 1, ?) = ?",
                               (time, len(prefix), prefix))  # fmt: skip

    def age(self, now: int) -> None:
        """Roll up and drop what is old by now; then, while the file is larger than it may be, what is older than half of that."""
        part = 1.0
        self._age(now, part)
        while self.size() > self._most and part > 1e-4:
            part /= 2
            self._age(now, part)
        if part < 1.0:
            log.warning("the metrics need more than %d bytes: points are kept for %g of AWS's time", self._most, part)
        # A page is given back at each step of this statement, and only a script is stepped to its end.
        self._connection().executescript("pragma incremental_vacuum")
        self._connection().execute("pragma wal_checkpoint(truncate)").fetchall()

    def _age(self, now: int, part: float) -> None:
        for resolution, kept in KEPT.items():
            coarse = _NEXT.get(resolution)
            # Whole periods of the next resolution only, so that one of these is never made in two parts.
            before = int(now - kept * part)
            before -= before % (coarse or resolution)
            while self._roll(resolution, coarse, before):
                pass
        with self._writing() as connection:
            gone = "last < ? and not exists (select 1 from points where points.series = series.id)"
            if connection.execute(f"delete from series where {gone}", (int(now - KEPT[60]),)).rowcount:  # noqa: S608
                self._ids.clear()

    def _roll(self, resolution: int, coarse: int | None, before: int) -> bool:
        """One batch of it; whether there may be more."""
        with self._writing() as connection:
            sql = f"{_READ} where resolution = ? and time < ? order by time limit ?"
            old = [_point(row) for row in connection.execute(sql, (resolution, before, _BATCH))]
            groups: dict[tuple[int, int], list[Distribution]] = {}
            for point in old:
                if coarse is not None:
                    groups.setdefault((point.series, point.time - point.time % coarse), []).append(point.what)
            for (series, time), parts in groups.items():
                self._add(connection, series, coarse or 0, time, [_coarse(part) for part in parts])
            connection.executemany(
                "delete from points where series = ? and resolution = ? and time = ?",
                [(point.series, resolution, point.time) for point in old],
            )
        return len(old) == _BATCH


def _coarse(what: Distribution) -> Distribution:
    """What is rolled up keeps its values to 1 %."""
    if what.values is None:
        return what
    return Distribution(what.count, what.total, what.low, what.high, distribution.coarse(what.values))
