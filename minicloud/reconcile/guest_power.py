"""Whether an instance's guest is on: running or paused, as the host says. One that is off is changed without it."""

import contextlib
from collections.abc import Iterator

from ..cloud import Cloud
from ..errors import Permanent, Retry
from ..host.contracts import Power


def is_on(cloud: Cloud, instance_id: str) -> bool:
    """Whether there is a guest of this instance, and it is on; of no instance there is none. Raises HostError."""
    guest = cloud.host.guests.list().get(instance_id) if instance_id else None
    return guest is not None and guest.power in (Power.RUNNING, Power.PAUSED)


@contextlib.contextmanager
def while_on(cloud: Cloud, instance_id: str) -> Iterator[None]:
    """Raises Retry where a guest could not do something because it ended meanwhile: the next pass does it without the guest."""
    try:
        yield
    except Permanent as error:
        if is_on(cloud, instance_id):
            raise
        raise Retry(f"{instance_id} ended meanwhile") from error
