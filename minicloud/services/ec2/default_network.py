"""CreateDefaultVpc and CreateDefaultSubnet: what an account had at first, once more after it was deleted."""

from ipaddress import IPv4Network

from ...api import Answer, Call, operation
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Subnet
from . import default_vpc, subnets, vpcs


@operation()
def create_default_vpc(call: Call) -> Answer:
    """CreateDefaultVpc, with a subnet in each zone, an internet gateway and a default security group."""
    state, settings = call.cloud.state, call.cloud.settings
    if state.vpcs.find(is_default=True):
        raise ApiError("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
    if other := next((vpc for vpc in state.vpcs.query() if IPv4Network(vpc.cidr).overlaps(settings.vpc_cidr)), None):
        raise ApiError(
            "UnsupportedOperation",
            f"minicloud's VPCs share one host, and {settings.vpc_cidr} overlaps with {other.id} ({other.cidr})",
        )
    return {"Vpc": vpcs.view(default_vpc.make(state, settings), [], settings.account_id)}


@operation()
def create_default_subnet(call: Call, *, availability_zone: str | None = None) -> Answer:
    """CreateDefaultSubnet: of a zone that has none; it gets the first range of its size that is free."""
    state, settings = call.cloud.state, call.cloud.settings
    if availability_zone is None:
        raise ApiError("MissingParameter", "The request must contain the parameter availabilityZone")
    if availability_zone not in settings.zone_names:
        raise ApiError("InvalidParameterValue", f"Value ({availability_zone}) for parameter availabilityZone is invalid.")
    found = state.vpcs.find(is_default=True)
    if not found:
        raise ApiError("DefaultVpcDoesNotExist", "There is no default VPC; CreateDefaultVpc makes one")
    there = state.subnets.find(vpc_id=found[0].id)
    if any(subnet.is_default and subnet.zone == availability_zone for subnet in there):
        raise ApiError("DefaultSubnetAlreadyExistsInAvailabilityZone", f"A default subnet already exists in {availability_zone}.")
    taken = [IPv4Network(subnet.cidr) for subnet in there]
    free = (part for part in default_vpc.cut(IPv4Network(found[0].cidr)) if not any(part.overlaps(other) for other in taken))
    if (cidr := next(free, None)) is None:
        raise ApiError("InsufficientCidrBlocks", f"The VPC {found[0].cidr} has no free range for a default subnet.")
    row = Subnet(ids.new_id("subnet"), found[0].id, str(cidr), availability_zone, True, True, call.now)
    state.subnets.add(row)
    return {"Subnet": subnets.view(call, row, [])}
