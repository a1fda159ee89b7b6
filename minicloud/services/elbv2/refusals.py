"""What Elastic Load Balancing answers where something is wrong, in its codes and words."""

from ...errors import ApiError


def invalid(text: str) -> ApiError:
    """A request that makes no sense."""
    return ApiError("ValidationError", text)


def configuration(text: str) -> ApiError:
    """A configuration that cannot be."""
    return ApiError("InvalidConfigurationRequest", text)


def unsupported(text: str) -> ApiError:
    """What AWS has and minicloud has not."""
    return ApiError("UnsupportedOperation", text)


def no_balancer() -> ApiError:
    """No such load balancer."""
    return ApiError("LoadBalancerNotFound", "One or more load balancers not found")


def no_group() -> ApiError:
    """No such target group."""
    return ApiError("TargetGroupNotFound", "One or more target groups not found")


def no_listener() -> ApiError:
    """No such listener."""
    return ApiError("ListenerNotFound", "One or more listeners not found")


def no_rule() -> ApiError:
    """No such rule."""
    return ApiError("RuleNotFound", "One or more rules not found")
