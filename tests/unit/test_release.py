"""Which base image a host takes, by its release."""

import platform

import pytest

from minicloud.host import image_build, release


@pytest.mark.parametrize(
    ("facts", "command"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, "minicloud images build debian-12"),
        ({"ID": "debian", "VERSION_ID": "13"}, "minicloud images build debian-13"),
        ({"ID": "debian"}, "minicloud images build debian-13"),  # testing and unstable have no number
        ({"ID": "ubuntu", "VERSION_ID": "24.04", "ID_LIKE": "debian"}, "minicloud images pull debian-12"),
        (OSError(), "minicloud images pull debian-12"),
    ],
)
def test_the_suggested_image_is_the_one_that_setup_makes(
    facts: dict[str, str] | OSError, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> dict[str, str]:
        if isinstance(facts, OSError):
            raise facts
        return facts

    monkeypatch.setattr(platform, "freedesktop_os_release", read)
    assert release.usual_command() == command


def test_what_is_suggested_can_be_made() -> None:
    assert set(release.BUILT.values()) <= set(image_build.recipes())
