"""The default VPC: made before the first request, as AWS makes it with an account.

Its range is the setting `vpc_cidr`, cut into one /20-like subnet a zone: the first sixteenths of the range, in the zones'
order.
"""

from ipaddress import IPv4Network

from ...aws import times
from ...aws.ids import new_id
from ...config import Settings
from ...errors import UsageError
from ...state.rows import Subnet, Vpc
from ...state.rows_access import AccountSetting
from ...state.rows_network import InternetGateway
from ...state.store import State
from . import route_tables, security_groups

_MADE = "default-vpc"


def ensure(state: State, settings: Settings) -> None:
    """Make the default VPC, once: somebody who deletes it does not want it back, until CreateDefaultVpc is asked for it."""
    if state.account_settings.get(_MADE):
        return
    with state.transaction():
        if state.account_settings.get(_MADE):
            return
        if not state.vpcs.find(is_default=True):
            make(state, settings)
        state.account_settings.add(AccountSetting(_MADE, {"made": times.now()}))


def make(state: State, settings: Settings) -> Vpc:
    """The default VPC with its subnets and default security group."""
    now = times.now()
    vpc = state.vpcs.add(
        Vpc(
            id=new_id("vpc"),
            cidr=str(settings.vpc_cidr),
            is_default=True,
            dns_hostnames=True,
            dns_support=True,
            dhcp_options_id=new_id("dhcp-options"),
            internet_gateway_id=new_id("internet-gateway"),
            route_table_id=new_id("route-table"),
            network_acl_id=new_id("network-acl"),
            created=now,
        )
    )
    state.internet_gateways.add(InternetGateway(vpc.internet_gateway_id, now))
    route_tables.add(state, vpc.id, vpc.route_table_id, now, vpc.internet_gateway_id)
    for zone, cidr in zip(settings.zone_names, cut(settings.vpc_cidr), strict=False):
        state.subnets.add(
            Subnet(new_id("subnet"), vpc.id, str(cidr), zone, is_default=True, public_ip_on_launch=True, created=now)
        )
    security_groups.add(state, vpc.id, "default", "default VPC security group", now)
    return vpc


def cut(vpc: IPv4Network) -> list[IPv4Network]:
    """Sixteen equal subnets, each of which must be a /28 at least, as AWS has it."""
    if not 16 <= vpc.prefixlen <= 24:
        raise UsageError(f"setting vpc_cidr: {vpc} must be between a /16 and a /24")
    return list(vpc.subnets(prefixlen_diff=4))
