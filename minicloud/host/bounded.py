"""What may never return, such as a look at a file of others on a network file system that is away: whoever asks waits for a
while only, and while it has not returned it is not begun again.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import Retry

_T = TypeVar("_T")


class _Look:
    """One look, made by a thread that nobody has to wait for."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.answer: object = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._make, daemon=True)

    def _make(self) -> None:
        try:
            self.answer = self._act()
        except BaseException as error:  # noqa: BLE001  it is raised where the answer is waited for
            self.error = error


_under_way: dict[str, _Look] = {}
_lock = threading.Lock()


def bounded(name: str, seconds: float, act: Callable[[], _T]) -> _T:
    """What `act` returns or raises, if it does so within `seconds`. Raises Retry, at once while an earlier one of this name has
    not returned.
    """
    with _lock:
        if (earlier := _under_way.get(name)) is not None and earlier.thread.is_alive():
            raise Retry(f"{name} cannot be read: what it lies on does not answer")
        look = _under_way[name] = _Look(act)
        look.thread.start()
    look.thread.join(seconds)
    if look.thread.is_alive():
        raise Retry(f"{name} cannot be read: what it lies on has not answered within {seconds:.0f} s")
    with _lock:
        if _under_way.get(name) is look:
            del _under_way[name]
    error, look.error = look.error, None
    if error is not None:
        raise error
    answer: _T = look.answer  # type: ignore[assignment]
    return answer
