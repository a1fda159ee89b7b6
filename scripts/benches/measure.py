"""What the measurements share: running commands, medians, and a table of ratios."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
MINICLOUD = str(Path(sys.executable).with_name("minicloud"))


def command(*argv: str, check: bool = True) -> str:
    """Run a command to its end; its output."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed: {done.stderr.strip()}")
    return done.stdout


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(works: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Time several things in turn (A B A B ...), after one run of each that does not count."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            times[name].append(seconds(work))
    return times


def report(title: str, times: dict[str, list[float]], limit: str = "") -> float:
    """Print the medians of two things and the median of their ratios, pair by pair; returns that ratio."""
    print(f"\n{title}")
    for name, measured in times.items():
        print(f"  {name:44} median {statistics.median(measured):8.3f} s   ({min(measured):.3f} to {max(measured):.3f})")
    first, second = list(times.values())[:2]
    ratio = statistics.median(a / b for a, b in zip(first, second, strict=True))
    print(f"  ratio of the first to the second{limit and f' (wanted: {limit})'}: {ratio:.2f}")
    return ratio


def wait_for(what: str, probe: Callable[[], object], limit: float, every: float = 0.05) -> float:
    """Wait until `probe` is true; the seconds it took. Ends the measurement with a message after `limit` seconds."""
    began = time.perf_counter()
    while not probe():
        if time.perf_counter() - began > limit:
            raise SystemExit(f"gave up after {limit:.0f} s waiting for {what}")
        time.sleep(every)
    return time.perf_counter() - began


def image(name: str) -> str:
    """The id of the newest AMI whose name begins so."""
    newest = "sort_by(Images,&CreationDate)[-1].ImageId"
    wanted = ("--filters", f"Name=name,Values={name}*")
    found = command(MINICLOUD, "describe-images", *wanted, "--query", newest, "--output", "text").strip()
    if found in ("", "None"):
        raise SystemExit(f"no image {name} here; run scripts/setup --tests")
    return found


def rows(lines: Sequence[tuple[str, float]], unit: str = "s") -> None:
    """Print named figures."""
    for name, figure in lines:
        print(f"  {name:44} {figure:8.3f} {unit}")
