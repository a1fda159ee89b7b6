"""ClassicLink: no VPC is linked to EC2-Classic, which AWS itself has no more."""

from typing import Any

from ...api import Answer, Call, operation, require
from ...aws import ids

FILTERS = {"is-classic-link-enabled": "ClassicLinkEnabled"}


def _vpcs(call: Call, wanted: list[str] | None, says: str) -> list[dict[str, Any]]:
    ids.check("vpc", wanted or ())
    there = {vpc.id: vpc for vpc in call.cloud.state.vpcs.query()}
    require("vpc", wanted or (), there)
    return [{"VpcId": vpc_id, says: False} for vpc_id in wanted or there]


@operation(items="Vpcs", filters=FILTERS)
def describe_vpc_classic_link(call: Call, *, vpc_ids: list[str] | None = None) -> Answer:
    """DescribeVpcClassicLink."""
    found = _vpcs(call, vpc_ids, "ClassicLinkEnabled")
    tags = call.cloud.state.tags_of(vpc["VpcId"] for vpc in found)
    return {"Vpcs": [{**vpc, "Tags": tags[vpc["VpcId"]]} for vpc in found]}


@operation(items="Vpcs", key="VpcId")
def describe_vpc_classic_link_dns_support(call: Call, *, vpc_ids: list[str] | None = None) -> Answer:
    """DescribeVpcClassicLinkDnsSupport."""
    return {"Vpcs": _vpcs(call, vpc_ids, "ClassicLinkDnsSupported")}
