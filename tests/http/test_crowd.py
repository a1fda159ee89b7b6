"""Who loses its connection when there are too many: the one that has waited longest, of who holds most."""

import time
from dataclasses import dataclass, field

import pytest

from minicloud.http.crowd import Crowd, Phase, origin
from minicloud.http.limits import Limits


@dataclass(eq=False)
class Peer:
    origin: str
    phase: Phase = Phase.HEAD
    since: float = 0.0
    deadline: float = 0.0
    held: int = 0
    cuts: list[float] = field(default_factory=list)

    def cut(self) -> None:
        self.cuts.append(time.monotonic())


def enter(crowd: Crowd, *origins: str) -> list[Peer]:
    peers = [Peer(one) for one in origins]
    for peer in peers:
        assert crowd.enter(peer, Phase.HEAD)
    return peers


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", ""), ("127.9.9.9", ""), ("::1", ""), ("::ffff:127.0.0.1", ""), ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("2001:db8::ffff", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"), ("", ""),
    ],
)  # fmt: skip
def test_who_is_counted_as_one(address: str, expected: str) -> None:
    assert origin(address) == expected


def test_many_addresses_leave_this_host_its_quarter() -> None:
    crowd = Crowd(Limits(connections=8))
    mine = enter(crowd, "", "")
    others = enter(crowd, *(f"192.0.2.{number}" for number in range(30)))
    assert not any(peer.cuts for peer in mine)
    assert [bool(peer.cuts) for peer in others] == [True] * 24 + [False] * 6


def test_this_host_does_not_push_the_others_out() -> None:
    crowd = Crowd(Limits(connections=8))
    other = enter(crowd, "192.0.2.1")
    mine = enter(crowd, *[""] * 20)
    assert not other[0].cuts
    assert sum(bool(peer.cuts) for peer in mine) == 13


def test_what_is_worked_on_stays() -> None:
    crowd = Crowd(Limits(connections=2))
    working = enter(crowd, "", "")
    assert all(crowd.at(peer, Phase.WORK) for peer in working)
    assert not crowd.enter(Peer(""), Phase.HEAD)
    assert not any(peer.cuts for peer in working)
    crowd.leave(working[0])
    assert crowd.enter(Peer(""), Phase.HEAD)


def test_an_idle_connection_goes_before_one_that_is_at_something() -> None:
    crowd = Crowd(Limits(connections=2))
    busy, idle = enter(crowd, "", "")
    crowd.at(idle, Phase.IDLE)
    enter(crowd, "")
    assert (busy.cuts, bool(idle.cuts)) == ([], True)


def test_bytes_are_taken_from_who_holds_most() -> None:
    crowd = Crowd(Limits(held=100))
    large, small, new = enter(crowd, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert crowd.hold(large, 60)
    assert crowd.hold(small, 10)
    assert crowd.hold(new, 40)
    assert (bool(large.cuts), small.cuts, new.cuts) == (True, [], [])
    assert not crowd.hold(new, 90)


def test_who_was_given_up_is_told_so() -> None:
    crowd = Crowd(Limits(connections=1))
    first, _ = enter(crowd, "", "")
    assert not crowd.at(first, Phase.WORK)
    crowd.leave(first)
    crowd.leave(first)


def test_at_the_end_only_what_is_worked_on_is_left() -> None:
    crowd = Crowd(Limits())
    waiting, working, answered = enter(crowd, "", "", "")
    crowd.at(working, Phase.WORK)
    crowd.at(answered, Phase.ANSWER)
    crowd.close()
    assert [bool(peer.cuts) for peer in (waiting, working, answered)] == [True, False, False]
    assert crowd.at(working, Phase.ANSWER)
    assert not crowd.at(working, Phase.IDLE)
    assert working.cuts
    assert not crowd.enter(Peer(""), Phase.HEAD)
    crowd.drop_all()
    assert answered.cuts
