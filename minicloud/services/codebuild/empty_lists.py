"""Projects, builds, fleets and reports: none, and none can be made."""

from typing import Any

from ...api import Answer, Call
from .. import empty

NAMES = "ListBuilds ListFleets ListProjects ListReportGroups"


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list: what can be said of it only orders it."""
    return empty.answer(call, given)


empty.declare("codebuild", NAMES.split(), nothing)
