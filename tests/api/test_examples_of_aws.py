"""The requests in AWS's own examples, which botocore ships, are understood; those that are not are so for a reason."""

import json
from collections.abc import Iterator
from typing import Any

from minicloud import api
from minicloud.aws import model
from minicloud.config import Settings
from minicloud.errors import ApiError

NOT_HERE = {
    "autoscaling:CreateAutoScalingGroup", "autoscaling:StartInstanceRefresh", "ec2:CreateLaunchTemplate",
    "ec2:ModifyVpcAttribute", "sts:AssumeRole", "sts:GetSessionToken",
}  # fmt: skip
"""What minicloud does not have: choice by requirements, alarms of refreshes, IPv6, no DNS, session policies, MFA."""
OF_OTHER_TYPES = {"ec2:CreateImage"}
"""Examples that do not agree with AWS's model (a number in quotes), and that no SDK would send."""


def examples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for service in api.services():
        path = model.service(service).directory / "examples-1.json"
        if path.exists():
            for name, found in json.loads(path.read_text())["examples"].items():
                if name in api.operations(service):
                    yield from ((service, name, one.get("input", {})) for one in found)


def refusals() -> dict[str, set[str]]:
    """The codes by which examples are refused, by service and operation."""
    found: dict[str, set[str]] = {}
    for service, name, params in examples():
        try:
            api.checked(api.find(service, name), params, Settings())
        except ApiError as error:
            found.setdefault(f"{service}:{name}", set()).add(error.code)
    return found


def test_examples_are_understood() -> None:
    found = refusals()
    assert len(list(examples())) > 300
    assert found.keys() == NOT_HERE | OF_OTHER_TYPES
    for name in NOT_HERE:
        assert found[name] == {"UnsupportedOperation"}, name
