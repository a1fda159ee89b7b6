"""Answers that wait for no driver that hangs: what ends a guest goes on without the caller."""

import threading
from typing import Any

import pytest

from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost
from minicloud.reconcile import loop, worker
from minicloud.reconcile.worker import InDaemon, SelfOrDaemon

from ..cloud_fixtures import Ec2
from ..holding import PATIENCE


class Hanging:
    """A driver whose method does not come back until it is let go."""

    def __init__(self, driver: Any, name: str, patch: pytest.MonkeyPatch) -> None:
        self.reached, self.go, genuine = threading.Event(), threading.Event(), getattr(driver, name)

        def hang(*given: Any) -> Any:
            self.reached.set()
            assert self.go.wait(PATIENCE)
            return genuine(*given)

        patch.setattr(driver, name, hang)


@pytest.mark.parametrize("is_daemon", [True, False])
@pytest.mark.parametrize("method", ["destroy", "list"])
def test_terminate_answers_while_the_driver_hangs(
    ec2: Ec2, host: FakeHost, method: str, is_daemon: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the daemon, and in a command beside it."""
    instance = ec2.run()
    monkeypatch.setattr(worker, "MOST", 0.01)
    monkeypatch.setattr(worker, "wake", lambda _: True)
    ec2.cloud.worker = InDaemon(ec2.cloud) if is_daemon else SelfOrDaemon(ec2.cloud)
    hanging, answers = Hanging(host.guests, method, monkeypatch), list[str]()

    def ask() -> None:
        (said,) = ec2("TerminateInstances", InstanceIds=[instance])["TerminatingInstances"]
        answers.append(said["CurrentState"]["Name"])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert hanging.reached.wait(PATIENCE)
        asking.join(PATIENCE / 4)
        assert answers == ["shutting-down"], "it waits for the driver"
    finally:
        hanging.go.set()
        asking.join()
    for thread in threading.enumerate():
        if thread.name == worker.ENDS:
            thread.join(PATIENCE)
    assert host.guests.list()[instance].power is Power.OFF
    loop.run_pass(ec2.cloud)
    assert instance not in host.guests.list()


def test_it_answers_when_the_guest_is_off_where_nothing_hangs(ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = ec2.run()
    monkeypatch.setattr(worker, "wake", lambda _: True)
    ec2.cloud.worker = InDaemon(ec2.cloud)
    ec2("TerminateInstances", InstanceIds=[instance])
    assert host.guests.list()[instance].power is Power.OFF
