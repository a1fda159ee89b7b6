"""From the bridge and the address that a packet came from to the rows of the instance that sent it."""

from ..aws import arns, times
from ..cloud import Cloud
from ..services.ec2.subnets import zone_id
from .metadata_credentials import Credentials
from .metadata_tree import About, Profile


def about_address(cloud: Cloud, network_id: str, address: str, credentials: Credentials) -> About | None:
    """The instance that has an address in a subnet, None if nobody has it."""
    state = cloud.state
    with state.transaction(write=False):
        there = state.interfaces.query("subnet_id = ? and instance_id != ''", (network_id,))
        asking = next((one for one in there if address in (one.address, *one.secondary)), None)
        row = state.instances.get(asking.instance_id) if asking else None
        image = state.images.get(row.image_id) if row else None
        if row is None or image is None:
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


def _profile(cloud: Cloud, instance_id: str, credentials: Credentials) -> Profile | None:
    association = next(iter(cloud.state.profile_associations.find(instance_id=instance_id)), None)
    row = cloud.state.instance_profiles.get(association.profile) if association else None
    if association is None or row is None or not row.role:
        return None
    arn = arns.instance_profile(cloud.settings.account_id, row.path, row.name)
    return Profile(arn, row.id, row.role, times.whole(association.created), lambda: credentials.of(instance_id, row.role))
