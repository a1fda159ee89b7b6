"""Functions, layers and event sources: none, and none can be made."""

from typing import Any

from ...api import Answer, Call
from ...errors import ApiError
from .. import empty

NAMES = """
    GetFunction GetFunctionConfiguration GetPolicy ListAliases ListCodeSigningConfigs ListEventSourceMappings ListFunctions
    ListLayers ListLayerVersions ListTags ListVersionsByFunction
"""


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list; the function, layer or resource that is named is not found."""
    for parameter, (name, *_rest) in empty.identified(call, given):
        if parameter == "EventSourceArn":
            continue
        raise ApiError("ResourceNotFoundException", f"Resource not found: {name}", 404)
    if "resource" in given:
        raise ApiError("ResourceNotFoundException", f"Resource not found: {given['resource']}", 404)
    return empty.answer(call, given)


empty.declare("lambda", NAMES.split(), nothing)
