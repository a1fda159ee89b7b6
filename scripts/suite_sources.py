"""`python -m scripts.suite_sources SUITE DIRECTORY`: what mmdebstrap needs to fetch a release of Debian as this host's apt does.

Writes DIRECTORY/sources (deb822) and DIRECTORY/options (one line an option of apt). No mirror is named in the repository: both
come from the host's configuration, the way `minicloud images build` finds them.
"""

import sys
from pathlib import Path

from minicloud.host import image_build_apt as apt


def write(suite: str, directory: Path) -> None:
    """Both files. Raises UsageError where the host's sources have no Debian archive."""
    (directory / "sources").write_text(apt.sources(suite, ["main"]).text)
    (directory / "options").write_text("".join(f"{line}\n" for line in apt.acquire_options()))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
