"""Several processes at once, and processes that die. Forked, so that fifty of them start in a moment; each has an end."""

import contextlib
import faulthandler
import gc
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_FORK = multiprocessing.get_context("fork")
PATIENCE = 120.0
_ENDING = 5.0
"""Seconds for threads that are about to end; others than Python's stay."""


@dataclass(frozen=True)
class Outcome:
    """What a process returned, or the text of what it raised."""

    value: Any = None
    error: str = ""


def _report(task: Callable[[], Any], gate: Any, out: Any) -> None:
    gate.wait(PATIENCE)
    try:
        out.send(Outcome(task()))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test shall see it
        out.send(Outcome(error=f"{error}\n{''.join(traceback.format_exception(error))}"))


def _settle() -> None:
    """Let calls to libvirt come to their end: a fork in the midst of one would leave its locks held in the child for ever.

    Python counts a thread as ended before the system's thread is, which then still gives memory back under a lock of GLib's.
    """
    for thread in threading.enumerate():
        if thread.name.startswith("libvirt "):
            thread.join(PATIENCE)
    deadline = time.monotonic() + _ENDING
    while _ending() and time.monotonic() < deadline:
        time.sleep(0.001)


def _ending() -> set[str]:
    """The system's threads of this process that Python does not know any more."""
    return set(os.listdir("/proc/self/task")) - {str(thread.native_id) for thread in threading.enumerate()}


def _begin(process: multiprocessing.process.BaseProcess) -> None:
    """Fork it. It takes garbage of this process for nothing of its own: a connection to libvirt that it closed would be ours, and
    wait for ever for an answer that comes to us.
    """
    _settle()
    gc.freeze()
    try:
        process.start()
    finally:
        gc.unfreeze()


def _watched(task: Callable[..., Any], *given: Any) -> None:
    """The task; if it does not end, where it stands is told on standard error."""
    faulthandler.dump_traceback_later(PATIENCE - 10, file=sys.__stderr__)
    task(*given)


def together(*tasks: Callable[[], Any]) -> list[Outcome]:
    """Run each task in a process of its own, all let go at once. Fails if one does not end or dies."""
    gate, pipes, running = _FORK.Barrier(len(tasks)), [], []
    for task in tasks:
        receiver, sender = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_watched, args=(_report, task, gate, sender), daemon=True)
        _begin(process)
        sender.close()
        pipes.append(receiver)
        running.append(process)
    try:
        return [_received(receiver) for receiver in pipes]
    finally:
        for process in running:
            process.join(5)
            process.kill()


def _received(receiver: multiprocessing.connection.Connection) -> Outcome:
    assert receiver.poll(PATIENCE), f"a process did not answer within {PATIENCE:.0f} s"
    try:
        outcome: Outcome = receiver.recv()
    except EOFError:
        return Outcome(error="the process died")
    return outcome


def values(outcomes: list[Outcome]) -> list[Any]:
    """What they returned. Fails if one raised."""
    for outcome in outcomes:
        assert not outcome.error, outcome.error
    return [outcome.value for outcome in outcomes]


def killed(task: Callable[[], Any]) -> bool:
    """Run a task in a process; whether it killed itself. Fails if it raised, or did not end."""
    process = _FORK.Process(target=_watched, args=(task,), daemon=True)
    _begin(process)
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"a process did not end within {PATIENCE:.0f} s")
    assert process.exitcode in (0, -signal.SIGKILL), f"a process ended with {process.exitcode}"
    return process.exitcode != 0


def die() -> None:
    """End this process as `kill -9` ends it."""
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def beside(task: Callable[[Callable[[], bool]], Any]) -> Iterator[None]:
    """A process that runs `task(stopped)` during the block. Fails if it dies, or does not end after it."""
    stop = _FORK.Event()
    process = _FORK.Process(target=task, args=(stop.is_set,), daemon=True)
    _begin(process)
    try:
        yield
        assert process.is_alive(), f"the process beside ended by itself with {process.exitcode}"
    finally:
        stop.set()
        process.join(30)
        hung = process.is_alive()
        process.kill()
    assert not hung, "the process beside did not end within 30 s"
    assert process.exitcode == 0
