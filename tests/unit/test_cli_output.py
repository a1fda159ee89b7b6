"""How answers are printed: as the aws CLI does, and as tables that hostile names cannot break."""

import io
import json
from typing import Any

import pytest
import yaml
from awscli.text import format_text
from hypothesis import given
from hypothesis import strategies as st

from minicloud.cli import output
from minicloud.cli.columns import LAYOUTS, ago, cell
from minicloud.cli.table import fitting
from minicloud.cli.terminal import clean
from minicloud.errors import UsageError

HOSTILE = "\x1b]0;owned\x07[bold red]x\u202e\x9b31m"
INSTANCE = {
    "InstanceId": "i-1", "State": {"Name": "running"}, "InstanceType": "t3.nano", "Tags": [{"Key": "Name", "Value": HOSTILE}],
    "LaunchTime": "2020-01-01T00:00:00.000Z",
}  # fmt: skip

scalar = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=6)
members = st.dictionaries(st.sampled_from("AbCde"), scalar | st.lists(scalar, max_size=3), max_size=4)
answers = st.recursive(
    members,
    lambda inner: st.dictionaries(st.sampled_from("AbCde"), inner | st.lists(inner, max_size=3), max_size=3),
    max_leaves=8,
)


def printed(answer: Any, form: str, query: str | None = None, operation: str = "") -> str:
    stream = io.StringIO()
    output.show(answer, form, query, stream, operation)
    return stream.getvalue()


@given(answers)
def test_text_is_the_aws_clis(answer: Any) -> None:
    stream = io.StringIO()
    format_text(answer, stream)
    assert output.as_text(answer) == stream.getvalue()


@pytest.mark.parametrize("answer", [[], [[1, 2], [3, [4]]], [[1], 2], {"a": [{"b": 1}, {"c": [2]}]}, None, "x", 3, True])
def test_text_of_what_a_query_may_find_is_the_aws_clis(answer: Any) -> None:
    stream = io.StringIO()
    format_text(answer, stream)
    assert output.as_text(answer) == stream.getvalue()


@given(answers)
def test_json_and_yaml_read_back_as_the_answer(answer: Any) -> None:
    text = output.as_json(answer)
    assert json.loads(text) == answer
    assert clean(text, keep="\n") == text
    assert yaml.safe_load(output.as_yaml(answer)) == answer


def test_json_has_four_spaces_and_the_order_of_the_answer() -> None:
    assert printed({"B": [1], "A": "\u00e4"}, "json") == '{\n    "B": [\n        1\n    ],\n    "A": "\u00e4"\n}\n'


def test_bytes_are_base64() -> None:
    assert printed({"A": b"\x00\xff"}, "json", "A") == '"AP8="\n'


def test_an_empty_answer_prints_nothing() -> None:
    assert printed({}, "json") == ""


def test_a_query_comes_first_and_a_bad_one_is_refused_in_one_line() -> None:
    assert printed({"A": [{"B": 1}, {"B": 2}]}, "text", "A[].B") == "1\t2\n"
    assert printed({"A": 1}, "json", "X") == "null\n"
    with pytest.raises(UsageError, match=r"\A--query: [^\n]*\Z"):
        printed({"A": 1}, "json", "[[")


def test_a_table_of_instances_shows_hostile_names_written_out() -> None:
    text = printed({"Reservations": [{"Instances": [INSTANCE]}]}, "table", operation="DescribeInstances")
    assert "\\x1b]0;owned\\x07[bold red]x\\u202e\\x9b31m" in text
    assert "running" in text
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert "Public IP" not in text  # empty for all


def test_a_table_of_anything_shows_every_value() -> None:
    inner = {"E": "three", "F": {"G": ["four", "five"]}}
    answer = {"A": "one", "B": {"C": "two"}, "D": [inner], "H": ["six"], "I": "x\ny", "J": HOSTILE}
    text = printed(answer, "table")
    for value in ("one", "two", "three", "four, five", "six", "x\ny\n", "[bold red]x"):
        assert value in text
    assert "\x1b" not in text


def test_a_table_of_deep_entries_shows_every_value() -> None:
    text = printed({"A": [{"B": 1, "C": [{"D": "deep"}]}, {"B": 2, "C": []}]}, "table")
    assert "deep" in text
    assert "A 2" in text


@pytest.mark.parametrize("operation", LAYOUTS)
def test_every_layout_prints_an_empty_answer_and_an_empty_item(operation: str) -> None:
    layout = LAYOUTS[operation]
    first, *rest = layout.items.removesuffix("[]").split("[].")
    item: Any = {rest[0]: [{}]} if rest else {}
    assert "nothing found" in printed({first: []}, "table", operation=operation)
    assert layout.columns[0][0] in printed({first: [item]}, "table", operation=operation)


@pytest.mark.parametrize("operation", LAYOUTS)
def test_every_layout_names_what_awss_model_has(operation: str) -> None:
    from minicloud.aws import model

    layout = LAYOUTS[operation]
    service, _, name = f"ec2:{operation}".rpartition(":")
    shape = model.service(service.rpartition(":")[2]).operation(name).output
    assert shape is not None
    for name in layout.items.removesuffix("[]").split("[]."):
        shape = shape.members[name].shape.element
    for _, path in layout.columns:
        inner = shape
        for name in path.replace("tag:Name", "Tags").removeprefix("ago:").split("."):
            inner = inner.members[name].shape
            inner = inner.element if inner.kind == "list" else inner


def test_the_format_is_as_asked_or_as_the_place_is() -> None:
    assert output.choose("yaml", io.StringIO(), {"MINICLOUD_OUTPUT": "text"}) == "yaml"
    assert output.choose(None, io.StringIO(), {"MINICLOUD_OUTPUT": "text"}) == "text"
    assert output.choose(None, io.StringIO(), {}) == "json"
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    assert output.choose(None, terminal, {}) == "table"
    with pytest.raises(UsageError):
        output.choose(None, io.StringIO(), {"MINICLOUD_OUTPUT": "xml"})


def test_times_are_told_as_how_long_ago() -> None:
    now = 1_577_836_800.0  # 2020-01-01
    assert ago("2019-12-31T23:59:58Z", now) == "2 s ago"
    assert ago("2019-12-31T23:57:00Z", now) == "3 min ago"
    assert ago("2019-12-30T00:00:00Z", now) == "2 d ago"
    assert ago("2030-01-01T00:00:00Z", now) == "2030-01-01T00:00:00Z"
    assert cell({"A": "not a time"}, "ago:A", now) == "not a time"


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


def test_a_narrow_terminal_breaks_nothing_that_is_for_copying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")  # no bold, no colours
    item = {
        "InstanceId": "i-0123456789abcdef0", "State": {"Name": "running"}, "InstanceType": "t3.micro", "KeyName": "me",
        "PrivateIpAddress": "172.31.100.104", "PublicIpAddress": "203.0.113.197", "LaunchTime": "2020-01-01T00:00:00.000Z",
    }  # fmt: skip
    stream = Terminal()
    output.show({"Reservations": [{"Instances": [item]}]}, "table", stream=stream, operation="DescribeInstances")
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = (line for line in lines if "i-0" in line)
    assert line.split()[:5] == ["i-0123456789abcdef0", "running", "t3.micro", "172.31.100.104", "203.0.113.197"]
    assert any("too narrow for: Key, Launched;" in line for line in lines)


@pytest.mark.parametrize(
    ("widths", "room", "count"),
    [([19, 4, 7], 80, 3), ([24, 21, 10, 14], 80, 3), ([21, 400, 5], 80, 3), ([90, 5, 5], 80, 2), ([9], 5, 1)],
)
def test_how_many_columns_fit(widths: list[int], room: int, count: int) -> None:
    assert fitting(widths, room) == count
