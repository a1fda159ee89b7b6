"""Attributes of listeners. Values of response headers become part of a configuration: printable, without quotes."""

from collections.abc import Mapping

from ...api import Answer, Call, operation
from . import names
from .attributes import TRUTH, Attribute, AttributeInput, Attributes, matching, number, one_of, view

_HTTP, _HTTPS, _TCP = ("HTTP", "HTTPS"), ("HTTPS",), ("TCP", "TLS")
_VALUE = matching(r"""[A-Za-z0-9 !#$%&'()*+,./:;<=>?@\[\]^_`{|}~-]{0,1024}""", "printable ASCII without quotes and backslashes")
_START = "routing.http.response."

KNOWN = Attributes(
    "Listener",
    {
        "tcp.idle_timeout.seconds": Attribute("350", number(60, 6000), _TCP),
        f"{_START}server.enabled": Attribute("true", TRUTH, _HTTP),
        f"{_START}strict_transport_security.header_value": Attribute("", _VALUE, _HTTPS),
        f"{_START}access_control_allow_origin.header_value": Attribute("", _VALUE, _HTTP),
        f"{_START}access_control_allow_methods.header_value": Attribute("", _VALUE, _HTTP),
        f"{_START}access_control_allow_headers.header_value": Attribute("", _VALUE, _HTTP),
        f"{_START}access_control_allow_credentials.header_value": Attribute("", one_of("", "true"), _HTTP),
        f"{_START}access_control_expose_headers.header_value": Attribute("", _VALUE, _HTTP),
        f"{_START}access_control_max_age.header_value": Attribute("", number(0, 86400, ""), _HTTP),
        f"{_START}content_security_policy.header_value": Attribute("", _VALUE, _HTTP),
        f"{_START}x_content_type_options.header_value": Attribute("", one_of("", "nosniff"), _HTTP),
        f"{_START}x_frame_options.header_value": Attribute("", _VALUE, _HTTP),
    },
)


def defaults(protocol: str) -> dict[str, str]:
    """The attributes of a new listener."""
    return KNOWN.defaults(protocol)


def fitting(found: Mapping[str, str], protocol: str) -> dict[str, str]:
    """Those attributes that a listener keeps when it becomes one of this protocol."""
    return {key: value for key, value in found.items() if key in defaults(protocol)}


@operation()
def describe_listener_attributes(call: Call, *, listener_arn: str) -> Answer:
    """DescribeListenerAttributes."""
    return {"Attributes": view(names.listener(call.cloud.state, listener_arn).attributes)}


@operation()
def modify_listener_attributes(call: Call, *, listener_arn: str, attributes: list[AttributeInput]) -> Answer:
    """ModifyListenerAttributes: all of what is given, or nothing."""
    state = call.cloud.state
    row = names.listener(state, listener_arn)
    found = {**row.attributes, **KNOWN.checked(row.protocol, attributes)}
    state.listeners.change(row.id, attributes=found)
    call.touch(row.load_balancer_id)
    return {"Attributes": view(found)}
