"""Elastic Load Balancing, the classic load balancers: the old kind, for what was written for it. New ones are elbv2's."""

from ...cloud import Cloud


def prepare(cloud: Cloud) -> None:
    """Balancers stand in subnets: there is a default VPC before the first of them."""
    from ..ec2 import default_vpc

    default_vpc.ensure(cloud.state, cloud.settings)
