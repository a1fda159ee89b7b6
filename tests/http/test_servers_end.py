"""A server that has ended is forgotten, with its cloud and the files that are open for it."""

import gc
import weakref
from pathlib import Path

from minicloud.cloud import Cloud
from minicloud.http.app import Endpoint
from minicloud.http.server import Server
from minicloud.http.server import listen as listening

from ..cloud_fixtures import cloud_in
from ..endpoint_fixtures import new_keys


def ended(directory: Path) -> "weakref.ref[Cloud]":
    cloud = cloud_in(directory)
    server = Server(listening("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud))
    server.start()
    assert new_keys(cloud)
    server.stop()
    return weakref.ref(cloud)


def test_nothing_keeps_one_that_has_ended(tmp_path: Path) -> None:
    cloud = ended(tmp_path)
    gc.collect()
    assert cloud() is None
