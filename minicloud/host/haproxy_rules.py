"""How requests that come to a listener find their rule, and what the rule's action becomes. Pure functions: lines of a frontend.

The first rule that holds leaves its priority in `txn.rule`, 0 for the default action. What forwards leaves the group's id in
`txn.group`; redirects and fixed responses answer at once.
"""

from collections.abc import Iterator
from itertools import accumulate

from ..errors import Permanent
from .haproxy_text import between, fetch, literal, mark, pattern, url_format
from .load_balancer_spec import Action, Condition, FixedResponse, Forward, Listener, Redirect

GROUP_COOKIES = ("AWSALBTG", "AWSALBTGCORS")
BODIES = "bodies"
SERVER = "awselb/2.0"
"""What responses of a balancer's own are marked with."""


def lines(listener: Listener, files: dict[str, str]) -> Iterator[str]:
    """The lines that decide; what they read goes to `files`."""
    for rule in listener.rules:
        holds = " ".join(_condition(condition) for condition in rule.conditions)
        yield f"http-request set-var(txn.rule) int({rule.priority}) if !{{ var(txn.rule) -m found }} {holds}"
    if listener.rules:
        yield "http-request set-var(txn.rule) int(0) if !{ var(txn.rule) -m found }"
    for rule in listener.rules:
        yield from _action(listener, rule.priority, rule.action, files)
    yield from _action(listener, 0, listener.action, files)


def _condition(condition: Condition) -> str:
    if condition.field == "source-ip":
        return f"{{ src {' '.join(map(literal, condition.values))} }}"
    if condition.field == "http-request-method":
        return f"{{ method -m str {' '.join(map(literal, condition.values))} }}"
    looked_at, flags, patterns = _matched(condition)
    return f"{{ {looked_at} -m reg{flags} {' '.join(between(one) for one in patterns)} }}"


def _matched(condition: Condition) -> tuple[str, str, list[str]]:
    """What is looked at, with which flags, for which expressions."""
    whole = [f"^{pattern(value)}$" for value in condition.values]
    match condition.field:
        case "host-header":
            return "req.hdr(host),host_only", " -i", whole
        case "path-pattern":
            return "path", "", whole
        case "http-header":
            return fetch("req.fhdr", condition.name), " -i", whole
        case "query-string":
            return "query", " -i", [_pair(key, value) for key, value in condition.pairs]
    raise Permanent(f"no rule can look at {condition.field!r}")


def _pair(key: str, value: str) -> str:
    begin = f"{pattern(key, '[^&=]*', '[^&=]')}=" if key else "([^&=]*=)?"
    return f"(^|&){begin}{pattern(value, '[^&]*', '[^&]')}(&|$)"


def _action(listener: Listener, priority: int, action: Action, files: dict[str, str]) -> Iterator[str]:
    when = f"{{ var(txn.rule) -m int {priority} }}" if listener.rules else ""
    match action:
        case FixedResponse():
            yield _conditional(f"http-request return {_fixed(listener.port, priority, action, files)}", when)
        case Redirect():
            yield from _redirect(listener, action, when)
        case Forward():
            yield from _forward(action, when)


def _conditional(line: str, *conditions: str) -> str:
    holds = " ".join(filter(None, conditions))
    return f"{line} if {holds}" if holds else line


def _fixed(port: int, priority: int, action: FixedResponse, files: dict[str, str]) -> str:
    if not action.body:
        return f"status {action.status} hdr Server {SERVER}"
    path = f"{BODIES}/{port}-{priority}"
    files[path] = action.body
    return f"status {action.status} content-type {literal(action.content_type or 'text/plain')} file {path} hdr Server {SERVER}"


def _redirect(listener: Listener, action: Redirect, when: str) -> Iterator[str]:
    """A `?` stands before a query only where there is one."""
    protocol = "https" if listener.tls else "http"
    parts = {
        "protocol": protocol,
        "host": "%[var(txn.host)]",
        "port": str(listener.port),
        "path": "%[var(txn.path)]",
        "query": "%[var(txn.query)]",
    }
    yield _conditional("http-request set-var(txn.host) req.hdr(host),host_only", when)
    yield _conditional("http-request set-var(txn.path) path,regsub(^/,)", when)
    yield _conditional("http-request set-var(txn.query) query", when)
    scheme = protocol if "#{" in action.protocol else action.protocol.lower()
    if scheme not in ("http", "https"):
        raise Permanent(f"no redirect leads to the protocol {action.protocol!r}")
    place = f"{scheme}://" + "".join(
        (url_format(action.host, parts), ":", url_format(action.port, parts), url_format(action.path, parts))
    )
    reply = f"http-request return status {action.status} hdr Server {SERVER} hdr Location"
    if query := url_format(action.query, parts):
        yield _conditional(f"http-request set-var-fmt(txn.asked) {between(query)}", when)
        yield _conditional(f"{reply} {between(f'{place}?%[var(txn.asked)]')}", when, "{ var(txn.asked) -m len gt 0 }")
    yield _conditional(f"{reply} {between(place)}", when)


def _forward(action: Forward, when: str) -> Iterator[str]:
    used = [(group, weight) for group, weight in action.groups if weight > 0]
    if len(used) == 1 and not action.sticky and not when:
        return
    if len(used) == 1 and not action.sticky:
        yield _conditional(f"http-request set-var(txn.group) str({used[0][0]})", when)
        return
    undecided = "!{ var(txn.group) -m found }"
    if action.sticky:
        for cookie in GROUP_COOKIES:
            for group, _ in used:
                has = f"{{ req.cook({cookie}) -m str {mark(group)} }}"
                yield _conditional(f"http-request set-var(txn.group) str({group})", when, undecided, has)
    total = sum(weight for _, weight in used)
    if total:
        yield _conditional(f"http-request set-var(txn.rand) rand({total})", when)
    for (group, _), limit in zip(used, accumulate(weight for _, weight in used), strict=True):
        below = f"{{ var(txn.rand) -m int lt {limit} }}"
        yield _conditional(f"http-request set-var(txn.group) str({group})", when, undecided, below)
    if action.sticky:
        yield from _group_cookies(action.sticky, when)


def _group_cookies(seconds: int, when: str) -> Iterator[str]:
    for cookie in GROUP_COOKIES:
        value = f"{cookie}=%[var(txn.group),sha1,hex,lower]; Expires=%[date({seconds}),http_date]; Path=/"
        value += "; SameSite=None; Secure" if cookie.endswith("CORS") else ""
        yield _conditional(f"http-response add-header Set-Cookie {between(value)}", when, "{ var(txn.group) -m found }")


def chooses(listener: Listener) -> bool:
    """Whether requests leave a group's name in `txn.group`: not where there is but one way to go."""
    used = [weight for _, weight in listener.action.groups if weight > 0] if isinstance(listener.action, Forward) else []
    plain = isinstance(listener.action, Forward) and not listener.action.sticky and len(used) == 1
    return listener.protocol == "HTTP" and not (plain and not listener.rules)


def groups_of(listener: Listener) -> list[str]:
    """The groups that a listener may forward to, each once, in their order."""
    actions = [rule.action for rule in listener.rules] + [listener.action]
    found = [group for action in actions if isinstance(action, Forward) for group, weight in action.groups if weight > 0]
    return list(dict.fromkeys(found))
