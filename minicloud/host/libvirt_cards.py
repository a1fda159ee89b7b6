"""Implements contracts.Cards: the network cards of running guests, by libvirt's hot plug.

A card that a guest does not let go keeps its place in the guest until that is off; what is taken from it is the host's end of
its cable, which is unplugged from the bridge, switched off, and renamed, so that another card may have the name.
"""

import secrets
import xml.etree.ElementTree as ET
from typing import Any

from ..errors import Permanent, Retry
from .bridges import bridge_name
from .contracts import NicSpec
from .domain_xml import plugged_card
from .libvirt import LibvirtGuests, unplug
from .libvirt import _xml as xml_of
from .libvirt_errors import errors
from .libvirt_link import library
from .run import run

_CUT = "mcx"
"""How the names of cut cables begin."""


class LibvirtCards:
    """The cards of the guests of `guests`."""

    def __init__(self, guests: LibvirtGuests) -> None:
        self._guests = guests

    def list(self, guest_id: str) -> set[str]:
        """From the live XML; a card that was seized is none of the guest's any more."""
        dom = self._guests.active(guest_id)
        if dom is None:
            return set()
        with errors(f"the cards of {guest_id}"):
            return {mac for mac, card in _cards(dom).items() if _is_plugged(card)}

    def attach(self, guest_id: str, card: NicSpec) -> None:
        """Into an empty slot."""
        dom = self._running(guest_id)
        with errors(f"plugging {card.mac} into {guest_id}"):
            there = _cards(dom).get(card.mac.lower())
            if there is not None and not _is_plugged(there):
                raise Retry(f"{guest_id} has not let go what was left of {card.mac} when it was taken from it")
            if there is None:
                xml = plugged_card(card, bridge_name(card.network_id))
                dom.attachDeviceFlags(xml, library().VIR_DOMAIN_AFFECT_LIVE)

    def detach(self, guest_id: str, mac: str) -> None:
        """Asks."""
        dom = self._running(guest_id)
        with errors(f"unplugging {mac} from {guest_id}"):
            card = _cards(dom).get(mac.lower())
            if card is not None:
                unplug(dom, card)

    def seize(self, guest_id: str, mac: str) -> None:
        """Only the cable: QEMU does not take a card away without its guest."""
        card = _cards(self._running(guest_id)).get(mac.lower())
        if card is None or not _is_plugged(card):
            return
        tap = _tap(card)
        lines = [f"link set dev {tap} nomaster down", f"link set dev {tap} name {_CUT}{secrets.token_hex(5)}"]
        run(["ip", "-batch", "-"], input="\n".join(lines).encode())

    def _running(self, guest_id: str) -> Any:
        dom = self._guests.active(guest_id)
        if dom is None:
            raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")
        return dom


def _cards(dom: Any) -> dict[str, ET.Element]:
    found: dict[str, ET.Element] = {}
    for card in xml_of(dom).findall("./devices/interface"):
        mac = card.find("mac")
        if mac is not None:
            found[str(mac.get("address")).lower()] = card
    return found


def _tap(card: ET.Element) -> str:
    target = card.find("target")
    return str(target.get("dev")) if target is not None else ""


def _is_plugged(card: ET.Element) -> bool:
    """Whether the host's end of the cable still has the name that it was given."""
    return run(["ip", "link", "show", "dev", _tap(card)], check=False).status == 0
