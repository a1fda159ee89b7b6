"""What minicloud itself has to tell of what goes on by time: its clock, messages that wait, certificates and keys, backups."""

import functools
import queue
import shlex
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files
from .doctor_checks import OK, WARN, Check, guarded

if TYPE_CHECKING:
    from ..cloud import Cloud

_MOST = 20
_SECONDS = 5.0
"""How long the file of a backup is looked for: it may lie on a server that is away."""
_OLD = 7
"""Days after which a backup is told to be old, if disks have changed since, and a state without one that it has none."""


def checks(cloud: "Cloud") -> list[Check]:
    """A check of each; of what there is nothing to tell of, none but the clock's."""
    parts: Mapping[str, Callable[[Cloud], Iterator[Check]]] = {
        "clock": _clock, "topics": _messages, "endpoint": _endpoint, "certificates": _keys, "backup": _backup,
        "replaced": _replaced,
    }  # fmt: skip
    return [check for name, part in parts.items() for check in guarded(name, functools.partial(part, cloud))]


def _clock(cloud: "Cloud") -> Iterator[Check]:
    from ..reconcile import clock

    if told := clock.doubt(cloud):
        yield Check("clock", WARN, told, "let NTP keep it (timedatectl set-ntp true), or see that it is right")
    else:
        yield Check("clock", OK, "has not been set lately")


def _messages(cloud: "Cloud") -> Iterator[Check]:
    rows = cloud.state.notifications.query("attempts > 0")
    for topic, count in Counter(row.topic for row in rows).items():
        last = [row for row in rows if row.topic == topic][-1]
        found = f"{count} messages wait for {topic}: {last.reason}"
        yield Check("topics", WARN, found, "see to its webhook or its command; each message is tried for an hour")


def _endpoint(cloud: "Cloud") -> Iterator[Check]:
    path = cloud.settings.home / "endpoint.pem"
    if not path.exists():
        return
    from cryptography import x509

    try:
        read = x509.load_pem_x509_certificate(files.read(path))
    except (OSError, ValueError) as error:
        yield Check("endpoint", WARN, f"{path} cannot be read: {error}", "move it away; the next serve --tls makes another")
        return
    if not read.not_valid_before_utc <= datetime.now(UTC) <= read.not_valid_after_utc:
        found = f"{path} is valid from {read.not_valid_before_utc:%Y-%m-%d} to {read.not_valid_after_utc:%Y-%m-%d} only"
        yield Check("endpoint", WARN, found, "see that the clock is right; or move it away: serve --tls makes another")


def _keys(cloud: "Cloud") -> Iterator[Check]:
    from ..state import certificate_keys

    home, state = cloud.settings.home, cloud.state
    known = {row.key_file for row in state.certificates.query()} | {row.name for row in state.ended_keys.query()}
    for name in certificate_keys.strangers(home, known)[:_MOST]:
        found = f"{certificate_keys.directory(home) / name} is no key of a certificate that this state knows"
        yield Check("certificates", WARN, found, "keep it if the state was restored from a backup; minicloud never removes it")


def _backup(cloud: "Cloud") -> Iterator[Check]:
    """A hint: who has nothing, or has backups made by other means, may leave it so."""
    from ..aws import times
    from ..reconcile import backup_record

    own, last, now = cloud.state.identity, backup_record.read(cloud.settings), time.time()
    how = "minicloud backup FILE, or with --with-disks; restore it with minicloud restore FILE"
    if last is None or last.identity != own.id:
        if now - times.seconds(own.created) > _OLD * 86400 and cloud.state.volumes.query(order="rowid limit 1"):
            yield Check("backup", WARN, "none was made of this minicloud", how)
        return
    days, changes = (now - times.seconds(last.created)) / 86400, own.generation - last.generation
    kind = "with disks" if last.disks else "without disks"
    found = f"the last one is {days:.0f} days old, {kind}: {last.file}; disks have changed {changes} times since"
    if last.left_out:
        listed = ", ".join(last.left_out[:_MOST]) + (", ..." if len(last.left_out) > _MOST else "")
        found = f"{found}; not in it: {listed}"
    if gone := _gone(Path(last.file)):
        again = f"bring it back, mount what it lies on, or make another: {how}"
        yield Check("backup", WARN, f"{found}; {gone}", again)
    elif last.left_out:
        seen = "describe-volumes, describe-snapshots and describe-images tell why; mend or delete them, and make another"
        yield Check("backup", WARN, found, f"{seen}: {how}")
    else:
        yield Check("backup", WARN if days > _OLD and changes > 0 else OK, found, how if days > _OLD and changes > 0 else "")


def _gone(path: Path) -> str:
    """What is wrong with the file of a backup where it is; empty if nothing is. A server that it lies on may not answer."""
    told = queue.SimpleQueue[str]()
    threading.Thread(target=lambda: told.put(_look_at(path)), daemon=True).start()
    try:
        return told.get(timeout=_SECONDS)
    except queue.Empty:
        return f"whether it is still there is not known: what it lies on has not answered for {_SECONDS:.0f} seconds"


def _look_at(path: Path) -> str:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "that file is gone"
    except (OSError, ValueError) as error:
        return f"that file cannot be looked at: {error}"
    return "" if stat.S_ISREG(found.st_mode) and found.st_size else "what is there now is no backup"


def _replaced(cloud: "Cloud") -> Iterator[Check]:
    """Like what is in quarantine: for some days nobody is told how to delete it."""
    from ..reconcile.restore_fit import REPLACED

    place = cloud.settings.home / REPLACED
    for path in sorted(place.iterdir())[:_MOST] if place.is_dir() else []:
        days = (time.time() - path.stat().st_mtime) / 86400
        remedy = f"when you are sure that nobody needs it: rm -r {shlex.quote(str(path))}"
        found = f"{path} has the state and the keys that a restoration replaced, since {days:.0f} days"
        yield Check("replaced", WARN, found, remedy if days >= _OLD else f"it stays at least {_OLD} days")
