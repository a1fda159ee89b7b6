"""Configurations of HAProxy, compared with files that people have read, and accepted by the real one."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from minicloud.errors import Permanent
from minicloud.host import haproxy_config, haproxy_text
from minicloud.host.load_balancer_spec import Condition, FixedResponse, Forward, LoadBalancerSpec, Redirect, Rule

from .. import balancers, golden_file

SPECS = {
    "application": balancers.application(),
    "network": balancers.network(),
    "classic": balancers.classic(),
}


@pytest.mark.parametrize("kind", SPECS)
def test_the_text_is_what_was_read(kind: str) -> None:
    golden_file.check(f"haproxy-{kind}.cfg", _text(SPECS[kind]))


@pytest.mark.parametrize("kind", SPECS)
def test_haproxy_accepts_it(kind: str, tmp_path: Path) -> None:
    assert _accepted(SPECS[kind], tmp_path) == (0, "")


def _text(spec: LoadBalancerSpec) -> str:
    place = haproxy_config.Place(Path("/run/b/socket"), Path("/run/b/state"), Path("/run/b/empty"), 2)
    return haproxy_config.files(spec, place)[haproxy_config.CONFIGURATION]


def _accepted(spec: LoadBalancerSpec, directory: Path) -> tuple[int, str]:
    place = haproxy_config.Place(directory / "socket", directory / "state", directory, 2)
    for name, text in haproxy_config.files(spec, place).items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    words = ["/usr/sbin/haproxy", "-c", "-q", "-C", str(directory), "-f", haproxy_config.CONFIGURATION]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"MINICLOUD_LOG": "1"})
    return done.returncode, "\n".join(line for line in done.stderr.splitlines() if "ALERT" in line or "WARNING" in line)


NASTY = (
    "it's",
    'a"b',
    "a\\b",
    "#{host",
    "# no comment",
    "$HOME ${HOME} $(id)",
    "%[src] %ci 100%",
    "a b\tc",
    "}{ ( [ ?*",
    "ünïcode",
    "'",
)
"""What users may put into names and values."""


def test_nothing_that_users_write_is_configuration(tmp_path: Path) -> None:
    """Rules, headers, bodies and redirects made of signs that mean something to HAProxy are accepted, each as one word."""
    values = [text.replace("\t", " ") for text in NASTY]
    rules = [Rule(1, (Condition("path-pattern", tuple(values)),), FixedResponse(200, "text/plain", "\n".join(values)))]
    for number, text in enumerate(values):
        pairs = ((text, text), ("", text))
        rules.append(Rule(2 + 2 * number, (Condition("query-string", pairs=pairs),), FixedResponse(200)))
        redirect = Redirect("HTTPS", f"h{text}", "443", f"/{text}", text, 301)
        rules.append(Rule(3 + 2 * number, (Condition("http-header", (text,), "User-Agent"),), redirect))
    base = SPECS["application"]
    headers = tuple((f"X-{number}", text) for number, text in enumerate(values))
    listener = replace(base.listeners[0], rules=tuple(rules), headers=headers)
    spec = replace(base, listeners=(listener,))
    assert _accepted(spec, tmp_path) == (0, "")
    plain = replace(spec, listeners=(replace(listener, rules=tuple(_without_text(rule) for rule in rules), headers=()),))
    assert len(_text(spec).splitlines()) == len(_text(plain).splitlines()) + len(headers)


def _without_text(rule: Rule) -> Rule:
    """The same rule of letters only."""
    action = rule.action
    if isinstance(action, Redirect):
        action = replace(action, host="h", path="/", query="q")
    conditions = tuple(
        replace(one, values=tuple("x" for _ in one.values), pairs=tuple(("k" if key else "", "v") for key, _ in one.pairs))
        for one in rule.conditions
    )
    return replace(rule, conditions=conditions, action=action)


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\0", "a\x1b"])
def test_control_characters_are_refused(value: str) -> None:
    base = SPECS["application"]
    spec = replace(base, listeners=(replace(base.listeners[0], headers=(("X-A", value),)),))
    with pytest.raises(Permanent, match="control characters"):
        _text(spec)


@pytest.mark.parametrize("name", ["", "a b", "a'b", "a)", "a,b", "a\n", 'a"'])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Permanent, match="name"):
        haproxy_text.fetch("req.cook", name)


def test_patterns_stand_for_what_aws_says() -> None:
    assert re.fullmatch(haproxy_text.pattern("/img/*.p?g"), "/img/a/b.png")
    assert not re.fullmatch(haproxy_text.pattern("/img/*.p?g"), "/img/axpng")
    assert re.fullmatch(haproxy_text.pattern("a.b+(c)|^$\\"), "a.b+(c)|^$\\")


def test_weights_of_zero_get_nothing() -> None:
    base = SPECS["application"]
    listener = replace(base.listeners[0], rules=(), action=Forward((("tg-a", 0), ("tg-b", 0))))
    text = _text(replace(base, listeners=(listener,)))
    assert "use_backend" not in text


def test_private_keys_are_in_no_representation() -> None:
    spec = SPECS["application"]
    assert "PRIVATE" not in repr(spec)
    assert "PRIVATE" not in _text(spec)
    assert len({spec.fingerprint(), replace(spec, certificates=spec.certificates[:1]).fingerprint()}) == 2
