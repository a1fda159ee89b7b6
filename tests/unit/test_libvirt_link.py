"""Calls into libvirt have an end, whoever does not answer. The libvirt here is none: its calls wait until the test lets them."""

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from minicloud.errors import HostError
from minicloud.host import libvirt_link
from minicloud.host.contracts_storage import Said
from minicloud.host.libvirt import LibvirtGuests
from minicloud.host.libvirt_blocks import LibvirtBlocks
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


class Domain:
    """One whose agent refuses."""

    def name(self) -> str:
        return "i-1"

    def metadata(self, *_: object) -> str:
        return "<guest state='mine'/>"

    def isActive(self) -> int:  # noqa: N802  libvirt's names
        return 1

    def state(self) -> list[int]:
        return [libvirt.VIR_DOMAIN_RUNNING]

    def XMLDesc(self) -> str:  # noqa: N802
        return "<domain><devices><channel><target state='connected'/></channel></devices></domain>"

    def agentSetResponseTimeout(self, *_: int) -> int:  # noqa: N802
        return 0

    def fsFreeze(self) -> None:  # noqa: N802
        raise libvirt.libvirtError("unable to execute QEMU agent command")


class Found(Connection):
    """One that finds a domain."""

    def __init__(self, closed: list["Found"], *, there: bool) -> None:
        super().__init__()
        self.there = there
        self.close = lambda: closed.append(self)

    def lookupByUUIDString(self, _: str) -> Domain:  # noqa: N802
        if not self.there:
            raise libvirt.libvirtError("the connection is gone")
        return Domain()


def test_a_question_to_an_agent_leaves_no_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed, there = list[Found](), True
    made = list[Found]()

    def connect(_uri: str) -> Found:
        made.append(Found(closed, there=there))
        return made[-1]

    monkeypatch.setattr(libvirt, "open", connect)
    blocks = LibvirtBlocks(LibvirtGuests("test:///none", tmp_path, "mine"))
    assert blocks.has_agent("i-1")
    assert blocks.quiesce("i-1").said is Said.REFUSED
    there = False
    with pytest.raises(HostError):
        blocks.has_agent("i-1")
    assert len(closed) == len(made) == 3


def test_what_failed_is_held_by_nobody() -> None:
    """Else a connection would be open until the next collection of garbage."""

    class Held:
        def fail(self) -> None:
            raise KeyError

    gc.disable()
    try:
        held = Held()
        gone = weakref.ref(held)
        with pytest.raises(KeyError):
            within(60.0, "failing", held.fail)
        del held
        assert gone() is None
    finally:
        gc.enable()
