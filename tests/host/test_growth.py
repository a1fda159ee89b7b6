"""Cycles of everything, with real guests, files and networks: what is deleted leaves nothing behind, neither on the host nor
in this process. MINICLOUD_CYCLES says how many; hours pass between them.
"""

import gc
import os
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from minicloud.cloud import Cloud
from minicloud.host.run import run
from minicloud.reconcile import loop
from minicloud.state.table import Table

from ..cloud_fixtures import Ec2
from ..real_cloud import cloud_at, launch
from ..waits import until

CYCLES, WARM = int(os.environ.get("MINICLOUD_CYCLES", "6")), 2
pytestmark = [pytest.mark.lab, pytest.mark.guest, pytest.mark.timeout(600 + 20 * CYCLES)]
_HOURS = 2 * 3600.0


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds that have passed besides the real ones."""
    passed, wall, uptime = [0.0], time.time, time.clock_gettime
    monkeypatch.setattr(time, "time", lambda: wall() + passed[0])
    monkeypatch.setattr(time, "clock_gettime", lambda which: uptime(which) + passed[0])
    return passed


def cycle(ec2: Ec2, number: int) -> None:
    """Make one of everything, use it, and delete it. Guests are never asked to do anything: they are not waited for to boot."""
    state = ec2.cloud.state
    group = str(ec2("CreateSecurityGroup", GroupName=f"group-{number}", Description="of a test")["GroupId"])
    ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    made = ec2("RunInstances", **launch("tiny"), SecurityGroupIds=[group])
    instance = str(made["Instances"][0]["InstanceId"])
    zone = ec2.instance(instance)["Placement"]["AvailabilityZone"]
    volume = str(ec2("CreateVolume", AvailabilityZone=zone, Size=1, VolumeType="gp3")["VolumeId"])
    ec2("AttachVolume", VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    snapshots = [str(ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]) for _ in range(3)]
    copy = str(ec2("CreateVolume", AvailabilityZone=zone, SnapshotId=snapshots[1], VolumeType="gp3")["VolumeId"])
    ec2("DeleteSnapshot", SnapshotId=snapshots[1])
    ec2("ModifyVolume", VolumeId=copy, Size=2)
    image = str(ec2("CreateImage", InstanceId=instance, Name=f"image {number}", NoReboot=True)["ImageId"])
    address = str(ec2("AllocateAddress")["AllocationId"])
    ec2("AssociateAddress", AllocationId=address, InstanceId=instance)
    ec2("CreateTags", Resources=[instance, volume, image], Tags=[{"Key": "cycle", "Value": str(number)}])
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    until("it has stopped", lambda: ec2.state(instance) == "stopped")
    ec2("DetachVolume", VolumeId=volume)
    ec2("StartInstances", InstanceIds=[instance])
    ec2("TerminateInstances", InstanceIds=[instance])
    until("it is terminated", lambda: ec2.state(instance) == "terminated")
    ec2("DeregisterImage", ImageId=image, DeleteAssociatedSnapshots=True)
    for row in state.snapshots.query("volume_id != 'vol-ffffffff'"):
        ec2("DeleteSnapshot", SnapshotId=row.id)
    for row in state.volumes.query():
        ec2("DeleteVolume", VolumeId=row.id)
    ec2("ReleaseAddress", AllocationId=address)
    ec2("DeleteSecurityGroup", GroupId=group)


def files(cloud: Cloud) -> set[str]:
    """All files of the cloud, without the database's log, which comes and goes."""
    roots = [cloud.settings.home, cloud.settings.run]
    return {str(path) for root in roots for path in root.rglob("*") if not path.name.endswith(("-wal", "-shm"))}


def grown(cloud: Cloud) -> dict[str, Any]:
    """What must not grow: files, rows, pages of the database, what the host has, descriptors and threads of this process."""
    gc.collect()  # connections of threads that have ended
    tables = [table for table in vars(cloud.state).values() if isinstance(table, Table)]
    connection = cloud.state._connection()
    used = connection.execute("PRAGMA page_count").fetchone()[0] - connection.execute("PRAGMA freelist_count").fetchone()[0]
    rules = re.sub(r"^#.*$|\[\d+:\d+\]", "", run(["iptables-save"]).text, flags=re.MULTILINE)
    return {
        "files": files(cloud),
        **{f"rows of {table.name}": len(table.query()) for table in tables},
        "pages": used // 8,
        "domains": run(["virsh", "-q", "list", "--all", "--name"]).text.split(),
        "links": re.findall(r"^\d+: ([^:@]+)", run(["ip", "-o", "link"]).text, re.MULTILINE),
        "rules": sorted(rules.splitlines()),
        "sets": sorted(run(["ipset", "list", "-name"]).text.split()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def is_more(before: Any, after: Any) -> bool:
    """Numbers may become less: what an earlier cycle opened may be closed by now."""
    return bool(after > before) if isinstance(after, int) else bool(after != before)


def test_what_is_deleted_leaves_nothing(hours: list[float]) -> None:
    ec2 = Ec2(cloud_at("growth"))
    before: dict[str, Any] = {}
    for number in range(CYCLES):
        cycle(ec2, number)
        for _ in range(3):
            hours[0] += _HOURS
            loop.run_pass(ec2.cloud, look=True)
        if number == WARM:
            before = grown(ec2.cloud)
    after = grown(ec2.cloud)
    assert {name: (before[name], after[name]) for name in after if is_more(before[name], after[name])} == {}
