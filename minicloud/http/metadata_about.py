"""From the bridge and the address that a packet came from to the instance that sent it."""

from ..cloud import Cloud
from ..metadata import about
from ..metadata.tree import About
from .metadata_credentials import Credentials


def about_address(cloud: Cloud, network_id: str, address: str, credentials: Credentials) -> About | None:
    """The instance that has an address in a subnet, None if nobody has it."""
    state = cloud.state
    with state.transaction(write=False):
        there = state.interfaces.query("subnet_id = ? and instance_id != ''", (network_id,))
        asking = next((one for one in there if address in (one.address, *one.secondary)), None)
        row = state.instances.get(asking.instance_id) if asking else None
        return about.of_instance(cloud, row, credentials.of) if row else None
