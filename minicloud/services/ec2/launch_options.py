"""Options of RunInstances that there is one value of here: who asks for that one gets it, who asks for another is refused."""

from typing import Any, TypedDict

from ...errors import ApiError


class HibernationOptions(TypedDict, total=False):
    """No guest hibernates."""

    Configured: bool


class EnclaveOptions(TypedDict, total=False):
    """No guest has enclaves."""

    Enabled: bool


class PrivateDnsNameOptions(TypedDict, total=False):
    """Names are made of addresses, and resolve without being asked to."""

    HostnameType: str
    EnableResourceNameDnsARecord: bool
    EnableResourceNameDnsAAAARecord: bool


_ONLY: dict[str, dict[str, Any]] = {
    "HibernationOptions": {"Configured": False},
    "EnclaveOptions": {"Enabled": False},
    "PrivateDnsNameOptions": {
        "HostnameType": "ip-name", "EnableResourceNameDnsARecord": False, "EnableResourceNameDnsAAAARecord": False,
    },
}  # fmt: skip


def check(**given: Any) -> None:
    """Refuse what is not there. Raises ApiError (UnsupportedOperation), which names the option and the value that there is."""
    for name, options in given.items():
        for member, value in (options or {}).items():
            only = _ONLY[name][member]
            if value != only:
                raise ApiError(
                    "UnsupportedOperation", f"minicloud does not support {name}.{member} other than {str(only).lower()}"
                )
