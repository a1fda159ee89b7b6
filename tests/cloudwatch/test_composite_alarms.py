"""Composite alarms by a clock of the tests' own: states, circles, suppressors."""

import json

from .world import TOPIC, World


class TestComposite:
    def test_it_follows_its_children(self, world: World) -> None:
        world.alarm("a")
        world.alarm("b")
        world("PutCompositeAlarm", AlarmName="both", AlarmRule="ALARM(a) AND ALARM(b)", AlarmActions=[TOPIC])
        world.passes(15)
        assert world.state("both") == "OK"
        for name in "ab":
            world("SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="test")
        world.passes(15)
        assert world.state("both") == "ALARM"
        assert len(world.host.sent()) == 1
        parents = world("DescribeAlarms", ParentsOfAlarmName="a")["CompositeAlarms"]
        assert [one["AlarmName"] for one in parents] == ["both"]
        found = world("DescribeAlarms", ChildrenOfAlarmName="both")
        assert [one["AlarmName"] for one in found["MetricAlarms"]] == ["a", "b"]

    def test_composites_of_composites_and_circles(self, world: World) -> None:
        world.alarm("a")
        world("PutCompositeAlarm", AlarmName="one", AlarmRule="ALARM(a)")
        world("PutCompositeAlarm", AlarmName="two", AlarmRule="NOT OK(one)")
        world("SetAlarmState", AlarmName="a", StateValue="ALARM", StateReason="test")
        world.passes(15)
        assert (world.state("one"), world.state("two")) == ("ALARM", "ALARM")
        world("PutCompositeAlarm", AlarmName="one", AlarmRule="NOT ALARM(two)")
        before = world.history(AlarmTypes=["CompositeAlarm"])
        world.passes(60)
        assert world.history(AlarmTypes=["CompositeAlarm"]) == before, "a circle is not worked out"
        world("PutCompositeAlarm", AlarmName="one", AlarmRule="OK(a)")
        world.passes(15)
        assert (world.state("one"), world.state("two")) == ("OK", "OK")

    def suppressed(self, world: World, wait: int = 60, extension: int = 120) -> None:
        world.alarm("a", TreatMissingData="ignore")
        world.alarm("deploying", TreatMissingData="ignore")
        periods = {"ActionsSuppressorWaitPeriod": wait, "ActionsSuppressorExtensionPeriod": extension}
        actions = {"AlarmActions": [TOPIC], "OKActions": [TOPIC]}
        world("PutCompositeAlarm", AlarmName="c", AlarmRule="ALARM(a)", ActionsSuppressor="deploying", **actions, **periods)
        world.passes(15)
        self.set(world, "deploying", "OK")
        world.passes(15)

    def set(self, world: World, name: str, state: str) -> None:
        world("SetAlarmState", AlarmName=name, StateValue=state, StateReason="test")

    def told(self, world: World) -> list[str]:
        return [json.loads(json.loads(one["body"])["Message"])["NewStateValue"] for one in world.host.sent()][1:]

    def test_a_suppressor_holds_actions_back(self, world: World) -> None:
        self.suppressed(world)
        self.set(world, "deploying", "ALARM")
        self.set(world, "a", "ALARM")
        world.passes(15)
        (shown,) = world("DescribeAlarms", AlarmNames=["c"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        assert (shown["StateValue"], shown["ActionsSuppressedBy"]) == ("ALARM", "Alarm")
        world.passes(300)
        assert self.told(world) == []

    def test_after_the_wait_it_acts(self, world: World) -> None:
        self.suppressed(world)
        self.set(world, "a", "ALARM")
        world.passes(30)
        assert self.told(world) == []
        world.passes(60)
        assert self.told(world) == ["ALARM"]

    def test_after_the_extension_it_acts(self, world: World) -> None:
        self.suppressed(world)
        self.set(world, "deploying", "ALARM")
        self.set(world, "a", "ALARM")
        world.passes(30)
        self.set(world, "deploying", "OK")
        world.passes(60)
        assert self.told(world) == []
        world.passes(120)
        assert self.told(world) == ["ALARM"]

    def test_what_passes_while_it_is_held_back_is_not_told(self, world: World) -> None:
        self.suppressed(world)
        self.set(world, "a", "ALARM")
        world.passes(20)
        self.set(world, "a", "OK")
        world.passes(300)
        assert self.told(world) == []

    def test_what_is_needed_is_not_deleted(self, world: World) -> None:
        self.suppressed(world)
        assert world.refused("DeleteAlarms", AlarmNames=["a"]).code == "ValidationError"
        assert world.refused("DeleteAlarms", AlarmNames=["deploying"]).code == "ValidationError"
        world("DeleteAlarms", AlarmNames=["c", "a"])
        assert [row.name for row in world.cloud.state.alarms.query()] == ["deploying"]
