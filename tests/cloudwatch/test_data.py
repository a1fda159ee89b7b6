"""Metrics as they are put, listed and asked for."""

import json
from typing import Any

import pytest

from minicloud.aws import distribution
from minicloud.errors import UsageError
from minicloud.state.metrics import DAY, KEPT, Metric, MetricsStore
from minicloud.topics import read

from .world import World

A = [{"Name": "a", "Value": "1"}]


def statistics(world: World, *names: str, **more: Any) -> list[dict[str, Any]]:
    params = {
        "Namespace": "Test",
        "MetricName": "load",
        "StartTime": world.at(-600),
        "EndTime": world.at(60),
        "Period": 60,
        **more,
    }
    found = world("GetMetricStatistics", **params, **({"Statistics": list(names)} if names else {}))["Datapoints"]
    return sorted(found, key=lambda one: str(one["Timestamp"]))


def query(expression: str, query_id: str = "x", **more: Any) -> dict[str, Any]:
    return {"Id": query_id, "Expression": expression, **more}


def metric(query_id: str, name: str = "load", stat: str = "Sum", *, shown: bool = True, **more: Any) -> dict[str, Any]:
    about = {"Metric": {"Namespace": "Test", "MetricName": name, **more}, "Period": 60, "Stat": stat}
    return {"Id": query_id, "MetricStat": about, "ReturnData": shown}


def data(world: World, *queries: dict[str, Any], **more: Any) -> dict[str, Any]:
    params = {"StartTime": world.at(-600), "EndTime": world.at(60), "ScanBy": "TimestampAscending", **more}
    return world("GetMetricData", MetricDataQueries=list(queries), **params)


def test_values_counts_and_sets_are_one_distribution(world: World) -> None:
    world.put(4.0)
    world("PutMetricData", Namespace="Test", MetricData=[
        {"MetricName": "load", "Timestamp": world.at(0), "Values": [1.0, 2.0], "Counts": [3.0, 1.0]}])  # fmt: skip
    (point,) = statistics(world, "SampleCount", "Sum", "Minimum", "Maximum", "Average")
    assert (point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"]) == (5, 9, 1, 4)
    (point,) = statistics(world, ExtendedStatistics=["p50", "tm50"])
    assert point["ExtendedStatistics"] == {"p50": 1.0, "tm50": 1.0}
    world("PutMetricData", Namespace="Test", MetricData=[{"MetricName": "load", "Timestamp": world.at(0), "StatisticValues": {
        "SampleCount": 2.0, "Sum": 10.0, "Minimum": 4.0, "Maximum": 6.0}}])  # fmt: skip
    assert statistics(world, ExtendedStatistics=["p50"]) == []
    (point,) = statistics(world, "Sum", "Maximum")
    assert (point["Sum"], point["Maximum"]) == (19, 6)


def test_units_are_apart_unless_nobody_asks(world: World) -> None:
    world.put(1.0, Unit="Seconds")
    world.put(2.0, Unit="Bytes")
    assert {(point["Unit"], point["Sum"]) for point in statistics(world, "Sum")} == {("Seconds", 1.0), ("Bytes", 2.0)}
    assert [point["Sum"] for point in statistics(world, "Sum", Unit="Bytes")] == [2.0]
    assert statistics(world, "Sum", Unit="Percent") == []
    assert data(world, metric("m"))["MetricDataResults"][0]["Values"] == [3.0]


def test_dimensions_are_exact(world: World) -> None:
    world.put(1.0, Dimensions=A)
    world.put(2.0)
    assert [point["Sum"] for point in statistics(world, "Sum", Dimensions=A)] == [1.0]
    assert [point["Sum"] for point in statistics(world, "Sum")] == [2.0]


def test_periods(world: World) -> None:
    for second in range(0, 120, 10):
        world.put(1.0, ago=second, StorageResolution=1)
    fine = statistics(world, "Sum", Period=10, StartTime=world.at(-120))
    assert [point["Sum"] for point in fine] == [1.0] * 12
    assert sum(point["Sum"] for point in statistics(world, "Sum")) == 12
    world.put(100.0, name="slow")
    assert statistics(world, "Sum", MetricName="slow", Period=10, StartTime=world.at(-120)) == []


def test_a_thousand_at_once_and_all_or_none(world: World) -> None:
    many = [{"MetricName": "load", "Value": 1.0, "Timestamp": world.at(-(number % 300))} for number in range(1000)]
    world("PutMetricData", Namespace="Test", MetricData=many)
    assert sum(point["Sum"] for point in statistics(world, "Sum")) == 1000
    bad = [*many[:5], {"MetricName": "other"}]
    assert world.refused("PutMetricData", Namespace="Test", MetricData=bad).code == "MissingParameter"
    assert sum(point["Sum"] for point in statistics(world, "Sum")) == 1000


def test_list_metrics(world: World) -> None:
    world.put(1.0, Dimensions=[*A, {"Name": "b", "Value": "2"}])
    world.put(1.0, name="other", Dimensions=A)
    listed = world("ListMetrics", Dimensions=[{"Name": "a", "Value": "1"}])["Metrics"]
    assert [one["MetricName"] for one in listed] == ["load", "other"]
    assert len(world("ListMetrics", Dimensions=[{"Name": "b"}])["Metrics"]) == 1
    assert len(world("ListMetrics", Namespace="Test", MetricName="other")["Metrics"]) == 1
    assert world("ListMetrics", Dimensions=[{"Name": "a", "Value": "2"}])["Metrics"] == []
    world.wall += 4 * 3600
    assert world("ListMetrics", RecentlyActive="PT3H")["Metrics"] == []
    assert len(world("ListMetrics")["Metrics"]) == 2
    world.wall += 15 * DAY
    assert world("ListMetrics")["Metrics"] == []


def test_list_metrics_by_pages(world: World) -> None:
    for start in (0, 1000):
        many = [{"MetricName": f"m{number}", "Value": 1.0, "Timestamp": world.at(0)} for number in range(start, start + 600)]
        world("PutMetricData", Namespace="Test", MetricData=many)
    seen: list[str] = []
    token = None
    while token != "":
        answer = world("ListMetrics", **({"NextToken": token} if token else {}))
        assert len(answer["Metrics"]) <= 500
        seen += [one["MetricName"] for one in answer["Metrics"]]
        token = answer.get("NextToken", "")
    assert len(seen) == len(set(seen)) == 1200


def test_metric_data_with_maths_labels_and_search(world: World) -> None:
    for minute in range(3):
        world.put(float(minute), ago=60 * minute, name="errors", Dimensions=A)
        world.put(10.0, ago=60 * minute, Dimensions=A)
    answer = data(
        world,
        metric("e", "errors", shown=False, Dimensions=A),
        metric("r", shown=False, Dimensions=A),
        query("100*e/r", "rate", Label="rate of ${PROP('Dim.a')}, at most ${MAX}"),
        query("SUM(METRICS())", "all"),
        query("SEARCH('{Test,a} MetricName=\"errors\"', 'Sum', 60)", "found"),
    )
    rate, everything, found = answer["MetricDataResults"]
    assert (rate["Values"], rate["Label"]) == ([20.0, 10.0, 0.0], "rate of 1, at most 20")
    assert everything["Values"] == [12.0, 11.0, 10.0]
    assert (found["Values"], found["Label"]) == ([2.0, 1.0, 0.0], "1 errors")


def test_metric_data_by_pages(world: World) -> None:
    for minute in range(10):
        world.put(float(minute), ago=60 * minute)
    seen: dict[str, list[float]] = {"a": [], "b": []}
    token = None
    while token != "":
        more = {"NextToken": token} if token else {}
        answer = data(world, metric("a"), metric("b", stat="Maximum"), MaxDatapoints=3, **more)
        for one in answer["MetricDataResults"]:
            seen[one["Id"]] += one["Values"]
        assert sum(len(one["Values"]) for one in answer["MetricDataResults"]) <= 3
        token = answer.get("NextToken", "")
    assert seen == {"a": [float(9 - minute) for minute in range(10)], "b": [float(9 - minute) for minute in range(10)]}


@pytest.mark.parametrize(
    "queries",
    [
        [query("nope+1")], [query("x")], [query("a", "b"), query("b", "a")], [query("ANOMALY_DETECTION_BAND(m)"), metric("m")],
        [query("SELECT AVG(x) FROM y")], [query("5")], [metric("M")], [metric("m"), metric("m")], [{"Id": "m"}],
        [metric("m", stat="nope")], [query("(" * 200)],
    ],
)  # fmt: skip
def test_queries_that_cannot_be(world: World, queries: list[dict[str, Any]]) -> None:
    params = {"StartTime": world.at(-600), "EndTime": world.at(0), "MetricDataQueries": queries}
    assert world.refused("GetMetricData", **params).code == "ValidationError"


class TestStore:
    METRIC = Metric("X", "m", ())

    def store(self, world: World, most: int = 1 << 30) -> MetricsStore:
        return MetricsStore(world.cloud.settings.home / "other.sqlite", most)

    def test_points_grow_coarser_and_go(self, world: World) -> None:
        store, now = self.store(world), int(world.wall)
        start = now - now % 3600
        store.put([(self.METRIC, 1, start + second, distribution.of_value(1.0)) for second in range(0, 3600, 10)])
        (series,) = store.series("X")
        for age, resolution, count in ((0, 1, 360), (4 * 3600, 60, 60), (16 * DAY, 300, 12), (64 * DAY, 3600, 1)):
            store.age(start + 3600 + age)
            found = store.points([series.id], 0, now * 2)
            assert {point.resolution for point in found} == {resolution}
            assert len(found) == count
            assert sum(point.what.count for point in found) == 360
            assert found[0].what.values is not None
        store.age(start + 460 * DAY)
        assert store.points([series.id], 0, now * 2) == []
        assert store.series() == []

    def test_a_full_file_keeps_less(self, world: World) -> None:
        store, now = self.store(world, most=400_000), int(world.wall)
        for name in range(20):
            entries = [(Metric("X", str(name), ()), 60, now - 60 * minute, distribution.of_value(1.5)) for minute in range(2000)]
            store.put(entries)
        assert store.size() > 400_000
        store.age(now)
        assert store.size() <= 400_000
        assert len(store.points([store.series("X", "7")[0].id], now - 600, now + 1)) > 5
        assert (world.cloud.settings.home / "other.sqlite").stat().st_size < 1_500_000

    def test_a_damaged_file_is_put_aside(self, world: World) -> None:
        store = self.store(world)
        store.put([(self.METRIC, 60, 0, distribution.of_value(1.0))])
        store.close()
        path = world.cloud.settings.home / "other.sqlite"
        path.write_bytes(b"this is no database at all" * 1000)
        again = self.store(world)
        again.put([(self.METRIC, 60, 0, distribution.of_value(2.0))])
        assert len(again.series()) == 1
        assert path.with_name("other.sqlite.damaged").exists()

    def test_what_is_kept_is_awss(self) -> None:
        assert KEPT == {1: 3 * 3600, 60: 15 * DAY, 300: 63 * DAY, 3600: 455 * DAY}


class TestPictures:
    def widget(self, world: World, **changes: Any) -> bytes:
        for minute in range(30):
            world.put(float(minute), ago=60.0 * minute, Dimensions=A)
        given = {"metrics": [["Test", "load", "a", "1", {"id": "m"}], [{"expression": "m*2"}]], "period": 60, **changes}
        picture: bytes = world("GetMetricWidgetImage", MetricWidget=json.dumps(given))["MetricWidgetImage"]
        return picture

    @pytest.mark.parametrize(
        "changes",
        [{}, {"stacked": True}, {"theme": "dark"}, {"legend": {"position": "right"}}, {"legend": {"position": "hidden"}},
         {"title": "Lästig \n \x00 " * 40}, {"metrics": [["No", "data"]]}, {"start": "-P30D"}, {"width": 100, "height": 100},
         {"yAxis": {"left": {"min": 5, "max": 5}}}, {"annotations": {"horizontal": [{"value": 1e9, "label": "x"}]}},
         {"metrics": [["Test", "load", "a", "1"], ["...", "2", {"yAxis": "right", "color": "#123456"}], [".", "x", ".", "1"]]}],
    )  # fmt: skip
    def test_a_picture(self, world: World, changes: dict[str, Any]) -> None:
        import io

        from PIL import Image

        image = Image.open(io.BytesIO(self.widget(world, **changes)))
        assert image.format == "PNG"
        assert image.size == (changes.get("width", 600), changes.get("height", 400))
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 3

    def test_a_line_is_where_its_values_are(self, world: World) -> None:
        import io

        from PIL import Image

        changes = {
            "metrics": [["Test", "load", "a", "1", {"color": "#ff0000"}]],
            "start": "-PT30M",
            "legend": {"position": "hidden"},
        }
        image = Image.open(io.BytesIO(self.widget(world, **changes))).convert("RGB")
        red = [(x, y) for x in range(600) for y in range(400) if image.getpixel((x, y)) == (255, 0, 0)]
        first, last = min(red), max(red)
        assert first[0] < 120
        assert last[0] > 540
        assert first[1] < last[1]  # the latest value is the smallest one

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", '{"metrics": []}', '{"metrics": [["A"]]}', '{"metrics": [["A", "b", "c"]]}', '{"metrics": [[".", "b"]]}',
         '{"metrics": [["A", "b"]], "view": "pie"}', '{"metrics": [["A", "b"]], "colour": 1}',
         '{"metrics": [["A", "b"]], "width": 99999}', '{"metrics": [["A", "b", {"color": "red"}]]}',
         '{"metrics": [["A", "b"]], "start": "yesterday"}', '{"metrics": [["A", "b"]], "start": "-PT0H", "end": "-PT1H"}',
         '{"metrics": [["A", "b", {"period": 7}]]}', '{"metrics": [["A", "b", {"stat": "x"}]]}',
         '{"metrics": [[{"expression": "nobody"}]]}', "[" * 100_000],
    )  # fmt: skip
    def test_what_makes_no_picture(self, world: World, text: str) -> None:
        assert world.refused("GetMetricWidgetImage", MetricWidget=text).code in ("ValidationError", "InvalidParameterValue")


class TestDashboards:
    def test_a_life(self, world: World) -> None:
        body = json.dumps({"widgets": [{"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6, "properties": {}}]})
        assert world("PutDashboard", DashboardName="web", DashboardBody=body)["DashboardValidationMessages"] == []
        assert world("GetDashboard", DashboardName="web")["DashboardBody"] == body
        world("PutDashboard", DashboardName="web", DashboardBody='{"widgets": []}')
        (entry,) = world("ListDashboards", DashboardNamePrefix="w")["DashboardEntries"]
        assert (entry["DashboardName"], entry["Size"]) == ("web", 15)
        assert world.refused("DeleteDashboards", DashboardNames=["web", "nope"]).status == 404
        world("DeleteDashboards", DashboardNames=["web"])
        assert world("ListDashboards")["DashboardEntries"] == []
        assert world.refused("GetDashboard", DashboardName="web").code == "ResourceNotFound"

    def test_what_looks_wrong_is_told(self, world: World) -> None:
        body = json.dumps({"widgets": [{"type": "cake", "width": 99, "properties": {}}]})
        messages = world("PutDashboard", DashboardName="web", DashboardBody=body)["DashboardValidationMessages"]
        assert [one["DataPath"] for one in messages] == ["/widgets/0/type", "/widgets/0/width"]

    @pytest.mark.parametrize("body", ["", "x", "[]", "{}", '{"widgets": {}}', '{"widgets": [1]}'])
    def test_what_is_no_dashboard(self, world: World, body: str) -> None:
        assert world.refused("PutDashboard", DashboardName="web", DashboardBody=body).code == "InvalidParameterInput"
        assert world.refused("PutDashboard", DashboardName="a/b", DashboardBody='{"widgets": []}').code == "InvalidParameterInput"


class TestTopics:
    def test_of_a_file_of_roots(self, tmp_path: Any) -> None:
        path = tmp_path / "config.toml"
        path.write_text("")
        path.chmod(0o644)
        found = read({"a": {"webhook": "http://x/"}, "b": {"webhook": "https://x/", "command": ["/bin/true"]}}, path)
        assert (found["a"].webhook, found["b"].command) == ("http://x/", ("/bin/true",))
        path.chmod(0o666)
        with pytest.raises(UsageError, match="belongs to root"):
            read({"b": {"command": ["/bin/true"]}}, path)

    @pytest.mark.parametrize(
        "given",
        [[], {"a": {}}, {"a b": {"webhook": "http://x"}}, {"a": {"webhook": "ftp://x"}}, {"a": {"command": "rm -rf /"}},
         {"a": {"command": ["rm"]}}, {"a": {"command": [1]}}, {"a": {"hook": "x"}}, {"a": "http://x"}],
    )  # fmt: skip
    def test_what_is_no_topic(self, tmp_path: Any, given: Any) -> None:
        path = tmp_path / "config.toml"
        path.write_text("")
        with pytest.raises(UsageError):
            read(given, path)
