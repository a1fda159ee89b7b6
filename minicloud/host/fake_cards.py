"""Implements contracts.Cards over a fake host: cards are those of the spec that a guest was started with, as changed here."""

import dataclasses
from typing import Any

from ..errors import Permanent, Retry
from .contracts import NicSpec, Power
from .fake_store import Store

_ON = (Power.RUNNING.value, Power.PAUSED.value)


class FakeCards:
    """A guest lets a card go at once, unless `FakeHost.hold_card` told it otherwise."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, guest_id: str) -> set[str]:
        """The cards of a running guest."""
        with self._store.call("cards.list", guest_id) as held:
            guest = held["guests"].get(guest_id)
            return {nic["mac"] for nic in guest["spec"]["nics"]} if guest and guest["power"] in _ON else set()

    def attach(self, guest_id: str, card: NicSpec) -> None:
        """Plug it in."""
        with self._store.call("cards.attach", guest_id, card.mac) as held:
            guest = _running(held, guest_id)
            if held["networks"].get(card.network_id) is None:
                raise Retry(f"plugging {card.mac} into {guest_id}: {card.network_id} is not there")
            if card.mac not in {nic["mac"] for nic in guest["spec"]["nics"]}:
                guest["spec"]["nics"] = [*guest["spec"]["nics"], dataclasses.asdict(card)]

    def detach(self, guest_id: str, mac: str) -> None:
        """Unless it is held."""
        with self._store.call("cards.detach", guest_id, mac) as held:
            guest = _running(held, guest_id)
            if mac not in guest.get("held_cards", ()):
                _drop(guest, mac)

    def seize(self, guest_id: str, mac: str) -> None:
        """Whatever the guest says."""
        with self._store.call("cards.seize", guest_id, mac) as held:
            _drop(_running(held, guest_id), mac)


def _running(held: dict[str, Any], guest_id: str) -> dict[str, Any]:
    guest: dict[str, Any] | None = held["guests"].get(guest_id)
    if guest is None or guest["power"] not in _ON:
        raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")
    return guest


def _drop(guest: dict[str, Any], mac: str) -> None:
    guest["spec"]["nics"] = [nic for nic in guest["spec"]["nics"] if nic["mac"] != mac]
