"""A Debian guest that starts by UEFI takes a newer kernel into use as an upgrade does, and starts with it."""

import pytest

from ..cloud_fixtures import Ec2
from ..crashes import orphans
from ..real_cloud import cloud_at, image_named, launch
from ..ssh import BOOT, Login
from ..waits import until

pytestmark = [pytest.mark.lab, pytest.mark.guest, pytest.mark.timeout(1200)]
CLOUD = "debian-uefi"
KERNEL = "99.0.0-cloud-amd64"
INSTALL = f"""
cp /boot/vmlinuz-$(uname -r) /boot/vmlinuz-{KERNEL}
cp /boot/initrd.img-$(uname -r) /boot/initrd.img-{KERNEL}
update-grub 2>&1
grep -c {KERNEL} /boot/grub/grub.cfg >/dev/null
sync
"""
"""What a kernel's package does that concerns the boot loader: its files in /boot, and the hook that runs update-grub."""


def test_a_newer_kernel_is_started_by_uefi() -> None:
    ec2 = Ec2(cloud_at(CLOUD))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    ec2("DescribeImages")
    image = ec2("RegisterImage", Name="debian-by-uefi", ImageLocation=image_named("debian-12"), BootMode="uefi")["ImageId"]
    answer = ec2("RunInstances", **{**launch("debian-12", "t3.micro"), "ImageId": image}, KeyName="k")
    guest = Login.of(ec2, answer["Instances"][0]["InstanceId"], "debian", private)
    assert ec2.instance(guest.instance_id)["CurrentInstanceBootMode"] == "uefi"

    boot, line = guest.run("test -d /sys/firmware/efi && cat /proc/sys/kernel/random/boot_id /proc/cmdline").splitlines()
    assert "BOOT_IMAGE=" in line
    assert KERNEL not in line
    guest.run(f"sudo sh -exc '{INSTALL}'")
    ec2("RebootInstances", InstanceIds=[guest.instance_id])
    until("it has started anew", lambda: guest.run("cat /proc/sys/kernel/random/boot_id") != boot, BOOT, pause=1.0)
    assert f"vmlinuz-{KERNEL}" in guest.run("test -d /sys/firmware/efi && cat /proc/cmdline")

    ec2("TerminateInstances", InstanceIds=[guest.instance_id])
    assert orphans(lambda: cloud_at(CLOUD)) == []
