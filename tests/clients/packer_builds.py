"""What Packer is run with, and what no build may leave."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from .programs import released_with

OWN = {"CHECKPOINT_DISABLE": "1", "PACKER_CACHE_DIR": "cache", "AWS_POLL_DELAY_SECONDS": "1"}
"""Settings of its environment. It is not to ask its maker for news."""
_TEMPLATES = Path(__file__).parent / "packer"


def command(template: str, **variables: str) -> list[str]:
    """The command of a build, by the program that the distribution has; skips the test where it has none."""
    if shutil.which("packer") is None:
        if not released_with("packer"):
            pytest.skip("this distribution has no Packer; Debian 12 has")
        pytest.fail("Packer is not installed; run: scripts/setup --tests")
    given = [word for name, value in variables.items() for word in ("-var", f"{name}={value}")]
    return ["packer", "build", "-color=false", *given, str(_TEMPLATES / template)]


def nothing_of_the_build_is_left(ec2: Any) -> None:
    """No instance, key pair or group, where there are none but those of builds."""
    instances = [one for reservation in ec2.describe_instances()["Reservations"] for one in reservation["Instances"]]
    assert {one["State"]["Name"] for one in instances} == {"terminated"}
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert [one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]] == ["default"]


def tags(shown: dict[str, Any]) -> dict[str, str]:
    """The tags of something that was described, by key."""
    return {tag["Key"]: tag["Value"] for tag in shown["Tags"]}
