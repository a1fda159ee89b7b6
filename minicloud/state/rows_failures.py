"""What does not work at present: a row for each thing that a reconciler cannot bring to what it is to be."""

from dataclasses import dataclass

FOREIGN_TOPS, WRITES_ELSEWHERE = "files of others", "IncorrectState"
"""The part of failures, by volume, and the code of one whose newest bytes are in a file that is not minicloud's."""


@dataclass
class Failure:
    """A failure that is still there. `part` is the reconciler, `subject` the id of its row, or a stage of the pass as a whole.

    `count` is how often it was tried since the first failure (`since`); it is tried again at `retry_at`, at once where that is
    empty.
    """

    part: str
    subject: str
    code: str = ""
    message: str = ""
    since: str = ""
    latest: str = ""
    count: int = 0
    retry_at: str = ""
