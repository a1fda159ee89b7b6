"""`minicloud uninstall` over a fake host: all that is minicloud's goes; data only if that is asked for."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from minicloud import api
from minicloud.cli import uninstall
from minicloud.errors import UsageError
from minicloud.host.fake import FakeHost
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.host.libvirt_pulls import Pulls
from minicloud.reconcile import locks

from ..cloud_fixtures import Ec2


def test_guests_networks_and_rules_go_and_the_next_command_brings_them_back(ec2: Ec2, host: FakeHost) -> None:
    instance_id = ec2.run()
    said = list(uninstall.remove(ec2.cloud, data=False))
    assert f"the guest {instance_id}" in said
    assert host.guests.list() == {}
    assert host.networks.list() == {}
    assert host.firewall.in_force(FirewallSpec())
    assert not ec2.cloud.settings.run.exists()
    assert ec2.cloud.settings.database.exists()
    assert ec2.state(instance_id) == "running"
    assert list(host.guests.list()) == [instance_id]


def test_load_balancers_go_and_come_back(ec2: Ec2, host: FakeHost) -> None:
    subnets = [one["SubnetId"] for one in ec2("DescribeSubnets")["Subnets"]][:2]
    made = api.call(ec2.cloud, "elbv2", "CreateLoadBalancer", {"Name": "a", "Subnets": subnets, "Scheme": "internal"})
    balancer_id = "elb-" + made["LoadBalancers"][0]["LoadBalancerArn"].rpartition("/")[2]
    assert f"the load balancer {balancer_id}" in list(uninstall.remove(ec2.cloud, data=False))
    assert host.balancers.list() == {}
    ec2("DescribeInstances")
    assert list(host.balancers.list()) == [balancer_id]


def test_with_data_nothing_of_minicloud_is_left(ec2: Ec2, tmp_path: Path) -> None:
    ec2.run()
    settings = ec2.cloud.settings
    assert settings.images.is_relative_to(tmp_path)
    (settings.images / "ami-0123").mkdir(parents=True)
    with Pulls(settings.home / "pulls").beginning("i-1"):
        pass
    api.call(ec2.cloud, "iam", "CreateAccessKey", {})
    said = list(uninstall.remove(ec2.cloud, data=True))
    assert {str(settings.database), str(settings.images / "ami-0123"), str(settings.home / "credentials.key")} <= set(said)
    assert not [each for each in (settings.home, settings.images, settings.run) if each.exists()]


def test_what_others_keep_there_stays(ec2: Ec2) -> None:
    ec2.run()
    settings = ec2.cloud.settings
    settings.images.mkdir()
    for directory in (settings.home, settings.images):
        (directory / "letters.txt").write_text("mine")
    list(uninstall.remove(ec2.cloud, data=True))
    assert [path.name for path in settings.home.iterdir()] == ["letters.txt"]
    assert [path.name for path in settings.images.iterdir()] == ["letters.txt"]


def test_not_while_the_daemon_runs(ec2: Ec2, host: FakeHost) -> None:
    ec2.run()
    with locks.held(ec2.cloud.settings.run, "daemon"), pytest.raises(UsageError, match="systemctl stop"):
        list(uninstall.remove(ec2.cloud, data=False))
    assert host.guests.list()


def test_it_asks(ec2: Ec2, host: FakeHost) -> None:
    ec2.run()
    asked = CliRunner().invoke(uninstall.command, [], obj=ec2, input="n\n")
    assert asked.exit_code == 1
    assert host.guests.list()
    done = CliRunner().invoke(uninstall.command, ["--yes"], obj=ec2)
    assert done.exit_code == 0
    assert "Nothing of minicloud's is left" in done.output
    assert "There was nothing" in CliRunner().invoke(uninstall.command, ["--yes"], obj=ec2).output
