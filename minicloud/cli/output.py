"""Answers on standard output: json, text and yaml as the aws CLI prints them, table for a person, off for nobody.

An answer with nothing in it prints nothing. --query comes first and works on the plain answer. Modules that only one format
needs are imported by it alone. Whatever goes to a terminal has no control characters but the layout's own.
"""

import base64
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from ..errors import UsageError
from .terminal import clean, json_clean

FORMATS = ("json", "text", "table", "yaml", "yaml-stream", "off")

_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")


def choose(wanted: str | None, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The format: as asked, else MINICLOUD_OUTPUT, else a table on a terminal and JSON otherwise. Raises UsageError."""
    named = wanted or environ.get("MINICLOUD_OUTPUT")
    if named and named not in FORMATS:
        raise UsageError(f"MINICLOUD_OUTPUT is one of {', '.join(FORMATS)}, not {named!r}")
    return named or ("table" if (stream or sys.stdout).isatty() else "json")


def show(answer: Any, format: str, query: str | None = None, stream: TextIO | None = None, operation: str = "") -> None:
    """Print an answer. `operation` is AWS's name of what gave it, for a table's choice of columns. Raises UsageError."""
    out = stream or sys.stdout
    if answer in ({}, None):
        return
    found = search(query, answer) if query else answer
    if format == "off":
        return
    plain = _plain(found)
    if format == "table":
        from .table import print_table

        print_table(plain, "" if query else operation, out)
        return
    text = {"json": as_json, "text": as_text, "yaml": as_yaml, "yaml-stream": as_yaml_stream}[format](plain)
    out.write(clean(text, keep="\n\t") if format == "text" and out.isatty() else text)


def search(query: str, answer: Any) -> Any:
    """What a JMESPath expression finds. Raises UsageError for one that is not valid."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, answer)
    except JMESPathError as error:
        raise UsageError(f"--query: {' '.join(str(error).split())}") from error


def as_json(value: Any) -> str:
    """JSON, four spaces a level, members in the answer's order."""
    return json_clean(json.dumps(value, indent=4, ensure_ascii=False)) + "\n"


def as_yaml(value: Any) -> str:
    """YAML in blocks, members in the answer's order."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes texts with line ends other than a newline, which would be read back as blanks."""

        def represent_str(self, data: str) -> yaml.ScalarNode:
            """A text."""
            style = '"' if _LINE_ENDS.search(data) else None
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, Dumper.represent_str)
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False))


def as_yaml_stream(value: Any) -> str:
    """YAML as a list of answers, of which there is one: pages are put together before."""
    return as_yaml([value])


def as_text(value: Any) -> str:
    """Lines of values with tabs between them; a line of a member begins with the member's name in capitals."""
    lines: list[str] = []
    _text(value, "", None, lines)
    return "".join(line + "\n" for line in lines)


def _text(value: Any, name: str, columns: list[str] | None, lines: list[str]) -> None:
    if isinstance(value, dict):
        _text_members(value, name, columns, lines)
    elif isinstance(value, list):
        _text_entries(value, name, lines)
    else:
        lines.append(str(value))


def _text_members(value: dict[str, Any], name: str, columns: list[str] | None, lines: list[str]) -> None:
    """Scalars in one line, in the order of their names; entries of one list have the same columns. Then the rest."""
    inner = {key for key, member in value.items() if isinstance(member, (dict, list))}
    cells = columns if columns is not None else sorted(value.keys() - inner)
    if cells:
        lines.append("\t".join([*([name.upper()] if name else []), *(str(value.get(key, "")) for key in cells)]))
    for key in sorted(value.keys() - set(cells)):
        _text(value[key], key, None, lines)


def _text_entries(value: list[Any], name: str, lines: list[str]) -> None:
    if any(isinstance(entry, dict) for entry in value):
        dicts = [entry for entry in value if isinstance(entry, dict)]
        columns = sorted({key for entry in dicts for key, member in entry.items() if not isinstance(member, (dict, list))})
        for entry in value:
            _text(entry, name, columns, lines)
        return
    scalars = [str(entry) for entry in value if not isinstance(entry, list)]
    if scalars:
        lines.extend([f"{name.upper()}\t{cell}" for cell in scalars] if name else ["\t".join(scalars)])
    for entry in value:
        if isinstance(entry, list):
            _text(entry, name, None, lines)


def _plain(value: Any) -> Any:
    """Bytes as base64 text, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
