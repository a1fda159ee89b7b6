"""TagResources and UntagResources: each resource for itself, with what could not be done told by its ARN."""

from collections.abc import Callable
from typing import Any

from ...api import Answer, Call, operation
from ...aws import tags as rules
from ...errors import ApiError
from . import resources

MOST_ARNS = 20


def _each(call: Call, arns: list[str], change: Callable[[str], None]) -> Answer:
    """Change the tags of each resource; what is refused changes nothing of that one."""
    failed: dict[str, Any] = {}
    for arn in dict.fromkeys(arns):
        try:
            with call.cloud.state.part():
                change(arn)
        except ApiError as error:
            failed[arn] = {
                "StatusCode": error.status,
                "ErrorCode": "InvalidParameterException" if error.status < 500 else "InternalServiceException",
                "ErrorMessage": error.message if error.code == "InvalidParameterException" else f"{error.code}: {error.message}",
            }
    return {"FailedResourcesMap": failed}


@operation()
def tag_resources(call: Call, *, resource_arn_list: list[str], tags: dict[str, str]) -> Answer:
    """TagResources."""
    try:
        rules.check([{"Key": key, "Value": value} for key, value in tags.items()])
    except ApiError as error:
        raise ApiError("InvalidParameterException", error.message) from error
    return _each(call, resource_arn_list, lambda arn: resources.tag(call, arn, tags))


@operation()
def untag_resources(call: Call, *, resource_arn_list: list[str], tag_keys: list[str]) -> Answer:
    """UntagResources: keys that a resource does not have are no error."""
    if taken := next((key for key in tag_keys if rules.is_reserved(key)), None):
        raise ApiError("InvalidParameterException", rules.reserved(taken).message)
    return _each(call, resource_arn_list, lambda arn: resources.untag(call, arn, tag_keys))
