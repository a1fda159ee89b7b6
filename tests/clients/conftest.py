"""One endpoint for the tests of a file, since other people's clients take seconds to start and go on where they were."""

from collections.abc import Iterator

import pytest

from minicloud.cloud import Cloud
from minicloud.host import fake
from minicloud.host.fake import FakeHost
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen

from ..cloud_fixtures import IMAGE, cloud_in
from ..endpoint_fixtures import Served, new_keys


@pytest.fixture(scope="module")
def host() -> FakeHost:
    """A host with one image."""
    made = fake.host()
    made.add_image(IMAGE)
    return made


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, host: FakeHost) -> Cloud:
    """A cloud whose requests do the work themselves."""
    return cloud_in(tmp_path_factory.mktemp("cloud"), host)


@pytest.fixture(scope="module")
def served(cloud: Cloud) -> Iterator[Served]:
    """Its endpoint, at any port of loopback."""
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
    where = server.start()
    yield Served(cloud, where.url, new_keys(cloud))
    server.stop()
