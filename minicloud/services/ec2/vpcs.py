"""VPCs."""

from typing import Any

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...aws.tags import tag_set

FILTERS = {
    "cidr": "CidrBlock",
    "cidr-block": "CidrBlock",
    "cidr-block-association.cidr-block": "CidrBlockAssociationSet[].CidrBlock",
    "cidr-block-association.association-id": "CidrBlockAssociationSet[].AssociationId",
    "cidr-block-association.state": "CidrBlockAssociationSet[].CidrBlockState.State",
    "dhcp-options-id": "DhcpOptionsId",
    "is-default": "IsDefault",
    "isDefault": "IsDefault",
    "owner-id": "OwnerId",
    "state": "State",
    "vpc-id": "VpcId",
}


@operation(items="Vpcs", key="VpcId", filters=FILTERS)
def describe_vpcs(call: Call, *, vpc_ids: list[str] | None = None) -> Answer:
    """DescribeVpcs."""
    ids.check("vpc", vpc_ids or ())
    state = call.cloud.state
    rows = {vpc.id: vpc for vpc in state.vpcs.query()}
    require("vpc", vpc_ids or (), rows)
    wanted = [rows[vpc_id] for vpc_id in vpc_ids or rows]
    tags = state.tags_of(vpc.id for vpc in wanted)
    return {"Vpcs": [view(vpc, tags[vpc.id], call.cloud.settings.account_id) for vpc in wanted]}


def view(vpc: Any, tags: list[dict[str, str]], owner: str) -> dict[str, Any]:
    """A VPC as AWS answers it."""
    association = {
        "AssociationId": f"vpc-cidr-assoc-{vpc.id.removeprefix('vpc-')}",
        "CidrBlock": vpc.cidr,
        "CidrBlockState": {"State": "associated"},
    }
    return {
        "OwnerId": owner,
        "InstanceTenancy": "default",
        "CidrBlockAssociationSet": [association],
        "IsDefault": vpc.is_default,
        **tag_set(tags),
        "VpcId": vpc.id,
        "State": "available",
        "CidrBlock": vpc.cidr,
        "DhcpOptionsId": vpc.dhcp_options_id,
    }
