"""Elastic Load Balancing, version 2: application and network load balancers."""

from ...cloud import Cloud


def prepare(cloud: Cloud) -> None:
    """Balancers stand in subnets: there is a default VPC before the first of them."""
    from ..ec2 import default_vpc

    default_vpc.ensure(cloud.state, cloud.settings)
