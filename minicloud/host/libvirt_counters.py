"""libvirt's statistics of a domain as a guest's counters.

- A vCPU's time is what its thread ran. Under emulation a guest has no clock of stolen time: what its threads waited for a
  processor of the host is lost to it, and in none of its own accounts.
- Disks and cards are named by libvirt as they were plugged in; a domain's XML tells which serial a disk's name means.
"""

import functools
import operator
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping
from typing import Any

from .contracts_meters import DiskCounters, GuestCounters, NicCounters

_NANO = 1e-9
Stats = Mapping[str, Any]

_KINDS = ("VIR_DOMAIN_STATS_STATE", "VIR_DOMAIN_STATS_CPU_TOTAL", "VIR_DOMAIN_STATS_VCPU", "VIR_DOMAIN_STATS_INTERFACE")


def statistics(conn: Any, libvirt: Any, pulling: Collection[str]) -> list[tuple[Any, Stats]]:
    """Of all domains that are on, by `libvirt`, the module. Those of `pulling` that still do are not asked of their disks (see
    libvirt_pulls).
    """
    wanted = functools.reduce(operator.or_, (getattr(libvirt, kind) for kind in _KINDS))
    with_disks = wanted | libvirt.VIR_DOMAIN_STATS_BLOCK
    if not pulling:
        return list(conn.getAllDomainStats(with_disks, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE))
    domains = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    busy = [dom for dom in domains if dom.name() in pulling and _has_job(dom, libvirt)]
    others = [dom for dom in domains if dom not in busy]
    found = list(conn.domainListGetStats(busy, wanted, 0)) if busy else []
    return found + (list(conn.domainListGetStats(others, with_disks, 0)) if others else [])


def _has_job(dom: Any, libvirt: Any) -> bool:
    """Whether libvirt knows of a job on a disk of a domain, which it does until it has dismissed it."""
    try:
        return any(dom.blockJobInfo(name, 0) for name in serials(dom.XMLDesc()))
    except libvirt.libvirtError:
        return True  # it has ended, or its disks are changing


def cpu_seconds(stats: Stats) -> float:
    """What the vCPUs ran, all together; of a hypervisor that does not tell it of each, the whole process."""
    times = _of_vcpus(stats, "time")
    return float(sum(times) if times else stats.get("cpu.time", 0)) * _NANO


def waited_seconds(stats: Stats) -> float:
    """What the vCPUs waited for a processor of the host, all together."""
    return float(sum(_of_vcpus(stats, "delay"))) * _NANO


def _of_vcpus(stats: Stats, name: str) -> list[int]:
    return [int(stats[key]) for key in stats if key.startswith("vcpu.") and key.endswith(f".{name}")]


def vcpus(stats: Stats) -> int:
    """How many there are."""
    return int(stats.get("vcpu.current", 1))


def disk_names(stats: Stats) -> tuple[tuple[str, str], ...]:
    """The disks by libvirt's names, with the files that they are now: another set means another XML."""
    count = int(stats.get("block.count", 0))
    return tuple((str(stats.get(f"block.{at}.name")), str(stats.get(f"block.{at}.path"))) for at in range(count))


def serials(xml: str) -> dict[str, str]:
    """The serials of a domain's disks by libvirt's names; the seed, which nobody writes to, is not in it."""
    found = {}
    for disk in ET.fromstring(xml).findall("./devices/disk"):  # noqa: S314  libvirt wrote it
        name, serial = disk.find("target"), disk.findtext("serial")
        if name is not None and serial and disk.find("readonly") is None:
            found[str(name.get("dev"))] = serial
    return found


def disks(stats: Stats, by_name: Mapping[str, str]) -> dict[str, DiskCounters]:
    """The counters of the disks that have a serial, by it."""
    found = {}
    for at, (name, _) in enumerate(disk_names(stats)):
        if name in by_name:
            read, write = f"block.{at}.rd", f"block.{at}.wr"
            found[by_name[name]] = DiskCounters(
                int(stats.get(f"{read}.reqs", 0)),
                int(stats.get(f"{read}.bytes", 0)),
                float(stats.get(f"{read}.times", 0)) * _NANO,
                int(stats.get(f"{write}.reqs", 0)),
                int(stats.get(f"{write}.bytes", 0)),
                float(stats.get(f"{write}.times", 0)) * _NANO,
            )
    return found


def nics(stats: Stats) -> dict[str, NicCounters]:
    """The counters of the cards by the host's ends of their cables. libvirt counts as the guest does."""
    found = {}
    for at in range(int(stats.get("net.count", 0))):
        received, sent = f"net.{at}.rx", f"net.{at}.tx"
        found[str(stats.get(f"net.{at}.name"))] = NicCounters(
            int(stats.get(f"{received}.bytes", 0)),
            int(stats.get(f"{received}.pkts", 0)),
            int(stats.get(f"{sent}.bytes", 0)),
            int(stats.get(f"{sent}.pkts", 0)),
        )
    return found


class Meter:
    """Reads domains, and remembers which serials their disks have: the XML of one is read again where its disks are others.

    A domain that was not asked of its disks has them as they were last read: what they did since is seen the next time.
    """

    def __init__(self) -> None:
        self._serials: dict[str, tuple[Any, dict[str, str]]] = {}
        self._disks: dict[str, tuple[str, dict[str, DiskCounters]]] = {}

    def read(self, dom: Any, stats: Stats, *, halted: bool, knows_stolen_time: bool) -> GuestCounters | None:
        """A running domain's; None while those of its disks are not known. Raises libvirt's errors for one that has ended."""
        name, life = dom.name(), str(dom.ID())
        if "block.count" in stats:
            self._disks[name] = (life, disks(stats, self._serials_of(dom, name, disk_names(stats))))
        of_life, found = self._disks.get(name, ("", {}))
        if of_life != life:
            return None
        lost = 0.0 if knows_stolen_time else waited_seconds(stats)
        return GuestCounters(name, life, halted, cpu_seconds(stats), vcpus(stats), found, nics(stats), lost)

    def _serials_of(self, dom: Any, name: str, now: tuple[tuple[str, str], ...]) -> dict[str, str]:
        if self._serials.get(name, ((), {}))[0] != now:
            self._serials[name] = (now, serials(dom.XMLDesc()))
        return self._serials[name][1]

    def keep(self, names: Collection[str]) -> None:
        """Forget all other domains."""
        self._serials = {name: known for name, known in self._serials.items() if name in names}
        self._disks = {name: known for name, known in self._disks.items() if name in names}
