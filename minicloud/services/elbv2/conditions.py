"""Conditions of rules, checked and brought into one form: the old `Values` of hosts and paths stand in their configurations.

Their texts become part of a configuration, so each is held against a pattern here. Only application balancers have rules.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, TypedDict

from ...errors import ApiError
from .limits import MOST_CONDITION_VALUES, MOST_WILDCARDS
from .refusals import invalid

MOST_VALUE = 128


class ValuesInput(TypedDict, total=False):
    """Values, of which one is enough."""

    Values: list[str]


class HeaderInput(TypedDict, total=False):
    """A header and its values."""

    HttpHeaderName: str
    Values: list[str]


class PairInput(TypedDict, total=False):
    """A parameter of a query string, or a value of any."""

    Key: str
    Value: str


class QueryInput(TypedDict, total=False):
    """Parameters, of which one is enough."""

    Values: list[PairInput]


class ConditionInput(TypedDict, total=False):
    """A condition."""

    Field: str
    Values: list[str]
    HostHeaderConfig: ValuesInput
    PathPatternConfig: ValuesInput
    HttpHeaderConfig: HeaderInput
    QueryStringConfig: QueryInput
    HttpRequestMethodConfig: ValuesInput
    SourceIpConfig: ValuesInput


_CONFIGS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "query-string": "QueryStringConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "source-ip": "SourceIpConfig",
}
_ONCE = ("host-header", "path-pattern", "http-request-method", "source-ip")
_OLD = ("host-header", "path-pattern")
_HOST = re.compile(r"[A-Za-z0-9.*?-]+")
_PATH = re.compile(r"""[A-Za-z0-9_.$/~"'@:+&*?%,;=()!-]+""")
_METHOD = re.compile(r"[A-Z_-]{1,40}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&*+.^_`|~-]{1,40}")
_PRINTABLE = re.compile(r"[ -~]+")


def checked(given: Sequence[ConditionInput]) -> list[dict[str, Any]]:
    """The conditions in the form in which they are kept. Raises ApiError."""
    found = [_condition(one) for one in given]
    if not found:
        raise invalid("A rule must have at least one condition")
    fields = [one["Field"] for one in found]
    for field in _ONCE:
        if fields.count(field) > 1:
            raise invalid(f"A rule can have only one '{field}' condition")
    values = [value for one in found for value in _values(one)]
    if len(values) > MOST_CONDITION_VALUES:
        raise ApiError("ValidationError", f"A rule can have at most {MOST_CONDITION_VALUES} condition values")
    if sum(value.count("*") + value.count("?") for value in values) > MOST_WILDCARDS:
        raise invalid(f"A rule can have at most {MOST_WILDCARDS} wildcards in its conditions")
    return found


def _values(condition: Mapping[str, Any]) -> list[str]:
    values: list[Any] = condition[_CONFIGS[condition["Field"]]]["Values"]
    return [one if isinstance(one, str) else one["Value"] for one in values]


def _condition(given: ConditionInput) -> dict[str, Any]:
    configs = [name for name in _CONFIGS.values() if name in given]
    field = given.get("Field") or next((name for name, config in _CONFIGS.items() if [config] == configs), "")
    if field not in _CONFIGS:
        raise invalid(f"Condition field '{field[:80]}' must be one of '[{', '.join(_CONFIGS)}]'")
    name = _CONFIGS[field]
    if strange := [config for config in configs if config != name]:
        raise invalid(f"{strange[0]} is not for conditions with the field '{field}'")
    if "Values" in given and (field not in _OLD or name in given):
        raise invalid(f"A '{field}' condition has its values in {name}, and nowhere else")
    config: Any = given.get(name, {"Values": given.get("Values", [])})
    values = config.get("Values", [])
    if not values:
        raise invalid(f"A '{field}' condition must have a value")
    if field == "query-string":
        return {"Field": field, name: {"Values": [_pair(one) for one in values]}}
    for value in values:
        _check_value(field, value)
    kept: dict[str, Any] = {"Values": list(values)}
    if field == "http-header":
        kept["HttpHeaderName"] = _header(config.get("HttpHeaderName", ""))
    return {"Field": field, name: kept}


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise invalid(
            f"HTTP header name '{name[:80]}' is not valid: it has 1 to 40 characters of those of RFC 7230, and no quote"
        )
    if name.lower() == "host":
        raise invalid("An 'http-header' condition cannot be on the Host header; use a 'host-header' condition")
    return name


def _pair(given: PairInput) -> dict[str, str]:
    key, value = given.get("Key", ""), given.get("Value", "")
    if not value:
        raise invalid("A query string condition must have a value")
    for text in (key, value):
        if text and (len(text) > MOST_VALUE or not _PRINTABLE.fullmatch(text)):
            raise invalid(f"Condition value '{text[:80]}' must have at most {MOST_VALUE} printable characters of ASCII")
    return {"Key": key, "Value": value} if key else {"Value": value}


def _is_network(value: str) -> bool:
    try:
        ip_network(value)
    except ValueError:
        return False
    return "/" in value


_CHECKS: dict[str, Callable[[str], object]] = {
    "host-header": _HOST.fullmatch,
    "path-pattern": _PATH.fullmatch,
    "http-header": _PRINTABLE.fullmatch,
    "http-request-method": _METHOD.fullmatch,
    "source-ip": _is_network,
}


def _check_value(field: str, value: str) -> None:
    if len(value) > MOST_VALUE:
        raise invalid(f"Condition value '{value[:80]}...' cannot be longer than {MOST_VALUE} characters")
    if not value or not _CHECKS[field](value):
        raise invalid(f"Condition value '{value}' contains characters that are not valid for the field '{field}'")


def view(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Conditions as AWS answers them: values of hosts and paths stand there twice."""
    return [{**one, "Values": one[_CONFIGS[one["Field"]]]["Values"] if one["Field"] in _OLD else []} for one in found]
