"""Auto Scaling: groups of instances that replace themselves and follow what they are told, or what is measured."""

from ...cloud import Cloud


def prepare(cloud: Cloud) -> None:
    """Zones mean their default subnets: there is a default VPC before the first group."""
    from ..ec2 import default_vpc

    default_vpc.ensure(cloud.state, cloud.settings)
