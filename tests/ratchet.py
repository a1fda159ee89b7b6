"""The conformance ratchet: whatever minicloud answers in a test is held against AWS's models.

It sees `api.call`, which answers every operation, and the protocols' `error`, which writes every refusal that goes over the wire.
A difference that `known_differences.txt` does not have fails the test in which it was seen. That list only gets shorter:
`unit/test_ratchet.py` has its length, which every run tells. A process that a test forks tells by a file what it saw.
"""

import contextlib
import functools
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from minicloud import api
from minicloud.aws import model, routing
from minicloud.aws.model import Service
from minicloud.aws.wire import WireAnswer
from minicloud.errors import ApiError

from . import conforms, refusal_forms
from .conforms import Check, Difference

LIST = Path(__file__).with_name("known_differences.txt")
NOBODY = "-"
"""Stands for the service or the operation where a request did not get as far as that."""
EVERY = "*"
_ADVICE = """\
These are not what AWS's models say. Mend minicloud: a difference is kept only where it is meant, and tests/known_differences.txt
only gets shorter. Or the test did what no operation does: then give the test what an operation gives."""


class Entry(NamedTuple):
    """A line of the list."""

    service: str
    operation: str
    path: str
    kind: str


def known(text: str) -> dict[Entry, str]:
    """The list: entries, with the reasons why they stay."""
    lines = (line.split(maxsplit=4) for line in text.splitlines() if line and not line.startswith("#"))
    return {Entry(*fields[:4]): fields[4] for fields in lines}


def _nothing() -> None:
    """What a thread has refused that has refused nothing."""


class Ratchet:
    """The plugin."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.known = frozenset(entries)
        self.seen: set[Entry] = set()
        self._new: list[str] = []
        self._checks: dict[tuple[str, str], Check] = {}
        self._thread = threading.local()
        self._process = os.getpid()
        handle, name = tempfile.mkstemp(prefix="minicloud-ratchet-")
        os.close(handle)
        self._told = Path(name)
        self._read = 0
        self._undo = contextlib.ExitStack()

    def note(self, service: str, operation: str, differences: Iterable[Difference]) -> None:
        """Remember differences, for the test that runs."""
        for each in differences:
            entry = Entry(service, operation, each.path, each.kind)
            general = (entry, entry._replace(operation=EVERY), entry._replace(service=EVERY, operation=EVERY))
            found = next((entry for entry in general if entry in self.known), None)
            if found is None:
                self._tell(f"{' '.join(entry)}: {each.value!r:.200}")
            elif found not in self.seen:
                self.seen.add(found)
                self._tell(" ".join(found))

    def _tell(self, line: str) -> None:
        if os.getpid() != self._process:
            with self._told.open("a") as file:
                file.write(f"{line}\n")
        elif ": " in line:
            self._new.append(line)

    def _heard(self) -> None:
        """What processes have told that tests forked."""
        if self._told.stat().st_size == self._read:
            return
        with self._told.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        self._read += len(lines)
        for line in lines.decode().splitlines():
            if ": " in line:
                self._new.append(line)
            else:
                self.seen.add(Entry(*line.split()))

    def watch(self) -> None:
        """See all that is answered from now on."""
        self._replace(api, "call", self._calling(api.call))
        for protocol in {type(each) for each in (routing.EC2, *routing.JSON.values(), routing.REST, routing.CBOR)}:
            self._replace(protocol, "error", self._refusing(protocol.error))

    def _replace(self, where: Any, name: str, new: Any) -> None:
        self._undo.callback(setattr, where, name, getattr(where, name))
        setattr(where, name, new)

    def _calling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def seeing(cloud: Any, service: str, name: str, *given: Any, **more: Any) -> Any:
            try:
                answer = call(cloud, service, name, *given, **more)
            except ApiError as error:
                self._thread.refusal = weakref.ref(error)  # the error itself would keep a whole cloud
                self.note(service, name, refusal_forms.of_refusal(service, name, error))
                raise
            found: list[Difference] = []
            self._check(service, name)(answer, found.append)
            if found:
                self.note(service, name, found)
            return answer

        return seeing

    def _check(self, service: str, name: str) -> Check:
        if (service, name) not in self._checks:
            self._checks[service, name] = conforms.check_of(model.service(service).operation(name).output)
        return self._checks[service, name]

    def _refusing(self, write: Callable[..., WireAnswer]) -> Callable[..., WireAnswer]:
        @functools.wraps(write)
        def seeing(protocol: Any, service: Service | None, error: ApiError, request_id: str) -> WireAnswer:
            answer = write(protocol, service, error, request_id)
            name = service.name if service else NOBODY
            self.note(name, NOBODY, refusal_forms.of_form(protocol.name, service, error, answer))
            if service and error is not getattr(self._thread, "refusal", _nothing)():
                self.note(name, NOBODY, refusal_forms.of_refusal(name, "", error))
            return answer

        return seeing

    def _settle(self) -> None:
        self._heard()
        if new := {self._new.pop() for _ in range(len(self._new))}:
            pytest.fail("\n".join([*sorted(new), _ADVICE]), pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        """What fixtures answered."""
        yield
        self._settle()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """What the test was answered."""
        yield
        self._settle()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """What was answered to fixtures at their ends, or to a test that failed by itself."""
        yield
        self._settle()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell the length of the list."""
        self._heard()
        seen = f"{len(self.seen)} of them seen in this run"
        terminalreporter.write_line(f"conformance: {len(self.known)} known differences from AWS's models, {seen}")

    def pytest_unconfigure(self) -> None:
        """Leave minicloud as it was."""
        self._undo.close()
        self._told.unlink(missing_ok=True)


def plugin() -> Ratchet:
    """The plugin, which watches."""
    made = Ratchet(known(LIST.read_text()))
    made.watch()
    return made
