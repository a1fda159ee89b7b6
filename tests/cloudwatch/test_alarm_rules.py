"""The rules of composite alarms."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicloud.metrics.alarm_rules import RuleError, parse

STATES = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA", "high load": "ALARM", 'q"x': "OK"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALARM(a)", True),
        ('ALARM("a")', True),
        ("ALARM( a )", True),
        ("OK(a)", False),
        ("OK(b) AND INSUFFICIENT_DATA(c)", True),
        ("ALARM(a) AND NOT ALARM(b)", True),
        ("NOT (ALARM(a) OR ALARM(b))", False),
        ("ALARM(b) OR ALARM(a) AND OK(b)", True),
        ("(ALARM(b) OR ALARM(a)) AND ALARM(b)", False),
        ("NOT NOT ALARM(a)", True),
        ("TRUE", True),
        ("FALSE OR TRUE AND FALSE", False),
        ('ALARM("high load")', True),
        ('OK("q\\"x")', True),
        ("ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:a)", True),
        ("ALARM(nobody)", False),
    ],
)
def test_what_rules_say(text: str, expected: bool) -> None:
    assert parse(text).holds(STATES) is expected


@pytest.mark.parametrize(
    "text",
    ["", "ALARM", "ALARM()", "ALARM(a) OK(b)", "ALARM(a) AND", "(ALARM(a)", "ALARM(a))", "MAYBE(a)", "NOT", "a", "ALARM(a",
     "(" * 200 + "TRUE" + ")" * 200, " AND ".join(["TRUE"] * 501), " OR ".join(f"OK(a{n})" for n in range(101))],
)  # fmt: skip
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(RuleError):
        parse(text)


def test_children_are_named_once() -> None:
    assert parse("ALARM(a) OR (OK(b) AND NOT ALARM(a))").children == ("a", "b")


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    with contextlib.suppress(RuleError):
        assert parse(text).holds(STATES) in (True, False)
