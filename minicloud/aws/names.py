"""Names that follow from other facts: host names, device names."""

import re

from ..config import Settings
from ..errors import ApiError

_DEVICE = re.compile(r"(/dev/)?(sd[a-z][0-9]{0,2}|xvd[a-z]{1,2}[0-9]{0,2})")


def hostname(address: str) -> str:
    """The name that an instance gets from its private address: ip-172-31-0-4."""
    return "ip-" + address.replace(".", "-")


def private_dns_name(address: str, settings: Settings) -> str:
    """The same with the region's domain: ip-172-31-0-4.ec2.internal."""
    return f"{hostname(address)}.{settings.private_domain}"


def public_dns_name(address: str, settings: Settings) -> str:
    """The name of a public address: ec2-203-0-113-25.compute-1.amazonaws.com."""
    domain = "compute-1" if settings.region == "us-east-1" else f"{settings.region}.compute"
    return f"ec2-{address.replace('.', '-')}.{domain}.amazonaws.com"


def zone_id(region: str, zone: str) -> str:
    """A zone's id that is the same in every account: us-east-1a is use1-az1."""
    parts = region.split("-")
    middle = "".join(word[0] for word in parts[1:-1])
    return f"{parts[0]}{middle}{parts[-1]}-az{ord(zone[-1]) - ord('a') + 1}"


def check_device(name: str) -> None:
    """Refuse what is no name for a block device. Raises ApiError."""
    if not _DEVICE.fullmatch(name):
        raise ApiError(
            "InvalidParameterValue", f"Value ({name}) for parameter device is invalid. {name} is not a valid EBS device name."
        )
