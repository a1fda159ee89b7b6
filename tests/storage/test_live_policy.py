"""A lifecycle policy carried out by `minicloud serve`, while a guest runs; and what a full disk does to a guest."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from .live import Live, live

__all__ = ["live"]

pytestmark = [pytest.mark.lab, pytest.mark.guest]


@pytest.fixture
def daemon(live: Live) -> Iterator[None]:
    own = {**os.environ, "PYTHONPATH": os.getcwd()}
    own |= {f"MINICLOUD_{name}": str(live.directory / name.lower()) for name in ("HOME", "RUN")}
    process = subprocess.Popen([sys.executable, "-m", "minicloud", "serve"], env=own, cwd=live.directory)
    yield
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_snapshots_appear_with_their_tags_and_the_oldest_go(live: Live, daemon: None) -> None:
    volume = live.new_volume()
    guest = live.launch("a")
    live.looks("it is there", lambda: live.volume(volume)["State"] == "available")
    live.plug(guest, volume)
    live.ec2("CreateTags", Resources=[volume], Tags=[{"Key": "backup", "Value": "yes"}])
    live.ssh(guest, f"(while :; do date | dd of=/dev/{live.disk(guest, volume)} conv=fsync 2>/dev/null; done) >/dev/null 2>&1 &")
    details = (
        '{"ResourceTypes":["VOLUME"],"TargetTags":[{"Key":"backup","Value":"yes"}],"Schedules":[{"Name":"often",'
        '"CopyTags":true,"TagsToAdd":[{"Key":"by","Value":"policy"}],"CreateRule":{"CronExpression":"cron(* * * * ? *)"},'
        '"RetainRule":{"Count":1}}]}'
    )
    live.minicloud(
        "dlm", "create-lifecycle-policy", "--execution-role-arn", "arn:aws:iam::000000000000:role/dlm", "--description", "d",
        "--state", "ENABLED", "--policy-details", details,
    )  # fmt: skip
    by_policy = [{"Name": "tag:by", "Values": ["policy"]}]
    seen: dict[str, set[str]] = {}

    def two_came_and_one_went() -> bool:
        there = live.ec2("DescribeSnapshots", Filters=by_policy)["Snapshots"]
        for one in there:
            seen[one["SnapshotId"]] = {tag["Key"] for tag in one["Tags"]}
        return len(seen) >= 2 and len(there) == 1

    live.looks("two snapshots came and the older went", two_came_and_one_went, 180)
    assert all({"backup", "by", "aws:dlm:lifecycle-policy-id"} <= tags for tags in seen.values())
    assert live.ssh(guest, "echo alive") == "alive"
