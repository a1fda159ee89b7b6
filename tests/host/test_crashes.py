"""Commands that are killed at each of their steps, over the real drivers, and inside these; the guests need not boot."""

import itertools

import pytest

from ..crashes import OF_RUN, OF_TERMINATE, Make, Point, both, run_is_mended, terminate_is_mended
from ..real_cloud import cloud_at, launch

pytestmark = pytest.mark.lab
_numbers = itertools.count()

INSIDE_RUN = [
    *both("minicloud.host.bridges:ensure", "minicloud.host.dnsmasq:start", "minicloud.host.networks:_write"),
    Point("minicloud.host.networks:_write", "after", 3),
    *both("minicloud.host.qemu_img:create_overlay", "minicloud.host.libvirt:LibvirtGuests._define_and_start"),
    Point("minicloud.host.account:share", "before"),
    Point("minicloud.host.account:share", "after", 2),
    Point("tempfile:mkstemp", "after"),
    Point("minicloud.host.libvirt:domain", "after"),
]
INSIDE_TERMINATE = [
    *both("minicloud.host.libvirt:LibvirtGuests.destroy", "minicloud.host.dnsmasq:stop", "minicloud.host.bridges:remove"),
]


@pytest.fixture
def make() -> Make:
    name = f"crash{next(_numbers)}"
    return lambda: cloud_at(name)


@pytest.mark.parametrize("point", [*OF_RUN, *INSIDE_RUN], ids=str)
def test_run_instances(make: Make, point: Point) -> None:
    run_is_mended(make, point, launch("tiny"))


@pytest.mark.parametrize("point", [*OF_TERMINATE, *INSIDE_TERMINATE], ids=str)
def test_terminate_instances(make: Make, point: Point) -> None:
    terminate_is_mended(make, point, launch("tiny"))
