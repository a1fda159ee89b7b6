"""The aws CLI's shorthand: `Name=instance-state-name,Values=running,stopped` as {"Name": ..., "Values": [...]}.

    pairs  = pair *("," pair)                 pair  = key ("=" / "@=") values
    values = word *("," word) / list / hash   list  = "[" [value *("," value)] "]"    hash = "{" [pair1 *("," pair1)] "}"
    value  = word / list / hash               word  = bare / 'quoted' / "quoted"

A bare word ends where the grammar needs the character; `\\,` is a comma in a word. A word after a comma that turns out to be
followed by `=` was the next pair's key. After `@=` words such as file://PATH stand for the file's content. What a pair holds
is text, a list or a dict; which type the parameter wants is decided elsewhere, by AWS's model.
"""

import re
import string
from collections.abc import Callable
from typing import Any

from ..errors import UsageError

Reader = Callable[[str], "str | bytes"]

_KEY = re.compile(r"[A-Za-z0-9_.#/:-]*")
_SPACE = re.compile(f"[{re.escape(string.whitespace)}]*")
_QUOTED = {"'": re.compile(r"'((?:\\'|[^'])*)'"), '"': re.compile(r'"((?:\\"|[^"])*)"')}
_START = r"(?:\\,|[^\s\"',=\[{])"
_FIRST = re.compile(_START + r"(?:\\,|[^\"',\]}])*")
"""The first word after `=`, or any word inside brackets: a closing bracket ends it, `=` does not."""
_FURTHER = re.compile(_START + r"(?:\\,|[^\"',=])*")
"""A word after a comma: `=` ends it, because it may be the next key."""


class ShorthandError(UsageError):
    """Text that is not shorthand; the message is one line and says where."""


def parse(text: str, read: Reader = str) -> dict[str, Any]:
    """Parse one shorthand value; `read` gives what a word after `@=` stands for. Raises ShorthandError."""
    return _Parser(text, read).pairs()


class _Parser:
    def __init__(self, text: str, read: Reader) -> None:
        self.text, self.read, self.at = text, read, 0

    def pairs(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            start = self.at
            key, from_file = self.key()
            if key in found:
                raise ShorthandError(
                    f"the key {key!r} is given twice, at character {start + 1}: a space between entries, not a comma?"
                )
            found[key] = self.values(from_file)
            if self.at == len(self.text):
                return found
            self.expect(",")

    def key(self) -> tuple[str, bool]:
        """A key and its `=`; whether that was `@=`."""
        key = self.match(_KEY)
        self.space()
        from_file = self.peek() == "@"
        if from_file:
            self.at += 1
        self.expect("=")
        return key, from_file

    def values(self, from_file: bool) -> Any:
        if self.peek() in ("[", "{"):
            return self.value(from_file)
        words = [self.word(_FIRST, from_file)]
        self.space()
        while self.peek() == ",":
            comma = self.at
            self.expect(",")
            try:
                word = self.word(_FURTHER, from_file)
                self.space()
                if self.peek() not in (",", ""):
                    raise self.wrong(",")
            except ShorthandError:
                if self.at == len(self.text):
                    raise
                self.at = max(comma, self.text.rfind(",", 0, self.at + 1))
                break
            words.append(word)
        return words if len(words) > 1 else words[0]

    def value(self, from_file: bool) -> Any:
        if self.peek() == "[":
            entries: list[Any] = []
            self.bracketed("[]", lambda: entries.append(self.value(from_file)))
            return entries
        if self.peek() == "{":
            members: dict[str, Any] = {}
            self.bracketed("{}", lambda: members.update([self.member()]))
            return members
        return self.word(_FIRST, from_file)

    def member(self) -> tuple[str, Any]:
        key, from_file = self.key()
        return key, self.value(from_file)

    def bracketed(self, pair: str, entry: Callable[[], None]) -> None:
        self.expect(pair[0])
        while self.peek() != pair[1]:
            entry()
            self.space()
            if self.peek() != pair[1]:
                self.expect(",")
        self.at += 1

    def word(self, bare: re.Pattern[str], from_file: bool) -> str | bytes:
        quote = self.peek()
        if quote in _QUOTED:
            found = _QUOTED[quote].match(self.text, self.at)
            if found is None:
                raise ShorthandError(f"the {quote} at character {self.at + 1} is never closed")
            self.at = found.end()
            word = found[1].replace("\\" + quote, quote).replace("\\\\", "\\")
        else:
            word = self.match(bare).replace("\\,", ",").rstrip()
            if not word and bare is _FURTHER:
                raise self.wrong("a value")
        return self.read(word) if from_file else word

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def space(self) -> None:
        self.match(_SPACE)

    def expect(self, character: str) -> None:
        self.space()
        if self.peek() != character:
            raise self.wrong(character)
        self.at += 1
        self.space()

    def wrong(self, wanted: str) -> ShorthandError:
        seen = f"{self.peek()!r} at character {self.at + 1}" if self.peek() else "the end"
        return ShorthandError(f"{wanted!r} was expected, there is {seen}")
