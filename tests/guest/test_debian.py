"""A Debian guest that starts from its own boot loader: what cloud-init makes of the seed."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.aws import times

from ..cloud_fixtures import Ec2
from ..crashes import orphans
from ..real_cloud import cloud_at, launch
from ..ssh import Login
from .kernel_upgrade import upgrade

pytestmark = [pytest.mark.lab, pytest.mark.guest, pytest.mark.timeout(900)]
CLOUD = "debian-guest"
USER_DATA = b"#!/bin/sh\necho 'as root, once' >/root/user-data-was-here\n"


@pytest.fixture(scope="module")
def debian() -> Iterator[Login]:
    ec2 = Ec2(cloud_at(CLOUD))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 10}}
    params = {**launch("debian-12", "t3.micro"), "KeyName": "k", "BlockDeviceMappings": [root]}
    answer = ec2("RunInstances", **params, UserData=base64.b64encode(USER_DATA).decode())
    login = Login.of(ec2, answer["Instances"][0]["InstanceId"], "debian", private)
    yield login
    ec2("TerminateInstances", InstanceIds=[login.instance_id])
    assert orphans(lambda: cloud_at(CLOUD)) == []


def test_it_starts_from_its_own_boot_loader(debian: Login) -> None:
    (spec,) = Path("/etc/libvirt/qemu").glob(f"*{debian.instance_id}.xml")
    assert "<kernel>" not in spec.read_text()
    assert "BOOT_IMAGE=" in debian.run("cat /proc/cmdline")  # which GRUB writes


def test_cloud_init_has_done_all_that_it_should(debian: Login) -> None:
    said = debian.run("cloud-init status --wait; cloud-id; sudo cat /root/user-data-was-here").strip(". \n").splitlines()
    assert said == ["status: done", "nocloud", "as root, once"]


def test_it_is_somebody(debian: Login) -> None:
    name, machine, *made = debian.run("hostname; cat /etc/machine-id; stat -c %Y /etc/machine-id /etc/ssh/ssh_host_*_key").split()
    assert name == "ip-" + debian.address.replace(".", "-")
    assert re.fullmatch("[0-9a-f]{32}", machine)
    # An identity that the image brought along would be as old as the image, and every guest would have it.
    launched = times.seconds(debian.ec2.row(debian.instance_id).created)
    assert len(made) >= 2
    assert min(map(int, made)) >= launched - 5


def test_its_root_volume_has_grown(debian: Login) -> None:
    disk = "$(findmnt -no SOURCE / | sed 's/[0-9]*$//')"
    whole, system = debian.run(f"sudo blockdev --getsize64 {disk}; df -B1 --output=size / | tail -1").split()
    assert int(whole) == 10 << 30
    assert int(system) > 9 << 30


def test_the_user_is_an_administrator(debian: Login) -> None:
    assert debian.run("id -un; sudo -n id -u").split() == ["debian", "0"]


def test_its_kernel_can_be_upgraded(debian: Login) -> None:
    upgrade(debian)
    assert debian.run("test -d /sys/firmware/efi || echo bios") == "bios"
