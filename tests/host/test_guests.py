"""Guests for real: a tiny one boots, is reached, and ends in each of the ways that guests end."""

import dataclasses
import os
import pty
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from minicloud.config import load
from minicloud.errors import Retry
from minicloud.host import console, local
from minicloud.host.contracts import BaseImage, GuestSpec, Host, NetworkSpec, NicSpec, Power, Reservation, Seed
from minicloud.host.contracts_storage import DiskSpec
from minicloud.host.run import run
from minicloud.state.chains import MOST_CHAIN

from ..real_cloud import IDENTITY, remove_all, take_away

GUEST = "i-0000000000000000a"

pytestmark = [pytest.mark.lab, pytest.mark.guest]

MAC, ADDRESS = "02:00:00:00:00:0a", IPv4Address("172.31.0.10")
NETWORK = NetworkSpec("subnet-0a", IPv4Interface("172.31.0.1/20"), "ec2.internal", (Reservation(MAC, ADDRESS, "ten"),))
PATIENCE = 120.0


def comes(what: Callable[[], bool]) -> None:
    """Look until it is so."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.05)


@pytest.fixture
def host() -> Iterator[Host]:
    real = local.host(dataclasses.replace(load(), home=Path("/var/lib/minicloud/g"), run=Path("/run/minicloud/g")), IDENTITY)
    yield real
    take_away(real)
    remove_all(real.disks)
    for instance_id in real.seeds.list():
        real.seeds.remove(instance_id)


@pytest.fixture
def spec(host: Host, tiny: BaseImage) -> GuestSpec:
    host.networks.ensure(NETWORK)
    host.disks.create("layer-0000000000000000a", 1 << 30, tiny.path)
    seed = host.seeds.write(Seed(GUEST, "ten", (), b"", tiny.default_user))
    disk = DiskSpec("layer-0000000000000000a", host.disks.path("layer-0000000000000000a"), "vol0a", "/dev/xvda")
    return GuestSpec(GUEST, 1, 128, 0.5, (disk,), (NicSpec(MAC, "subnet-0a", "mct0a"),), seed, tiny.boot)


def power(host: Host) -> Power:
    return host.guests.list()[GUEST].power


def answers(host: Host) -> bool:
    return host.networks.answers("subnet-0a", [ADDRESS]) == {ADDRESS}


def hypervisor() -> int:
    """The process of the one guest."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if b"guest=i-0000000000000000a,debug-threads=on" in words:
            return int(path.parent.name)
    raise AssertionError("no process of QEMU")


def stop_libvirtd() -> None:
    pid = int(Path("/run/libvirtd.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    comes(lambda: not Path(f"/proc/{pid}").exists())


def start_libvirtd(host: Host) -> None:
    run(["libvirtd", "-d"])

    def answers() -> bool:
        try:
            host.guests.list()
        except Retry:
            return False
        return True

    comes(answers)


def type_at_console(path: str, line: bytes, until: bytes) -> bytes:
    """A person at the console: types a line, reads until something is there, and leaves with Ctrl-]."""
    person, terminal = pty.openpty()
    screen_out, screen_in = os.pipe()
    with open(terminal, "rb", buffering=0) as stdin, open(screen_in, "wb") as stdout:
        ended: list[str] = []
        attached = threading.Thread(target=lambda: ended.append(console.attach(path, stdin, stdout)))
        attached.start()
        read, deadline = b"", time.monotonic() + 60
        while until not in read:
            assert time.monotonic() < deadline, f"the console said only {read!r}"
            os.write(person, line)  # again: a shell that is not there yet does not hear
            while select.select([screen_out], [], [], 3.0)[0] and until not in read:
                read += os.read(screen_out, 4096)
        os.write(person, console.ESCAPE)
        attached.join()
        assert ended == ["left the console"]
    os.close(person)
    os.close(screen_out)
    return read


def test_a_guest_starts_with_as_many_layers_as_a_volume_may_have(host: Host, spec: GuestSpec, tiny: BaseImage) -> None:
    below = tiny.path
    for number in range(MOST_CHAIN - 1):  # the image's own is one of them
        host.disks.create(f"layer-{number + 256:017x}", 1 << 30, below)
        below = host.disks.path(f"layer-{number + 256:017x}")
    host.guests.start(dataclasses.replace(spec, disks=(dataclasses.replace(spec.disks[0], path=below),)))
    assert power(host) is Power.RUNNING
    assert len(host.blocks.chains(GUEST)["vol0a"]) == MOST_CHAIN


def test_a_guest_has_its_address_its_console_and_its_end(host: Host, spec: GuestSpec) -> None:
    host.guests.start(spec)
    comes(lambda: answers(host))
    comes(lambda: b"ssh-ed25519" in host.guests.console_log(GUEST))
    said = type_at_console(host.guests.console_path(GUEST), b"ls /dev/disk/by-id; echo e''nd\n", b"end")
    assert b"virtio-vol0a" in said
    host.guests.shutdown(GUEST)
    comes(lambda: power(host) is Power.OFF_BY_GUEST)
    stop_libvirtd()
    start_libvirtd(host)
    assert power(host) is Power.OFF_BY_GUEST, "libvirtd forgets it; its log of the guest does not"


def hears(host: Host) -> bool:
    """Whether the guest has heard that it is to go down; one that is just coming up may not hear it, and is asked again."""
    time.sleep(2.0)
    if b"tiny: poweroff" in host.guests.console_log(GUEST):
        return True
    host.guests.reboot(GUEST)
    return False


def test_its_system_restarts_when_asked_and_when_not(host: Host, spec: GuestSpec) -> None:
    """Asked, it goes down in order, which its console tells, and libvirt starts it again; by a reset it does not."""
    host.guests.start(spec)
    comes(lambda: b"tiny: ready" in host.guests.console_log(GUEST))
    tail = host.guests.console_log(GUEST, 100)
    assert len(tail) == 100
    assert tail in host.guests.console_log(GUEST, 1 << 30)
    process = hypervisor()
    host.guests.reboot(GUEST)
    assert host.guests.rebooting(GUEST)
    comes(lambda: hears(host))
    comes(lambda: host.guests.console_log(GUEST).count(b"tiny: ready") == 2)
    assert not host.guests.rebooting(GUEST)
    assert host.guests.console_log(GUEST).count(b"tiny: poweroff") == 1
    host.guests.reset(GUEST)
    comes(lambda: host.guests.console_log(GUEST).count(b"tiny: ready") == 3)
    comes(lambda: answers(host))
    assert host.guests.console_log(GUEST).count(b"tiny: poweroff") == 1
    assert hypervisor() == process
    assert power(host) is Power.RUNNING


def test_a_guest_outlives_libvirtd_and_its_death_is_seen(host: Host, spec: GuestSpec) -> None:
    host.guests.start(spec)
    process = hypervisor()
    stop_libvirtd()
    with pytest.raises(Retry, match="libvirtd"):
        host.guests.list()
    start_libvirtd(host)
    assert power(host) is Power.RUNNING
    stop_libvirtd()
    os.kill(process, signal.SIGKILL)
    start_libvirtd(host)
    comes(lambda: power(host) is Power.OFF_BY_FAILURE)
    host.guests.start(spec)
    os.kill(hypervisor(), signal.SIGKILL)
    comes(lambda: power(host) is Power.OFF_BY_FAILURE)


def test_uefi_keeps_its_variables_until_the_guest_is_removed(host: Host, spec: GuestSpec) -> None:
    variables = Path("/var/lib/minicloud/g/nvram/i-0000000000000000a.fd")
    host.guests.start(dataclasses.replace(spec, boot=dataclasses.replace(spec.boot, firmware="uefi", kernel=None)))
    host.guests.destroy(GUEST)
    assert variables.exists()
    host.guests.remove(GUEST)
    assert [path.name for path in Path("/var/lib/minicloud/g").rglob("*i-0000000000000000a*")] == [f"{GUEST}.iso"], (
        "the seed is not the guest's"
    )


def test_a_domain_of_somebody_else_is_left_alone(host: Host) -> None:
    text = "<domain type='qemu'><name>i-0000000000000000b</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    file = Path("/run/foreign.xml")
    file.write_text(text)
    run(["virsh", "-c", "qemu:///system", "define", file])
    try:
        assert host.guests.list() == {}
        host.guests.remove("i-0000000000000000b")
        assert "i-0000000000000000b" in run(["virsh", "-c", "qemu:///system", "list", "--all", "--name"]).text
    finally:
        run(["virsh", "-c", "qemu:///system", "undefine", "i-0000000000000000b"])
