"""Guests whose memory somebody has saved (virsh managedsave, libvirt-guests), and that are to run: they go on as they were."""

import pytest

from minicloud.cli import adoption
from minicloud.cloud import Idle
from minicloud.errors import Retry
from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost
from minicloud.reconcile import instance_plan, off_guests
from minicloud.reconcile.worker import InDaemon

from ..cloud_fixtures import Ec2
from .test_off_guests import instance_of, life, top, volume

__all__ = ["volume"]


def new_card(ec2: Ec2) -> str:
    """An interface in the first zone's subnet, attached to nothing."""
    zone = ec2.cloud.state.instances.query()[0].zone
    (subnet,) = (one["SubnetId"] for one in ec2("DescribeSubnets")["Subnets"] if one["AvailabilityZone"] == zone)
    return str(ec2("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"])


class TestSaved:
    """Memory of a guest that is to run is not lost."""

    def test_a_snapshot_is_taken_when_it_goes_on(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        instance = instance_of(ec2, volume)
        host.write(top(ec2, volume), 0, "1")
        before = life(host, instance)
        host.save(instance)
        ec2.cloud.worker = Idle()
        taken = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
        ec2.look()
        snapshot = ec2.cloud.state.snapshots.find(id=taken)[0]
        assert (snapshot.state, snapshot.message) == ("completed", "")
        assert life(host, instance) == before
        assert host.blocks.chains(instance)[volume.replace("-", "")][0] == top(ec2, volume)
        host.write(top(ec2, volume), 0, "2")
        assert host.read(host.disks.path(snapshot.layer_id))[0] == "1"

    def test_one_for_whom_nobody_may_wait_has_failed_and_says_why(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        host.save(instance)
        ec2.cloud.worker = InDaemon(ec2.cloud)
        taken = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
        ec2.look()
        snapshot = ec2.cloud.state.snapshots.find(id=taken)[0]
        assert (snapshot.state, snapshot.message) == ("error", off_guests._SAVED)
        assert (ec2.state(instance), life(host, instance)) == ("running", before)
        assert host.blocks.chains(instance)[volume.replace("-", "")][0] == top(ec2, volume)

    def test_nor_for_an_image_for_which_it_was_to_be_off(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        host.save(instance)
        ec2.cloud.worker = InDaemon(ec2.cloud)
        image = ec2("CreateImage", InstanceId=instance, Name="saved")["ImageId"]
        ec2.look()
        (found,) = ec2("DescribeImages", ImageIds=[image])["Images"]
        assert found["State"] == "failed"
        assert off_guests._SAVED in found["StateReason"]["Message"]
        ec2.look()
        assert (ec2.state(instance), life(host, instance)) == ("running", before)

    @pytest.mark.parametrize("operation", ["AttachVolume", "DetachVolume", "ModifyVolume"])
    def test_its_disks_change_when_it_goes_on(self, ec2: Ec2, host: FakeHost, volume: str, operation: str) -> None:
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        spare = ec2("CreateVolume", AvailabilityZone=ec2.row(instance).zone, Size=1)["VolumeId"]
        plug = {"VolumeId": spare, "InstanceId": instance, "Device": "/dev/sdf"}
        if operation != "AttachVolume":
            ec2("AttachVolume", **plug)
        host.save(instance)
        ec2.cloud.worker = Idle()
        params = {"AttachVolume": plug, "DetachVolume": {"VolumeId": spare}, "ModifyVolume": {"VolumeId": spare, "Size": 2}}
        ec2(operation, **params[operation])
        for _ in range(2):
            ec2.look()
        assert (ec2.state(instance), life(host, instance)) == ("running", before)
        there = spare.replace("-", "") in host.blocks.chains(instance)
        assert there == (operation != "DetachVolume")
        assert ec2.cloud.state.volumes.find(id=spare)[0].size == (2 if operation == "ModifyVolume" else 1)
        assert ec2.cloud.state.failures.query() == []

    @pytest.mark.parametrize("attach", [True, False])
    def test_its_cards_change_when_it_goes_on(self, ec2: Ec2, host: FakeHost, volume: str, attach: bool) -> None:
        """Else it would go on with the address of an interface that another instance may have, or without one that is its own."""
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        card = new_card(ec2)
        plug = {"NetworkInterfaceId": card, "InstanceId": instance, "DeviceIndex": 1}
        own = {row.mac for row in ec2.cloud.state.interfaces.find(instance_id=instance)}
        attachment = "" if attach else ec2("AttachNetworkInterface", **plug)["AttachmentId"]
        host.save(instance)
        ec2.cloud.worker = Idle()
        if attach:
            ec2("AttachNetworkInterface", **plug)
        else:
            ec2("DetachNetworkInterface", AttachmentId=attachment)
        for _ in range(2):
            ec2.look()
        row = ec2.cloud.state.interfaces.find(id=card)[0]
        assert (row.instance_id, row.attachment) == ((instance, "attached") if attach else ("", ""))
        assert life(host, instance) == before
        assert host.cards.list(instance) == (own | {row.mac} if attach else own)
        assert ec2.cloud.state.failures.query() == []

    def test_memory_with_a_card_of_another_instance_is_not_gone_on_with(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        """As of a card that was taken from it by force, and that its memory still has."""
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        card = new_card(ec2)
        plugged = ec2("AttachNetworkInterface", NetworkInterfaceId=card, InstanceId=instance, DeviceIndex=1)["AttachmentId"]
        with host.store.change() as held:
            had = list(held["guests"][instance]["spec"]["nics"])
        ec2("DetachNetworkInterface", AttachmentId=plugged)
        host.save(instance)
        with host.store.change() as held:
            held["guests"][instance]["spec"]["nics"] = had
        ec2.look()
        assert ec2.state(instance) == "running"
        assert life(host, instance) != before
        assert ec2.cloud.state.interfaces.find(id=card)[0].mac not in host.cards.list(instance)

    def test_a_restart_of_the_host_between(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        """libvirt-guests saves guests when the host is shut down, and a snapshot is due before they are started."""
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        host.save(instance)
        host.restart_machine()
        ec2.cloud.worker = Idle()
        taken = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
        ec2.look()
        assert ec2.cloud.state.snapshots.find(id=taken)[0].state == "completed"
        assert life(host, instance) == before

    @pytest.mark.parametrize("method", ["guests.start", "seeds.write", "networks.ensure", "firewall.apply"])
    def test_it_is_not_given_up_for_what_may_pass(self, ec2: Ec2, host: FakeHost, volume: str, method: str) -> None:
        """As when the host has just been started again, and not all is there yet; a stop ends it even so."""
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        host.save(instance)
        host.restart_machine()
        if method == "firewall.apply":
            with host.store.change() as held:
                held["firewall"] = None
        host.fail(method, Retry("not yet"), times=500)
        for _ in range(2 * instance_plan.MOST_FAILURES):
            ec2.cloud.state.instances.change(instance, retry_at="")
            ec2.look()
            assert ec2.state(instance) == "running"
            assert host.guests.has_save(instance)
        with host.store.change() as held:
            held["failures"] = {}
        ec2.cloud.state.instances.change(instance, retry_at="")
        ec2.look()
        assert (ec2.row(instance).failures, life(host, instance)) == (0, before)
        assert host.guests.list()[instance].power is Power.RUNNING

    def test_a_stop_ends_it(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        host.save(instance)
        ec2("StopInstances", InstanceIds=[instance])
        assert not host.start_by_hand(instance)
        ec2("StartInstances", InstanceIds=[instance])
        assert life(host, instance) != before

    def test_memory_with_other_disks_is_not_gone_on_with(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        """A state of before minicloud knew: the row tells of another layer than the memory."""
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        ec2("StopInstances", InstanceIds=[instance])
        frozen = top(ec2, volume)
        ec2("CreateSnapshot", VolumeId=volume)
        with host.store.change() as held:
            held["guests"][instance]["saved"] = {volume.replace("-", ""): {"serial": volume.replace("-", ""), "path": frozen}}
        ec2("StartInstances", InstanceIds=[instance])
        assert life(host, instance) != before
        assert host.blocks.chains(instance)[volume.replace("-", "")][0] == top(ec2, volume) != frozen

    def test_adopting_ends_it(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        """The disks may be others than its own."""
        instance = instance_of(ec2, volume)
        host.save(instance)
        adoption.adopt(ec2.cloud)
        assert not host.guests.has_save(instance)
