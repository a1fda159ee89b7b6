"""Compute environments, job queues and job definitions: none, and none can be made."""

from typing import Any

from ...api import Answer, Call
from .. import empty

NAMES = "DescribeComputeEnvironments DescribeJobDefinitions DescribeJobQueues"


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list, also of those that are named: AWS passes over what there is not."""
    return empty.answer(call, given)


empty.declare("batch", NAMES.split(), nothing)
