"""How often somebody may ask: a bucket of tokens for each access key, and one for each address that shows no valid key."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_BUCKETS = 10_000


class Rates:
    """Buckets that hold `burst` requests and refill at `rate` a second. Safe for threads; memory is bounded."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str) -> bool:
        """Whether one more request of `who` is within the rate."""
        now = self._clock()
        with self._lock:
            held, since = self._buckets.pop(who, (self._burst, now))
            held = min(self._burst, held + (now - since) * self._rate)
            allowed = held >= 1.0
            self._buckets[who] = (held - 1.0 if allowed else held, now)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        return allowed
