"""What the doctor reads off a real host: a laboratory, which is healthy until a test breaks something in it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from minicloud.config import Settings
from minicloud.host import doctor
from minicloud.host.run import run

pytestmark = pytest.mark.lab


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), home=tmp_path / "not" / "there" / "yet")


def test_a_laboratory_is_a_host_that_works(settings: Settings) -> None:
    facts = doctor.look(settings)
    assert facts.root
    assert facts.libvirt_error == ""
    assert facts.libvirt_version.count(".") == 2
    assert facts.qemu_version
    assert facts.virtlogd
    assert facts.iptables_error == facts.ipset_error == ""
    assert facts.dropping == ()
    assert facts.disk_free > 0
    assert 0 < facts.memory_available <= facts.memory_total
    assert facts.collision is None
    assert not settings.home.parent.exists()


def test_libvirt_that_is_not_there_is_a_reason_and_no_crash(settings: Settings) -> None:
    facts = doctor.look(replace(settings, libvirt_uri="qemu+unix:///system?socket=/no/such/socket"))
    assert "/no/such/socket" in facts.libvirt_error


@pytest.fixture
def occupied() -> Iterator[str]:
    """A device that has addresses of the default VPC."""
    run(["ip", "link", "add", "mctest0", "type", "bridge"])
    run(["ip", "address", "add", "172.31.7.1/24", "dev", "mctest0"])
    run(["ip", "link", "set", "mctest0", "up"])
    yield "mctest0"
    run(["ip", "link", "delete", "mctest0"])


def test_addresses_of_the_vpc_that_the_host_uses_are_seen(settings: Settings, occupied: str) -> None:
    assert doctor.look(settings).collision == occupied


def test_a_device_of_no_rights_is_described(tmp_path: Path) -> None:
    path = tmp_path / "kvm"
    run(["mknod", "-m", "0", path, "c", "1", "3"])
    assert doctor.device(path) == doctor.KvmDevice(real=False, may_open=False, mode="c---------")
    run(["mknod", "-m", "666", tmp_path / "open", "c", "10", "232"])
    assert doctor.device(tmp_path / "open") == doctor.KvmDevice(real=True, may_open=True, mode="crw-rw-rw-")
    assert doctor.device(tmp_path / "none") is None
