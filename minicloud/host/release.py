"""Which release this host is of, and which base image scripts/setup therefore makes: what messages suggest is what is there."""

import platform

BUILT = {"12": "debian-12", "13": "debian-13"}
"""The recipe of each release of Debian that minicloud is meant for."""
PULLED = "debian-12"


def usual_image() -> tuple[str, str]:
    """How to get the usual image, and its name: a Debian host builds its own release, any other pulls what Debian publishes.

    Only a Debian host has Debian's package sources.
    """
    try:
        facts = platform.freedesktop_os_release()
    except OSError:
        facts = {}
    if facts.get("ID") != "debian":
        return "pull", PULLED
    return "build", BUILT.get(facts.get("VERSION_ID", ""), BUILT[max(BUILT)])


def usual_command() -> str:
    """The command that gets it."""
    return " ".join(("minicloud images", *usual_image()))
