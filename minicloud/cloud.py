"""Cloud: the settings, the state, the drivers of the host, and whoever carries wishes out.

Operations read and write `state`; reconcilers use `host`. `Worker` is how an operation's front gets wishes carried out: in
this process, or by the daemon. Both are given by `reconcile`, which lies above this layer.
"""

import contextlib
import functools
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from .config import Settings
from .errors import HostError, StateError, UsageError
from .host import remains, shared_databases
from .host.contracts import Host
from .state.metrics import MetricsStore
from .state.store import State

MakeHost = Callable[[Settings, str], Host]
"""Makes the drivers of a host, which put a state's identity into all that they make there."""


class Worker(Protocol):
    """Carries wishes out, or has them carried out."""

    def work(self, touched: Iterable[str]) -> None:
        """See to the rows that an operation has just touched, before its answer is given."""

    def refresh(self, operation: str) -> None:
        """Bring what is known up to date before `operation` (AWS's name) looks at it."""

    def admit(self, *, reads: bool) -> None:
        """Let an operation in. Raises ApiError where the state must not be used so on this host."""


class Idle:
    """A worker that does nothing: for tests of operations alone."""

    def work(self, touched: Iterable[str]) -> None:
        """Nothing."""

    def refresh(self, operation: str) -> None:
        """Nothing."""

    def admit(self, *, reads: bool) -> None:
        """All."""


class Cloud:
    """One minicloud. The drivers are made when they are first needed."""

    def __init__(self, settings: Settings, host: MakeHost, worker: Worker | None = None) -> None:
        self.settings = settings
        refuse = functools.partial(shared_databases.refuse, settings.home)
        self.state = State(settings.database, lambda: remains.of(settings.home), refuse)
        self.metrics = MetricsStore(settings.metrics_database, settings.metrics_mib << 20, refuse)
        self.worker: Worker = worker or Idle()
        self.prepared: set[str] = set()
        """The services that have what they need before a first request."""
        self.told: dict[tuple[str, str], str] = {}
        """The failures that this process has logged, by part and subject: one that stays is not logged again."""
        self._make_host = host

    def with_database(self, database: Path) -> "Cloud":
        """The same with another database: a copy of the state, or one that has taken its place."""
        other = Cloud(self.settings, self._make_host)
        other.state = State(database)
        return other

    def host_of(self, identity: str) -> Host:
        """Drivers that see what another state has put on this host."""
        return self._make_host(self.settings, identity)

    @functools.cached_property
    def host(self) -> Host:
        """The drivers of this host."""
        return self._make_host(self.settings, self.state.identity.id)

    @property
    def host_as_found(self) -> Host:
        """The same; where there is no state, or none that can be read, drivers of the state whose disks are there, or of none.

        A state is not made by this.
        """
        if self.settings.database.exists():
            with contextlib.suppress(UsageError, StateError, sqlite3.Error):
                return self.host
        anybody = self._make_host(self.settings, "")
        with contextlib.suppress(HostError):
            stamp = anybody.disks.stamp()
            return self._make_host(self.settings, stamp.identity) if stamp else anybody
        return anybody
