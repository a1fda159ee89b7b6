"""Fixtures that all tests share, and which tests need a laboratory."""

import os

import hypothesis
import pytest

from .cloud_fixtures import cloud, ec2, host, idle
from .endpoint_fixtures import served

__all__ = ["cloud", "ec2", "host", "idle", "served"]


# How long an example takes says something of the machine, nothing of the code.
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real drivers and guests never touch the machine itself."""
    if os.environ.get("MINICLOUD_IN_LAB") == "1":
        return
    for item in items:
        if item.get_closest_marker("lab") or item.get_closest_marker("guest"):
            item.add_marker(pytest.mark.skip(reason="needs a laboratory: scripts/lab pytest ..."))
