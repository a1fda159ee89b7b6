"""A VM's whole life on a real guest, as other people's clients lead it: boto3, the aws CLI, Ansible's amazon.aws modules."""

import re
from pathlib import Path

import pytest

from ..ssh import Login
from ..waits import until
from .endpoint_scene import BIN, SECONDS, Scene, scene

__all__ = ["scene"]

pytestmark = [pytest.mark.lab, pytest.mark.guest]
PLAYBOOKS = Path(__file__).parent / "ansible"


def retype(scene: Scene, made: str, guest: Login) -> None:
    """Stop a guest, make it larger, start it: it has more memory, and what it had."""
    small = int(guest.run("grep MemTotal /proc/meminfo | tr -dc 0-9"))
    guest.run("echo kept >/root/kept && sync")
    scene.ec2.stop_instances(InstanceIds=[made])
    scene.wait("instance_stopped", InstanceIds=[made])
    scene.ec2.modify_instance_attribute(InstanceId=made, InstanceType={"Value": "t3.micro"})
    scene.ec2.start_instances(InstanceIds=[made])
    scene.wait("instance_running", InstanceIds=[made])
    assert guest.run("cat /root/kept") == "kept"
    assert int(guest.run("grep MemTotal /proc/meminfo | tr -dc 0-9")) > small * 3 / 2


def written_volume(scene: Scene, made: str, guest: Login) -> tuple[str, str]:
    """A volume on which the guest has written, and a snapshot of it."""
    volume = scene.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, VolumeType="gp3")["VolumeId"]
    scene.wait("volume_available", VolumeIds=[volume])
    scene.ec2.attach_volume(VolumeId=volume, InstanceId=made, Device="/dev/sdf")
    scene.wait("volume_in_use", VolumeIds=[volume])
    disk = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
    until("the guest has the disk", lambda: guest.run(f"test -e {disk} && echo yes || true") == "yes", SECONDS, pause=0.5)
    guest.run(f"echo written | dd of={disk} conv=fsync")
    snapshot = scene.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    scene.wait("snapshot_completed", SnapshotIds=[snapshot])
    return volume, snapshot


def test_boto3_leads_a_whole_life(scene: Scene) -> None:
    ec2 = scene.ec2
    key = ec2.create_key_pair(KeyName="b", KeyType="ed25519")["KeyMaterial"]
    group = ec2.create_security_group(GroupName="b", Description="SSH")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    run = {
        "MinCount": 1, "MaxCount": 1, "ImageId": scene.image, "InstanceType": "t3.nano", "KeyName": "b", "ClientToken": "t",
        "SecurityGroupIds": [group], "UserData": "#!/bin/sh\necho made >/root/made\n",
    }  # fmt: skip
    made = ec2.run_instances(**run)["Instances"][0]["InstanceId"]
    assert ec2.run_instances(**run)["Instances"][0]["InstanceId"] == made
    scene.wait("instance_running", InstanceIds=[made])
    scene.wait("instance_status_ok", InstanceIds=[made])
    ec2.create_tags(Resources=[made], Tags=[{"Key": "Name", "Value": "life"}])
    guest = scene.login(made, key)
    until("user data has run", lambda: guest.run("cat /root/made || true") == "made", SECONDS, pause=1.0)
    retype(scene, made, guest)
    volume, snapshot = written_volume(scene, made, guest)
    image = ec2.create_image(InstanceId=made, Name="life", NoReboot=True)["ImageId"]
    scene.wait("image_available", ImageIds=[image])

    second = ec2.run_instances(**{**run, "ImageId": image, "ClientToken": "t2", "UserData": ""})["Instances"][0]["InstanceId"]
    scene.wait("instance_running", InstanceIds=[second])
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(InstanceId=second, AllocationId=address["AllocationId"])
    (shown,) = scene.minicloud("describe-instances", "--instance-ids", second, "--query", "Reservations[].Instances[]")
    assert (shown["PublicIpAddress"], shown["ImageId"]) == (address["PublicIp"], image)
    copy = scene.login(second, key)
    assert copy.run("cat /root/kept; head -c 7 /dev/vdb").split() == ["kept", "written"]

    ec2.detach_volume(VolumeId=volume)
    scene.wait("volume_available", VolumeIds=[volume])
    ec2.terminate_instances(InstanceIds=[made, second])
    scene.wait("instance_terminated", InstanceIds=[made, second])
    ec2.release_address(AllocationId=address["AllocationId"])
    snapshots = [part["Ebs"]["SnapshotId"] for part in ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]]
    ec2.deregister_image(ImageId=image)
    ec2.delete_volume(VolumeId=volume)
    scene.wait("volume_deleted", VolumeIds=[volume])
    for each in (snapshot, *snapshots):
        ec2.delete_snapshot(SnapshotId=each)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName="b")
    left = {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert left & {snapshot, *snapshots} == set()
    assert [one["Tags"] for one in ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"]] == [
        [{"Key": "Name", "Value": "life"}]
    ]


def test_the_aws_cli_leads_a_whole_life(scene: Scene) -> None:
    aws = scene.aws
    key = aws("create-key-pair", "--key-name", "c", "--key-type", "ed25519", "--query", "KeyMaterial")
    run = ["run-instances", "--image-id", scene.image, "--instance-type", "t3.nano", "--key-name", "c"]
    made = aws(*run, "--query", "Instances[0].InstanceId", "--tag-specifications", "ResourceType=instance,Tags=[{Key=a,Value=b}]")
    scene.aws_wait("instance-running", "instance", made)
    aws("create-tags", "--resources", made, "--tags", "Key=Name,Value=life")
    guest = scene.login(made, key)
    guest.run("echo kept >/root/kept && sync")

    aws("stop-instances", "--instance-ids", made)
    scene.aws_wait("instance-stopped", "instance", made)
    aws("modify-instance-attribute", "--instance-id", made, "--instance-type", "t3.micro")
    aws("start-instances", "--instance-ids", made)
    scene.aws_wait("instance-status-ok", "instance", made)

    zone = aws("describe-instances", "--instance-ids", made, "--query", "Reservations[].Instances[].Placement.AvailabilityZone")
    volume = aws("create-volume", "--availability-zone", zone, "--size", "1", "--query", "VolumeId")
    scene.aws_wait("volume-available", "volume", volume)
    aws("attach-volume", "--volume-id", volume, "--instance-id", made, "--device", "/dev/sdf")
    scene.aws_wait("volume-in-use", "volume", volume)
    snapshot = aws("create-snapshot", "--volume-id", volume, "--query", "SnapshotId")
    scene.aws_wait("snapshot-completed", "snapshot", snapshot)
    image = aws("create-image", "--instance-id", made, "--name", "life", "--no-reboot", "--query", "ImageId")
    scene.aws_wait("image-available", "image", image)

    second = aws("run-instances", "--image-id", image, "--instance-type", "t3.nano", "--key-name", "c",
                 "--query", "Instances[0].InstanceId")  # fmt: skip
    scene.aws_wait("instance-running", "instance", second)
    allocation, public = aws("allocate-address", "--query", "[AllocationId,PublicIp]").split()
    aws("associate-address", "--instance-id", second, "--allocation-id", allocation)
    assert (
        aws("describe-addresses", "--filters", f"Name=instance-id,Values={second}", "--query", "Addresses[].PublicIp") == public
    )
    assert scene.login(second, key).run("cat /root/kept") == "kept"

    aws("terminate-instances", "--instance-ids", made, second)
    scene.aws_wait("instance-terminated", "instance", made, second)
    scene.aws_wait("volume-available", "volume", volume)
    aws("delete-volume", "--volume-id", volume)
    aws("release-address", "--allocation-id", allocation)
    aws("deregister-image", "--image-id", image, "--delete-associated-snapshots")
    aws("delete-snapshot", "--snapshot-id", snapshot)
    aws("delete-key-pair", "--key-name", "c")
    states = aws(
        "describe-instances", "--filters", "Name=tag:Name,Values=life", "--query", "Reservations[].Instances[].State.Name"
    )
    assert set(states.split()) == {"terminated"}


def play(scene: Scene, name: str) -> dict[str, int]:
    """Run a playbook; how many tasks were ok, changed and failed on all hosts together."""
    said = scene.run(
        str(BIN / "ansible-playbook"), "-e", f"image={scene.image}", "-e", f"directory={scene.directory}", str(PLAYBOOKS / name)
    ).text
    found = dict[str, int]()
    for word, number in re.findall(r"\b(ok|changed|unreachable|failed)=(\d+)", said.partition("PLAY RECAP")[2]):
        found[word] = found.get(word, 0) + int(number)
    assert (found["unreachable"], found["failed"]) == (0, 0), said
    return found


def test_ansible_changes_nothing_the_second_time(scene: Scene) -> None:
    first, second = play(scene, "up.yml"), play(scene, "up.yml")
    assert first["changed"] == 7
    assert (second["changed"], second["ok"]) == (0, first["ok"] - 1)
    assert play(scene, "down.yml")["changed"] == 6
    assert scene.ec2.describe_volumes(Filters=[{"Name": "tag:by", "Values": ["ansible"]}])["Volumes"] == []
