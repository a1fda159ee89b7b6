"""Network cards of a real guest: two at its launch, one plugged in while it runs and let go again, one taken by force."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud import api
from minicloud.cli import uninstall
from minicloud.cloud import Cloud
from minicloud.host.run import run

from ..holding import held_up
from .network_scene import Guests, scene, until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
META = "http://169.254.169.254/latest/meta-data/network/interfaces/macs/"


@pytest.fixture(scope="module")
def guest() -> Iterator[Guests]:
    """`two` has an interface in the default group and one in a group that lets pings in."""
    with scene() as guests:
        subnet = guests("DescribeSubnets")["Subnets"][0]["SubnetId"]
        pinged = guests.group("pinged")
        guests.allow(pinged, "icmp", -1, -1, "0.0.0.0/0")
        guests.allow(pinged, "tcp", 80, 80, "0.0.0.0/0")
        nics = [{"DeviceIndex": 0, "SubnetId": subnet}, {"DeviceIndex": 1, "SubnetId": subnet, "Groups": [pinged]}]
        guests.launch("two", [], NetworkInterfaces=nics, InstanceType="t3.small")
        guests.launch("peer", [pinged], SubnetId=subnet)
        for name in guests.ids:
            guests.listening(name)
        yield guests


def interfaces(guests: Guests) -> dict[int, dict[str, str]]:
    """Those of `two`, by device index."""
    found = guests("DescribeInstances", InstanceIds=[guests.ids["two"]])["Reservations"][0]["Instances"][0]
    return {one["Attachment"]["DeviceIndex"]: one for one in found["NetworkInterfaces"]}


def device(guests: Guests, mac: str, name: str = "two") -> str:
    """What the guest calls the card with a hardware address; empty while it has none."""
    shown = guests.ssh(name, "ip -o link").text.splitlines()
    return next((line.split(": ")[1] for line in shown if mac in line), "")


def configured(guests: Guests, mac: str, table: int) -> str:
    """Have the guest ask DHCP for a card's address, and answer from it by it; the address that it got."""
    name = until(lambda: device(guests, mac))
    said = guests.ssh("two", f"ip link set {name} up; udhcpc -n -q -f -i {name} -s /bin/true -t 5 2>&1").text
    address = next(line.split()[3].rstrip(",") for line in said.splitlines() if "lease of" in line)
    run_ = f"ip addr add {address}/20 dev {name}; ip rule add from {address} table {table}; "
    guests.ssh("two", f"{run_} ip route add 172.31.0.0/20 dev {name} table {table}")
    return address


def test_two_at_launch_each_with_its_address_groups_and_metadata(guest: Guests) -> None:
    first, second = interfaces(guest)[0], interfaces(guest)[1]
    listed = guest.ssh("two", f"wget -q -O - {META}").text.split()
    assert set(listed) == {f"{one['MacAddress']}/" for one in (first, second)}
    assert guest.ssh("two", f"wget -q -O - {META}{second['MacAddress']}/device-number").text == "1"
    assert configured(guest, second["MacAddress"], 101) == second["PrivateIpAddress"]
    assert guest.ping("peer", second["PrivateIpAddress"])
    assert guest.tcp("peer", second["PrivateIpAddress"], 80)
    assert not guest.ping("peer", first["PrivateIpAddress"])


def test_one_comes_and_goes_while_the_guest_runs(guest: Guests) -> None:
    subnet, group = interfaces(guest)[0]["SubnetId"], _group(guest)
    made = guest("CreateNetworkInterface", SubnetId=subnet, Groups=[group])["NetworkInterface"]
    mac, address = made["MacAddress"], made["PrivateIpAddress"]
    attachment = guest(
        "AttachNetworkInterface", NetworkInterfaceId=made["NetworkInterfaceId"], InstanceId=guest.ids["two"], DeviceIndex=2
    )["AttachmentId"]
    assert configured(guest, mac, 102) == address
    assert guest.ssh("two", f"wget -q -O - {META}{mac}/local-ipv4s").text == address
    assert guest.ping("peer", address)
    guest("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=made["NetworkInterfaceId"], Groups=[_group(guest, "default")])
    assert not guest.ping("peer", address)
    guest("DetachNetworkInterface", AttachmentId=attachment)
    until(lambda: _status(guest, made["NetworkInterfaceId"]) == "available")
    assert device(guest, mac) == ""
    assert mac not in run(["iptables-save"]).text + run(["ebtables-nft-save"]).text
    guest("DeleteNetworkInterface", NetworkInterfaceId=made["NetworkInterfaceId"])


@pytest.mark.parametrize("kind", ["interface", "volume"])
def test_what_is_taken_back_while_a_booting_guest_gets_it_goes_again(guest: Guests, kind: str) -> None:
    cloud, peer = guest.cloud, guest.ids["peer"]
    booted = guest.ssh("peer", "cat /proc/sys/kernel/random/boot_id").text
    if kind == "interface":
        made = guest("CreateNetworkInterface", SubnetId=interfaces(guest)[0]["SubnetId"])["NetworkInterface"]
        wish, owner = ("NetworkInterface", made["NetworkInterfaceId"], {"DeviceIndex": 1}), cloud.host.cards
    else:
        zone = guest("DescribeSubnets")["Subnets"][0]["AvailabilityZone"]
        made = guest("CreateVolume", Size=1, AvailabilityZone=zone)
        wish, owner = ("Volume", made["VolumeId"], {"Device": "/dev/sdg"}), cloud.host.blocks
    noun, ident, more = wish

    def attach() -> None:
        guest(f"Attach{noun}", InstanceId=peer, **{f"{noun}Id": ident}, **more)
        cloud.state.close()

    def detach() -> None:
        """Only said: whoever works is busy with the instance."""
        row = cloud.state.interfaces.get(ident)
        quiet = Cloud(cloud.settings, lambda *_: cloud.host)
        api.call(quiet, "ec2", f"Detach{noun}", {"AttachmentId": row.attachment_id} if row else {"VolumeId": ident})

    guest("RebootInstances", InstanceIds=[peer])
    held_up(owner, "attach", attach, detach, done=True)
    until(lambda: _is_free(guest, noun, ident))
    until(lambda: guest.ssh("peer", "cat /proc/sys/kernel/random/boot_id").text not in ("", booted))
    assert device(guest, made.get("MacAddress", "none"), "peer") == ""
    assert ident.replace("-", "") not in cloud.host.blocks.chains(peer)
    guest(f"Delete{noun}", **{f"{noun}Id": ident})


def test_by_force_the_cable_of_a_guest_that_does_not_listen_is_cut(guest: Guests) -> None:
    second = interfaces(guest)[1]
    virsh = ["virsh", "-q", "-c", "qemu:///system"]
    run([*virsh, "suspend", guest.ids["two"]])
    try:
        guest("DetachNetworkInterface", AttachmentId=second["Attachment"]["AttachmentId"], Force=True)  # type: ignore[index]
        until(lambda: _status(guest, second["NetworkInterfaceId"]) == "available")
    finally:
        run([*virsh, "resume", guest.ids["two"]])
    assert not guest.ping("peer", second["PrivateIpAddress"])
    assert guest.ssh("two", "true").status == 0
    moved = {"NetworkInterfaceId": second["NetworkInterfaceId"], "InstanceId": guest.ids["peer"], "DeviceIndex": 1}
    guest("AttachNetworkInterface", **moved)
    assert _status(guest, second["NetworkInterfaceId"]) == "in-use"
    until(lambda: second["MacAddress"] in guest.ssh("peer", "ip -o link").text)


def test_uninstalling_leaves_nothing_on_the_host(guest: Guests) -> None:
    addresses = (interfaces(guest)[0]["PrivateIpAddress"], guest.private["peer"])
    removed = list(uninstall.remove(guest.cloud, data=False))
    assert {f"the guest {instance_id}" for instance_id in guest.ids.values()} <= set(removed)
    assert run(["virsh", "-q", "-c", "qemu:///system", "list", "--all"]).text.strip() == ""
    left = [["iptables-save"], ["ebtables-nft-save"], ["ipset", "list", "-name"], ["ip", "route"], ["ip", "-o", "link"]]
    shown = "".join(run(words).text for words in left)
    assert not [word for word in ("MC-", "mc", "172.31.", "203.0.113.") if word in shown]
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"dnsmasq" in path.read_bytes()]
    assert all(f"{address} " not in run(["conntrack", "-L"], check=False).text for address in addresses)


def _group(guest: Guests, name: str = "pinged") -> str:
    return str(guest("DescribeSecurityGroups", GroupNames=[name])["SecurityGroups"][0]["GroupId"])


def _status(guest: Guests, interface_id: str) -> str:
    return str(guest("DescribeNetworkInterfaces", NetworkInterfaceIds=[interface_id])["NetworkInterfaces"][0]["Status"])


def _is_free(guest: Guests, noun: str, ident: str) -> bool:
    """Whether an interface or a volume is attached to nothing."""
    if noun == "NetworkInterface":
        return _status(guest, ident) == "available"
    return bool(guest("DescribeVolumes", VolumeIds=[ident])["Volumes"][0]["State"] == "available")
