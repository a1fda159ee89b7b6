"""What a test can do to a fake host, and that processes share one."""

import multiprocessing
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from minicloud.errors import Permanent, Retry
from minicloud.host import fake
from minicloud.host.contracts import BootSpec, GuestSpec, NetworkSpec, NicSpec, Power, Reservation

MAC, ADDRESS = "02:00:00:00:00:0a", IPv4Address("172.31.0.10")
NETWORK = NetworkSpec("subnet-0a", IPv4Interface("172.31.0.1/20"), "ec2.internal", (Reservation(MAC, ADDRESS, "ten"),))
SPEC = GuestSpec("i-0a", 1, 128, 1.0, (), (NicSpec(MAC, "subnet-0a", "mct0a"),), None, BootSpec())


@pytest.fixture
def host() -> fake.FakeHost:
    made = fake.host()
    made.networks.ensure(NETWORK)
    made.guests.start(SPEC)
    return made


def power(host: fake.FakeHost) -> Power:
    return host.guests.list()["i-0a"].power


def test_guests_obey_and_answer_until_they_are_deaf(host: fake.FakeHost) -> None:
    assert host.networks.answers("subnet-0a", [ADDRESS]) == {ADDRESS}
    host.deafen("i-0a")
    host.guests.shutdown("i-0a")
    assert power(host) is Power.RUNNING
    assert host.networks.answers("subnet-0a", [ADDRESS]) == set()
    host.guests.destroy("i-0a")
    host.guests.start(SPEC)
    host.guests.shutdown("i-0a")
    assert power(host) is Power.OFF_BY_GUEST


def test_the_ways_a_guest_ends(host: fake.FakeHost) -> None:
    host.power_off_by_guest("i-0a")
    assert power(host) is Power.OFF_BY_GUEST
    host.kill("i-0a")
    assert power(host) is Power.OFF_BY_FAILURE


def test_a_paused_guest_goes_on_when_it_is_started(host: fake.FakeHost) -> None:
    host.pause("i-0a")
    assert power(host) is Power.PAUSED
    host.guests.start(SPEC)
    assert power(host) is Power.RUNNING


def test_a_failure_is_raised_as_often_as_was_ordered(host: fake.FakeHost) -> None:
    host.fail("guests.list", Retry("busy", "Server.Busy"), times=2)
    host.fail("guests.list", Permanent("broken"))
    for kind, text in ((Retry, "busy"), (Retry, "busy"), (Permanent, "broken")):
        with pytest.raises(kind, match=text):
            host.guests.list()
    assert set(host.guests.list()) == {"i-0a"}
    assert host.calls()[-4:] == [["guests.list"]] * 4


def test_a_restarted_machine_keeps_definitions_and_loses_networks(host: fake.FakeHost) -> None:
    before = host.machine.boot_id()
    host.disks.create("vol-0a", 1, None)
    host.restart_machine()
    assert host.machine.boot_id() != before
    assert power(host) is Power.OFF
    assert host.networks.list() == {}
    assert host.disks.list() == {"vol-0a": 0}


def test_a_damaged_network_serves_nothing(host: fake.FakeHost) -> None:
    host.damage("subnet-0a")
    assert host.networks.list() == {"subnet-0a": None}
    assert host.networks.answers("subnet-0a", [ADDRESS]) == set()


def test_what_a_guest_says_is_kept_to_the_byte(host: fake.FakeHost) -> None:
    host.say("i-0a", b"\xff\x00 key\r\n")
    assert host.guests.console_log("i-0a").endswith(b"\xff\x00 key\r\n")


def _make_disks(directory: Path, who: int) -> None:
    for number in range(20):
        fake.host(directory).disks.create(f"vol-{who}-{number}", 1, None)


def test_processes_share_the_host_of_a_directory(tmp_path: Path) -> None:
    makers = [multiprocessing.get_context("fork").Process(target=_make_disks, args=(tmp_path, who)) for who in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(fake.host(tmp_path).disks.list()) == 80
