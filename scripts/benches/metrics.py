"""`scripts/bench metrics`: what a minute of monitoring costs, and how that grows with instances and alarms; bytes of a point.

Over a fake host: what is measured is the keeping and the evaluating, not libvirt.
"""

import tempfile
import time
from pathlib import Path

from minicloud import api
from minicloud.aws import distribution
from minicloud.cloud import Cloud
from minicloud.config import Settings
from minicloud.host import fake
from minicloud.reconcile.alarms import Evaluator
from minicloud.state.metrics import Metric

from .measure import seconds

SIZES, METRICS, MINUTES = (100, 400, 1600), 20, 3


def _cloud() -> Cloud:
    home = Path(tempfile.mkdtemp(prefix="minicloud-bench-"))
    return Cloud(Settings(home=home, run=home / "run"), lambda *_: fake.host())


def _put(cloud: Cloud, instances: int, minute: int) -> None:
    values = [distribution.of_value(number * 1.37) for number in range(50)]
    entries = [
        (Metric("AWS/EC2", f"metric-{name}", (("InstanceId", f"i-{one:017x}"),), "Count"), 60, minute, values[(one + name) % 50])
        for one in range(instances)
        for name in range(METRICS)
    ]
    cloud.metrics.put(entries)


def _alarms(cloud: Cloud, count: int) -> None:
    rule = {"EvaluationPeriods": 3, "Threshold": 1e9, "ComparisonOperator": "GreaterThanThreshold", "Period": 60}
    for number in range(count):
        about = [{"Name": "InstanceId", "Value": f"i-{number:017x}"}]
        metric = {"Namespace": "AWS/EC2", "MetricName": "metric-0", "Statistic": "Average", "Dimensions": about}
        api.call(cloud, "cloudwatch", "PutMetricAlarm", {"AlarmName": f"alarm-{number}", **metric, **rule})


def measure(size: int, start: int) -> tuple[float, float, float]:
    """Of so many instances, each with an alarm: seconds to keep a minute, bytes of a point, seconds to evaluate."""
    cloud = _cloud()
    _put(cloud, size, start)
    empty, began = cloud.metrics.size(), time.perf_counter()
    for minute in range(1, MINUTES + 1):
        _put(cloud, size, start + 60 * minute)
    put = (time.perf_counter() - began) / MINUTES
    point = (cloud.metrics.size() - empty) / (MINUTES * size * METRICS)
    _alarms(cloud, size)
    evaluator, later = Evaluator(cloud, 0.0), time.time() + 60
    evaluator.step(later - 60)
    return put, point, seconds(lambda: evaluator.step(later))


def main() -> None:
    start = int(time.time()) // 60 * 60 - 60 * (MINUTES + 1)
    before = 0.0, 0.0
    for size in SIZES:
        put, point, evaluate = measure(size, start)
        growth = f"; {put / before[0]:.1f} and {evaluate / before[1]:.1f} times the line above" if before[0] else ""
        print(
            f"{size} instances with {METRICS} metrics: a minute is kept in {put:.2f} s, {point:.0f} bytes a point; "
            f"{size} alarms are evaluated in {evaluate:.2f} s{growth}"
        )
        before = put, evaluate


if __name__ == "__main__":
    main()
