"""Isolation: whatever one row raises is the affair of that row. All reconcilers see to their rows by `each`, and the pass to its
stages by `stage`.

- What is raised is written into the table of failures, which describe-*, `minicloud status` and `minicloud doctor` read; it is
  removed when the row is as it should be, or needs nothing any more. All other rows, and all other stages, go on.
- It is logged when it begins, when its message changes, and when it is over; what nobody foresaw with its traceback.
- It is tried again after a delay that doubles, and at once when somebody touches the row (`hasten`).
- A row that has a state for its failure writes it under its own locks (`recorded`), and may be given up with that (`GaveUp`).
- A full disk keeps failures from being recorded, and nothing else from being tried. A state that another process keeps locked
  ends the pass. What ends a process (KeyboardInterrupt, SystemExit) passes through.
"""

import contextlib
import functools
import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError, Retry, host_error
from ..state.rows_failures import Failure
from . import locks

log = logging.getLogger(__name__)

Row = TypeVar("Row")
STAGE = "stage"
"""The part of failures of whole stages."""
LONGEST, LONGEST_STAGE = 60.0, 10.0
"""Seconds between two attempts at most."""
_DELAY = 2.0


class GaveUp(Exception):
    """A failure that has become the state of its row: nothing is tried again. Raised from it."""


def each(
    cloud: Cloud,
    part: str,
    rows: Iterable[tuple[str, Row]],
    see_to: Callable[[Row], object],
    *,
    keep: Collection[str] = (),
    at_once: Collection[str] = (),
    quick: int = 0,
    longest: float = LONGEST,
) -> bool:
    """See to rows, given with their ids; whether `see_to` said of one that something was done, or one was given up.

    Failures of this part that are of none of these rows, nor among `keep`, are over. Rows `at_once` do not wait for their
    delay; the first `quick` failures of any have none. A row whose lock is held elsewhere is left as it is.
    """
    known = {failure.subject: failure for failure in cloud.state.failures.find(part=part)}
    gone, acted = set(known).difference(keep), False
    for subject, row in rows:
        gone.discard(subject)
        before = known.get(subject)
        if before is None or subject in at_once or not _waits(before):
            acted |= _attempt(cloud, before or Failure(part, subject), functools.partial(see_to, row), quick, longest)
    for subject in gone:
        _worked(cloud, known[subject])
    return acted


def stage(cloud: Cloud, name: str, act: Callable[[], object]) -> bool:
    """Carry a stage of a pass out; whether it did anything. Its failure as a whole keeps no other from its work."""
    before = cloud.state.failures.get(STAGE, name)
    if before is not None and _waits(before):
        return False
    return _attempt(cloud, before or Failure(STAGE, name), act, 0, LONGEST_STAGE)


def guarded(cloud: Cloud, act: Callable[[], object]) -> None:
    """Carry stages out. A state that cannot be used at all ends that, and is told; the next pass sees what was done already."""
    try:
        act()
    except sqlite3.Error as error:
        _tell(cloud, STAGE, "state", Retry(f"the state cannot be read or written: {error}"))
    else:
        cloud.told.pop((STAGE, "state"), None)


def over(cloud: Cloud, *parts: str) -> None:
    """Of these parts there is nothing left that could fail."""
    for failure in cloud.state.failures.among("part", parts):
        _worked(cloud, failure)


@contextlib.contextmanager
def recorded(record: Callable[[HostError], bool]) -> Iterator[None]:
    """What is raised inside is written into a row by `record`, under the locks that are held here.

    `record` says whether that is the end of it: then GaveUp is raised, else what was raised.
    """
    try:
        yield
    except (locks.Busy, sqlite3.OperationalError, GaveUp):
        raise
    except Exception as error:
        if record(host_error(error)):
            raise GaveUp(str(error)) from error
        raise


def hasten(cloud: Cloud, touched: Collection[str]) -> None:
    """Let what has failed of these rows, and stages as a whole, be tried at once: somebody wants something of them now."""
    waiting = cloud.state.failures.query("retry_at != ''") if touched else []
    for failure in waiting:
        if failure.part == STAGE or failure.subject.partition(" ")[0] in touched:
            cloud.state.failures.change(failure.part, failure.subject, retry_at="")


def _attempt(cloud: Cloud, failure: Failure, act: Callable[[], object], quick: int, longest: float) -> bool:
    """Act, and note how that went in what is known of its earlier failures; whether there is more to do now."""
    try:
        acted = bool(act())
    except GaveUp as end:
        _tell(cloud, failure.part, failure.subject, end.__cause__ or end)
        if failure.count:
            _replace(cloud, failure.part, failure.subject, None)
        return True
    except Exception as error:
        if _is_locked(error):
            raise
        if isinstance(error, locks.Busy) and not error.waited:
            return False
        return _failed(cloud, failure, error, quick, longest)
    _worked(cloud, failure)
    return acted


def _is_locked(error: Exception) -> bool:
    """Whether another process keeps the state to itself: then it is waited for with each statement, and nothing can be done."""
    code = getattr(error, "sqlite_errorcode", None)
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _waits(failure: Failure) -> bool:
    """A time that is further away than any delay was written by a clock that has been set back since."""
    return bool(failure.retry_at) and 0 < times.seconds(failure.retry_at) - time.time() <= LONGEST


def _foreseen(error: BaseException) -> BaseException:
    """A failure of the state, or to get a lock in time, in words; others as they are."""
    if isinstance(error, sqlite3.OperationalError):
        room = "; make room where it lies" if "full" in str(error) else ""
        return Retry(f"the state cannot be read or written: {error}{room}")
    return Retry(str(error)) if isinstance(error, locks.Busy) else error


def _failed(cloud: Cloud, failure: Failure, error: Exception, quick: int, longest: float) -> bool:
    """Note a failure; whether it is to be tried again in this pass."""
    _tell(cloud, failure.part, failure.subject, error)
    what = host_error(_foreseen(error))
    failure.count += 1
    delay = what.delay if isinstance(what, Retry) else _DELAY
    wait = min(longest, delay * 2 ** min(failure.count - quick - 1, 5)) if failure.count > quick else 0.0
    failure.code, failure.message, failure.latest = what.code, what.message, times.now()
    failure.since = failure.since or failure.latest
    failure.retry_at = times.text(time.time() + wait) if wait else ""
    _replace(cloud, failure.part, failure.subject, failure)
    return not wait


def _replace(cloud: Cloud, part: str, subject: str, failure: Failure | None) -> None:
    """Write what is known of a subject; on a full disk it is only told."""
    try:
        with cloud.state.transaction():
            cloud.state.failures.remove(part, subject)
            if failure is not None:
                cloud.state.failures.add(failure)
    except sqlite3.OperationalError as error:
        if _is_locked(error):
            raise
        _tell(cloud, STAGE, "recording failures", error)


def _tell(cloud: Cloud, part: str, subject: str, error: BaseException) -> None:
    """Log a failure, unless this process has said the same of it."""
    error = _foreseen(error)
    said = f"{type(error).__name__}: {error}"
    if cloud.told.get((part, subject)) == said:
        return
    cloud.told[part, subject] = said
    foreseen = isinstance(error, HostError)
    # Who shows it to a person says one reason once, whatever it keeps from being done.
    about = {"about": f"{part}: {subject}", "reason": str(error)} if foreseen else None
    log.warning("%s: %s: %s", part, subject, error if foreseen else said, exc_info=None if foreseen else error, extra=about)


def _worked(cloud: Cloud, failure: Failure) -> None:
    if cloud.told.pop((failure.part, failure.subject), None) is not None or failure.count:
        log.info("%s: %s: works again", failure.part, failure.subject)
    if failure.count:
        _replace(cloud, failure.part, failure.subject, None)
