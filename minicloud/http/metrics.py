"""What `/metrics` shows: counts and durations of requests by service, operation and result, and the states of instances.

Names of services and operations are of those that there are, so that strangers cannot make the tables grow.
"""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..cloud import Cloud
from ..services.ec2.instance_rows import STATES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Instances(Collector):
    """How many instances are in which state, counted when somebody asks."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def describe(self) -> Iterable[Metric]:
        """Nothing needs to be known before the first question."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The present numbers."""
        family = GaugeMetricFamily("minicloud_instances", "Instances by state.", labels=["state"])
        found = Tally(row.state for row in self._cloud.state.instances.query())
        for state in STATES:
            family.add_metric([state], found[state])
        yield family


class Metrics:
    """The figures of one endpoint."""

    def __init__(self, cloud: Cloud) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "minicloud_requests", "Requests by result.", ["service", "operation", "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "minicloud_request_seconds", "Durations of requests.", ["service", "operation"], registry=self._registry
        )
        self._registry.register(_Instances(cloud))

    def count(self, service: str, operation: str, code: str, seconds: float) -> None:
        """One request. `code` is AWS's error code, or OK."""
        self._requests.labels(service, operation, code).inc()
        self._seconds.labels(service, operation).observe(seconds)

    def text(self) -> bytes:
        """All figures in Prometheus's text form."""
        return generate_latest(self._registry)
