"""How many datapoints one request works out, and all of them together."""

from typing import Any

import pytest

from minicloud.errors import ApiError
from minicloud.metrics.meter import Room

from .test_data import metric, query
from .world import World


def test_each_query_is_worked_out_for_its_own_page_only(world: World) -> None:
    many = [query("TIME_SERIES(1)", f"e{number}", Period=60) for number in range(500)]
    token, counts = "", []
    for _ in range(3):
        more = {"NextToken": token} if token else {}
        answer = world("GetMetricData", MetricDataQueries=many, StartTime=world.at(-100_000 * 60), EndTime=world.at(0), **more)
        counts.append(sum(len(one["Values"]) for one in answer["MetricDataResults"]))
        token = answer["NextToken"]
    assert counts == [100_800] * 3


LONG = [query("TIME_SERIES(1)", f"e{number}", ReturnData=False) for number in range(20)]
LISTS = [query(f"[{','.join([f'e{number}'] * 100)}]", f"e{number + 1}", ReturnData=number == 7) for number in range(8)]


@pytest.mark.parametrize(
    "queries",
    [
        pytest.param([*LONG, query(f"SUM([{','.join(one['Id'] for one in LONG)}])", "all")], id="a sum of many"),
        pytest.param([LONG[0], *LISTS], id="lists of lists"),
        pytest.param([metric("m"), query("FILL(SEARCH('{Test} MetricName=\"load\"', 'Sum', 1), 0)", "all")], id="filled seconds"),
    ],
)
def test_what_an_expression_needs_at_one_time_has_a_bound(world: World, queries: list[dict[str, Any]]) -> None:
    world.put(1.0)
    asked = {"StartTime": world.at(-100_000 * 60), "EndTime": world.at(0)}
    for one in queries:
        if "Expression" in one:
            one.setdefault("Period", 60)
    error = world.refused("GetMetricData", MetricDataQueries=queries, **asked)
    assert error.code == "ValidationError"
    assert "datapoints" in error.message or "periods" in error.message


def test_requests_together_have_a_bound() -> None:
    room = Room(100)
    with room.meter() as one, room.meter() as other:
        one.take(60)
        with pytest.raises(ApiError) as caught:
            other.take(50)
        assert caught.value.code == "ThrottlingException"
    with room.meter() as one:
        one.take(100)
