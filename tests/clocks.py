"""A clock that a test moves.

`Clock.pass_` lets time pass, as it does by itself; `Clock.set` sets the wall's clock, which the host's uptime knows nothing of.
"""

import time

import pytest

from minicloud.host.fake_drivers import FakeMachine


class Clock:
    """Seconds that are added to the wall's time, and to the uptime of a fake host."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        wall, up = time.time, FakeMachine.uptime
        self.walled = self.upped = 0.0
        patch.setattr(time, "time", lambda: wall() + self.walled)
        patch.setattr(FakeMachine, "uptime", lambda machine: up(machine) + self.upped)

    def pass_(self, seconds: float) -> None:
        """Time passes."""
        self.walled += seconds
        self.upped += seconds

    def set(self, seconds: float) -> None:
        """Somebody sets the clock forward, or back."""
        self.walled += seconds
