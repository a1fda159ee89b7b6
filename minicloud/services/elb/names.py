"""Classic balancers by their names; their group of instances; what is refused."""

from collections.abc import Sequence

from ...errors import ApiError
from ...state.rows_lb import Listener, LoadBalancer, TargetGroup
from ...state.store import State

KIND = "classic"


def invalid(text: str) -> ApiError:
    """A request that makes no sense."""
    return ApiError("ValidationError", text)


def configuration(text: str) -> ApiError:
    """A configuration that cannot be."""
    return ApiError("InvalidConfigurationRequest", text, 409)


def balancer(state: State, name: str) -> LoadBalancer:
    """The classic balancer of a name. Raises ApiError (LoadBalancerNotFound)."""
    found = state.load_balancers.find(kind=KIND, name=name)
    if not found:
        raise ApiError("LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{name[:80]}'")
    return found[0]


def group(state: State, row: LoadBalancer) -> TargetGroup:
    """The group that has a balancer's instances and its health check."""
    found = state.target_groups.get(row.id)
    if found is None:
        raise ApiError("LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{row.name}'")
    return found


def listener(state: State, row: LoadBalancer, port: int) -> Listener:
    """The listener at a port. Raises ApiError (ListenerNotFound)."""
    found = state.listeners.find(load_balancer_id=row.id, port=port)
    if not found:
        raise ApiError("ListenerNotFound", f"Could not find listener on LoadBalancer '{row.name}' with port {port}")
    return found[0]


def named(state: State, wanted: Sequence[str]) -> list[LoadBalancer]:
    """The balancers of some names, or all. Raises ApiError (LoadBalancerNotFound)."""
    return [balancer(state, name) for name in dict.fromkeys(wanted)] if wanted else state.load_balancers.find(kind=KIND)


def unsupported(text: str) -> ApiError:
    """What AWS has and minicloud has not."""
    return ApiError("UnsupportedOperation", text)


def not_attribute(key: str) -> ApiError:
    """No such attribute."""
    return ApiError("LoadBalancerAttributeNotFound", f"The load balancer attribute '{key[:80]}' does not exist")
