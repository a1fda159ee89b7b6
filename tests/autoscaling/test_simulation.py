"""A day of 200 groups and 2,000 instances by a virtual clock: what must hold at every moment of it."""

from itertools import pairwise
from pathlib import Path

from scripts.benches.scaling_day import COOLDOWN, DAY, LEAST, MEAN, MOST, Day

STEP = 1800.0
CALM = 2 * STEP
"""Seconds within which a group must not turn from growing to shrinking or back."""


def test_a_day_of_two_hundred_groups(tmp_path: Path) -> None:
    day = Day(tmp_path, 200)
    with day.clock():
        day.make()
        assert len(day.cloud.state.scaling_members.query()) == 200 * MEAN
        while day.now < day.start + DAY:
            day.step(STEP)
            assert_sizes(day)
    assert_calm(day)
    day.close()


def assert_sizes(day: Day) -> None:
    """Every group is as large as it wishes to be, within its bounds, spread over its zones."""
    state = day.cloud.state
    zones: dict[str, dict[str, int]] = {curve.name: {} for curve in day.curves}
    for member in state.scaling_members.query():
        assert member.state == "InService"
        of_group = zones[member.group_name]
        of_group[member.zone] = of_group.get(member.zone, 0) + 1
    for group in state.scaling_groups.query():
        found = zones[group.name]
        assert sum(found.values()) == group.desired
        assert LEAST <= group.desired <= MOST
        assert max(found.values()) - min(found.values()) <= 1
    running = {row.id for row in state.instances.query()}
    assert running == {member.instance_id for member in state.scaling_members.query()}, "no instance is lost or nobody's"


def assert_calm(day: Day) -> None:
    """Groups followed their load, kept their cooldowns, and did not turn back and forth."""
    for curve in day.curves:
        changes = day.sizes[curve.name]
        sizes = [size for _, size in changes]
        assert max(sizes) >= 11, f"{curve.name} did not follow its load up"
        assert min(sizes) <= 8, f"{curve.name} did not follow its load down"
        if curve.kind == "simple":
            assert all(later - sooner >= COOLDOWN for (sooner, _), (later, _) in pairwise(changes[1:]))
        for (_, first), (sooner, second), (later, third) in zip(changes, changes[1:], changes[2:], strict=False):
            turned = (second - first) * (third - second) < 0
            assert not turned or later - sooner >= CALM, f"{curve.name} ({curve.kind}) turned within {later - sooner:.0f} s"
