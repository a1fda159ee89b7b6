"""The drivers of this host. Making them costs nothing: what is slow to import or to reach is so when first used."""

from ..config import Settings
from .base_images import BaseImages, store
from .contracts import Host
from .disks import LocalDisks
from .firewall import IptablesFirewall
from .haproxy import HaproxyBalancers
from .libvirt import LibvirtGuests
from .libvirt_blocks import LibvirtBlocks
from .libvirt_cards import LibvirtCards
from .machine import LocalMachine
from .messages import LocalMessages
from .networks import BridgeNetworks
from .seed import LocalSeeds


def host(settings: Settings, identity: str) -> Host:
    """Real guests, on this host. What is made carries the identity of the state that it is made for."""
    guests = LibvirtGuests(settings.libvirt_uri, settings.home, identity)
    networks = BridgeNetworks(settings.run / "networks", identity, settings.dns_port)
    return Host(
        guests=guests,
        blocks=LibvirtBlocks(guests),
        cards=LibvirtCards(guests),
        disks=LocalDisks(settings.home / "volumes"),
        seeds=LocalSeeds(settings.home / "seeds"),
        networks=networks,
        images=BaseImages(store(settings), settings.home, identity),
        machine=LocalMachine(),
        firewall=IptablesFirewall(settings.run / "firewall", identity),
        messages=LocalMessages(),
        balancers=HaproxyBalancers(settings.run / "balancers", networks, settings.hosts_file, identity),
    )
