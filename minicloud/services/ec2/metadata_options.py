"""How an instance may use its metadata service. The defaults are those of RunInstances for images that do not ask for more."""

from collections.abc import Mapping
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from .instance_rows import named

DEFAULTS: dict[str, Any] = {
    "HttpTokens": "optional",
    "HttpPutResponseHopLimit": 1,
    "HttpEndpoint": "enabled",
    "HttpProtocolIpv6": "disabled",
    "InstanceMetadataTags": "disabled",
}


class MetadataOptions(TypedDict, total=False):
    """What may be chosen."""

    HttpTokens: str
    HttpPutResponseHopLimit: int
    HttpEndpoint: str
    HttpProtocolIpv6: str
    InstanceMetadataTags: str


def metadata_options_of(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The options after a change. Raises ApiError."""
    options = {**DEFAULTS, **before, **wanted}
    if not 1 <= options["HttpPutResponseHopLimit"] <= 64:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({options['HttpPutResponseHopLimit']}) for parameter HttpPutResponseHopLimit is invalid. Allowed: 1 to 64.",
        )
    if options["HttpProtocolIpv6"] == "enabled":
        raise ApiError("UnsupportedOperation", "minicloud's guests have no IPv6, so the metadata service has none either")
    return options


@operation()
def modify_instance_metadata_options(
    call: Call,
    *,
    instance_id: str,
    http_tokens: str | None = None,
    http_put_response_hop_limit: int | None = None,
    http_endpoint: str | None = None,
    http_protocol_ipv6: str | None = None,
    instance_metadata_tags: str | None = None,
) -> Answer:
    """ModifyInstanceMetadataOptions: in force at the next request that the guest makes."""
    row = named(call.cloud.state, [instance_id])[0]
    if row.state in ("shutting-down", "terminated"):
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in a state in which this can be changed.")
    given = {
        "HttpTokens": http_tokens,
        "HttpPutResponseHopLimit": http_put_response_hop_limit,
        "HttpEndpoint": http_endpoint,
        "HttpProtocolIpv6": http_protocol_ipv6,
        "InstanceMetadataTags": instance_metadata_tags,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if not chosen:
        raise ApiError("InvalidParameterCombination", "The request must contain at least one option to change")
    options = metadata_options_of(row.metadata_options, chosen)
    call.cloud.state.instances.change(row.id, metadata_options=options)
    return {"InstanceId": row.id, "InstanceMetadataOptions": view(options, "pending")}


def view(options: Mapping[str, Any], state: str = "applied") -> dict[str, Any]:
    """The options as AWS answers them."""
    return {"State": state, **DEFAULTS, **options}
