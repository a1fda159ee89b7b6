"""Expressions and rules that refer to themselves, or to one another for ever, and such as are deep or long."""

from typing import Any

import pytest

from minicloud.metrics import references

from .world import World

METRIC = {"MetricStat": {"Metric": {"Namespace": "Test", "MetricName": "load"}, "Period": 60, "Stat": "Sum"}}


def data(world: World, *expressions: str) -> dict[str, Any]:
    """The queries m (a metric), e0, e1 and on."""
    queries: list[dict[str, Any]] = [{"Id": "m", **METRIC}]
    queries += [{"Id": f"e{number}", "Expression": text} for number, text in enumerate(expressions)]
    return {"MetricDataQueries": queries, "StartTime": world.at(-600), "EndTime": world.at(60)}


@pytest.mark.parametrize(
    "expressions",
    [
        ["e0"], ["e0+1"], ["m+SUM([e0, m])"], ["e1", "e0"], ["e1", "e2", "e3", "e1+m"], ["m", "IF(e2, 1, 2)", "-e1"],
        [*(f"e{number + 1}" for number in range(400)), "e0"],
    ],
)  # fmt: skip
def test_circles_are_refused(world: World, expressions: list[str]) -> None:
    refused = world.refused("GetMetricData", **data(world, *expressions))
    assert refused.code == "ValidationError"
    assert "refers to itself" in refused.message
    if len(expressions) < 10:
        queries = data(world, *expressions)["MetricDataQueries"]
        queries = [{**one, "ReturnData": one["Id"] == "e0"} for one in queries]
        metric = {"MetricName": None, "Namespace": None, "Statistic": None, "Period": None}
        with pytest.raises(Exception, match="refers to itself") as caught:
            world.alarm(Metrics=queries, **metric)
        assert getattr(caught.value, "code", "") == "ValidationError"


def test_an_alarm_of_a_circle_that_is_there_already_is_told_and_keeps_nobody(world: World) -> None:
    metric = {"MetricName": None, "Namespace": None, "Statistic": None, "Period": None}
    queries = [{"Id": "m", "ReturnData": False, **METRIC}, {"Id": "e0", "Expression": "m"}]
    world.alarm("circle", Metrics=queries, **metric)
    row = world.cloud.state.alarms.get("circle")
    assert row is not None
    queries[1]["Expression"] = "e0"
    world.cloud.state.alarms.change("circle", settings={**row.settings, "Metrics": queries})
    world.alarm("good", TreatMissingData="breaching")
    world.passes(200)
    assert (world.state("circle"), world.state("good")) == ("INSUFFICIENT_DATA", "ALARM")


def test_chains_may_be_as_long_as_requests_are(world: World) -> None:
    world.put(1.0, ago=60)
    count = 400
    found = world("GetMetricData", **data(world, *(f"e{number + 1}+1" for number in range(count)), "m"))
    by_id = {one["Id"]: one["Values"] for one in found["MetricDataResults"]}
    assert by_id["e0"] == [1.0 + count]


@pytest.mark.parametrize("text", ["m" + "+1" * 1000, "-".join(["m"] * 1000), "m" + " AND 1" * 300, "m<" * 800 + "1"])
def test_long_expressions_are_worked_out(world: World, text: str) -> None:
    world.put(1.0, ago=60)
    assert len(world("GetMetricData", **data(world, text))["MetricDataResults"][1]["Values"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * 900 + "m" + ")" * 900, "-" * 1800 + "m", "1" + "^1" * 900, "ABS(" * 400 + "m" + ")" * 400,
        "[" * 900 + "m" + "]" * 900,
        "SEARCH('" + "(" * 390 + "a" + ")" * 390 + "', 'Sum', 60)", "SEARCH('" + "NOT " * 390 + "a', 'Sum', 60)",
    ],
)  # fmt: skip
def test_what_is_too_deep_is_refused(world: World, text: str) -> None:
    assert world.refused("GetMetricData", **data(world, text)).code == "ValidationError"


@pytest.mark.parametrize("rule", ["(" * 900 + "TRUE" + ")" * 900, "NOT " * 900 + "TRUE"])
def test_rules_that_are_too_deep_are_refused(world: World, rule: str) -> None:
    assert world.refused("PutCompositeAlarm", AlarmName="deep", AlarmRule=rule).code == "ValidationError"


def test_the_order_of_references() -> None:
    referred = {"a": ["b", "c"], "b": ["c"], "c": [], "d": ["a"], "x": ["y"], "y": ["x"], "z": ["y"]}
    assert references.order("d", referred.__getitem__) == ["c", "b", "a", "d"]
    with pytest.raises(references.CircleError, match="y -> x -> y"):
        references.order("z", referred.__getitem__)
