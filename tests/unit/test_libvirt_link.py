"""Calls into libvirt have an end, whoever does not answer. The libvirt here is none: its calls wait until the test lets them."""

import threading
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest

from minicloud.host import libvirt_link
from minicloud.host.libvirt_link import Link, Overdue, within


class Connection(libvirt.virConnect):  # type: ignore[misc]
    """One that hangs, or answers."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def __del__(self) -> None:
        """There is nothing to close."""

    def getHostname(self) -> str:  # noqa: N802  libvirt's name
        """After a while, or never."""
        self.answers.wait(60)
        return "host"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Connection]]:
    """The connections that were opened."""
    made: list[Connection] = []

    def connect(_uri: str) -> Connection:
        made.append(Connection())
        return made[-1]

    monkeypatch.setattr(libvirt, "open", connect)
    monkeypatch.setattr(libvirt_link, "PATIENCE", 0.05)
    yield made
    for each in made:
        each.answers.set()


def ask(link: Link) -> Any:
    return link.call(lambda conn: conn.getHostname())


def test_a_call_that_does_not_answer_is_left_and_the_next_has_another_connection(opened: list[Connection]) -> None:
    link = Link("test:///none")
    with pytest.raises(Overdue, match="getHostname: libvirt has not answered"):
        ask(link)
    with pytest.raises(Overdue):
        ask(link)
    assert len(opened) == 2


def test_one_that_answers_is_used_again(opened: list[Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_link, "PATIENCE", 60.0)
    link = Link("test:///none")
    link.call(lambda conn: conn.real.answers.set())
    assert (ask(link), ask(link), len(opened)) == ("host", "host", 1)


def test_an_error_is_raised_where_the_answer_is_waited_for() -> None:
    def fail() -> None:
        raise KeyError("of the call")

    with pytest.raises(KeyError, match="of the call"):
        within(60.0, "failing", fail)


def test_who_gives_up_waits_for_nothing_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_link, "_ending", threading.Event())
    begun, never, said = threading.Event(), threading.Event(), []

    def act() -> None:
        begun.set()
        never.wait(60)

    def wait() -> None:
        with pytest.raises(Overdue, match="minicloud ends") as caught:
            within(60.0, "an agent", act)
        said.append(str(caught.value))

    waiting = threading.Thread(target=wait)
    waiting.start()
    begun.wait(60)
    libvirt_link.give_up()
    waiting.join(60)
    assert said == ["an agent: minicloud ends"]
    with pytest.raises(Overdue):
        within(60.0, "another", never.wait)
    never.set()
