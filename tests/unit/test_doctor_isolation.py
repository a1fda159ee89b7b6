"""What one check of the doctor's meets is told as a failure of that check, and the others are made, whatever it is."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minicloud.cli import adoption
from minicloud.cli import doctor as doctor_command
from minicloud.cli.doctor_checks import FAIL, OK, SKIP, Check, judge
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.config import Settings
from minicloud.errors import Permanent
from minicloud.host import disk_stamp, doctor
from minicloud.host.facts import fact
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2
from ..injection import ERRORS, methods
from .test_doctor_checks import GOOD
from .test_doctor_command import own_store

COULD_NOT = "could not be checked: "


def raising(error: Callable[[], Exception]) -> Callable[..., Any]:
    def instead(*_args: Any, **_named: Any) -> Any:
        raise error()

    return instead


@pytest.fixture
def scene(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud with an instance, and with something of each kind that is looked at more closely."""
    cloud = own_store(ec2.cloud)
    monkeypatch.setattr(doctor_command.config, "load", lambda: cloud.settings)
    monkeypatch.setattr(doctor, "look", lambda _: GOOD)
    monkeypatch.setattr(doctor, "listeners", lambda _: [])
    monkeypatch.setattr(doctor, "taken", lambda _: {})
    ec2.run()
    cloud.host.disks.create("layer-0000000000000000f", 1 << 30, None)
    return cloud


def looked(cloud: Cloud) -> list[Check]:
    return doctor_command.examine(Session(connect=lambda: cloud))


def compare(before: list[Check], after: list[Check]) -> list[Check]:
    """That whatever was told before and is not told now belongs to a check that has failed; the failures."""
    failures = [check for check in after if COULD_NOT in check.found]
    assert all(check.status == FAIL and check.remedy and "\n" not in check.found for check in failures)
    names = {check.name for check in failures}
    names |= {"leftovers"} | (set(doctor.PROGRAMS) if "programs" in names else set())
    assert [check for check in before if check not in after and check.name not in names] == []
    return failures


@pytest.mark.parametrize("kind", ["AttributeError", "OSError", "Permanent"])
def test_no_driver_ends_it(scene: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Every method of every driver raises, one after the other."""
    before, asked = looked(scene), set[str]()
    for method in methods():
        driver, name = method.split(".")

        def failing(*_args: Any, method: str = method, **_named: Any) -> Any:
            asked.add(method)
            raise ERRORS[kind]()

        with monkeypatch.context() as patch:
            patch.setattr(getattr(scene.host, driver), name, failing)
            failures = compare(before, looked(scene))
        assert bool(failures) == (method in asked), method
    assert asked >= {
        "guests.list", "disks.list", "disks.above", "disks.stamp", "seeds.list", "networks.list", "networks.strangers",
        "balancers.list", "firewall.in_force", "firewall.stranger",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("function", "names"),
    [
        ("minicloud.reconcile.clock.doubt", {"clock"}),
        ("minicloud.state.certificate_keys.strangers", {"certificates"}),
        ("minicloud.reconcile.backup_record.read", {"backup"}),
        ("minicloud.host.disk_stamp.asides", {"quarantine"}),
        ("minicloud.host.base_images.store", {"images"}),
        ("minicloud.host.doctor.abandoned", {"images"}),
        ("minicloud.host.doctor.unfinished", {"images"}),
        ("minicloud.host.doctor.listeners", {"DNS"}),
        ("minicloud.host.doctor.taken", {"subnets"}),
        ("minicloud.reconcile.networks.damaged", {"networks"}),
        ("minicloud.reconcile.firewall.spec_of", {"firewall"}),
        ("minicloud.reconcile.guest_spec.scratch_disks", {"leftovers"}),
        ("minicloud.reconcile.generations.refusal", {"state"}),
        ("minicloud.host.remains.of", set[str]()),
        ("socket.if_nameindex", {"public_interface"}),
        ("minicloud.cli.doctor_network.checks", {"network"}),
        ("minicloud.cli.doctor_guests.checks", {"guest agents"}),
        ("minicloud.cli.doctor_guests.disks", {"guest disks"}),
        ("minicloud.cli.doctor_guests.started_by_others", {"stopped instances"}),
        ("minicloud.cli.doctor_upkeep.checks", {"upkeep"}),
        ("minicloud.cli.doctor_leftovers.checks", {"leftovers"}),
        ("minicloud.cli.doctor.failing", {"failures"}),
    ],
)
def test_nothing_else_that_it_asks_ends_it(scene: Cloud, monkeypatch: pytest.MonkeyPatch, function: str, names: set[str]) -> None:
    object.__setattr__(scene.settings, "public_interface", "lo")
    before = looked(scene)
    monkeypatch.setattr(function, raising(lambda: ValueError("one\nand two")))
    failures = [check for check in looked(scene) if COULD_NOT in check.found]
    assert {check.name for check in failures} == names
    assert all("ValueError: one and two (test_doctor_isolation.py, line " in check.found for check in failures)
    kept = {check.name for check in looked(scene)}
    within = {"network": {"firewall", "DNS"}, "upkeep": {"clock"}}
    assert {check.name for check in before} - kept == set().union(*(within.get(name, set()) for name in names))


def test_a_state_of_which_nothing_can_be_read_is_a_line(scene: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicloud.state.opening.refuse_lost", raising(lambda: AttributeError("get")))
    (told,) = [check for check in looked(scene) if check.status != OK]
    assert (told.name, told.status) == ("state", FAIL)
    assert "AttributeError: get" in told.found


def test_the_command_says_it_and_ends_with_1(
    scene: Cloud, host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host.disks, "list", raising(ERRORS["AttributeError"]))
    assert execute(["doctor", "--output", "json"], Session(connect=lambda: scene)) == 1
    out = capsys.readouterr()
    assert out.err == ""
    (failed,) = {check["Found"].partition(" (")[0] for check in json.loads(out.out)["Checks"] if check["Status"] == FAIL} - {
        "the files of layers could not be checked: AttributeError: module 'libvirt' has no attribute 'VIR_ERR_UNHEARD_OF'"
    }
    assert failed == "disks could not be checked: AttributeError: module 'libvirt' has no attribute 'VIR_ERR_UNHEARD_OF'"


def test_disks_of_which_nobody_knows_whose_they_are_are_not_told_to_be_left_over(
    scene: Cloud, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.disks, "stamp", raising(lambda: Permanent("a disk error")))
    checks = looked(scene)
    assert [(check.status, check.name) for check in checks if check.name in ("state", "leftovers")] == [
        (FAIL, "state"),
        (SKIP, "leftovers"),
    ]
    assert not [check for check in checks if "layer-0000000000000000f" in check.found]


PROBES: dict[str, tuple[Callable[..., Any], set[str]]] = {
    "minicloud.host.kvm.has_flags": (lambda _: True, {"processor"}),
    "minicloud.host.kvm.usable": (lambda: (True, "guests run with KVM"), {"KVM"}),
    "minicloud.host.doctor.device": (lambda: GOOD.device, {"/dev/kvm"}),
    "shutil.which": (lambda name, **_: f"/usr/bin/{name}", {"programs", "iptables", "ipset"}),
    "minicloud.host.doctor._version": (lambda _: "9.0.0", {"QEMU", "libvirt"}),
    "minicloud.host.doctor._libvirt": (lambda _: "", {"libvirt"}),
    "minicloud.host.doctor._connects": (lambda _: True, {"virtlogd"}),
    "minicloud.host.doctor.hypervisor": (lambda: SimpleNamespace(uid=64055), {"QEMU"}),
    "minicloud.host.doctor._error": (lambda _: "", {"iptables", "ipset"}),
    "minicloud.host.nftables.look": (list, {"other rules"}),
    "shutil.disk_usage": (lambda _: SimpleNamespace(free=100 * 10**9), {"disk"}),
    "minicloud.host.doctor._memory": (lambda: (16000, 12000), {"memory"}),
    "minicloud.host.doctor.taken": (dict.fromkeys, {"VPC addresses"}),
}


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for function, (good, _) in PROBES.items():
        monkeypatch.setattr(function, good)
    return


@pytest.mark.parametrize("function", PROBES)
def test_no_probe_of_the_host_ends_it(probes: None, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    before = judge(doctor.look(Settings()), Settings())
    assert {check.status for check in before if check.name != "forwarding"} == {OK}
    monkeypatch.setattr(function, raising(ERRORS["KeyError"]))
    after = judge(doctor.look(Settings()), Settings())
    assert {check.name for check in compare(before, after)} == PROBES[function][1]


def test_a_fact_that_could_not_be_had_raises_what_it_met_wherever_it_is_read() -> None:
    facts = doctor.HostFacts(**{**vars(GOOD), "qemu_uid": fact(lambda: {}["uid"])})
    assert facts.qemu_version == GOOD.qemu_version
    for _ in range(2):
        with pytest.raises(KeyError, match="uid"):
            _ = facts.qemu_uid


class TestADamagedStamp:
    TEXTS = ("", "{", "[]", "null", '"x"', '{"identity": "a"}', '{"identity": 1, "generation": 2}', "\x00" * 64)

    @pytest.fixture
    def stamp(self, scene: Cloud, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The file, which the fake host is made to read as the real one does."""
        directory = scene.settings.home / "volumes"
        directory.mkdir()
        monkeypatch.setattr(host.disks, "stamp", lambda: disk_stamp.read(directory))
        monkeypatch.setattr(host.disks, "put_stamp", lambda stamp: disk_stamp.write(directory, stamp))
        return directory / disk_stamp.NAME

    @pytest.mark.parametrize("text", TEXTS)
    def test_fails_and_says_which_file_and_what_to_do(self, scene: Cloud, stamp: Path, text: str) -> None:
        stamp.write_text(text)
        checks = looked(scene)
        (told,) = [check for check in checks if check.name == "state"]
        assert told.status == FAIL
        assert f"{stamp} is damaged: it says whose the disks are" in told.found
        assert f"mv {stamp} {scene.settings.home}/minicloud.json.damaged" in told.remedy
        assert "restore the newest backup" in told.remedy
        assert {"firewall", "clock", "failures"} <= {check.name for check in checks}, "the others are made"

    def test_what_is_said_to_do_helps(self, scene: Cloud, ec2: Ec2, stamp: Path) -> None:
        stamp.write_text("{")
        (told,) = [check for check in looked(scene) if check.name == "state"]
        _, source, target = told.remedy.partition(": ")[2].partition(";")[0].split()
        Path(source).rename(target)
        assert "then minicloud adopt" in told.remedy
        adoption.adopt(scene)
        assert [check.status for check in looked(scene) if check.name == "state"] == [OK]
        assert ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["State"]

    def test_nothing_is_changed_meanwhile_and_the_reason_leads_to_the_doctor(self, scene: Cloud, ec2: Ec2, stamp: Path) -> None:
        stamp.write_text("{")
        volume = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
        row = scene.state.volumes.get(volume)
        assert row is not None
        assert scene.state.layers.find(id=row.layer_id, made=True) == []
        assert "minicloud doctor" in str([failure.message for failure in scene.state.failures.query()]) + row.reason


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"'])
def test_a_restoration_that_left_nonsense_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(doctor_command.config, "load", lambda: own_store(cloud).settings)
    monkeypatch.setattr(doctor, "look", lambda _: GOOD)
    place = cloud.settings.home / ".restore"
    place.mkdir(parents=True)
    (place / "ready.json").write_text(text)
    (told,) = [check for check in looked(cloud) if check.status != OK]
    assert "minicloud restore FILE finishes it" in told.found + told.remedy
