"""A group of real, tiny guests under a daemon that is a process of its own: replaced, scaled, and the daemon killed meanwhile.

The tests of this file run in its order; the last one ends the guests.
"""

import time
from collections.abc import Iterator

import pytest

from minicloud.aws import times

from ..crashes import Point, orphans
from ..ssh import BOOT
from ..waits import until
from .scaling_scene import Scene, kill_qemu

pytestmark = [pytest.mark.lab, pytest.mark.guest]
CLOUD = "scaling"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    made = Scene(CLOUD)
    made.template()
    made.serve()
    made.create()
    yield made
    if made.daemon.is_alive():
        made.kill()


def test_the_group_comes_and_its_guests_answer(scene: Scene) -> None:
    first, second = scene.becomes(2)
    names = {scene.login(instance_id).run("hostname") for instance_id in (first, second)}
    assert len(names) == 2


def test_a_guest_whose_qemu_is_killed_and_one_that_powers_off_are_replaced(scene: Scene) -> None:
    first, second = scene.serving()
    kill_qemu(first)
    scene.login(second).run("(sleep 1; poweroff -f) >/dev/null 2>&1 & true")
    new = scene.becomes(2, first, second)
    for instance_id in (first, second):
        (ended, cause), (_, began) = scene.causes(instance_id)
        assert ended == "Successful"
        assert "in response to an EC2 health check indicating it has been terminated or stopped" in cause
        assert "a user request created an AutoScalingGroup" in began
    for instance_id in new:
        assert "needing to be replaced" in scene.causes(instance_id)[0][1]
    assert scene.alive() == set(new)


def test_a_schedule_makes_it_grow_and_shrink(scene: Scene) -> None:
    before = set(scene.serving())
    now = time.time()
    for name, at, size in (("more", now + 4, 3), ("less", now + 20, 1)):
        scene.asg("PutScheduledUpdateGroupAction", ScheduledActionName=name, StartTime=times.text(at), DesiredCapacity=size)
    (new,) = set(scene.becomes(3)) - before
    assert "the scheduled action more executed. Setting desired capacity from 2 to 3." in scene.causes(new)[0][1]
    (kept,) = scene.becomes(1)
    assert scene.alive() == {kept}


POINTS = [
    Point("minicloud.reconcile.autoscaling_launches:_record", "after"),
    Point("guests.start", "before"),
    Point("minicloud.reconcile.autoscaling_execute:_record", "after"),
]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_daemon_that_is_killed_doubles_and_loses_nothing(scene: Scene, point: Point) -> None:
    scene.kill()
    scene.serve(point)
    scene.asg("SetDesiredCapacity", DesiredCapacity=2)
    scene.died()
    scene.serve()
    there = set(scene.becomes(2))
    assert scene.alive() == there
    activities = scene.asg("DescribeScalingActivities")["Activities"]
    assert {one["StatusCode"] for one in activities} == {"Successful"}
    assert len({one["Description"] for one in activities}) == len(activities)
    scene.asg("SetDesiredCapacity", DesiredCapacity=1)
    until("it shrinks", lambda: scene.alive() == set(scene.becomes(1)), BOOT)


def test_it_goes_and_leaves_nothing(scene: Scene) -> None:
    scene.end()
    assert orphans(scene.make) == []
