"""Progress of long work on standard error: moving on a terminal, a line for each stage elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .terminal import clean

if TYPE_CHECKING:
    from rich.progress import Progress


class Stages:
    """Stages of a build: called with what begins now. Each stage is a line with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._status: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status("")
            self._status.start()
        return self

    def __call__(self, stage: str) -> None:
        """A stage begins."""
        self._say(stage)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._say("done")
        if self._status is not None:
            self._status.stop()

    def _say(self, text: str) -> None:
        from rich.text import Text

        line = Text(f"{time.monotonic() - self._began:5.0f} s  {clean(text)}")
        if self._status is None:
            print(line.plain, file=sys.stderr, flush=True)
        else:
            self._status.console.print(line)
            self._status.update(Text(clean(text), style="dim"))


class Bar:
    """A download, or work on a file of a known size: called with the bytes done and in all (0: not known)."""

    def __init__(self, what: str) -> None:
        self._what = clean(what)
        self._progress: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if not sys.stderr.isatty():
            print(self._what, file=sys.stderr, flush=True)
            return self
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(escape(self._what[:60]), total=None)
        self._progress.start()
        return self

    def __call__(self, done: int, size: int) -> None:
        """So far it has come."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=size or None)

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


class Quiet(Bar):
    """Work in stages, with bytes in the last: nothing at all where nobody watches."""

    def __enter__(self) -> Self:
        return super().__enter__() if sys.stderr.isatty() else self

    def say(self, stage: str) -> None:
        """A stage begins."""
        if self._progress is not None:
            from rich.markup import escape

            self._progress.update(self._task, description=escape(clean(stage)[:60]))
