"""The composition root: settings, the host's drivers and a worker become a Cloud here, and here only.

`Session` is what every command gets as `ctx.obj`: the cloud, opened when it is first used, the flags that stand before the
command, and the one way to call an operation from the command line.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import config
from ..errors import ApiError, UsageError
from .errors import CallFailed, ConfigurationError

if TYPE_CHECKING:
    from ..aws.client import Client
    from ..cloud import Cloud
    from ..config import Settings
    from ..host.contracts import Host


def open_cloud(settings: "Settings") -> "Cloud":
    """The cloud of these settings on this host. Raises ConfigurationError where it cannot be reached."""
    from ..cloud import Cloud
    from ..reconcile.worker import worker_for

    if not _writable(settings.home):
        raise ConfigurationError(
            f"minicloud needs root to reach libvirt and its state in {settings.home}: try sudo minicloud ..."
        )
    cloud = Cloud(settings, _host)
    cloud.worker = worker_for(cloud)
    return cloud


def connect() -> "Cloud":
    """The cloud of this machine's settings. Raises ConfigurationError."""
    try:
        return open_cloud(config.load())
    except UsageError as error:
        raise ConfigurationError(str(error)) from error


def _host(settings: "Settings", identity: str) -> "Host":
    from ..host.local import host

    return host(settings, identity)


def _writable(home: Path) -> bool:
    """Whether state can be written there, or the directory made; asked of what exists, changing nothing."""
    there = next((path for path in (home, *home.parents) if os.path.lexists(path)), home)
    database = home / "state.sqlite"
    return os.access(there, os.W_OK | os.X_OK) and (not database.exists() or os.access(database, os.R_OK | os.W_OK))


@dataclasses.dataclass
class Session:
    """One command line on its way."""

    connect: "Callable[[], Cloud]" = connect
    output: str | None = None
    query: str | None = None
    debug: bool = False
    paginate: bool = True
    endpoint_url: str | None = None
    profile: str | None = None
    region: str | None = None
    color: str | None = None
    cli_pager: bool = True

    @functools.cached_property
    def cloud(self) -> "Cloud":
        """The cloud of this host, opened now if it was not yet. Raises ConfigurationError."""
        if self.remote:
            raise ConfigurationError("this command works on the host itself only: leave --endpoint-url and --profile away")
        return self.connect()

    def connected(self) -> None:
        """Open the cloud of this host, so that what is wrong with it is not taken for an operation's refusal."""
        _ = self.cloud

    def check_region(self) -> None:
        """Refuse a region that is not the host's, or not the profile's. Raises UsageError."""
        if self.region is None:
            return
        there = self.client.region if self.remote else config.load().region
        if self.region != there:
            raise UsageError(f"the region here is {there}, not {self.region!r}")

    def paint(self) -> None:
        """Have tables in colours or without, where --color says so; rich reads these variables."""
        if self.color in ("on", "off"):
            os.environ.pop("NO_COLOR" if self.color == "on" else "FORCE_COLOR", None)
            os.environ["FORCE_COLOR" if self.color == "on" else "NO_COLOR"] = "1"

    @property
    def remote(self) -> bool:
        """Whether operations go to an endpoint."""
        return bool(self.endpoint_url or self.profile)

    @functools.cached_property
    def client(self) -> "Client":
        """The endpoint that the flags name. Raises ConfigurationError."""
        from .remote import client

        return client(self.endpoint_url, self.profile)

    def call(self, service: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation by AWS's names. Raises CallFailed for what the operation refuses."""
        if not self.remote:
            self.connected()
        try:
            return self._call(service, name, params)
        except ApiError as error:
            from .hints import hint

            raise CallFailed(service, name, error, hint(self._call, error, params)) from error
        except UsageError as error:  # the state refuses a database of a newer minicloud
            raise ConfigurationError(str(error)) from error

    def _call(self, service: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if not self.remote:
            from .. import api

            return api.call(self.cloud, service, name, params)
        from ..aws.client import Unreachable

        try:
            return self.client.call(service, name, dict(params))
        except Unreachable as error:
            raise ConfigurationError(str(error)) from error
