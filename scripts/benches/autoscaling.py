"""Auto Scaling: how long a pass of the loop takes, how large the database is, and how both grow with the number of groups.

For each number of groups of ten instances: an hour of the simulated day of `scaling_day`. A pass is one that finds nothing to
do, as nearly all do. Times are of the processor: others use this machine, too. At the end, how the database grew over that hour.
"""

import statistics
import tempfile
import time
from pathlib import Path

from .scaling_day import MEAN, Day

STEP = 600.0
SIZES = (25, 50, 100, 200)


def size(day: Day) -> int:
    """Bytes of the database, without what was deleted."""
    connection = day.cloud.state._connection()  # noqa: SLF001
    pages, free, each = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * each)


def measure(groups: int, steps: int) -> tuple[float, float, int, list[int]]:
    """Median seconds of an idle pass, seconds to launch all, bytes in the end, and bytes after each step."""
    with tempfile.TemporaryDirectory(prefix="minicloud-day-") as directory:
        day = Day(Path(directory), groups)
        with day.clock():
            began = time.process_time()
            day.make()
            launched = time.process_time() - began
            grown = []
            for _ in range(steps):
                day.step(STEP)
                grown.append(size(day))
            for _ in range(5):
                day.settle()
        found = statistics.median(day.passes[-5:]), launched, size(day), grown
        day.close()
        return found


def main() -> None:
    """Print a line for each number of groups, and how the last one grew."""
    titles = ("idle pass", "a group", "launch all", "an instance", "database")
    print(f"{'groups':>7} {'instances':>10} " + " ".join(f"{title:>12}" for title in titles))
    first = 0.0
    grown: list[int] = []
    for groups in SIZES:
        idle, launched, stored, grown = measure(groups, 6)
        first = first or idle / groups
        times = (
            f"{idle * 1000:9.1f} ms {idle / groups * 1000:9.2f} ms {launched:10.1f} s {launched / groups / MEAN * 1000:9.1f} ms"
        )
        print(f"{groups:7} {groups * MEAN:10} {times} {stored / 1e6:9.2f} MB")
    ratio, ends = idle / groups / first, f"{SIZES[-1]} groups to {SIZES[0]}"
    print(f"\n  a group's part of an idle pass, {ends} (wanted: at most 1.5): {ratio:.2f}")
    quarters = ", ".join(f"{grown[at] / 1e6:.2f}" for at in (0, 2, 5))
    print(f"  database of {SIZES[-1]} groups after 10, 30 and 60 minutes: {quarters} MB")
    print("  activities are kept for six weeks, instances for an hour after their end; nothing else grows with time")


if __name__ == "__main__":
    main()
