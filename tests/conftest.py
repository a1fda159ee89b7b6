"""Fixtures that all tests share, and which tests need a laboratory."""

import gc
import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest

from . import lab_net, ratchet
from .cloud_fixtures import cloud, ec2, host, idle
from .endpoint_fixtures import served

__all__ = ["cloud", "ec2", "host", "idle", "served"]


_MANY = 200
"""Open files."""


class Failures:
    """Says at once why a test failed: a run that is cut off later has no summary."""

    def __init__(self, plugins: pytest.PytestPluginManager) -> None:
        self.plugins = plugins

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter = self.plugins.getplugin("terminalreporter")
        if report.failed and reporter:
            reporter.write_line("")
            reporter.write_line(f"{report.nodeid} failed in its {report.when}:", red=True)
            reporter.write_line("\n".join(report.longreprtext.splitlines()[-12:]))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Failures(config.pluginmanager))
    config.pluginmanager.register(ratchet.plugin())


# How long an example takes says something of the machine, nothing of the code. The suite plays the same examples each time; what
# goes on looking for others is scripts/campaign.
hypothesis.settings.register_profile(
    "any machine", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="module", autouse=True)
def nothing_of_the_file_before() -> Iterator[None]:
    """A file whose tests failed leaves its guests to nobody: the next one would be refused on their host. The connections of
    states that nobody uses any more are closed only when Python looks for them, which it does the more rarely the more it holds.
    """
    yield
    if len(os.listdir("/proc/self/fd")) > _MANY:
        gc.collect()
    if os.environ.get("MINICLOUD_IN_LAB") == "1" and (found := lab_net.left()):
        logging.getLogger(__name__).warning("left by this file, and taken away: %s", ", ".join(found))
        lab_net.clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real drivers and guests never touch the machine itself."""
    if os.environ.get("MINICLOUD_IN_LAB") == "1":
        return
    for item in items:
        if item.get_closest_marker("lab") or item.get_closest_marker("guest"):
            item.add_marker(pytest.mark.skip(reason="needs a laboratory: scripts/lab pytest ..."))
