"""Snapshots that are taken together, of volumes of which one was detached after they were asked for."""

from pathlib import Path
from typing import Any

import pytest

from minicloud.cloud import Idle
from minicloud.host import fake

from ..cloud_fixtures import IMAGE, Ec2, cloud_in

EXTRA = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}]
OPERATIONS: dict[str, Any] = {
    "CreateImage": lambda instance: {"InstanceId": instance, "Name": "an image"},
    "CreateSnapshots": lambda instance: {"InstanceSpecification": {"InstanceId": instance}},
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("device", ["/dev/xvda", "/dev/sdf"])
def test_one_that_is_detached_meanwhile_keeps_no_other_from_it(tmp_path: Path, operation: str, device: str) -> None:
    host = fake.host()
    host.add_image(IMAGE)
    ec2 = Ec2(cloud_in(tmp_path, host))
    instance = ec2.run(BlockDeviceMappings=EXTRA)
    state = ec2.cloud.state
    (volume,) = [row for row in state.volumes.find(instance_id=instance) if row.device == device]
    worker, ec2.cloud.worker = ec2.cloud.worker, Idle()
    ec2(operation, **OPERATIONS[operation](instance))
    free = {"state": "available", "instance_id": "", "attachment": "", "device": ""}  # as it is when it was detached
    with host.store.change() as held:
        held["guests"][instance]["disks"].pop(volume.id.replace("-", ""))
    state.volumes.change(volume.id, **free)
    ec2.cloud.worker = worker
    for _ in range(4):
        ec2.look()
    assert {row.state for row in state.snapshots.query("volume_id != 'vol-ffffffff'")} == {"completed"}
    assert len(state.snapshots.query("volume_id != 'vol-ffffffff'")) == 2
    assert ec2.state(instance) == "running"
