"""Prometheus, as the distribution has it: it discovers instances (ec2_sd), and its own API tells which.

Nothing is asked of the instances' addresses: relabelling has Prometheus scrape the metrics of the endpoint in their stead.
"""

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..cloud_fixtures import RUN
from ..endpoint_fixtures import Served
from ..waits import until
from .programs import environment


def configuration(served: Served) -> dict[str, Any]:
    """As Prometheus' manual has it, with labels of the tags, the zone and the instance."""
    discovery = {
        "endpoint": served.url, "region": "us-east-1", "access_key": served.keys.access_key, "secret_key": served.keys.secret,
        "port": 9100, "refresh_interval": "1s", "filters": [{"name": "tag:Env", "values": ["prod"]}],
    }  # fmt: skip
    meta = {"name": "tag_Name", "zone": "availability_zone", "zone_id": "availability_zone_id", "instance": "instance_id"}
    relabelling = [{"source_labels": [f"__meta_ec2_{label}"], "target_label": name} for name, label in meta.items()]
    running = {"source_labels": ["__meta_ec2_instance_state"], "regex": "running", "action": "keep"}
    relabelling.append({"source_labels": ["__address__"], "target_label": "address"})
    endpoint = {"target_label": "__address__", "replacement": served.url.partition("//")[2]}
    job = {"job_name": "node", "ec2_sd_configs": [discovery], "relabel_configs": [running, *relabelling, endpoint]}
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}


Asked = Callable[[str], Any]


@pytest.fixture
def prometheus(served: Served, tmp_path: Path) -> Iterator[Asked]:
    """Prometheus' API."""
    program = shutil.which("prometheus")
    assert program, "Prometheus is not installed; run: scripts/setup --tests"
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration(served)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = f"127.0.0.1:{free.getsockname()[1]}"
    said = (tmp_path / "log").open("wb")
    running = subprocess.Popen(
        [program, "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={where}"],
        cwd=tmp_path, env=environment(served, tmp_path), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
    )  # fmt: skip

    def asked(path: str) -> Any:
        assert running.poll() is None, (tmp_path / "log").read_text()
        with urllib.request.urlopen(f"http://{where}/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def up() -> bool:
        assert running.poll() is None, (tmp_path / "log").read_text()
        with socket.socket() as looking:
            return looking.connect_ex(("127.0.0.1", int(where.rpartition(":")[2]))) == 0

    try:
        until("Prometheus answers", up, 60)
        yield asked
    finally:
        running.terminate()
        running.wait()
        said.close()


def test_instances_come_and_go(served: Served, prometheus: Asked) -> None:
    ec2 = served.boto()

    def run(name: str, env: str) -> str:
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}, {"Key": "Env", "Value": env}]}]
        return str(ec2.run_instances(**RUN, TagSpecifications=tags)["Instances"][0]["InstanceId"])

    def targets() -> dict[str, dict[str, Any]]:
        return {target["labels"]["name"]: target for target in prometheus("api/v1/targets")["activeTargets"]}

    def shown(*names: str) -> Callable[[], bool]:
        return lambda: {name: target["health"] for name, target in targets().items()} == dict.fromkeys(names, "up")

    web, other = run("web", "prod"), run("other", "prod")
    run("tests", "test")
    until("both are discovered", shown("web", "other"), 60)
    found = targets()["web"]["discoveredLabels"]
    instance = ec2.describe_instances(InstanceIds=[web])["Reservations"][0]["Instances"][0]
    expected = {
        "ami": instance["ImageId"], "architecture": "x86_64", "availability_zone": instance["Placement"]["AvailabilityZone"],
        "instance_id": web, "instance_state": "running", "instance_type": "t3.nano", "owner_id": "000000000000",
        "primary_subnet_id": instance["SubnetId"], "private_dns_name": instance["PrivateDnsName"],
        "private_ip": instance["PrivateIpAddress"], "public_dns_name": instance["PublicDnsName"],
        "public_ip": instance["PublicIpAddress"], "subnet_id": f",{instance['SubnetId']},", "tag_Env": "prod", "tag_Name": "web",
        "vpc_id": instance["VpcId"],
    }  # fmt: skip
    assert {name: found.get(f"__meta_ec2_{name}") for name in expected} == expected
    zones = {zone["ZoneName"]: zone["ZoneId"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    labels = targets()["web"]["labels"]
    assert (labels["zone_id"], labels["instance"]) == (zones[labels["zone"]], web)
    assert labels["address"] == f"{instance['PrivateIpAddress']}:9100"

    ec2.stop_instances(InstanceIds=[other])
    until("one that is stopped is dropped", shown("web"), 60)
    ec2.start_instances(InstanceIds=[other])
    ec2.create_tags(Resources=[other], Tags=[{"Key": "Name", "Value": "renamed"}])
    ec2.terminate_instances(InstanceIds=[web])
    until("the other is back by its new name", shown("renamed"), 60)
    series = lambda: {one["metric"]["name"] for one in prometheus("api/v1/query?query=up")["result"]}  # noqa: E731
    until("the series are those of the targets", lambda: series() == {"renamed"}, 60)
