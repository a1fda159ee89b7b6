"""Our shorthand parser against the aws CLI's own, on written and on invented inputs."""

from typing import Any

import pytest
from awscli.shorthand import ShorthandParseError, ShorthandParser
from hypothesis import given
from hypothesis import strategies as st

from minicloud.cli.shorthand import ShorthandError, parse

WRITTEN = [
    "Name=instance-state-name,Values=running,stopped",
    "Name=tag:Name,Values=a b c",
    "DeviceName=/dev/xvda,Ebs={VolumeSize=8,DeleteOnTermination=true}",
    "IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=10.0.0.0/8,Description=office},{CidrIp=0.0.0.0/0}]",
    "ResourceType=instance,Tags=[{Key=Name,Value=web 1},{Key=Owner,Value='a,b'}]",
    "a='it\\'s',b=\"say \\\"x\\\"\"", "a=b\\,c,d=e", "a=,b=c", "a=", "a=[]", "a={}", "a=[b,]", "a={b=c,}", "a=[[b,c],[d]]",
    " a = b , c = d ", "a=b=c", "a=b,c=d=e", "a=b,c,d=e,f", "a='b','c'", "a=b c,d e", "a={b={c={d=e}}}", "a=b,,c=d", "=b",
    "a=b,", "a", "", "a=b,c", "a=[b", "a={b=c", "a='b", 'a="b', "a=b,a=c", "a={b=}", "a=}", "a=]x", "a=[}]", "a=b}c", "a,b=c",
    "a=b,'c'=d", "a=b,\"x,y\"=c", "a=\u00e4\u4e16,b=\u00df", "a=\\", "a='\\'", "a==b", "a.b/c#d:e-f_g=1", "a=[b=c]", "a={b}",
    "a@=x", "a={b@=c}", "a=b,c@=d,e", "\ta=b,\n c=d",
]  # fmt: skip


def theirs(text: str) -> Any:
    try:
        return ShorthandParser().parse(text)
    except ShorthandParseError:
        return "refused"


def ours(text: str) -> Any:
    try:
        return parse(text)
    except ShorthandError:
        return "refused"


@pytest.mark.parametrize("text", WRITTEN)
def test_written_inputs_read_as_the_aws_cli_reads_them(text: str) -> None:
    assert ours(text) == theirs(text)


@given(st.lists(st.sampled_from([*"ab=,[]{}'\"\\@ 1.", "a=", "b=c", "=[", "={", "x,y"]), max_size=14).map("".join))
def test_invented_inputs_read_as_the_aws_cli_reads_them(text: str) -> None:
    assert ours(text) == theirs(text)


word = st.text(st.characters(codec="utf-8", exclude_characters="\\", max_codepoint=0xFFFF), max_size=8)
key = st.text("abcXYZ019_-./:#", min_size=1, max_size=5)
tree = st.recursive(word, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(key, inner, max_size=3), max_leaves=6)


def written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}={written(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(inner) for inner in value) + "]"
    return "'" + value.replace("'", "\\'") + "'"


@given(st.dictionaries(key, tree, min_size=1, max_size=3))
def test_what_is_written_quoted_is_read_back(value: dict[str, Any]) -> None:
    text = written(value)[1:-1]
    assert ours(text) == value == theirs(text)


def test_a_file_is_read_after_at_equals_only() -> None:
    read = {"file://x": "content"}.get
    assert parse("a@=file://x,b=file://x", lambda word: read(word) or word) == {"a": "content", "b": "file://x"}


def test_an_emoji_is_a_word_like_any_other() -> None:
    assert parse("Key=Name,Value=\U0001f600") == {"Key": "Name", "Value": "\U0001f600"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Name", "'=' was expected, there is the end"),
        ("Name=a b'c", "',' was expected, there is \"'\" at character 9"),
        ("a='b", "the ' at character 3 is never closed"),
        ("a=b,a=c", "the key 'a' is given twice, at character 5"),
    ],
)
def test_an_error_says_where_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ShorthandError, match=r"\A[^\n]*\Z") as caught:
        parse(text)
    assert str(caught.value).startswith(said)
