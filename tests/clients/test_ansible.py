"""Ansible's modules: networks, made, made again with nothing to do, and taken away; images, addresses, roles."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from ..cloud_fixtures import IMAGE, RUN
from ..endpoint_fixtures import Served
from .programs import PUBLIC_KEY, ran

PLAYBOOKS = Path(__file__).parent / "ansible"


def play(served: Served, directory: Path, name: str, **given: Any) -> dict[str, int]:
    """Run a playbook; how many of its tasks were ok, changed and failed."""
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-e", json.dumps(given), str(PLAYBOOKS / name)]
    said = ran(served, directory, words, timeout=300, ANSIBLE_PIPELINING="true", ANSIBLE_LOCALHOST_WARNING="false").text
    return {word: int(number) for word, number in re.findall(r"\b(ok|changed|failed)=(\d+)", said.partition("PLAY RECAP")[2])}


def test_a_network(served: Served, tmp_path: Path) -> None:
    given = {"image": IMAGE.image_id, "public_key": PUBLIC_KEY}
    ec2 = served.boto()
    first = play(served, tmp_path, "network.yml", **given)
    second = play(served, tmp_path, "network.yml", **given)
    assert (first["changed"], first["failed"]) == (9, 0)
    assert second == {**first, "changed": 0}
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["play"]}])["Vpcs"]
    (instance,) = [one for reservation in ec2.describe_instances()["Reservations"] for one in reservation["Instances"]]
    assert (instance["VpcId"], len(instance["SecurityGroups"]), instance["State"]["Name"]) == (vpc["VpcId"], 2, "running")
    (address,) = ec2.describe_addresses()["Addresses"]
    assert instance["PublicIpAddress"] == address["PublicIp"]

    gone = play(served, tmp_path, "no_network.yml")
    assert (gone["changed"], gone["failed"]) == (8, 0)
    assert [one["IsDefault"] for one in ec2.describe_vpcs()["Vpcs"]] == [True]
    assert ec2.describe_addresses()["Addresses"] == []
    assert ec2.describe_key_pairs()["KeyPairs"] == []


def test_images_addresses_and_roles(served: Served, tmp_path: Path) -> None:
    ec2 = served.boto()
    instance = ec2.run_instances(**RUN)["Instances"][0]["InstanceId"]
    assert play(served, tmp_path, "images.yml", instance=instance) == {"ok": 6, "changed": 6, "failed": 0}
    (image,) = ec2.describe_images(Filters=[{"Name": "name", "Values": ["golden"]}])["Images"]
    shown = ec2.describe_image_attribute(ImageId=image["ImageId"], Attribute="launchPermission")["LaunchPermissions"]
    assert (image["Description"], shown) == ("More golden", [{"UserId": "210987654321"}])
    assert ec2.describe_addresses()["Addresses"] == []
    role = served.boto("iam").get_role(RoleName="looker")["Role"]
    assert role["Tags"] == [{"Key": "By", "Value": "ansible"}]
