"""Amazon EC2."""

from ...cloud import Cloud


def prepare(cloud: Cloud) -> None:
    """What an account has before its first request: the default VPC."""
    from . import default_vpc

    default_vpc.ensure(cloud.state, cloud.settings)
