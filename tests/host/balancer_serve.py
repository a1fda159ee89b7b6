"""The daemon's loop over a scene's cloud, as a process of its own, to be killed."""

import dataclasses
from pathlib import Path

from minicloud import config
from minicloud.cloud import Cloud
from minicloud.host import fake, local
from minicloud.host.contracts import Host
from minicloud.reconcile import daemon


def main(directory: str) -> None:
    """Run until killed. The hypervisor is a fake that knows no guests, so instances are not looked at: only balancers are."""
    from minicloud.reconcile import load_balancers, loop

    def host(settings: config.Settings, identity: str) -> Host:
        return dataclasses.replace(local.host(settings, identity), guests=fake.host().guests)

    settings = dataclasses.replace(config.load(), home=Path(directory) / "home", run=Path(directory) / "run")
    cloud = Cloud(settings, host)
    loop.run_pass = lambda cloud, *_, **__: load_balancers.reconcile(cloud) and None  # type: ignore[assignment,func-returns-value]
    daemon.run(cloud, lambda: False)
