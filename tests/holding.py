"""A driver that is slow at a chosen method, so that something else happens meanwhile."""

import threading
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0
"""Seconds after which a test fails that waits for the driver, or a driver that waits for the test."""


def held_up(owner: Any, name: str, act: Callable[[], object], meanwhile: Callable[[], object], *, done: bool = False) -> None:
    """Carry out `act` in a thread of its own, which stays at its first call of `owner`'s method `name`, before that does its
    work or with `done` after it, until `meanwhile` has happened."""
    reached, go, genuine = threading.Event(), threading.Event(), getattr(owner, name)

    def wait() -> None:
        if not reached.is_set():
            reached.set()
            assert go.wait(PATIENCE)

    def slow(*args: Any, **kwargs: Any) -> Any:
        if not done:
            wait()
        answer = genuine(*args, **kwargs)
        if done:
            wait()
        return answer

    setattr(owner, name, slow)
    thread = threading.Thread(target=act)
    thread.start()
    try:
        assert reached.wait(PATIENCE), f"nothing calls {name}"
        meanwhile()
    finally:
        go.set()
        thread.join()
        delattr(owner, name)
