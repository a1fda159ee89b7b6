"""Commands that are killed at each of their steps, over the fake host: the next command mends what they left."""

from pathlib import Path

import pytest

from minicloud.host import fake

from ..cloud_fixtures import IMAGE, RUN, cloud_in
from ..crashes import OF_RUN, OF_TERMINATE, Make, Point, run_is_mended, terminate_is_mended


@pytest.fixture
def make(tmp_path: Path) -> Make:
    fake.host(tmp_path / "host").add_image(IMAGE)
    return lambda: cloud_in(tmp_path)


@pytest.mark.parametrize("point", OF_RUN, ids=str)
def test_run_instances(make: Make, point: Point) -> None:
    run_is_mended(make, point, RUN)


@pytest.mark.parametrize("point", OF_TERMINATE, ids=str)
def test_terminate_instances(make: Make, point: Point) -> None:
    terminate_is_mended(make, point, RUN)
