"""The collector over a fake host: what becomes a datapoint, and what becomes a gap."""

import pytest

from minicloud.errors import Retry
from minicloud.reconcile import usage
from minicloud.reconcile.usage import Credits

from .world import World, metrics_of


def busy(world: World, instance_id: str, seconds: float, share: float = 0.5, **more: float) -> None:
    """Time goes by in which each of the guest's two vCPUs is busy for a share of it."""
    for _ in range(int(seconds // 5)):
        world.host.work(instance_id, cpu_seconds=share * 2 * 5, **more)
        world.passes(5)


def run(world: World, *, monitored: bool = True, **params: object) -> str:
    instance_id = world.ec2.run(Monitoring={"Enabled": monitored}, **params)
    world.passes(5)
    world.ec2.look()
    return instance_id


def test_detailed_monitoring_has_a_datapoint_a_minute(world: World) -> None:
    one = run(world)
    busy(world, one, 60, 0.0)
    busy(world, one, 180, 0.25, out_bytes=1000, in_packets=2)
    assert world.values("CPUUtilization", {"InstanceId": one})[-2:] == pytest.approx([25.0, 25.0])
    assert world.values("NetworkOut", {"InstanceId": one}, "Sum")[-1] == 12_000
    assert world.values("NetworkPacketsIn", {"InstanceId": one}, "Sum")[-1] == 24
    found = world("ListMetrics", Namespace="AWS/EC2", MetricName="CPUUtilization")["Metrics"]
    assert {pair["Name"] for metric in found for pair in metric["Dimensions"]} == {"InstanceId", "InstanceType", "ImageId"}
    assert not any(name.startswith("Disk") for name in metrics_of(world.cloud, "AWS/EC2"))
    assert {"EBSReadOps", "EBSWriteBytes"} <= metrics_of(world.cloud, "AWS/EC2")


def test_basic_monitoring_has_a_datapoint_for_five_minutes(world: World) -> None:
    one = run(world, monitored=False)
    busy(world, one, 295, 0.0)
    busy(world, one, 300, 0.5, in_bytes=100)
    assert world.values("CPUUtilization", {"InstanceId": one})[-1:] == pytest.approx([50.0])
    assert world.values("NetworkIn", {"InstanceId": one}, "Sum")[-1] == 6000
    assert world.values("CPUUtilization", {"InstanceType": "t3.nano"}) == []


def test_aggregates_are_of_all_instances(world: World) -> None:
    one, two = run(world), run(world)
    world.ec2.cloud.state.tags.add(world.ec2.cloud.state.tags._kind(one, "aws:autoscaling:groupName", "web", "instance"))
    for _ in range(36):
        world.host.work(one, cpu_seconds=10)
        world.host.work(two, cpu_seconds=2)
        world.passes(5)
    assert world.values("CPUUtilization", {"InstanceType": "t3.nano"})[-1] == pytest.approx(60.0)
    assert world.values("CPUUtilization", {"InstanceType": "t3.nano"}, "Maximum")[-1] == pytest.approx(100.0)
    assert world.values("CPUUtilization", {"AutoScalingGroupName": "web"})[-1] == pytest.approx(100.0)


def test_a_restarted_guest_makes_a_gap_and_no_nonsense(world: World) -> None:
    one = run(world)
    busy(world, one, 180, 0.5, out_bytes=10**9)
    world.ec2("StopInstances", InstanceIds=[one])
    world.passes(60)
    world.ec2("StartInstances", InstanceIds=[one])
    busy(world, one, 180, 0.5, out_bytes=10)
    values = world.values("CPUUtilization", {"InstanceId": one})
    assert all(0 <= value <= 51 for value in values)
    assert world.values("NetworkOut", {"InstanceId": one}, "Sum")[-1] == 120
    assert min(world.values("NetworkOut", {"InstanceId": one}, "Sum")) >= 0


def test_counters_that_fall_are_no_usage(world: World) -> None:
    one = run(world)
    busy(world, one, 120, 0.5)
    world.host.work(one, cpu_seconds=-1e6)
    world.passes(60)
    busy(world, one, 120, 0.5)
    assert all(0 <= value <= 51 for value in world.values("CPUUtilization", {"InstanceId": one}))


def test_a_daemon_that_was_off_leaves_a_gap(world: World) -> None:
    one = run(world)
    busy(world, one, 120, 0.5)
    before = len(world.values("CPUUtilization", {"InstanceId": one}))
    world.host.work(one, cpu_seconds=600)
    world.wall, world.steady = world.wall + 600, world.steady + 600
    world.restart()
    busy(world, one, 120, 0.1)
    values = world.values("CPUUtilization", {"InstanceId": one})
    assert values[-1] == pytest.approx(10.0)
    assert len(values) - before <= 2


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_a_clock_that_jumps_makes_a_gap(world: World, jump: float) -> None:
    one = run(world)
    busy(world, one, 180, 0.5)
    world.wall += jump
    busy(world, one, 180, 0.5)
    values = world.values("CPUUtilization", {"InstanceId": one})
    assert values
    assert all(value == pytest.approx(50.0, abs=5) for value in values)
    ahead = world.values("CPUUtilization", {"InstanceId": one}, StartTime=world.at(120), EndTime=world.at(80_000))
    assert ahead == []


def test_a_clock_that_is_set_back_a_little_counts_nothing_twice(world: World) -> None:
    one = run(world)
    busy(world, one, 120, 0.5)
    while world.wall % 60:
        world.passes(1, 1)
    world.wall -= 1.5
    world.passes(3, 1)
    busy(world, one, 120, 0.5)
    assert set(world.values("CPUUtilization", {"InstanceId": one}, "SampleCount")) == {1.0}


def test_a_host_that_does_not_answer_makes_a_gap(world: World) -> None:
    one = run(world)
    busy(world, one, 120, 0.5)
    world.host.fail("guests.counters", Retry("libvirt does not answer"))
    busy(world, one, 240, 0.5)
    assert all(value == pytest.approx(50.0, abs=5) for value in world.values("CPUUtilization", {"InstanceId": one}))


def test_status_checks(world: World) -> None:
    one = run(world)
    world.passes(120)
    assert world.values("StatusCheckFailed", {"InstanceId": one})[-1] == 0
    world.host.deafen(one)
    world.cloud.state.instances.change(one, reachable="failed")
    world.passes(60)
    assert world.values("StatusCheckFailed_Instance", {"InstanceId": one})[-1] == 1
    assert world.values("StatusCheckFailed_System", {"InstanceId": one})[-1] == 0
    world.host.pause(one)
    world.passes(60)
    assert world.values("StatusCheckFailed_AttachedEBS", {"InstanceId": one})[-1] == 1
    assert world.values("StatusCheckFailed", {"InstanceId": one})[-1] == 1


def test_volumes_and_their_burst_balance(world: World) -> None:
    one = run(world, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp2", "VolumeSize": 8}}])
    (volume,) = world.cloud.state.volumes.find(instance_id=one)
    world.passes(60)
    busy(world, one, 120, 0.1, read_ops=10_000, read_bytes=40_960_000, read_seconds=2.5)
    about = {"VolumeId": volume.id}
    assert world.values("VolumeReadOps", about, "Sum", Namespace="AWS/EBS")[-1] == 120_000
    assert world.values("VolumeQueueLength", about, Namespace="AWS/EBS")[-1] == pytest.approx(0.5)
    assert world.values("VolumeIdleTime", about, "Sum", Namespace="AWS/EBS")[-1] == pytest.approx(30.0)
    left = world.values("BurstBalance", about, Namespace="AWS/EBS")
    assert left == sorted(left, reverse=True)
    assert left[-1] < 97
    world.restart()
    world.passes(120)
    assert world.values("BurstBalance", about, Namespace="AWS/EBS")[-1] < 98


def test_cpu_credits_by_awss_rates(world: World) -> None:
    standard = {"CpuCredits": "standard"}
    one = run(world, monitored=False, InstanceType="t3.micro", CreditSpecification=standard)
    half = world.ec2.run(InstanceType="t3.micro", CreditSpecification=standard, CpuOptions={"CoreCount": 1, "ThreadsPerCore": 1})
    busy(world, one, 1200, 0.0)
    # A t3.micro earns 12 credits an hour, 6 for each of its vCPUs.
    earned = world.values("CPUCreditBalance", {"InstanceId": one})[-1]
    assert 2.5 < earned < 4.1
    assert 1.2 < world.values("CPUCreditBalance", {"InstanceId": half})[-1] < 2.1
    assert world.values("CPUCreditUsage", {"InstanceId": one}, "Sum")[-1] == 0
    busy(world, one, 600, 0.5)
    assert world.values("CPUCreditUsage", {"InstanceId": one}, "Sum")[-1] == pytest.approx(5.0, abs=0.5)
    assert world.values("CPUCreditBalance", {"InstanceId": one})[-1] == 0


def test_credits_of_an_unlimited_instance() -> None:
    kind = usage.instance_types.get("t3.nano")
    found = Credits().after(kind, usage.Usage(3600, 3600, 2), unlimited=True)
    assert (found.balance, round(found.surplus)) == (0, 54)
    paid = found.after(kind, usage.Usage(3600 * 5, 0, 2), unlimited=True)
    assert round(paid.surplus) == 24
    assert usage.first_credits(usage.instance_types.get("t2.micro")).balance == 30
