"""Two tiny guests that really boot, shared by all tests here. Each test leaves the one that it uses running, but for the last.

The tests of one file run in its order, and the last ones end the guests.
"""

import base64
import hashlib
import os
import secrets
import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minicloud.aws import instance_types
from minicloud.host.run import run
from minicloud.state.rows import Instance

from ..cloud_fixtures import Ec2
from ..crashes import orphans
from ..real_cloud import bootable, cloud_at, launch
from ..ssh import BOOT, Login, console, host_keys
from ..waits import until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
CLOUD = "tiny-guests"


@dataclass
class Pair:
    """Two instances of one request, and how to log in to them."""

    ec2: Ec2
    one: Login
    two: Login
    user_data: bytes
    first_status: dict[str, Any]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    ec2 = Ec2(cloud_at(CLOUD))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    user_data = b"\x00\xff" + secrets.token_bytes(16384 - 2)
    params = {**launch("tiny", "t2.nano"), "MinCount": 2, "MaxCount": 2, "KeyName": "k"}
    answer = ec2("RunInstances", **params, UserData=base64.b64encode(user_data).decode())
    ids = [one["InstanceId"] for one in answer["Instances"]]
    status = ec2("DescribeInstanceStatus", InstanceIds=ids[:1])["InstanceStatuses"][0]
    yield Pair(ec2, *(Login.of(ec2, one, "root", private) for one in ids), user_data, status)
    ec2("TerminateInstances", InstanceIds=ids)
    assert orphans(lambda: cloud_at(CLOUD)) == []


def become(ec2: Ec2, instance_id: str, state: str) -> None:
    """Wait for a state."""
    until(f"{instance_id} is {state}", lambda: ec2.state(instance_id) == state, BOOT, pause=0.5)


def start(pair: Pair) -> None:
    """Let the first guest run again, and wait until it lets us in."""
    pair.ec2("StartInstances", InstanceIds=[pair.one.instance_id])
    become(pair.ec2, pair.one.instance_id, "running")
    pair.one.run("true")


def test_each_guest_is_somebody(pair: Pair) -> None:
    questions = {"hostname": "hostname", "machine-id": "cat /etc/machine-id", "address": "ip -4 -o address show scope global"}
    answers = {name: [guest.run(question) for guest in (pair.one, pair.two)] for name, question in questions.items()}
    keys = [host_keys(pair.ec2, guest.instance_id) for guest in (pair.one, pair.two)]
    for name, (one, two) in answers.items():
        assert one != two, name
    assert not set(keys[0]) & set(keys[1])
    for number, guest in enumerate((pair.one, pair.two)):
        assert answers["hostname"][number] == "ip-" + guest.address.replace(".", "-")
        assert f" {guest.address}/20 " in answers["address"][number]


def test_they_reach_each_other_and_know_the_other_by_name(pair: Pair) -> None:
    for here, there in ((pair.one, pair.two), (pair.two, pair.one)):
        assert " 0% packet loss" in here.run(f"ping -c 3 -W 10 {there.address}")
        assert there.address in here.run(f"nslookup ip-{there.address.replace('.', '-')}.ec2.internal")


def test_user_data_arrives_to_the_byte(pair: Pair) -> None:
    for guest in (pair.one, pair.two):
        assert guest.run("sha256sum </seed/user-data").split()[0] == hashlib.sha256(pair.user_data).hexdigest()


def test_checks_begin_and_then_pass(pair: Pair) -> None:
    assert pair.first_status["InstanceStatus"]["Status"] == "initializing"
    assert pair.first_status["SystemStatus"]["Status"] == "ok"

    def passed() -> bool:
        (found,) = pair.ec2("DescribeInstanceStatus", InstanceIds=[pair.one.instance_id])["InstanceStatuses"]
        return bool(found["InstanceStatus"]["Status"] == "ok")

    until("the instance check passes", passed, BOOT, pause=1.0)


def test_no_watchdog_of_the_machine_ends_it(pair: Pair) -> None:
    """Libvirt gives q35 guests one that resets them, from 9.1 on, unless it is told what it is to do."""
    text = run(["virsh", "-q", "-c", "qemu:///system", "dumpxml", pair.one.instance_id]).text
    assert {one.get("action") for one in ET.fromstring(text).iter("watchdog")} <= {"none"}  # noqa: S314  libvirt's


def test_console_and_screen(pair: Pair) -> None:
    assert b"-----BEGIN SSH HOST KEY KEYS-----" in console(pair.ec2, pair.one.instance_id)
    picture = base64.b64decode(pair.ec2("GetConsoleScreenshot", InstanceId=pair.one.instance_id)["ImageData"])
    assert picture.startswith(b"\xff\xd8\xff")
    assert picture.endswith(b"\xff\xd9")


def boots(guest: Login) -> str:
    return guest.run("cat /proc/sys/kernel/random/boot_id")


def test_a_reboot_keeps_disk_and_address(pair: Pair) -> None:
    before = (pair.one.address, host_keys(pair.ec2, pair.one.instance_id), boots(pair.one))
    pair.one.run("echo one >/root/kept; sync")
    pair.ec2("RebootInstances", InstanceIds=[pair.one.instance_id])
    until("the guest has booted anew", lambda: pair.one.seen("cat /proc/sys/kernel/random/boot_id") not in ("", before[2]), BOOT)
    assert pair.one.run("cat /root/kept") == "one"
    assert (pair.one.address, host_keys(pair.ec2, pair.one.instance_id)) == before[:2]


def test_a_stop_keeps_disk_and_address_and_lets_the_type_change(pair: Pair) -> None:
    ec2, instance_id, address = pair.ec2, pair.one.instance_id, pair.one.address
    assert pair.one.run("nproc") == "1"
    small = int(pair.one.run("awk '/MemTotal/ {print $2}' /proc/meminfo"))
    pair.one.run("echo two >/root/kept; sync")
    ec2("StopInstances", InstanceIds=[instance_id])
    become(ec2, instance_id, "stopped")
    assert ec2.instance(instance_id)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    larger = bootable("t3.micro")
    ec2("ModifyInstanceAttribute", InstanceId=instance_id, InstanceType={"Value": larger})
    start(pair)
    assert pair.one.run("cat /root/kept") == "two"
    assert pair.one.address == address
    assert pair.one.run("nproc") == str(instance_types.get(larger).vcpus)
    assert int(pair.one.run("awk '/MemTotal/ {print $2}' /proc/meminfo")) > small + 400_000


def libvirtd() -> int:
    return int(Path("/run/libvirtd.pid").read_text())


def test_guests_do_not_notice_that_libvirtd_dies(pair: Pair) -> None:
    before, daemon = boots(pair.one), libvirtd()
    os.kill(daemon, signal.SIGKILL)
    until("libvirtd is gone", lambda: not Path(f"/proc/{daemon}/comm").exists() or zombie(daemon))
    run(["libvirtd", "-d"])
    until("libvirtd answers", lambda: pair.one.instance_id in pair.ec2.cloud.host.guests.list())
    pair.ec2.look()
    assert {pair.ec2.state(guest.instance_id) for guest in (pair.one, pair.two)} == {"running"}
    assert boots(pair.one) == before


def zombie(process: int) -> bool:
    return ") Z " in Path(f"/proc/{process}/stat").read_text()


def qemu(row: Instance) -> int:
    (pid,) = Path("/run/libvirt/qemu").glob(f"*{row.id}.pid")
    return int(pid.read_text())


def test_a_guest_whose_qemu_is_killed_is_stopped_with_a_reason(pair: Pair) -> None:
    instance_id = pair.one.instance_id
    process = qemu(pair.ec2.row(instance_id))
    os.kill(process, signal.SIGKILL)
    until("QEMU is gone", lambda: not Path(f"/proc/{process}").exists() or zombie(process))
    until("libvirt knows", lambda: pair.ec2.cloud.host.guests.list()[instance_id].power.value == "off-by-failure")
    pair.ec2.look()
    assert pair.ec2.row(instance_id).state == "stopped"
    assert pair.ec2.instance(instance_id)["StateReason"]["Code"] == "Server.InternalError"
    start(pair)
    assert "StateReason" not in pair.ec2.instance(instance_id)


def test_a_guest_that_powers_itself_off_is_stopped(pair: Pair) -> None:
    pair.one.begin("poweroff")
    become(pair.ec2, pair.one.instance_id, "stopped")
    reason = pair.ec2.instance(pair.one.instance_id)["StateReason"]
    assert reason == {
        "Code": "Client.InstanceInitiatedShutdown",
        "Message": "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
    }


def traces(instance_id: str, row: Instance, mac: str) -> list[str]:
    """Where this host still speaks of an instance: domains, disks, seeds, cables, leases."""
    places = [Path("/var/lib/minicloud") / CLOUD, Path("/run/minicloud") / CLOUD, Path("/etc/libvirt"), Path("/run/libvirt")]
    named = [str(path) for place in places for path in place.rglob(f"*{instance_id}*")]
    leases = [str(path) for path in (Path("/run/minicloud") / CLOUD).rglob("*") if path.is_file() and mac in path.read_text()]
    cables = [path.parent.name for path in Path("/sys/class/net").glob("*/tun_flags")]
    return named + leases + cables


def test_powering_off_can_terminate_and_nothing_is_left(pair: Pair) -> None:
    ec2, instance_id = pair.ec2, pair.two.instance_id
    mac = ec2.instance(instance_id)["NetworkInterfaces"][0]["MacAddress"]
    assert traces(instance_id, ec2.row(instance_id), mac) != []
    ec2("ModifyInstanceAttribute", InstanceId=instance_id, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    pair.two.begin("poweroff")
    become(ec2, instance_id, "terminated")
    assert traces(instance_id, ec2.row(instance_id), mac) == []
    assert orphans(lambda: cloud_at(CLOUD)) == []


def test_terminating_leaves_nothing(pair: Pair) -> None:
    ec2, instance_id = pair.ec2, pair.one.instance_id
    mac = ec2.instance(instance_id)["NetworkInterfaces"][0]["MacAddress"]
    ec2("StartInstances", InstanceIds=[instance_id])
    pair.one.run("true")
    ec2("TerminateInstances", InstanceIds=[instance_id])
    become(ec2, instance_id, "terminated")
    assert traces(instance_id, ec2.row(instance_id), mac) == []
    assert orphans(lambda: cloud_at(CLOUD)) == []
    assert list(ec2.cloud.host.networks.list()) == []
