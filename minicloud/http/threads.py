"""The threads of the endpoint: many that wait for peers, few that work.

A thread that waits for a slow peer costs next to nothing, so each connection that has something to read gets one; those that work
have a connection to the state each, and are few. All are daemons: none that is stuck keeps the process from its end.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from cheroot.workers import threadpool
from cheroot.workers.threadpool import _SHUTDOWNREQUEST

log = logging.getLogger(__name__)


class Readers(threadpool.ThreadPool):
    """Threads that read requests and send answers, started when there is something to do for them."""

    def __init__(self, serving: Any, most: int) -> None:
        super().__init__(serving, min=1, max=most)
        self._free = threading.Semaphore(0)
        self.get = self._next

    def _next(self) -> Any:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            self._free.release()
            return self._queue.get()

    def put(self, obj: Any) -> None:
        """A connection that has something to read. Waits for nobody."""
        self._queue.put(obj)  # first: a thread that is started for it counts itself as free only where it finds nothing
        if not self._free.acquire(blocking=False) and len(self._threads) < self.max:
            self._threads.append(self._spawn_worker())

    def _spawn_worker(self) -> threading.Thread:
        worker: threading.Thread = threadpool.WorkerThread(self.server)
        worker.name, worker.daemon = f"http-{worker.name}", True
        worker.start()
        return worker

    def stop(self, timeout: float = 5.0) -> None:
        """End the threads: those that work have `timeout` seconds to answer, then their peers are cut off."""
        for _ in self._threads:
            self._queue.put(_SHUTDOWNREQUEST)
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self.server.crowd.drop_all()
        end = time.monotonic() + 1.0
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if left := sum(thread.is_alive() for thread in self._threads):
            log.warning("%d requests were not finished", left)


class Workers:
    """Threads that work on whole requests."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._queue: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin."""
        for number in range(self._count):
            threading.Thread(target=self._work, name=f"http-work-{number}", daemon=True).start()

    def run(self, work: Callable[[], Any]) -> Any:
        """What `work` returns, or raises, in one of the threads."""
        future: Future[Any] = Future()
        self._queue.put((work, future))
        return future.result()

    def stop(self) -> None:
        """End when all that was asked for is done."""
        for _ in range(self._count):
            self._queue.put(None)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            work, future = job
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  it is raised where the work was asked for
                future.set_exception(error)
            del job, work, future
