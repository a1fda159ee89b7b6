"""Answers as tables for a person: the chosen columns (columns.py) where there are some, everything otherwise.

Texts are cleaned of control characters and never read as markup. A table is as wide as it needs to be where the output is no
terminal. On one that is too narrow the last columns are left out, and named below: nothing is broken that is for copying. A
text of several lines (a key, a console's output) stands below the tables as it is, so that it can be copied.
"""

from collections.abc import Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .columns import LAYOUTS, Layout, text
from .terminal import clean

_STYLES = {
    **dict.fromkeys(("running", "available", "ok", "passed", "in-use"), "green"),
    **dict.fromkeys(("pending", "stopping", "shutting-down", "initializing"), "yellow"),
    **dict.fromkeys(("stopped", "impaired", "failed"), "red"),
    "terminated": "dim",
}
_NO_TERMINAL_WIDTH = 10_000
_LEAST = 24
"""The width that a column keeps: every identifier fits into it."""
_BETWEEN, _AROUND = 3, 4
"""What a table of this form needs between two columns, and at its sides."""


def print_table(answer: Any, operation: str, stream: TextIO) -> None:
    """Print an answer, or whatever a query found in it."""
    console = Console(file=stream, width=None if stream.isatty() else _NO_TERMINAL_WIDTH, highlight=False, emoji=False)
    layout = LAYOUTS.get(operation)
    if layout is not None and isinstance(answer, dict):
        _chosen(console, layout, answer)
    else:
        _whole(console, "", answer)


def _chosen(console: Console, layout: Layout, answer: dict[str, Any]) -> None:
    rows = layout.rows(answer)
    # A column that is empty for all is left out; the first one, the identifier, always stays.
    shown = [at for at, _ in enumerate(layout.columns) if at == 0 or any(row[at] for row in rows)]
    if rows:
        _print(console, "", [layout.columns[at][0] for at in shown], [[row[at] for at in shown] for row in rows])
    else:
        console.print(Text("nothing found", style="dim"))
    if "NextToken" in answer:
        console.print(_cell(f"there is more: --starting-token {answer['NextToken']}"), soft_wrap=True)


def _whole(console: Console, title: str, value: Any) -> None:
    """Scalars as names and values, then everything else under its own name."""
    if isinstance(value, dict):
        _members(console, title, value)
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        _entries(console, title, value)
    elif isinstance(value, list):
        if value:
            _print(console, "", [title or "Value"], [[text(entry)] for entry in value])
    else:
        console.print(Text(clean(text(value), keep="\n\t")), soft_wrap=True)


def _members(console: Console, title: str, value: dict[str, Any]) -> None:
    inner = {key: member for key, member in value.items() if isinstance(member, (dict, list))}
    scalars = {key: text(member) for key, member in value.items() if key not in inner}
    long = {key: lines for key, lines in scalars.items() if "\n" in lines}
    short = [[key, member] for key, member in scalars.items() if key not in long]
    if short:
        _print(console, title, None, short)
    for key, member in inner.items():
        _whole(console, f"{title}.{key}" if title else key, member)
    for key, lines in long.items():
        console.print(_cell(f"{key}:"))
        console.print(Text(clean(lines, keep="\n\t")), soft_wrap=True)


def _entries(console: Console, title: str, entries: list[Any]) -> None:
    """A list of structures as one table where they are flat enough, one after another otherwise."""
    dicts = [_flat(entry) if isinstance(entry, dict) else {"Value": entry} for entry in entries]
    names = list(dict.fromkeys(key for entry in dicts for key in entry))
    lists = {key for entry in dicts for key, member in entry.items() if isinstance(member, list) and _deep(member)}
    if len(names) - len(lists) <= 8 and not lists:
        _print(console, title, names, [[text(entry.get(key)) for key in names] for entry in dicts])
        return
    for number, entry in enumerate(entries, 1):
        _whole(console, f"{title or 'Value'} {number}", entry)


def _flat(value: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, member in value.items():
        found.update(_flat(member, f"{above}{key}.") if isinstance(member, dict) else {above + key: member})
    return found


def _deep(entries: list[Any]) -> bool:
    return any(isinstance(entry, (dict, list)) for entry in entries)


def _print(console: Console, title: str, names: Sequence[str] | None, rows: list[list[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, title=_cell(title) if title else None, title_justify="left", show_header=names is not None)
    titles = list(names or ["", ""])
    widths = [max(len(clean(row[at])) for row in [titles, *rows]) for at in range(len(titles))]
    shown = fitting(widths, console.width)
    for at, name in enumerate(titles[:shown]):
        whole = at == 0 or widths[at] <= _LEAST
        table.add_column(_cell(name), no_wrap=whole, overflow="ignore" if whole else "fold", min_width=min(widths[at], _LEAST))
    for row in rows:
        table.add_row(*(_cell(content) for content in row[:shown]))
    console.print(table)
    if shown < len(titles):
        left = ", ".join(titles[shown:])
        console.print(Text(clean(f"  too narrow for: {left}; all of it: --output json"), style="dim"))


def fitting(widths: Sequence[int], room: int) -> int:
    """How many of the first columns fit, the first of them as it is and the others folded where they are wide; two at least."""
    for count in range(len(widths), 2, -1):
        least = widths[0] + sum(min(width, _LEAST) for width in widths[1:count])
        if least + _BETWEEN * (count - 1) + _AROUND <= room:
            return count
    return min(2, len(widths))


def _cell(content: str) -> Text:
    return Text(clean(content), style=_STYLES.get(content, ""))
