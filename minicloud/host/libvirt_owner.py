"""Whose a domain is: its metadata name the state that made it; those of an older minicloud name none."""

import xml.etree.ElementTree as ET
from typing import Any

from .domain_xml import NAMESPACE


class Owners:
    """What was found. A guest that is ours stays so: an id is never given twice."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._ours: set[str] = set()

    def stranger(self, dom: Any, libvirt: Any) -> str:
        """The identity of the other state that a guest belongs to; empty for one of ours, and for one that names none."""
        name = dom.name()
        if name in self._ours:
            return ""
        try:
            said = ET.fromstring(dom.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE))  # noqa: S314  libvirt wrote it
        except libvirt.libvirtError as error:
            if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN):
                return ""
            raise
        other = str(said.get("state", ""))
        if other == self._identity:
            self._ours.add(name)
        return "" if other == self._identity else other
