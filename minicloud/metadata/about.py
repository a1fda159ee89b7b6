"""From the rows of an instance to all that it is told of."""

from collections.abc import Callable

from ..aws import arns, times
from ..aws.names import zone_id
from ..cloud import Cloud
from ..state.rows import Instance
from .tree import About, Profile

Credentials = Callable[[str, str], str]
"""The document with the credentials of an instance (its id) for a role (its name)."""


def of_instance(cloud: Cloud, row: Instance, credentials: Credentials | None = None) -> About | None:
    """One consistent view; None if its image's row is gone. Without `credentials` it is told of its role and given none."""
    state = cloud.state
    with state.transaction(write=False):
        image = state.images.get(row.image_id)
        if image is None:
            return None
        interfaces = sorted(state.interfaces.find(instance_id=row.id), key=lambda one: one.device_index)
        publics = state.public_addresses.among("interface_id", [one.id for one in interfaces])
        member = state.scaling_members.get(row.id)
        return About(
            lifecycle=member.state if member else "",
            row=row,
            image=image,
            interfaces=interfaces,
            subnets={one.id: one for one in state.subnets.among("id", {one.subnet_id for one in interfaces})},
            vpcs={one.id: one for one in state.vpcs.among("id", {one.vpc_id for one in interfaces})},
            groups={one.id: one for one in state.security_groups.query()},
            volumes=state.volumes.find(instance_id=row.id),
            publics={one.private_address: one.address for one in publics},
            tags={tag.key: tag.value for tag in state.tags.find(resource_id=row.id)},
            zone_id=zone_id(cloud.settings.region, row.zone),
            profile=_profile(cloud, row.id, credentials),
        )


def _profile(cloud: Cloud, instance_id: str, credentials: Credentials | None) -> Profile | None:
    association = next(iter(cloud.state.profile_associations.find(instance_id=instance_id)), None)
    row = cloud.state.instance_profiles.get(association.profile) if association else None
    if association is None or row is None or not row.role:
        return None
    arn = arns.instance_profile(cloud.settings.account_id, row.path, row.name)
    role, since = row.role, times.whole(association.created)
    return Profile(arn, row.id, role, since, (lambda: credentials(instance_id, role)) if credentials else None)
