"""A ground in a laboratory: real libvirt and QEMU, real qcow2 files, real bridges and packet filters.

Guests are tiny and need not boot: what a guest would write is written by its QEMU, as the guest's. Accidents are kills of QEMU,
restarts of libvirtd, deleted bridges, killed dnsmasqs and flushed chains.
"""

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

from minicloud.cloud import Cloud
from minicloud.errors import Retry
from minicloud.host.bridges import bridge_name
from minicloud.host.contracts import Power
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.host.run import CommandFailed, run

from ..real_cloud import cloud_at, image_named, take_away
from ..waits import until
from . import clearing
from .model import BLOCKS

_BLOCK = 64 << 10
_FIRST = 16_000
"""The blocks lie near the end of the first GiB, where an image has nothing and a guest writes nothing by itself."""


class RealGround:
    """The host that the laboratory is."""

    slow = True

    def __init__(self, name: str) -> None:
        self._name = name
        self.image = image_named("tiny")
        self.deaths = 0
        """How often QEMU died by itself while something was written."""

    def open(self) -> Cloud:
        """As a command opens it."""
        return cloud_at(self._name)

    def write(self, cloud: Cloud, volume_id: str, block: int, number: int) -> bool:
        """By its QEMU, and flushed. QEMU 7.2 may die of it while it copies: then the disk tells whether it was written."""
        volume, serial = cloud.state.volumes.get(volume_id), volume_id.replace("-", "")
        chain = cloud.host.blocks.chains(volume.instance_id).get(serial) if volume else None
        if volume is None or not chain:
            return False
        try:
            return _write(volume.instance_id, serial, block, number)
        except CommandFailed:
            until("QEMU has ended", lambda: not _qemus(volume.instance_id))
            self.deaths += 1
            return _read(chain[0], BLOCKS).get(block) == number

    def read(self, cloud: Cloud, layer_id: str, blocks: int) -> dict[int, int]:
        """Through the chain of files, also while a guest has them open."""
        layer = cloud.state.layers.get(layer_id)
        if layer is None or not layer.made:
            return self.read(cloud, layer.parent, blocks) if layer is not None and layer.parent else {}
        return _read(cloud.host.images.path(layer.base) if layer.base else cloud.host.disks.path(layer_id), blocks)

    def finish_jobs(self, cloud: Cloud) -> None:
        """They end by themselves. Whoever has suspended a guest lets it go on."""
        for guest in cloud.host.guests.list().values():
            if guest.power is Power.PAUSED:
                run(["virsh", "-q", "resume", guest.guest_id], check=False)
            if guest.power in (Power.RUNNING, Power.PAUSED):
                until("the jobs are over", lambda guest=guest: _idle(cloud, guest.guest_id))

    def accident(self, cloud: Cloud, what: str, number: int) -> None:
        """To every other guest or network, or to all."""
        guests = [guest.guest_id for guest in cloud.host.guests.list().values() if guest.power is Power.RUNNING]
        words = {"guests halt": "suspend", "guests are saved": "managedsave", "others start guests": "start"}
        if what in ("guests die", "guests power off"):
            for guest_id in guests[number % 2 :: 2]:
                _kill(guest_id)
        elif what in words:
            whom = guests if words[what] != "start" else sorted(cloud.host.guests.list().keys() - guests)
            for guest_id in whom[number % 2 :: 2]:
                run(["virsh", "-q", words[what], guest_id], check=words[what] == "suspend")
        elif what == "the host restarts":
            _restart_libvirtd()
        elif what == "networks break":
            for network_id in list(cloud.host.networks.list())[number % 2 :: 2]:
                run(["ip", "link", "delete", bridge_name(network_id)], check=False)
        elif what == "load balancers die":
            for pid in _pids("haproxy"):
                os.kill(pid, signal.SIGKILL)
        else:
            run(["iptables", "-F"])
            run(["iptables", "-t", "nat", "-F"])

    def enforced(self) -> FirewallSpec | None:
        """That takes packets, and tests of the firewall send them."""
        return None

    def left_over(self) -> list[str]:
        """Guests, bridges, taps, processes and chains."""
        links = [name for name in re.findall(r"^\d+: ([^:@]+)", run(["ip", "-o", "link"]).text, re.MULTILINE) if name != "lo"]
        chains = re.findall(r"^:(MC-\S+)", run(["iptables-save"]).text, re.MULTILINE)
        domains = run(["virsh", "-q", "list", "--all", "--name"]).text.split()
        processes_left = [name for name in ("dnsmasq", "qemu-system-x86_64", "haproxy") if _pids(name)]
        kinds = {"links": links, "chains": chains, "domains": domains, "processes": processes_left}
        return [f"{what}: {found}" for what, found in kinds.items() if found]

    def aside(self) -> set[str]:
        """Nothing is adopted here."""
        return set()

    def spare(self) -> Path:
        """The laboratory's own."""
        return Path("/run")

    def seen(self) -> list[str]:
        """Guests, devices, rules and sets without their counters, and the files of the home."""
        lines = [*run(["virsh", "-q", "list", "--all"]).text.splitlines(), *run(["ipset", "save"]).text.splitlines()]
        lines = [re.sub(r"^ *\d+ |^ *- ", "", line) for line in lines]
        lines += [re.sub(r" \[\d+:\d+\]$", "", line) for line in run(["iptables-save"]).text.splitlines() if line[:1] != "#"]
        links = [line.split(" state ")[0] for line in run(["ip", "-o", "link"]).text.splitlines()]
        lines += [re.sub(r"<[^>]*>|^\d+: ", "", line) for line in links]
        return sorted([*lines, *clearing.files(self.open())])

    def second(self) -> Cloud:
        """Beside the first one."""
        return cloud_at(f"{self._name}-second")

    def again(self) -> None:
        """There are no two of a host."""
        return

    def remove(self) -> None:
        """Take it off the host."""
        take_away(self.open().host)
        shutil.rmtree(self.open().settings.home, ignore_errors=True)


def _write(guest_id: str, serial: str, block: int, number: int) -> bool:
    device = _device(guest_id, serial)
    if not device:  # the guest has just let the disk go
        return False
    for words in (f"write -P {number} {(_FIRST + block) * _BLOCK} {_BLOCK}", "flush"):
        said = _monitor(guest_id, f'qemu-io -d {device} "{words}"')
        if "not found" in said:  # it has let it go meanwhile, which nobody waits for
            return words == "flush"
        if said.strip():
            raise AssertionError(f"{serial}: {words}: {said}")
    return True


def _read(path: str, blocks: int) -> dict[int, int]:
    raw = Path("/run/campaign.raw")
    raw.unlink(missing_ok=True)
    place = [f"bs={_BLOCK}", f"skip={_FIRST}", f"count={_FIRST + blocks}", f"if={path}", f"of={raw}"]
    run(["qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", *place])
    content = raw.read_bytes()
    found = {block: content[block * _BLOCK : (block + 1) * _BLOCK] for block in range(blocks)}
    return {block: number for block, data in found.items() if (number := _number(data))}


def _idle(cloud: Cloud, guest_id: str) -> bool:
    """Whether a guest copies nothing; one that ends meanwhile is asked again."""
    try:
        return not cloud.host.blocks.jobs(guest_id)
    except Retry:
        return False


def _number(data: bytes) -> int:
    """What a block is filled with; -1 for one that is not filled with one number."""
    return 0 if not data else data[0] if data == data[:1] * len(data) else -1


def _monitor(guest_id: str, words: str) -> str:
    return run(["virsh", "-q", "qemu-monitor-command", "--hmp", guest_id, words]).text


def _device(guest_id: str, serial: str) -> str:
    xml = run(["virsh", "-q", "dumpxml", guest_id]).text
    found = re.search(rf"<serial>{serial}</serial>.*?<alias name='([^']+)'/>", xml, re.DOTALL)
    return f"/machine/peripheral/{found[1]}/virtio-backend" if found else ""


def _pids(name: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(words[0].decode("utf-8", "replace")).name == name:
            found.append(int(entry.name))
    return found


def _qemus(guest_id: str) -> list[int]:
    """The processes of a guest's QEMU."""
    found = []
    for pid in _pids("qemu-system-x86_64"):
        with contextlib.suppress(OSError):
            if f"guest={guest_id},".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def _kill(guest_id: str) -> None:
    for pid in _qemus(guest_id):
        os.kill(pid, signal.SIGKILL)
    until("libvirt has seen it", lambda: guest_id not in run(["virsh", "-q", "list", "--name"]).text.split())


def _restart_libvirtd() -> None:
    """Guests go on; who asks libvirt meanwhile is refused."""
    for pid in _pids("libvirtd"):
        os.kill(pid, signal.SIGKILL)
    until("libvirtd has ended", lambda: not _pids("libvirtd"))
    run(["libvirtd", "-d"])
    until("libvirtd answers", lambda: run(["virsh", "-q", "list"], check=False).status == 0)
