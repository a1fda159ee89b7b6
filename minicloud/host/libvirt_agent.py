"""Questions to a guest's agent, through libvirt, which waits for an agent for ever unless it is told how long.

An agent is the guest's: it may refuse, say nothing, or say what makes no sense. None of this is a failure of the host's.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

from .contracts_storage import AgentAnswer, Said
from .libvirt_link import Overdue, library

PATIENCE = 10
"""Seconds that an agent has for an answer. Before each question libvirt asks it to answer at all, and gives that 5 to 10."""
_NO_AGENT = AgentAnswer(Said.NO_AGENT, "the guest runs no guest agent")
_CLOSED = "QEMU guest agent is not connected"
"""What libvirt says where an agent has closed the channel, instead of writing the question into it."""
_HALTED = AgentAnswer(Said.NOTHING_ASKED, "the guest is halted")


def ask(dom: Any, question: Callable[[Any], object]) -> AgentAnswer:
    """Ask the agent of a running domain: `question` calls what libvirt carries to it."""
    libvirt = library()
    try:
        if dom.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
            return _HALTED
        if not is_connected(dom):
            return _NO_AGENT
        dom.agentSetResponseTimeout(PATIENCE, 0)
        question(dom)
    except libvirt.libvirtError as error:
        if _CLOSED in str(error):
            return _NO_AGENT
        # libvirt's error codes for an agent differ from version to version; what it says of a refusal does not.
        refused = "unable to execute QEMU agent command" in str(error)
        return AgentAnswer(Said.REFUSED if refused else Said.NOTHING, f"its guest agent did not do it: {error}")
    except Overdue as error:
        return AgentAnswer(Said.NOTHING, f"its guest agent did not do it: {error.message}")
    return AgentAnswer(Said.DONE)


def is_connected(dom: Any) -> bool:
    """Whether libvirt reports that an agent has opened the channel of a running domain."""
    targets = ET.fromstring(dom.XMLDesc()).findall("./devices/channel/target")  # noqa: S314  libvirt wrote it
    return any(target.get("state") == "connected" for target in targets)
