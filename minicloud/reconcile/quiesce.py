"""A guest's file systems while a snapshot is taken: frozen by its agent before, thawed by it after, whatever happens.

- A row (`thaws`) says that they may be frozen. It is there before an agent that is connected is asked to freeze them, so that a
  crash at any point leaves it, and goes when the agent has thawed them, and when the guest is off, starts or is reset. An agent
  that is gone meanwhile may come back, and is asked then.
- An agent that does not answer costs a snapshot some seconds, never the snapshot: it is taken, and says that the file systems
  were not quiesced. Who has not answered may have frozen them late: it is asked to thaw them again and again, ever more
  seldom, and not asked to freeze them meanwhile.
"""

import logging
import time
from collections.abc import Callable

from ..aws import times
from ..cloud import Cloud
from ..errors import host_error
from ..host.contracts import Power
from ..host.contracts_storage import AgentAnswer, Said
from ..state.rows_storage import Thaw
from . import isolation, locks

log = logging.getLogger(__name__)

FIRST, LONGEST = 5.0, 3600.0
"""Seconds after which an agent is asked to thaw again: at first, and at most."""
_NOBODY_ASKED = (Said.NOTHING_ASKED, Said.NO_AGENT)
_ASKED = "its guest agent was asked to freeze them"
_WITHOUT = "taken without quiescing the guest's file systems"


def around(cloud: Cloud, instance_id: str, switch: Callable[[], None]) -> str:
    """Have `switch` done with the file systems quiesced, if that can be; returns what is to be said of it.

    The caller holds the instance's lock.
    """
    if row := cloud.state.thaws.get(instance_id):
        switch()
        return f"{_WITHOUT}: its guest agent has not thawed them since an earlier snapshot: {row.message}"
    if nobody := _why_none_is_asked(cloud, instance_id):
        switch()
        return f"{_WITHOUT}: {nobody}"
    cloud.state.thaws.add(Thaw(instance_id, times.now(), message=_ASKED))
    answer = _asked(lambda: cloud.host.blocks.quiesce(instance_id))
    if answer.said is Said.NOTHING:
        cloud.state.thaws.change(instance_id, message=answer.message)
    try:
        switch()
    finally:
        frozen = "" if answer.said in _NOBODY_ASKED else _thaw(cloud, instance_id, refused=answer.said is Said.REFUSED)
        if not frozen:
            cloud.state.thaws.remove(instance_id)
    said = [] if answer.said is Said.DONE else [f"{_WITHOUT}: {answer.message}"]
    return "; ".join([*said, *([f"it is asked again to thaw them: {frozen}"] if frozen else [])])


def _why_none_is_asked(cloud: Cloud, instance_id: str) -> str:
    """Why no agent is asked to freeze them: there is none, or the host cannot tell. Empty where there is one."""
    try:
        return "" if cloud.host.blocks.has_agent(instance_id) else "the guest runs no guest agent"
    except Exception as error:  # noqa: BLE001  it is told with the snapshot
        return host_error(error).message


def _asked(question: Callable[[], AgentAnswer]) -> AgentAnswer:
    """The answer; where the host cannot ask, whatever the reason, nobody knows what the agent does."""
    try:
        return question()
    except Exception as error:  # noqa: BLE001  it is told where the answer is, and they may be frozen
        return AgentAnswer(Said.NOTHING, host_error(error).message)


def _thaw(cloud: Cloud, instance_id: str, *, refused: bool = False) -> str:
    """Ask once; returns why the file systems may still be frozen, which is then in the row. One that `refused` has not frozen."""
    answer = _asked(lambda: cloud.host.blocks.thaw(instance_id))
    if answer.said is Said.DONE or (refused and answer.said is Said.REFUSED):
        return ""
    row, message = cloud.state.thaws.get(instance_id), answer.message
    if row and answer.said is Said.NO_AGENT:
        message = row.message  # of one that was asked, which may have frozen them and come back
    tries = row.tries + 1 if row else 1
    due = times.text(time.time() + min(LONGEST, FIRST * 2 ** min(tries, 20)))
    cloud.state.thaws.change(instance_id, tries=tries, due=due, message=message)
    log.warning("%s: its file systems may be frozen: %s", instance_id, message)
    return message


def reconcile(cloud: Cloud) -> bool:
    """Ask those that may be frozen, where it is time to; whether one was found thawed, or off."""
    rows, now = cloud.state.thaws.query(), time.time()
    # A time that is further away than any wait was written before the clock was set back.
    early = [row.instance_id for row in rows if 0 < times.seconds(row.due) - now <= LONGEST]
    due = [(row.instance_id, row.instance_id) for row in rows if row.instance_id not in early]
    return isolation.each(cloud, "thaws of guests", due, lambda instance_id: _see_to(cloud, instance_id), keep=early)


def _see_to(cloud: Cloud, instance_id: str) -> bool:
    with locks.held(cloud.settings.run, instance_id):
        if cloud.state.thaws.get(instance_id) is None:
            return False
        guest = cloud.host.guests.list().get(instance_id)
        if guest is not None and guest.power in (Power.RUNNING, Power.PAUSED):
            if _thaw(cloud, instance_id):
                return False
            log.info("%s: its file systems are thawed", instance_id)
        return cloud.state.thaws.remove(instance_id)
