"""Texts that minicloud writes for other programs, compared with files that people have read.

With MINICLOUD_UPDATE_GOLDEN=1 the files are written instead; read the difference before you commit it.
"""

import os
from pathlib import Path

_DIRECTORY = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    path = _DIRECTORY / name
    if os.environ.get("MINICLOUD_UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text(), f"{path} differs; if that is meant, run the test with MINICLOUD_UPDATE_GOLDEN=1"
