"""Who may read and write what minicloud makes, with umask 000: as few as have to, whatever the caller's umask is.

All kinds of files that there are come to be, by the real drivers and by `minicloud serve`: QEMU has its disks, HAProxy what it
reads, and nobody but root anything else.
"""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.reconcile import backing_up, loop
from minicloud.state import master_key

from ..cloud_fixtures import Ec2
from ..lb_scene import issue
from ..real_cloud import cloud_at, launch, take_away
from ..waits import until

pytestmark = pytest.mark.lab
NAME = "modes"
READ_BY_ALL = "home/(?:endpoint|identity)[.]pem"
"""Certificates: the paths of the files that are kept from nobody."""
OTHERS = [
    (READ_BY_ALL, 0o644),
    ("home/volumes/(?:.*/)?layer-[0-9a-f]+[.]qcow2", 0o660),
    ("run/balancers/[^/]+/for-clients", 0o770),
    ("run(?:/balancers)?|home/logs(?:/[^.]+)?", 0o755),
]
"""Of the other paths (regular expressions), the most that may be."""
FILE, DIRECTORY = 0o640, 0o751
KINDS = [
    "home/state[.]sqlite", "home/metrics[.]sqlite", "home/credentials[.]key", "home/endpoint[.]key", "home/certificates/.*[.]key",
    "home/volumes/layer-.*", "home/volumes/minicloud[.]json", "home/volumes/quarantine/.*[.]qcow2", "home/seeds/.*[.]iso",
    "home/consoles/.*[.]log", "home/nvram", "home/pulls", "home/logs/.*[.]log", "home/backup[.]json", "home/b[.]tar", "run/locks",
    "run/wake[.]sock", "run/wake[.]identity", "run/metadata[.]key", "run/firewall/state[.]json", "run/networks/.*/dnsmasq[.]conf",
    "run/balancers/.*/haproxy[.]cfg", "run/balancers/.*/socket", "run/balancers/.*/traffic",
]  # fmt: skip
"""What must have been seen (regular expressions)."""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    made = cloud_at(NAME)
    monkeypatch.setenv("MINICLOUD_HOME", str(made.settings.home))
    monkeypatch.setenv("MINICLOUD_RUN", str(made.settings.run))
    before = os.umask(0)
    try:
        yield made
    finally:
        os.umask(before)
        take_away(made.host)
        made.state.close()
        shutil.rmtree(made.settings.home)
        shutil.rmtree(made.settings.run, ignore_errors=True)


def all_of_it(cloud: Cloud) -> None:
    """Some of everything."""
    ec2 = Ec2(cloud)

    def call(service: str, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(cloud, service, operation, params)

    instance = ec2("RunInstances", **launch("tiny"))["Instances"][0]["InstanceId"]
    zone = ec2.instance(instance)["Placement"]["AvailabilityZone"]
    volume = ec2("CreateVolume", AvailabilityZone=zone, Size=1, VolumeType="gp3")["VolumeId"]
    ec2("AttachVolume", VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    kept, gone = (ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"] for _ in range(2))
    ec2("DeleteSnapshot", SnapshotId=gone)
    call("cloudwatch", "PutMetricData", Namespace="a", MetricData=[{"MetricName": "m", "Value": 1.0}])
    master_key.load(cloud.settings.home)
    own = issue(["example.test"])
    call("acm", "ImportCertificate", Certificate=own.pem, PrivateKey=own.key)
    subnets = [one["SubnetId"] for one in ec2("DescribeSubnets")["Subnets"]][:2]
    made = call("elbv2", "CreateLoadBalancer", Name="web", Type="application", Subnets=subnets)["LoadBalancers"][0]
    answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]
    call("elbv2", "CreateListener", LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=answer)
    logs = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs"}
    attributes = [{"Key": key, "Value": value} for key, value in logs.items()]
    call("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=made["LoadBalancerArn"], Attributes=attributes)
    loop.run_pass(cloud, look=True)
    free = ec2("CreateVolume", AvailabilityZone=zone, Size=1, VolumeType="gp3")["VolumeId"]
    cloud.host.disks.set_aside([cloud.state.volumes.get(free).layer_id], "a test")
    assert kept


def served(cloud: Cloud) -> subprocess.Popen[bytes]:
    """`minicloud serve`, with the umask of this process."""
    words = ["serve", "--tls", "--listen", "127.0.0.1:8843"]
    code = f"import sys; from minicloud.cli.main import execute; sys.exit(execute({words}))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until("it serves", lambda: (cloud.settings.run / "wake.sock").exists() and (cloud.settings.home / "endpoint.pem").exists())
    return process


def beyond(cloud: Cloud, seen: set[str]) -> list[str]:
    """What more may be done with, and by more, than is meant; what there is goes into `seen`."""
    found = []
    for name in ("home", "run"):
        top = getattr(cloud.settings, name)
        for path in [top, *top.rglob("*")]:
            there, known = path.lstat(), str(Path(name) / path.relative_to(top))
            if stat.S_ISLNK(there.st_mode):
                continue
            seen.add(known)
            usual = DIRECTORY if stat.S_ISDIR(there.st_mode) else FILE
            allowed = next((mode for pattern, mode in OTHERS if re.fullmatch(pattern, known)), usual)
            if not all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents if parent.is_relative_to(top)):
                allowed |= 0o004  # others do not come so far: what HAProxy and dnsmasq write there themselves is readable
            if stat.S_IMODE(there.st_mode) & ~allowed:
                found.append(f"{stat.S_IMODE(there.st_mode):o} {known}")
    return found


def test_nobody_gets_more_than_is_meant(cloud: Cloud) -> None:
    all_of_it(cloud)
    seen = set[str]()
    with served(cloud) as daemon:
        while_served = beyond(cloud, seen)
        daemon.send_signal(signal.SIGTERM)
    backing_up.make(cloud, cloud.settings.home / "b.tar", disks=True, say=lambda _: None, progress=lambda *_: None)
    assert [*while_served, *beyond(cloud, seen)] == []
    assert [one for one in KINDS if not any(re.fullmatch(one, known) for known in seen)] == []
