"""The Resource Groups Tagging API: the tags of everything that has some, whichever service it belongs to."""

from ...cloud import Cloud


def prepare(cloud: Cloud) -> None:
    """What an account has before its first request: the default VPC."""
    from ..ec2 import default_vpc

    default_vpc.ensure(cloud.state, cloud.settings)
