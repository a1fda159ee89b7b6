"""What the account chose for launches that do not say otherwise: CPU credits of a family, options of the metadata service.

They hold for instances launched from then on; those that there are keep what they have.
"""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import instance_types
from ...errors import ApiError
from ...state.rows_access import AccountSetting
from . import metadata_options

_CREDITS, _METADATA = "default-credits", "metadata-defaults"
_NO_PREFERENCE = ("no-preference", -1)


def _kept(call: Call, name: str) -> dict[str, Any]:
    row = call.cloud.state.account_settings.get(name)
    return row.chosen if row else {}


def _keep(call: Call, name: str, values: dict[str, Any]) -> None:
    settings = call.cloud.state.account_settings
    if not settings.change(name, chosen=values):
        settings.add(AccountSetting(name, values))


def credits_of(call: Call, family: str) -> str:
    """standard or unlimited: what burstable instances of a family are launched with. AWS's own default is T2's standard."""
    return str(_kept(call, _CREDITS).get(family, "standard" if family == "t2" else "unlimited"))


def metadata_of(call: Call) -> dict[str, Any]:
    """The options of the metadata service that a launch starts from, by AWS's names."""
    return _kept(call, _METADATA)


def _burstable(family: str) -> str:
    if not any(kind.burstable and kind.family.name == family for kind in instance_types.all_types().values()):
        raise ApiError("InvalidInstanceFamily", f"minicloud has no burstable instance family {family}")
    return family


def _credits_view(call: Call, family: str) -> Answer:
    return {"InstanceFamilyCreditSpecification": {"InstanceFamily": family, "CpuCredits": credits_of(call, family)}}


@operation()
def get_default_credit_specification(call: Call, *, instance_family: str) -> Answer:
    """GetDefaultCreditSpecification."""
    return _credits_view(call, _burstable(instance_family))


@operation()
def modify_default_credit_specification(call: Call, *, instance_family: str, cpu_credits: str) -> Answer:
    """ModifyDefaultCreditSpecification."""
    if cpu_credits not in ("standard", "unlimited"):
        raise ApiError("InvalidParameterValue", f"Invalid value '{cpu_credits}' for CpuCredits. Allowed: standard, unlimited.")
    family = _burstable(instance_family)
    _keep(call, _CREDITS, {**_kept(call, _CREDITS), family: cpu_credits})
    return _credits_view(call, family)


@operation()
def get_instance_metadata_defaults(call: Call) -> Answer:
    """GetInstanceMetadataDefaults: what was chosen; nothing of what was not."""
    return {"AccountLevel": {**metadata_of(call), "ManagedBy": "account"}}


@operation()
def modify_instance_metadata_defaults(
    call: Call,
    *,
    http_tokens: str | None = None,
    http_put_response_hop_limit: int | None = None,
    http_endpoint: str | None = None,
    instance_metadata_tags: str | None = None,
) -> Answer:
    """ModifyInstanceMetadataDefaults; no-preference, or a hop limit of -1, takes a choice back."""
    given = {
        "HttpTokens": http_tokens,
        "HttpPutResponseHopLimit": http_put_response_hop_limit,
        "HttpEndpoint": http_endpoint,
        "InstanceMetadataTags": instance_metadata_tags,
    }
    chosen = {**metadata_of(call), **{name: value for name, value in given.items() if value is not None}}
    chosen = {name: value for name, value in chosen.items() if value not in _NO_PREFERENCE}
    metadata_options.metadata_options_of({}, chosen)
    _keep(call, _METADATA, chosen)
    return {"Return": True}
