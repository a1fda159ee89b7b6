"""A process with a bound for its memory: `python -m tests.http.bounded_process DIRECTORY MIB serve|data`.

`serve` is an endpoint over a fake host, which says its URL and lives until its input ends. `data` asks CloudWatch for many long
time series and says how many datapoints the first page has.
"""

import resource
import sys
import threading
import time
from pathlib import Path

from minicloud import api
from minicloud.aws import times
from minicloud.cloud import Cloud
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen

from ..cloud_fixtures import cloud_in


def bound(mib: int) -> None:
    """From now on the process may have so much more data than it has; what is reserved only does not count."""
    threading.stack_size(256 << 10)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    most = (int(status["VmData"].split()[0]) << 10) + (mib << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def serve(cloud: Cloud, mib: int) -> None:
    api.services()
    bound(mib)
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
    print(server.start().url, flush=True)  # noqa: T201
    sys.stdin.read()
    server.stop()


def data(cloud: Cloud, mib: int) -> None:
    now = time.time()
    many = [{"Id": f"e{number}", "Expression": "TIME_SERIES(1)", "Period": 60} for number in range(500)]
    asked = {"StartTime": times.text(now - 100_000 * 60), "EndTime": times.text(now)}
    api.call(cloud, "cloudwatch", "GetMetricData", {**asked, "MetricDataQueries": many[:1], "MaxDatapoints": 10})
    bound(mib)
    answer = api.call(cloud, "cloudwatch", "GetMetricData", {**asked, "MetricDataQueries": many})
    print(sum(len(one["Values"]) for one in answer["MetricDataResults"]), bool(answer["NextToken"]))  # noqa: T201


def main() -> None:
    directory, mib, what = sys.argv[1:]
    {"serve": serve, "data": data}[what](cloud_in(Path(directory), work=False), int(mib))


if __name__ == "__main__":
    main()
