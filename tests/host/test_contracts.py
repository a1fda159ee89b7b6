"""The promises of host/contracts.py, asked of the fake host and of the real one (in a laboratory; its guests boot nothing)."""

import dataclasses
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from minicloud.config import load
from minicloud.errors import Permanent, Retry
from minicloud.host import fake, local
from minicloud.host.contracts import BootSpec, GuestSpec, Host, NetworkSpec, NicSpec, Power, Reservation, Seed
from minicloud.host.contracts_storage import DiskSpec
from minicloud.host.firewall_spec import FirewallSpec, Group, Lan, Port

from ..real_cloud import IDENTITY, remove_all, take_away

GUEST = "i-0000000000000000a"

MAC = "02:00:00:00:00:0a"
RESERVED = Reservation(MAC, IPv4Address("172.31.0.10"), "ip-172-31-0-10")
NETWORK = NetworkSpec("subnet-0a", IPv4Interface("172.31.0.1/20"), "ec2.internal", (RESERVED,))
SEED = Seed(GUEST, "ip-172-31-0-10", ("ssh-ed25519 AAAA me",), b"", "admin")


@pytest.fixture(params=["fake", "fake-in-a-directory", pytest.param("real", marks=pytest.mark.lab)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param != "real":
        yield fake.host(tmp_path if "directory" in request.param else None)
        return
    real = local.host(dataclasses.replace(load(), home=Path("/var/lib/minicloud/t"), run=Path("/run/minicloud/t")), IDENTITY)
    yield real
    take_away(real)
    remove_all(real.disks)
    for instance_id in real.seeds.list():
        real.seeds.remove(instance_id)


@pytest.fixture
def spec(host: Host) -> GuestSpec:
    """A guest whose disk, seed and network are there."""
    host.networks.ensure(NETWORK)
    host.disks.create("layer-0000000000000000a", 1 << 30, None)
    disk = DiskSpec("layer-0000000000000000a", host.disks.path("layer-0000000000000000a"), "vol0a", "/dev/xvda")
    nic = NicSpec(MAC, "subnet-0a", "mc0000000000a")
    return GuestSpec(GUEST, 1, 64, 0.1, (disk,), (nic,), host.seeds.write(SEED), BootSpec())


def power(host: Host) -> Power:
    return host.guests.list()[GUEST].power


class TestCards:
    CARD = NicSpec("02:00:00:00:00:0b", "subnet-0a", "mc0000000000b")

    def test_a_guest_that_is_off_has_none_and_gets_none(self, host: Host, spec: GuestSpec) -> None:
        assert host.cards.list(GUEST) == set()
        host.guests.start(spec)
        host.guests.destroy(GUEST)
        assert host.cards.list(GUEST) == set()
        for act in (
            lambda: host.cards.attach(GUEST, self.CARD),
            lambda: host.cards.detach(GUEST, MAC),
        ):
            with pytest.raises(Permanent):
                act()

    def test_one_is_plugged_in_once_and_its_cable_is_cut(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        for _ in range(2):
            host.cards.attach(GUEST, self.CARD)
            assert host.cards.list(GUEST) == {MAC, self.CARD.mac}
        for _ in range(2):
            host.cards.seize(GUEST, self.CARD.mac)
            assert host.cards.list(GUEST) == {MAC}
        host.cards.detach(GUEST, "02:00:00:00:00:ff")

    def test_a_network_that_is_not_there(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        with pytest.raises(Retry):
            host.cards.attach(GUEST, dataclasses.replace(self.CARD, network_id="subnet-0f"))
        assert host.cards.list(GUEST) == {MAC}


class TestGuests:
    def test_a_host_starts_empty(self, host: Host) -> None:
        assert host.guests.list() == {}

    def test_start_twice_then_destroy_twice(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        host.guests.start(spec)
        assert power(host) is Power.RUNNING
        host.guests.destroy(GUEST)
        host.guests.destroy(GUEST)
        assert power(host) is Power.OFF

    def test_a_guest_is_kept_off_twice_on_or_off_and_started(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        for _ in range(2):
            host.guests.keep_off(GUEST)
            assert power(host) is Power.RUNNING
        host.guests.destroy(GUEST)
        for _ in range(2):
            host.guests.keep_off(GUEST)
            assert (power(host), host.guests.has_save(GUEST)) == (Power.OFF, False)
        host.guests.start(spec)
        assert (power(host), host.guests.has_save(GUEST)) == (Power.RUNNING, False)

    def test_a_guest_that_was_off_starts_as_the_new_spec_says(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        host.guests.destroy(GUEST)
        host.guests.start(dataclasses.replace(spec, memory=128, vcpus=2))
        assert power(host) is Power.RUNNING

    def test_remove_forgets_a_running_guest(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        host.guests.remove(GUEST)
        host.guests.remove(GUEST)
        assert host.guests.list() == {}
        assert host.guests.console_log(GUEST) == b""

    def test_nothing_is_done_to_guests_that_are_not_there(self, host: Host) -> None:
        guests = host.guests
        for act in (guests.shutdown, guests.reboot, guests.reset, guests.destroy, guests.remove, guests.keep_off):
            act("i-none")
        assert not guests.has_save("i-none")
        assert host.guests.list() == {}
        assert host.guests.console_log("i-none") == b""

    def test_a_guest_that_is_off_stays_off(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        host.guests.destroy(GUEST)
        host.guests.shutdown(GUEST)
        host.guests.reboot(GUEST)
        host.guests.reset(GUEST)
        assert power(host) is Power.OFF
        assert not host.guests.rebooting(GUEST)

    def test_a_running_guest_is_reset(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        host.guests.reset(GUEST)
        assert power(host) is Power.RUNNING
        assert not host.guests.rebooting(GUEST)

    def test_a_guest_that_is_asked_to_restart_goes_on(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        host.guests.reboot(GUEST)
        assert power(host) is Power.RUNNING

    def test_counters_are_those_of_running_guests(self, host: Host, spec: GuestSpec) -> None:
        assert host.guests.counters() == {}
        host.guests.start(spec)
        first = host.guests.counters()[GUEST]
        assert (first.vcpus, first.halted, set(first.disks), set(first.nics)) == (1, False, {"vol0a"}, {"mc0000000000a"})
        later = host.guests.counters()[GUEST]
        assert later.life == first.life
        assert later.cpu_seconds >= first.cpu_seconds >= 0
        host.guests.destroy(GUEST)
        assert host.guests.counters() == {}
        host.guests.start(spec)
        assert host.guests.counters()[GUEST].life != first.life

    def test_screen_and_console_of_a_running_guest(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        assert host.guests.screenshot(GUEST).startswith(b"\x89PNG\r\n")
        assert Path(host.guests.console_path(GUEST)).is_char_device()

    def test_screen_and_console_of_a_guest_that_is_off(self, host: Host, spec: GuestSpec) -> None:
        host.guests.start(spec)
        host.guests.destroy(GUEST)
        for look in (host.guests.screenshot, host.guests.console_path):
            with pytest.raises(Permanent, match="not running"):
                look(GUEST)

    def test_a_start_without_its_disk_may_be_tried_again(self, host: Host, spec: GuestSpec) -> None:
        host.disks.remove("layer-0000000000000000a")
        with pytest.raises(Retry):
            host.guests.start(spec)
        assert [guest.power for guest in host.guests.list().values()] in ([], [Power.OFF]), "it failed to start: it did not die"
        host.disks.create("layer-0000000000000000a", 1 << 30, None)
        host.guests.start(spec)
        assert power(host) is Power.RUNNING

    def test_a_start_without_its_network_may_be_tried_again(self, host: Host, spec: GuestSpec) -> None:
        host.networks.remove("subnet-0a")
        with pytest.raises(Retry):
            host.guests.start(spec)
        host.networks.ensure(NETWORK)
        host.guests.start(spec)
        assert power(host) is Power.RUNNING


class TestDisks:
    def test_create_twice_list_and_remove_twice(self, host: Host) -> None:
        host.disks.create("layer-0000000000000000a", 1 << 30, None)
        host.disks.create("layer-0000000000000000a", 1 << 30, None)
        assert list(host.disks.list()) == ["layer-0000000000000000a"]
        assert host.disks.list()["layer-0000000000000000a"] < 1 << 20
        host.disks.remove("layer-0000000000000000a")
        host.disks.remove("layer-0000000000000000a")
        assert host.disks.list() == {}

    def test_a_disk_on_a_base(self, host: Host) -> None:
        host.disks.create("layer-0000000000000000a", 1 << 30, None)
        host.disks.create("layer-0000000000000000b", 2 << 30, host.disks.path("layer-0000000000000000a"))
        assert set(host.disks.list()) == {"layer-0000000000000000a", "layer-0000000000000000b"}

    def test_paths_are_told_before_the_disk_is_there(self, host: Host) -> None:
        before = host.disks.path("layer-0000000000000000a")
        host.disks.create("layer-0000000000000000a", 1 << 20, None)
        assert host.disks.path("layer-0000000000000000a") == before

    def test_those_of_a_guest_that_is_on_are_in_use(self, host: Host, spec: GuestSpec) -> None:
        host.disks.create("layer-0000000000000000c", 1 << 20, None)
        assert host.disks.in_use() == set()
        host.guests.start(spec)
        assert host.disks.in_use() == {"layer-0000000000000000a"}
        host.guests.destroy(GUEST)
        assert host.disks.in_use() == set()


class TestSeeds:
    def test_write_twice_list_and_remove_twice(self, host: Host) -> None:
        assert host.seeds.write(SEED) == host.seeds.path(GUEST)
        assert host.seeds.write(dataclasses.replace(SEED, user_data=b"x" * 16384)) == host.seeds.path(GUEST)
        assert host.seeds.list() == {GUEST}
        host.seeds.remove(GUEST)
        host.seeds.remove(GUEST)
        assert host.seeds.list() == set()


class TestNetworks:
    def test_ensure_twice_list_and_remove_twice(self, host: Host) -> None:
        host.networks.ensure(NETWORK)
        host.networks.ensure(NETWORK)
        assert host.networks.list() == {"subnet-0a": NETWORK}
        host.networks.remove("subnet-0a")
        host.networks.remove("subnet-0a")
        assert host.networks.list() == {}

    def test_reservations_come_and_go(self, host: Host) -> None:
        host.networks.ensure(dataclasses.replace(NETWORK, reservations=()))
        host.networks.ensure(NETWORK)
        assert host.networks.list() == {"subnet-0a": NETWORK}
        host.networks.ensure(dataclasses.replace(NETWORK, reservations=()))
        assert host.networks.list() == {"subnet-0a": dataclasses.replace(NETWORK, reservations=())}

    def test_two_networks(self, host: Host) -> None:
        other = NetworkSpec("subnet-0b", IPv4Interface("172.31.16.1/20"), "ec2.internal", ())
        host.networks.ensure(NETWORK)
        host.networks.ensure(other)
        host.networks.remove("subnet-0a")
        assert host.networks.list() == {"subnet-0b": other}

    def test_a_network_in_anothers_addresses_is_refused(self, host: Host) -> None:
        host.networks.ensure(NETWORK)
        with pytest.raises(Permanent, match="already uses"):
            host.networks.ensure(NetworkSpec("subnet-0b", IPv4Interface("172.31.8.1/24"), "ec2.internal", ()))
        assert host.networks.list()["subnet-0a"] == NETWORK

    def test_nobody_answers_where_nobody_is(self, host: Host) -> None:
        assert host.networks.answers("subnet-none", [RESERVED.address]) == set()
        host.networks.ensure(NETWORK)
        assert host.networks.answers("subnet-0a", []) == set()
        assert host.networks.answers("subnet-0a", [RESERVED.address]) == set()


class TestFirewall:
    PORT = Port("mc0000000000a", MAC, "subnet-0a", (RESERVED.address,), ("sg-0000000000000000a",))
    LAN = Lan("subnet-0a", NETWORK.gateway, IPv4Network("172.31.0.0/16"))
    SPEC = FirewallSpec((LAN,), (PORT,), (Group("sg-0000000000000000a"),))

    def test_a_host_starts_with_nothing_in_force(self, host: Host) -> None:
        assert host.firewall.in_force(FirewallSpec())
        assert not host.firewall.in_force(self.SPEC)

    def test_apply_twice_change_and_take_away_twice(self, host: Host) -> None:
        host.networks.ensure(NETWORK)
        other = dataclasses.replace(self.SPEC, ports=())
        for spec in (self.SPEC, self.SPEC, other, FirewallSpec(), FirewallSpec()):
            host.firewall.apply(spec)
            assert [host.firewall.in_force(each) for each in (self.SPEC, other, FirewallSpec())] == [
                each == spec for each in (self.SPEC, other, FirewallSpec())
            ]

    def test_rules_for_a_network_that_is_not_there(self, host: Host) -> None:
        host.firewall.apply(self.SPEC)
        assert host.firewall.in_force(self.SPEC)
        host.firewall.apply(FirewallSpec())


class TestMachine:
    def test_capacity_and_boot_id(self, host: Host) -> None:
        assert host.machine.capacity().threads >= 1
        assert host.machine.capacity().memory >= 256
        assert host.machine.boot_id() == host.machine.boot_id() != ""
        assert not host.machine.ending()


class TestImages:
    def test_an_image_that_is_not_there(self, host: Host) -> None:
        assert host.images.list().get("ami-none") is None
        with pytest.raises(Permanent, match="gone"):
            host.images.path("ami-none")
