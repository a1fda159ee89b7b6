"""CloudWatch's refusals. Two families: ValidationError of the alarms, InvalidParameter... of the metrics."""

from ...errors import ApiError


def invalid(message: str) -> ApiError:
    """What alarms answer to bad input."""
    return ApiError("ValidationError", message)


def value(message: str) -> ApiError:
    """What metrics answer to a value that cannot be."""
    return ApiError("InvalidParameterValue", message)


def combination(message: str) -> ApiError:
    """What metrics answer to values that do not go together."""
    return ApiError("InvalidParameterCombination", message)


def missing(message: str) -> ApiError:
    """What metrics answer where something is not there."""
    return ApiError("MissingParameter", message)


def not_found(message: str = "") -> ApiError:
    """An alarm or a dashboard that is not there. AWS says nothing more where an alarm is meant."""
    return ApiError("ResourceNotFound", message, 404)


def unsupported(what: str) -> ApiError:
    """What AWS has and minicloud has not."""
    return ApiError("UnsupportedOperation", f"minicloud does not have {what}")
