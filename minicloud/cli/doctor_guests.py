"""What `minicloud doctor` looks at in guests: file systems that an agent may have frozen and has not let go on, disks whose
newest bytes are in files of others, and guests that somebody else has started.
"""

from collections.abc import Iterator

from ..cloud import Cloud
from ..host.contracts import Power
from .doctor_checks import OK, WARN, Check


def checks(cloud: Cloud) -> Iterator[Check]:
    """One that has just been asked, for the first time, is as it should be."""
    found = [row for row in cloud.state.thaws.query() if row.tries]
    if not found:
        yield Check("guest agents", OK, "none has left its guest's file systems frozen")
    for row in found:
        yield Check(
            "guest agents",
            WARN,
            f"the file systems of {row.instance_id} may be frozen since a snapshot: asked {row.tries} times to thaw them, its "
            f"guest agent has not: {row.message}",
            f"it is asked again; restart the guest agent in it, or: minicloud reboot-instances --instance-ids {row.instance_id}",
        )


def disks(cloud: Cloud) -> Iterator[Check]:
    """That all guests write to the layers of their volumes, and where not, what of."""
    from ..reconcile import foreign_tops

    told = list(foreign_tops.of_guests(cloud))
    if not told:
        yield Check("guest disks", OK, "all guests write to the layers of their volumes")
    for each in told:
        yield Check("guest disks", WARN, each, "it has no snapshots, backups or other starts until then; see its last words")


def started_by_others(cloud: Cloud) -> Iterator[Check]:
    """Guests that are on though their instances are stopped."""
    stopped = {row.id for row in cloud.state.instances.find(state="stopped")}
    guests = cloud.host_as_found.guests.list() if stopped else {}
    on = sorted(name for name in stopped & guests.keys() if guests[name].power in (Power.RUNNING, Power.PAUSED))
    if not on:
        yield Check("stopped instances", OK, "no guest of one runs")
    for name in on:
        told = f"the guest of {name} runs, which is stopped: somebody else has started it (virsh, virt-manager)"
        remedy = f"it is shut down; to have it: minicloud start-instances --instance-ids {name}"
        yield Check("stopped instances", WARN, told, remedy)
