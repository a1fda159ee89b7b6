"""Help texts: AWS's HTML as plain text, first sentences only, wrapped to the terminal by click."""

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from .flags import Flag, Flags

_STOP = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<=[.!?])\s+(?=[A-Z\"'(\[])")
_BREAKS = {"p", "li", "ul", "ol", "dt", "dd", "note", "important"}


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  HTMLParser calls it so
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BREAKS:
            self.parts.append("\n")


def plain(html: str) -> str:
    """HTML as text, a paragraph a line."""
    parser = _Plain()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def first_sentence(html: str) -> str:
    """The first sentence of a text."""
    first = plain(html).partition("\n")[0]
    return _STOP.split(first, maxsplit=1)[0]


def flag_help(flag: "Flag") -> str:
    """What stands beside a flag: what it is, its values if they are few, whether it must be there."""
    text = first_sentence(flag.help)
    if flag.choices and len(flag.choices) <= 8 and not all(choice in text for choice in flag.choices):
        text = f"{text} [{'|'.join(flag.choices)}]".strip()
    return f"{text} [required]" if flag.required else text


def usage(flag: "Flag") -> str:
    """A flag with what it takes, as help shows it."""
    word = "key=value,..." if _complex(flag) else "VALUE"
    return {"one": f"--{flag.name} {word}", "many": f"--{flag.name} {word} ...", "maybe": f"--{flag.name} [VALUE]"}.get(
        flag.takes, f"--{flag.name} / --no-{flag.name}" if flag.shape is not None else f"--{flag.name}"
    )


def _complex(flag: "Flag") -> bool:
    shape = flag.shape.element if flag.shape is not None and flag.shape.kind == "list" else flag.shape
    return shape is not None and shape.kind in ("structure", "map")


def write(formatter: "click.HelpFormatter", text: str, groups: "list[tuple[str, Flags]]", note: str) -> None:
    """Write an operation's help: its text, its flags in groups, and a note."""
    with formatter.indentation():
        for paragraph in text.split("\n"):
            formatter.write_paragraph()
            formatter.write_text(paragraph)
    for title, flags in groups:
        rows = [(usage(flag), flag_help(flag)) for flag in flags.values() if not flag.negates]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows, col_max=34)
    if note:
        formatter.write_paragraph()
        formatter.write_text(note)
