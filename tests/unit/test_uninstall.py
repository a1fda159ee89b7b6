"""`minicloud uninstall` over a fake host: all that is minicloud's goes; data only if that is asked for."""

import dataclasses
import fcntl
from pathlib import Path

import pytest
from click.testing import CliRunner

from minicloud import api
from minicloud.cli import uninstall
from minicloud.errors import StateError
from minicloud.host.fake import FakeHost
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.host.image_store import ImageStore
from minicloud.host.libvirt_pulls import PULL, Pulls
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
    (settings.images / "ami-0123456789abcdef0").mkdir(parents=True)
    with Pulls(settings.home / "pulls").beginning("i-0123456789abcdef0", PULL, "vol0123456789abcdef0"):
        pass
    api.call(ec2.cloud, "iam", "CreateAccessKey", {})
    said = list(uninstall.remove(ec2.cloud, data=True))
    assert {
        str(settings.database),
        str(settings.images / "ami-0123456789abcdef0"),
        str(settings.home / "credentials.key"),
    } <= set(said)
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


STRANGERS = (
    "volumes/holiday.qcow2", "volumes/layer-0123456789abcdef0.qcow2.bak", "volumes/mine/layer-0123456789abcdef0.qcow2",
    "seeds/notes.txt", "consoles/i-0123456789abcdef0.log.gz", "nvram/template.fd", "pulls/request", "certificates/ca.key",
    "certificates/0123456789abcdef.key", "logs/readme.txt", "logs/bucket/AWSLogs/here/a.log", "state.sqlite.backup",
    "state.sqlite-old", "metrics.sqlite.gz", ".credentials.key.mine", "images/ami-thesis/data", "images/.partial-thesis/data",
    "images/ami-0123456789abcdef0/image.qcow2.bak", "images/.downloads/holiday.part",
)  # fmt: skip
OURS = (
    "volumes/layer-0123456789abcdef0.qcow2", "volumes/i-0123456789abcdef0-ephemeral0.new", "seeds/.i-0123456789abcdef0.abcd_123",
    "consoles/i-0123456789abcdef0.log.0", "nvram/i-0123456789abcdef0.fd", "pulls/i-0123456789abcdef0",
    f"certificates/{'0' * 32}.key", "logs/b/p/q/AWSLogs/000000000000/elasticloadbalancing/us-east-1/app.a.0123.log",
    "images/.partial-build-debian-12-01234567/root/etc/passwd", f"images/.downloads/{'0' * 24}.part",
    "images/ami-0123456789abcdef0/manifest.json", "endpoint.key.new",
)  # fmt: skip


def test_only_full_forms_of_our_names_are_ours(ec2: Ec2) -> None:
    """Files of others in every directory of ours stay, and are told; directories go only when they are empty."""
    ec2.run()
    settings = dataclasses.replace(ec2.cloud.settings, images=ec2.cloud.settings.home / "images")
    ec2.cloud.settings = settings
    for name in (*STRANGERS, *OURS):
        (settings.home / name).parent.mkdir(parents=True, exist_ok=True)
        (settings.home / name).write_text(name)
    done = CliRunner().invoke(uninstall.command, ["--yes", "--data"], obj=ec2)
    there = {str(path.relative_to(settings.home)) for path in settings.home.rglob("*") if path.is_file()}
    assert there == set(STRANGERS)
    assert not [path for path in settings.home.rglob("*") if path.is_dir() and not [*path.iterdir()]]
    told = {line.removeprefix("left ").partition(": ")[0] for line in done.output.splitlines() if line.startswith("left ")}
    for name in STRANGERS:
        path = settings.home / name
        assert told & {str(path), *map(str, path.parents)}


def test_a_link_of_the_administrators_stays_and_what_it_leads_to(ec2: Ec2, tmp_path: Path) -> None:
    """A copy of the home leads there as well."""
    ec2.run()
    home, elsewhere = ec2.cloud.settings.home, tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / "volumes").symlink_to(elsewhere)
    (home / "pulls").mkdir(exist_ok=True)
    (home / "pulls/i-0123456789abcdef0").symlink_to(elsewhere / "kept")
    for name in ("layer-0123456789abcdef0.qcow2", "kept"):
        (elsewhere / name).touch()
    done = CliRunner().invoke(uninstall.command, ["--yes", "--data"], obj=ec2)
    assert {path.name for path in elsewhere.iterdir()} == {"kept", "layer-0123456789abcdef0.qcow2"}
    assert (home / "volumes").is_symlink()
    assert (home / "pulls/i-0123456789abcdef0").is_symlink()
    assert f"left {home / 'volumes'}: {home / 'volumes'} is a link to {elsewhere}: what is there is not deleted" in done.output
    assert done.exit_code == 0


def test_a_link_that_stays_in_the_home_is_followed(ec2: Ec2) -> None:
    home = ec2.cloud.settings.home
    (home / "volumes").mkdir(parents=True, exist_ok=True)
    (home / "volumes/nvram").symlink_to("x")
    (home / "seeds").mkdir()
    (home / "nvram").symlink_to("seeds")
    (home / "seeds/i-0123456789abcdef0.fd").touch()
    list(uninstall.remove(ec2.cloud, data=True))
    assert not (home / "seeds").exists()
    assert (home / "nvram").is_symlink()


def test_what_a_command_works_in_stays(ec2: Ec2) -> None:
    images = ImageStore(ec2.cloud.settings.images)
    with images.scratch("build-x") as workdir:
        (workdir / "half").touch()
        list(uninstall.remove(ec2.cloud, data=True))
        assert (workdir / "half").exists()
        assert uninstall.strangers(ec2.cloud.settings) == [workdir]


def test_a_download_that_goes_on_stays(ec2: Ec2) -> None:
    path = ImageStore(ec2.cloud.settings.images).downloads / f"{'0' * 24}.part"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        list(uninstall.remove(ec2.cloud, data=True))
        assert uninstall.strangers(ec2.cloud.settings) == [path]
    list(uninstall.remove(ec2.cloud, data=True))
    assert not ec2.cloud.settings.images.exists()


def test_not_while_the_daemon_runs(ec2: Ec2, host: FakeHost) -> None:
    ec2.run()
    with locks.held(ec2.cloud.settings.run, "daemon"), pytest.raises(StateError, match="systemctl stop"):
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
