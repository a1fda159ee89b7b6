"""Cloud: the settings, the state, the drivers of the host, and whoever carries wishes out.

Operations read and write `state`; reconcilers use `host`. `Worker` is how an operation's front gets wishes carried out: in
this process, or by the daemon. Both are given by `reconcile`, which lies above this layer.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Protocol

from .config import Settings
from .host.contracts import Host
from .state.metrics import MetricsStore
from .state.store import State


class Worker(Protocol):
    """Carries wishes out, or has them carried out."""

    def work(self, touched: Iterable[str]) -> None:
        """See to the rows that an operation has just touched, before its answer is given."""

    def refresh(self, operation: str) -> None:
        """Bring what is known up to date before `operation` (AWS's name) looks at it."""


class Idle:
    """A worker that does nothing: for tests of operations alone."""

    def work(self, touched: Iterable[str]) -> None:
        """Nothing."""

    def refresh(self, operation: str) -> None:
        """Nothing."""


class Cloud:
    """One minicloud. The drivers are made when they are first needed."""

    def __init__(self, settings: Settings, host: Callable[[Settings], Host], worker: Worker | None = None) -> None:
        self.settings = settings
        self.state = State(settings.database)
        self.metrics = MetricsStore(settings.metrics_database, settings.metrics_mib << 20)
        self.worker: Worker = worker or Idle()
        self.prepared: set[str] = set()
        """The services that have what they need before a first request."""
        self._make_host = host

    @functools.cached_property
    def host(self) -> Host:
        """The drivers of this host."""
        return self._make_host(self.settings)
