"""Two homes on one host: the second one answers, and takes nothing of the first one's away. And guests' cables, taken out."""

import dataclasses
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud import api
from minicloud.cli import doctor_network, status, uninstall
from minicloud.cloud import Cloud
from minicloud.errors import Permanent
from minicloud.host import disk_use, local
from minicloud.host.bridges import bridge_name
from minicloud.host.run import run
from minicloud.reconcile import guest_spec, loop
from minicloud.reconcile.worker import worker_for

from ..real_cloud import cloud_at, launch

pytestmark = pytest.mark.guest


def call(cloud: Cloud, operation: str, **params: Any) -> dict[str, Any]:
    return api.call(cloud, "ec2", operation, params)


def link(name: str) -> dict[str, Any]:
    """A device as it is now; empty where there is none."""
    said = run(["ip", "-json", "link", "show", "dev", name], check=False).text
    found: list[dict[str, Any]] = json.loads(said) if said.strip() else []
    return found[0] if found else {}


def rules() -> list[str]:
    """The rules and sets of the host, without counters."""
    lines = [*run(["iptables-save"]).text.splitlines(), *run(["ebtables-nft-save"]).text.splitlines()]
    lines += run(["ipset", "save"]).text.splitlines()
    return [line.partition(" [")[0] if line.startswith(":") else line for line in lines if not line.startswith("#")]


class Home:
    """A running instance of a home, which is there for all tests."""

    def __init__(self) -> None:
        self.cloud = cloud_at("first")
        self.instance = str(call(self.cloud, "RunInstances", **launch("tiny"))["Instances"][0]["InstanceId"])
        (card,) = self.cloud.state.interfaces.find(instance_id=self.instance)
        self.tap, self.subnet, self.bridge = guest_spec.tap(card), card.subnet_id, bridge_name(card.subnet_id)

    def plugged(self) -> bool:
        found = link(self.tap)
        return found.get("master") == self.bridge and "UP" in found["flags"]

    def elsewhere(self, **changes: Any) -> Cloud:
        """Another home, as MINICLOUD_HOME=... makes it."""
        made = Cloud(dataclasses.replace(self.cloud.settings, home=Path("/var/lib/minicloud/elsewhere"), **changes), local.host)
        made.worker = worker_for(made)
        return made


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    made = Home()
    yield made
    call(made.cloud, "TerminateInstances", InstanceIds=[made.instance])


def test_what_a_guest_has_open_is_known_from_outside(home: Home) -> None:
    """Whatever state it is of: `uninstall --data` of another that shares the home leaves it."""
    assert disk_use.is_open(Path(home.cloud.host.seeds.path(home.instance)))
    (volume,) = home.cloud.state.volumes.find(instance_id=home.instance)
    assert disk_use.is_open(Path(home.cloud.host.disks.path(volume.layer_id)))


@pytest.mark.parametrize("run_too", [False, True])
def test_another_home_takes_nothing_away(home: Home, run_too: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"run": Path("/run/minicloud/elsewhere")} if run_too else {}
    before = rules()
    other = home.elsewhere(**changes)
    assert call(other, "DescribeInstances")["Reservations"] == []
    loop.run_pass(other, look=True)
    assert home.plugged()
    assert rules() == before
    assert other.host.guests.list() == {}
    facts = doctor_network.gather(other)
    assert [check.status for check in doctor_network.judge(facts) if check.name == "networks"] == ["fail"]
    assert home.cloud.state.identity.id in status.table_of(status.status(status.gather(other)))["Networks"]
    assert home.instance in home.cloud.host.guests.list()
    assert doctor_network.gather(home.cloud).in_force is True


def test_another_home_starts_no_guest_and_says_why(home: Home) -> None:
    other, before = home.elsewhere(), rules()
    made = call(other, "RunInstances", **launch("tiny"))["Instances"][0]["InstanceId"]
    row = other.state.instances.get(made)
    assert row is not None
    assert row.state != "running"
    assert f"belong to another minicloud, the state {home.cloud.state.identity.id}" in row.reason_message
    assert home.plugged()
    assert rules() == before
    call(other, "TerminateInstances", InstanceIds=[made])
    for act in (other.host.guests.remove, other.host.guests.destroy, other.host.guests.shutdown):
        with pytest.raises(Permanent, match="belongs to another minicloud"):
            act(home.instance)
    with pytest.raises(Permanent, match="belongs to another minicloud"):
        other.host.networks.remove(home.subnet)
    assert home.plugged()


def test_uninstall_of_another_leaves_the_files_of_this_run_that_both_use(home: Home) -> None:
    other, directory = home.elsewhere(), home.cloud.settings.run
    call(other, "DescribeInstances")

    def files() -> dict[Path, bytes]:
        found = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pid"]
        return {path: path.read_bytes() for path in found}

    before, there = rules(), files()
    assert directory / "firewall/state.json" in there
    assert directory / "networks/names" / home.subnet in there
    list(uninstall.remove(other, data=True))
    assert files() == there
    assert rules() == before
    assert home.plugged()
    facts = doctor_network.gather(home.cloud)
    assert (facts.damaged, facts.in_force) == ((), True)
    assert not other.settings.home.exists()


def _no_bridge(home: Home) -> None:
    run(["ip", "link", "delete", "dev", home.bridge])


def _no_master(home: Home) -> None:
    run(["ip", "link", "set", "dev", home.tap, "nomaster"])


def _down(home: Home) -> None:
    run(["ip", "link", "set", "dev", home.tap, "down"])


def _wrong_bridge(home: Home) -> None:
    if not link("br-other"):
        run(["ip", "link", "add", "name", "br-other", "type", "bridge"])
    run(["ip", "link", "set", "dev", home.tap, "master", "br-other"])


def _no_dnsmasq(home: Home) -> None:
    os.kill(int((home.cloud.settings.run / "networks" / home.subnet / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("harm", [_no_master, _no_bridge, _down, _wrong_bridge, _no_dnsmasq])
def test_what_somebody_took_away_is_seen_and_back_after_the_next_pass(home: Home, harm: Callable[[Home], None]) -> None:
    harm(home)
    facts = doctor_network.gather(home.cloud)
    assert facts.damaged == (home.subnet,)
    assert [check.status for check in doctor_network.judge(facts) if check.name == "networks"] == ["warn"]
    call(home.cloud, "DescribeInstances")
    assert home.plugged()
    facts = doctor_network.gather(home.cloud)
    assert facts.damaged == ()
    assert facts.in_force is True


def test_what_an_older_minicloud_made_is_that_of_the_state_with_rows_for_it(home: Home) -> None:
    identity = home.cloud.state.identity.id
    run(["ip", "link", "set", "dev", home.bridge, "alias", f"minicloud {home.subnet}"])
    (home.cloud.settings.run / "networks" / home.subnet / "identity").unlink()
    other = home.elsewhere()
    loop.run_pass(other)
    assert home.plugged()
    assert link(home.bridge)["ifalias"] == f"minicloud {home.subnet}"
    loop.run_pass(home.cloud)
    assert link(home.bridge)["ifalias"] == f"minicloud {home.subnet} {identity}"
    assert home.plugged()
