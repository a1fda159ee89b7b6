"""Files of others that a guest writes to in the place of its volume's layer: what was written last is in them alone.

Whoever takes an external snapshot with libvirt, as backup scripts do, has the guest go on in a file that no row knows. A
snapshot, or another start, would have the older bytes of the layer below, and the two would differ from then on. So who acts
on the layers of a volume looks first, and refuses; nothing is done to the file. Of a guest that is off its definition tells,
which libvirt changes with the guest: a file of others there that holds nothing, or all of which was written down, is let go.

Nobody looks without need: it is a call of the hypervisor's for each instance.
"""

import functools
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..cloud import Cloud
from ..errors import Damaged, Permanent, Retry
from ..host.contracts import Host
from ..host.contracts_storage import DiskTop
from ..state.rows import Volume
from ..state.rows_failures import FOREIGN_TOPS, WRITES_ELSEWHERE
from ..state.rows_storage import Snapshot
from . import isolation

CODE = WRITES_ELSEWHERE
_DEEPEST, _LOOKS = 64, 5
_VOLUMES = re.compile(r"vol[0-9a-f]{8,17}")
"""The serials of volumes (`disk_spec.serial`)."""
FORGETTING = ("--keep-nvram", "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")
"""virsh's flags with which it takes away a definition whatever else it keeps of a guest; its firmware's variables are left."""


def found(cloud: Cloud, volumes: Iterable[Volume]) -> dict[str, str]:
    """The volumes, by id, whose newest bytes are in a file of others, each with what is to be said of it. Raises HostError."""
    by_instance: dict[str, list[Volume]] = {}
    for volume in volumes:
        if volume.instance_id and volume.layer_id:
            by_instance.setdefault(volume.instance_id, []).append(volume)
    told = {}
    for instance_id, rows in by_instance.items():
        tops = cloud.host.blocks.tops(instance_id)
        for volume in rows:
            if _said(cloud, volume, tops) and (why := _confirmed(cloud, volume.id)):
                told[volume.id] = why
    return told


def _said(cloud: Cloud, volume: Volume, tops: Mapping[str, DiskTop]) -> str:
    top = tops.get(volume.id.replace("-", ""))
    return _why(cloud, volume, top, tops) if top is not None else ""


def _confirmed(cloud: Cloud, volume_id: str) -> str:
    """What is to be said of a volume whose row has not changed in between: some look without its lock."""
    for _ in range(_LOOKS):
        before = cloud.state.volumes.get(volume_id)
        if before is None or not before.instance_id:
            return ""
        why = _said(cloud, before, cloud.host.blocks.tops(before.instance_id))
        after = cloud.state.volumes.get(volume_id)
        if not why or (after is not None and (after.layer_id, after.instance_id) == (before.layer_id, before.instance_id)):
            return why
    raise Retry(f"{volume_id} changes all the time")


def refuse(cloud: Cloud, volumes: Iterable[Volume]) -> None:
    """Raise Permanent where the newest bytes of a volume are in a file of others, HostError where nobody can tell."""
    for volume_id, why in found(cloud, volumes).items():
        raise Permanent(f"{volume_id}: {why}", CODE)


def refuse_one(cloud: Cloud, volume: Volume) -> None:
    """The same of one, which the message does not name."""
    if why := found(cloud, [volume]).get(volume.id):
        raise Permanent(why, CODE)


def watch(cloud: Cloud, *, everything: bool) -> None:
    """Volumes whose newest bytes are in a file of others say so, whether or not somebody wants anything of them.

    Unless `everything` is looked at, those that are said to have one are: it may be over.
    """
    told = {failure.subject for failure in cloud.state.failures.find(part=FOREIGN_TOPS)}
    if everything or told:
        rows = [row for row in cloud.state.volumes.query("instance_id != ''") if everything or row.id in told]
        isolation.each(cloud, FOREIGN_TOPS, [(row.id, row) for row in rows], functools.partial(refuse_one, cloud))


def refuse_snapshots(cloud: Cloud, snapshots: Sequence[Snapshot], volumes: Mapping[str, Volume]) -> None:
    """The same of what is to be frozen: where a guest was switched already, what others did since is no obstacle."""
    refuse(cloud, [volumes[row.volume_id] for row in snapshots if not is_switched(cloud, row, volumes[row.volume_id])])


def is_switched(cloud: Cloud, snapshot: Snapshot, volume: Volume) -> bool:
    """Whether a guest that is on has the new layer that a snapshot has prepared. Raises HostError."""
    if not snapshot.next_layer or not volume.instance_id:
        return False
    chain = cloud.host.blocks.chains(volume.instance_id).get(volume.id.replace("-", ""), ())
    return cloud.host.disks.path(snapshot.next_layer) in chain


def stands_on_layer(cloud: Cloud, volume_id: str) -> bool:
    """Whether a file of others that a guest writes to, or wrote to last, stands on the very layer of its volume's row: then the
    guest was switched to no new layer of ours before. Raises HostError.
    """
    volume = cloud.state.volumes.get(volume_id)
    top = cloud.host.blocks.tops(volume.instance_id).get(volume_id.replace("-", "")) if volume and volume.instance_id else None
    if volume is None or top is None or not _is_strange(cloud.host, top):
        return False
    try:
        return _base(cloud.host, top.chain[0])[1] == volume.layer_id
    except Damaged:
        return False


def keep_what_stays(cloud: Cloud, instance_id: str) -> None:
    """An instance's guest is about to go, and with it what tells of files of others: volumes that stay are in error."""
    stay = cloud.state.volumes.find(instance_id=instance_id, delete_on_termination=False)
    tops = cloud.host.blocks.tops(instance_id) if stay else {}
    for volume in stay:
        if _said(cloud, volume, tops):
            top = tops[volume.id.replace("-", "")]
            words = shlex.join(["minicloud", "enable-volume-io", "--volume-id", volume.id])
            why = _ways_out([_of_file(cloud, instance_id, top.chain[0], volume.layer_id)], words)
            cloud.state.volumes.change(volume.id, state="error", reason=why)


def refuse_unsaved(host: Host, guest_id: str) -> None:
    """Raise Permanent where the newest bytes of a guest that is to be removed are in a file of others, whatever rows say."""
    for top in _strange(host, host.blocks.tops(guest_id)).values():
        raise Permanent(f"what it wrote last is in {top.chain[0]}, which is not minicloud's (see minicloud doctor)")


def pinned(cloud: Cloud, layer_id: str) -> bool:
    """Whether a layer is that of a volume in error which no guest has: files of others may stand on it."""
    return any(not row.instance_id for row in cloud.state.volumes.find(layer_id=layer_id, state="error"))


def _why(cloud: Cloud, volume: Volume, top: DiskTop, tops: Mapping[str, DiskTop]) -> str:
    """What is to be said of a top that is not the volume's; empty where it is, or where nothing is lost without it."""
    pending = cloud.state.snapshots.find(volume_id=volume.id, state="pending")
    own = [row.next_layer for row in pending if row.next_layer] + [volume.layer_id]
    path = top.chain[0] if top.chain else ""
    if not path:
        return ""
    if top.live:
        return "" if cloud.host.disks.own(path, live=True) in own else _of_guest(cloud, volume, top, own)
    if not _is_strange(cloud.host, top):
        return ""
    layers = {row.id.replace("-", ""): row.layer_id for row in cloud.state.volumes.find(instance_id=volume.instance_id)}
    # The definition alone tells of all that are the guest's: it is to go when each was seen to.
    others = [(one.chain[0], layers.get(serial, "")) for serial, one in _strange(cloud.host, tops).items() if one != top]
    files = [_of_file(cloud, volume.instance_id, *file) for file in [(path, volume.layer_id), *others]]
    return _ways_out(files, _virsh(cloud, ["undefine", volume.instance_id, *FORGETTING]))


def _strange(host: Host, tops: Mapping[str, DiskTop]) -> dict[str, DiskTop]:
    """Those that are of volumes, whoever's, and write to a file of others. What somebody has plugged in besides is his own."""
    return {serial: top for serial, top in tops.items() if _VOLUMES.fullmatch(serial) and _is_strange(host, top)}


def _is_strange(host: Host, top: DiskTop) -> bool:
    if not top.chain or host.disks.own(top.chain[0], live=top.live):
        return False
    try:
        return top.live or _base(host, top.chain[0])[0]
    except Damaged:
        return True


def _base(host: Host, path: str) -> tuple[bool, str, list[str]]:
    """Whether a file of others, or one below that is of others, holds anything; the disk of ours that they stand on, or empty,
    and all of them, downwards.
    """
    holds, files = False, list[str]()
    while len(files) < _DEEPEST:
        if disk_id := host.disks.own(path, live=False):
            return holds, disk_id, files
        one = host.disks.stranger(path)
        files.append(path)
        holds = holds or one.holds
        if one.below is None:
            break
        path = one.below
    return True, "", files


def _of_guest(cloud: Cloud, volume: Volume, top: DiskTop, own: Sequence[str]) -> str:
    path = top.chain[0]
    base = next((below for below in top.chain[1:] if cloud.host.disks.own(below, live=True) in own), "")
    told = f"{volume.instance_id} writes to {path}, which is not the volume's layer: what it wrote since is in that file alone"
    if not base:
        return f"{told}, and that does not stand on {cloud.host.disks.path(volume.layer_id)}. Have the guest write to this again"
    words = ["blockcommit", volume.instance_id, top.target, "--base", base, "--active", "--pivot", "--wait"]
    files = top.chain[: top.chain.index(base)]
    return f"{told}. Write it down: {_virsh(cloud, words)} && {shlex.join(['rm', *files])}"


def _of_file(cloud: Cloud, instance_id: str, path: str, layer_id: str) -> tuple[str, str]:
    """That a guest which is off, or about to be, wrote last to a file of others, and how that is written down, if it can be."""
    told = f"{instance_id} wrote last to {path}, which is not the volume's layer"
    try:
        _, disk_id, files = _base(cloud.host, path)
    except Damaged as error:
        return f"{told}, and cannot be read: {error.message}. Bring it back", ""
    if not layer_id or disk_id != layer_id:
        below = f", and does not stand on {cloud.host.disks.path(layer_id)}" if layer_id else ""
        return f"{told}{below}. Keep what is needed of it", ""
    onto = ["-b", cloud.host.disks.path(disk_id)] if len(files) > 1 else []
    commit, away = shlex.join(["qemu-img", "commit", "-f", "qcow2", *onto, path]), shlex.join(["rm", *files])
    return told, f"{commit} && {away}"


def _ways_out(files: Sequence[tuple[str, str]], last: str) -> str:
    """What is to be done about files of one guest's, and at last: only when each was seen to."""
    told = ". ".join(said for said, _ in files)
    commands = " && ".join(command for _, command in files if command)
    written = f". Write {'them' if len(files) > 1 else 'it'} down: {commands}" if commands else ""
    what, it = ("what they hold", "them") if len(files) > 1 else ("what it holds", "it")
    return f"{told}{written}; then (or, to do without {what}, move {it} away and): {last}"


def _virsh(cloud: Cloud, words: Sequence[str]) -> str:
    return shlex.join(["virsh", "-c", cloud.settings.libvirt_uri, *words])


def of_guests(cloud: Cloud) -> Iterator[str]:
    """What is to be said of all guests, for who looks over the host. Raises HostError."""
    attached = cloud.state.volumes.query("instance_id != ''")
    for volume_id, why in found(cloud, attached).items():
        yield f"{volume_id}: {why}"
