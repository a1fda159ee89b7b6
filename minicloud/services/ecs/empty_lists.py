"""Clusters and task definitions: none, and none can be made; services and tasks are asked for by their cluster."""

from typing import Any

from ...api import Answer, Call
from ...errors import ApiError
from .. import empty

OF_A_CLUSTER = ("ListContainerInstances", "ListServices", "ListTasks")
NAMES = (*OF_A_CLUSTER, "ListClusters", "ListTaskDefinitionFamilies", "ListTaskDefinitions")


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list; the cluster that something is in is not found, whether it is named or the default."""
    if call.operation.name in OF_A_CLUSTER:
        raise ApiError("ClusterNotFoundException", "Cluster not found.")
    return empty.answer(call, given)


empty.declare("ecs", NAMES, nothing)
