"""`python -m scripts.suite_sources SUITE DIRECTORY`: what mmdebstrap needs to fetch a release of Debian as this host's apt does.

Writes DIRECTORY/sources (deb822) and DIRECTORY/options (one line an option of apt). No mirror is named in the repository: both
come from the host's configuration, the way `minicloud images build` finds them. Status 75: the host has no sources of Debian's.
"""

import sys
from pathlib import Path

from minicloud.errors import UsageError
from minicloud.host import image_build_apt as apt

UNAVAILABLE = 75


def write(suite: str, directory: Path) -> None:
    """Both files. Raises UsageError where the host's sources have no Debian archive."""
    (directory / "sources").write_text(apt.sources(suite, ["main"]).text)
    (directory / "options").write_text("".join(f"{line}\n" for line in apt.acquire_options()))


def main(suite: str, directory: Path) -> int:
    """Write both, or say why not. The status of this program."""
    try:
        write(suite, directory)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
