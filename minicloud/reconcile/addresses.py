"""What becomes of addresses when an instance ends or stops. Inside the caller's transaction."""

from ..state.store import State
from . import cards


def give_back(state: State, instance_id: str) -> None:
    """The public addresses from the pool that a stopped instance's interfaces had; Elastic IPs stay with it."""
    for interface in state.interfaces.find(instance_id=instance_id):
        for public in state.public_addresses.find(interface_id=interface.id, allocation_id=""):
            state.public_addresses.remove(public.address)


def release_interfaces(state: State, instance_id: str) -> list[str]:
    """Part a terminated instance from its interfaces: those that end with it are deleted (their ids are returned), others stay
    and keep their Elastic IPs; an Elastic IP of one that is deleted stays the user's, and stands for nothing. Load balancers
    know it no longer."""
    give_back(state, instance_id)
    state.targets.remove_where("target_id = ?", instance_id)
    gone = []
    for interface in state.interfaces.find(instance_id=instance_id):
        if not interface.delete_on_termination:
            state.interfaces.change(interface.id, **cards.DETACHED)
            continue
        for public in state.public_addresses.find(interface_id=interface.id):
            state.public_addresses.change(public.address, interface_id="", private_address="", association_id="")
        state.interfaces.remove(interface.id)
        gone.append(interface.id)
    return gone
