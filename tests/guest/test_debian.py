"""A Debian guest that starts from its own boot loader: what cloud-init makes of the seed."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.aws import times
from minicloud.aws.names import hostname, private_dns_name
from minicloud.metadata import about, cloud_init

from ..cloud_fixtures import Ec2
from ..crashes import orphans
from ..real_cloud import cloud_at, debian_name, launch
from ..ssh import Login
from .kernel_upgrade import upgrade

pytestmark = [pytest.mark.lab, pytest.mark.guest, pytest.mark.timeout(1800)]
CLOUD = "debian-guest"
USER_DATA = b"""## template: jinja
#!/bin/sh
echo 'as root, once' >/root/user-data-was-here
echo {{ ds.meta_data.placement.region }} {{ v1.region }} {{ region }} >/root/region
echo {{ v1.cloud_name }} {{ v1.instance_id }} {{ v1.availability_zone }} {{ ds.meta_data.public_keys.k[0] }} >/root/others
"""


@pytest.fixture(scope="module")
def debian() -> Iterator[Login]:
    ec2 = Ec2(cloud_at(CLOUD))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 10}}
    params = {**launch(debian_name(), "t2.micro"), "KeyName": "k", "BlockDeviceMappings": [root]}
    # Some clients encode what is encoded already. Through the Ec2 datasource that works, and so it does here.
    twice = base64.b64encode(base64.b64encode(USER_DATA)).decode()
    answer = ec2("RunInstances", **params, UserData=twice)
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
    assert said == ["status: done", "aws", "as root, once"]


def test_a_template_in_user_data_knows_what_it_knows_on_ec2(debian: Login) -> None:
    row = debian.ec2.row(debian.instance_id)
    assert debian.run("sudo cat /root/region").split() == ["us-east-1"] * 3
    assert debian.run("sudo cat /root/others").split()[:4] == ["aws", row.id, row.zone, "ssh-ed25519"]


def test_cloud_init_has_the_tree_of_the_metadata_service(debian: Login) -> None:
    row, cloud = debian.ec2.row(debian.instance_id), debian.ec2.cloud
    told = json.loads(debian.run("sudo cloud-init query --all"))
    known = about.of_instance(cloud, row)
    assert known is not None
    expected = cloud_init.meta_data(known, cloud.settings)
    assert {name: told["ds"]["meta_data"][name] for name in expected} == expected
    v1 = told["v1"]
    assert (v1["cloud_name"], v1["cloud_id"], v1["region"]) == ("aws", "aws", cloud.settings.region)
    assert (v1["instance_id"], v1["availability_zone"]) == (row.id, row.zone)
    assert v1["local_hostname"] == hostname(debian.address)
    assert v1["public_ssh_keys"] == [row.public_key.strip()]
    assert debian.run("hostname -f") == private_dns_name(debian.address, cloud.settings)


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
