"""The Debian image that `images build` makes starts by UEFI, too, from its own boot loader, also after a newer kernel came."""

import pytest

from ..cloud_fixtures import Ec2
from ..crashes import orphans
from ..real_cloud import cloud_at, debian_name, image_named, launch
from ..ssh import Login
from .kernel_upgrade import upgrade

pytestmark = [pytest.mark.lab, pytest.mark.guest, pytest.mark.timeout(1800)]
CLOUD = "debian-uefi"


def test_it_starts_by_uefi_from_its_own_boot_loader() -> None:
    ec2 = Ec2(cloud_at(CLOUD))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    ec2("DescribeImages")
    image = ec2("RegisterImage", Name="debian-by-uefi", ImageLocation=image_named(debian_name()), BootMode="uefi")["ImageId"]
    answer = ec2("RunInstances", **{**launch(debian_name(), "t2.micro"), "ImageId": image}, KeyName="k")
    guest = Login.of(ec2, answer["Instances"][0]["InstanceId"], "debian", private)
    assert ec2.instance(guest.instance_id)["CurrentInstanceBootMode"] == "uefi"
    assert "BOOT_IMAGE=" in guest.run("test -d /sys/firmware/efi && cat /proc/cmdline")  # which GRUB writes
    upgrade(guest)
    ec2("TerminateInstances", InstanceIds=[guest.instance_id])
    assert orphans(lambda: cloud_at(CLOUD)) == []
