"""libvirt's statistics as counters."""

from minicloud.host import libvirt_counters
from minicloud.host.contracts_meters import DiskCounters, GuestCounters, NicCounters
from minicloud.reconcile import usage

STATS = {
    "cpu.time": 9_000_000_000, "vcpu.current": 2, "vcpu.maximum": 2, "vcpu.0.time": 2_000_000_000, "vcpu.1.time": 1_500_000_000,
    "vcpu.0.delay": 500_000_000, "vcpu.1.wait": 7, "block.count": 2, "block.0.name": "vda", "block.0.path": "/a",
    "block.0.rd.reqs": 3, "block.0.rd.bytes": 4096, "block.0.rd.times": 2_000_000, "block.0.wr.reqs": 1, "block.0.wr.bytes": 512,
    "block.0.wr.times": 1_000_000, "block.1.name": "vdb", "net.count": 1, "net.0.name": "mc0", "net.0.rx.bytes": 10,
    "net.0.rx.pkts": 1, "net.0.tx.bytes": 20, "net.0.tx.pkts": 2,
}  # fmt: skip
XML = """<domain><devices>
<disk><target dev='vda'/><serial>vol0123</serial></disk>
<disk><target dev='vdb'/><serial>seed</serial><readonly/></disk></devices></domain>"""


def test_times() -> None:
    assert libvirt_counters.cpu_seconds(STATS) == 3.5
    assert libvirt_counters.waited_seconds(STATS) == 0.5
    assert libvirt_counters.cpu_seconds({"cpu.time": 1_000_000_000}) == 1.0
    assert libvirt_counters.cpu_seconds({}) == 0.0
    assert libvirt_counters.vcpus(STATS) == 2


def test_disks_and_cards() -> None:
    serials = libvirt_counters.serials(XML)
    assert serials == {"vda": "vol0123"}
    assert libvirt_counters.disks(STATS, serials) == {"vol0123": DiskCounters(3, 4096, 0.002, 1, 512, 0.001)}
    assert libvirt_counters.nics(STATS) == {"mc0": NicCounters(10, 1, 20, 2)}
    assert libvirt_counters.disk_names(STATS) == (("vda", "/a"), ("vdb", "None"))
    assert libvirt_counters.disks({}, serials) == libvirt_counters.nics({}) == {}


class Domain:
    """A domain of libvirt's."""

    def __init__(self) -> None:
        self.life = 1

    def name(self) -> str:
        return "i-1"

    def ID(self) -> int:  # noqa: N802  libvirt's name
        return self.life

    def XMLDesc(self) -> str:  # noqa: N802  libvirt's name
        return XML


def test_disks_that_were_not_asked_for_are_as_they_were() -> None:
    meter, domain = libvirt_counters.Meter(), Domain()
    without = {key: value for key, value in STATS.items() if not key.startswith("block.")}

    def read(stats: libvirt_counters.Stats) -> GuestCounters | None:
        return meter.read(domain, stats, halted=False, knows_stolen_time=True)

    assert read(without) is None, "else all that they ever did would be of the next interval"
    whole = read(STATS)
    assert whole is not None
    assert whole == read(without)
    domain.life = 2
    assert read(without) is None
    assert read(STATS) is not None
    meter.keep([])
    assert read(without) is None


def guest(cpu: float, lost: float = 0.0, life: str = "1") -> GuestCounters:
    return GuestCounters("i-1", life, False, cpu, 2, lost_seconds=lost)


def test_utilization_is_of_the_time_that_a_guest_was_given() -> None:
    whole = usage.between(guest(10), guest(40), 60)
    assert whole is not None
    assert whole.utilization == 25.0
    waiting = usage.between(guest(10, 5), guest(40, 65), 60)
    assert waiting is not None
    assert waiting.utilization == 50.0
    full = usage.between(guest(0), guest(121), 60)
    assert full is not None
    assert full.utilization == 100.0


def test_other_lives_are_not_compared() -> None:
    assert usage.between(guest(10), guest(40, life="2"), 60) is None
    assert usage.between(guest(40), guest(10), 60) is None
    assert usage.between(guest(10), guest(40), 0) is None


class Libvirt:
    """The module, and a connection, as far as statistics need them."""

    VIR_DOMAIN_STATS_STATE, VIR_DOMAIN_STATS_CPU_TOTAL, VIR_DOMAIN_STATS_VCPU = 1, 2, 4
    VIR_DOMAIN_STATS_INTERFACE, VIR_DOMAIN_STATS_BLOCK = 8, 16
    VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE = VIR_CONNECT_LIST_DOMAINS_ACTIVE = 1

    class libvirtError(Exception):  # noqa: N801  libvirt's name
        """libvirt's error."""

    def __init__(self, *domains: "Pulling") -> None:
        self.domains = list(domains)

    def getAllDomainStats(self, wanted: int, flags: int) -> list[tuple["Pulling", dict[str, int]]]:  # noqa: N802
        return self.domainListGetStats(self.domains, wanted, flags)

    def listAllDomains(self, flags: int) -> list["Pulling"]:  # noqa: N802
        del flags
        return self.domains

    def domainListGetStats(self, domains: list["Pulling"], wanted: int, flags: int) -> list[tuple["Pulling", dict[str, int]]]:  # noqa: N802
        del flags
        return [(one, {"block.count": 1} if wanted & self.VIR_DOMAIN_STATS_BLOCK else {}) for one in domains]


class Pulling(Domain):
    """A domain with a job, or with none, or whose end came."""

    def __init__(self, name: str, jobs: object) -> None:
        super().__init__()
        self.called, self.jobs = name, jobs

    def name(self) -> str:
        return self.called

    def blockJobInfo(self, disk: str, flags: int) -> object:  # noqa: N802  libvirt's name
        del flags
        assert disk == "vda"
        if isinstance(self.jobs, Exception):
            raise self.jobs
        return self.jobs


def test_a_guest_that_pulls_is_not_asked_of_its_disks() -> None:
    host = Libvirt(
        Pulling("pulls", {"cur": 1}), Pulling("pulled", {}), Pulling("dies", Libvirt.libvirtError()), Pulling("idle", {})
    )
    asked = [dom.name() for dom, stats in libvirt_counters.statistics(host, host, {"pulls", "pulled", "dies"}) if stats]
    assert asked == ["pulled", "idle"]
    assert len(libvirt_counters.statistics(host, host, ())) == 4
