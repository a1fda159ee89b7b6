"""Waiting for a guest: the order of the steps, the end of each, and what is said. No clock runs, no guest is there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from minicloud.cli.errors import WaitFailed
from minicloud.cli.ssh_wait import QUIET, Clock, Wait, last_line
from minicloud.errors import Permanent, Retry, UsageError

from .test_ssh_host_keys import ONE, TWO, block

LOG = b"[    1.0] Linux\r\n" + block(ONE) + b"ip-172-31-0-4 login: "


@dataclass
class Ticking:
    """A clock that goes by its sleeps."""

    time: float = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Guest:
    """A guest on a timetable: the second at which each thing becomes so."""

    ticking: Ticking = field(default_factory=Ticking)
    runs: float = 0
    pings: float = 0
    prints: float = 0
    serves: float = 0
    lets_in: float = 0
    stops: float = 10**9
    kept: list[str] = field(default_factory=list)
    log: bytes = LOG
    asked: list[str] = field(default_factory=list)
    name: str = "i-1"
    address: str = "172.31.0.4"

    def _is(self, what: str, since: float) -> bool:
        self.asked.append(what)
        return self.ticking.time >= since

    def running(self) -> bool:
        if self.ticking.time >= self.stops:
            raise UsageError("i-1 is stopped")
        return self._is("running", self.runs)

    def answers(self) -> bool:
        return self._is("answers", self.pings)

    def known_keys(self) -> list[str]:
        return self.kept

    def console(self) -> bytes:
        return self.log if self._is("console", self.prints) else b"[    0.5] booting\x1b[31m\r\n\r\n"

    def remember(self, keys: Sequence[str]) -> list[str]:
        self.kept = self.kept or list(keys)
        return self.kept

    def replace(self, keys: Sequence[str]) -> list[str]:
        self.kept = list(keys)
        return self.kept

    def listens(self) -> bool:
        return self._is("listens", self.serves)

    def presented(self) -> list[str]:
        return [TWO]

    def takes_logins(self, keys: Sequence[str]) -> bool:
        if not self._is("takes_logins", self.lets_in):
            raise Retry("the guest says: booting up")
        return bool(keys)


def wait(
    guest: Guest,
    timeout: float = 300,
    *,
    accept_new: bool = False,
    replace: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    return Wait(guest, timeout, say, guest.ticking.clock()).until_ready(accept_new=accept_new, replace=replace)


def test_a_booting_guest_is_waited_for_and_its_keys_are_kept() -> None:
    guest = Guest(runs=1, pings=10, prints=30, serves=20, lets_in=40)
    assert wait(guest) == [ONE]
    assert guest.kept == [ONE]
    assert guest.ticking.time == pytest.approx(40)


def test_a_guest_that_is_known_and_up_is_not_looked_at_twice() -> None:
    guest = Guest(kept=[ONE])
    assert wait(guest) == [ONE]
    assert "takes_logins" not in guest.asked
    assert "console" not in guest.asked


def test_keys_that_are_kept_are_not_replaced_by_the_consoles() -> None:
    assert wait(Guest(kept=[TWO], serves=5)) == [TWO]


@pytest.mark.parametrize(
    ("late", "what"),
    [
        ({"runs": 999.0}, "i-1 to run"),
        ({"pings": 999.0}, "172.31.0.4 to answer"),
        ({"prints": 999.0, "serves": 999.0}, "to print its SSH host keys"),
        ({"serves": 999.0, "kept": [ONE]}, "SSH at 172.31.0.4"),
    ],
)
def test_every_wait_ends_with_what_was_waited_for(late: dict[str, float], what: str) -> None:
    guest = Guest(**late)  # type: ignore[arg-type]
    with pytest.raises(WaitFailed, match=f"waited 60 s for .*{what}"):
        wait(guest, 60)
    assert 60 <= guest.ticking.time < 62


def test_what_was_seen_last_is_said_without_control_characters() -> None:
    with pytest.raises(WaitFailed) as caught:
        wait(Guest(pings=999, prints=999), 10)
    assert str(caught.value).endswith("its console: [    0.5] booting\\x1b[31m")


def test_what_the_last_attempt_said_is_said() -> None:
    with pytest.raises(WaitFailed, match="the last attempt said: the guest says: booting up"):
        wait(Guest(lets_in=999), 10)


def test_a_guest_that_is_stopped_meanwhile_ends_the_wait() -> None:
    guest = Guest(pings=999, stops=30)
    with pytest.raises(UsageError, match="stopped"):
        wait(guest)
    assert guest.ticking.time < 32


def test_an_image_that_prints_no_keys_is_recognised() -> None:
    guest = Guest(log=b"login: ", serves=20)
    with pytest.raises(WaitFailed, match="--accept-new"):
        wait(guest)
    assert 20 + QUIET < guest.ticking.time < 25 + QUIET


def test_a_new_key_is_taken_only_when_told_so_and_then_kept() -> None:
    guest = Guest(log=b"login: ")
    assert wait(guest, accept_new=True) == [TWO]
    assert guest.kept == [TWO]


def test_the_consoles_keys_win_over_those_that_are_shown() -> None:
    assert wait(Guest(), accept_new=True) == [ONE]


def test_keys_that_were_made_anew_take_the_place_of_the_old_ones_when_the_user_says_so() -> None:
    guest = Guest(kept=[ONE])
    assert wait(guest) == [ONE]
    assert wait(guest, replace=True) == [TWO]
    assert wait(guest) == guest.kept == [TWO]


def test_another_host_key_is_not_waited_away() -> None:
    class Impostor(Guest):
        def takes_logins(self, keys: Sequence[str]) -> bool:
            raise Permanent(f"another host key than {keys}")

    with pytest.raises(Permanent, match="another host key"):
        wait(Impostor())


def test_progress_is_told() -> None:
    told: list[str] = []
    wait(Guest(pings=3), say=told.append)
    assert told[0].startswith("waiting for 172.31.0.4 to answer (0 s)")


@pytest.mark.parametrize(
    ("log", "line"),
    [(b"", ""), (b"a\r\nb\r\n\r\n", "b"), (b"x" * 500, "x" * 160), (b"half\xff", "half\ufffd"), (b"\x1b[2J\r\n", "\\x1b[2J")],
)
def test_the_last_line_of_a_console(log: bytes, line: str) -> None:
    assert last_line(log) == line
