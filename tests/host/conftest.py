"""What tests of the host need: a laboratory, and a guest that boots in seconds."""

import os

import pytest

from minicloud.config import load
from minicloud.host.base_images import BaseImages, store
from minicloud.host.contracts import BaseImage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a laboratory never touch the machine itself."""
    for item in items:
        if item.get_closest_marker("lab") and os.environ.get("MINICLOUD_IN_LAB") != "1":
            item.add_marker(pytest.mark.skip(reason="needs a laboratory: scripts/lab pytest ..."))


@pytest.fixture(scope="session")
def tiny() -> BaseImage:
    """The tiny guest: it answers SSH some seconds after its start, also under emulation, and its console is a root shell."""
    found = [image for image in BaseImages(store(load()), load().home).list().values() if image.name == "tiny"]
    if not found:
        pytest.skip("no image named tiny on this machine; scripts/setup --tests builds it")
    return found[-1]
