"""`minicloud status`: what follows from the facts, and the facts of a fake host."""

import dataclasses
import json

import pytest

from minicloud.cli import status
from minicloud.cli.session import Session
from minicloud.errors import Permanent, Retry
from minicloud.host.contracts import Capacity
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2

FACTS = status.Facts(
    kvm=(False, "this processor shows no virtualisation"),
    instances=[],
    capacity=Capacity(threads=4, memory=8000),
    reserve=512,
    images=2,
    networks=1,
    disks=5 << 20,
    bases=7 << 20,
    free=9 << 30,
    daemon=True,
)


def test_what_is_given_out_counts_what_holds_it(ec2: Ec2) -> None:
    running, stopped = ec2.run(InstanceType="t3.micro"), ec2.run(InstanceType="t3.nano")
    ec2("StopInstances", InstanceIds=[stopped], Force=True)
    rows = [ec2.row(running), ec2.row(stopped)]
    answer = status.status(dataclasses.replace(FACTS, instances=rows))
    assert answer["Instances"] == {"running": 1, "stopped": 1}
    assert answer["MemoryMiB"] == {"Given": 1024, "Total": 7488}
    assert answer["VCpus"] == {"Given": 0.2, "Total": 4}


def test_an_empty_cloud_has_no_problems() -> None:
    answer = status.status(FACTS)
    assert answer["Problems"] == []
    assert answer["DiskMiB"] == {"Volumes": 5, "Images": 7, "Free": 9216}
    assert status.table_of(answer)["Instances"] == "none"


def test_what_the_user_asked_for_is_no_problem(ec2: Ec2) -> None:
    instance = ec2.run()
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    assert status.problems([ec2.row(instance)]) == []


def test_what_failed_is_shown_with_its_reason(ec2: Ec2, host: FakeHost) -> None:
    host.fail("guests.start", Permanent("no such machine type", "Server.InternalError"))
    instance = ec2.run()
    (found,) = status.problems(ec2.cloud.state.instances.query())
    assert (found["InstanceId"], found["Code"]) == (instance, "Server.InternalError")
    assert "no such machine type" in found["Message"]


def test_only_the_latest_problems_are_shown(ec2: Ec2) -> None:
    row = ec2.row(ec2.run())
    rows = [
        dataclasses.replace(row, id=f"i-{n}", reason_code="Server.InternalError", launched=f"2026-01-{n:02}T00:00:00.000Z")
        for n in range(1, 9)
    ]
    assert [one["InstanceId"] for one in status.problems(rows)] == ["i-8", "i-7", "i-6", "i-5", "i-4"]


@pytest.mark.parametrize("format", ["json", "table"])
def test_the_command(ec2: Ec2, capsys: pytest.CaptureFixture[str], format: str) -> None:
    ec2.run()
    status.command.main(["--output", format], obj=Session(connect=lambda: ec2.cloud), standalone_mode=False)
    out = capsys.readouterr().out
    if format == "json":
        answer = json.loads(out)
        assert (answer["Instances"], answer["Networks"], answer["Images"]) == ({"running": 1}, 1, 1)
        assert answer["Daemon"].startswith("not running")
    else:
        assert "1 running" in out
        assert "emulated (TCG)" in out or "KVM" in out


def test_a_hypervisor_that_does_not_answer_is_told_where_people_look(
    ec2: Ec2, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    ec2.run()
    host.fail("guests.list", Retry("libvirt does not answer"), times=9)
    answer = status.status(status.gather(ec2.cloud))
    assert answer["Hypervisor"] == "libvirt does not answer"
    assert answer["Instances"] == {"running": 1}
    assert status.table_of(answer)["Hypervisor"] == "libvirt does not answer"
    assert capsys.readouterr().err == ""
    assert status.status(FACTS)["Hypervisor"] == "answers"
