"""What `minicloud network` and `minicloud doctor` say of the network."""

import pytest

from minicloud import api
from minicloud.cli import doctor_network, network
from minicloud.cli.doctor_checks import FAIL, OK, WARN
from minicloud.host.facts import fact

from ..cloud_fixtures import Ec2
from .test_firewall_rules import APP, WEB

NAMES = {WEB.group_id: "web", APP.group_id: "app"}


def test_rules_in_few_words() -> None:
    lines = network.said(WEB.ingress, NAMES)
    assert lines[0] == "tcp 80 from 0.0.0.0/0"
    assert "tcp 8000-8999 from app" in lines
    assert "icmp type 8 from 0.0.0.0/0" in lines
    assert "icmp type 3 code 4 from 0.0.0.0/0" in lines
    assert "47 from 192.0.2.1/32" in lines
    assert network.said(APP.ingress, NAMES) == ["all from app"]


def test_an_instance_with_its_addresses(ec2: Ec2) -> None:
    instance_id = ec2.run()
    answer = network.gather(ec2.cloud)
    assert answer["InForce"] is True
    shown = answer["Interfaces"][0]
    assert (shown["InstanceId"], shown["Groups"], shown["Ingress"]) == (instance_id, ["default"], ["all from default"])
    assert shown["PublicIpAddress"] == ec2.instance(instance_id)["PublicIpAddress"]
    assert answer["Subnets"][0]["Interfaces"] == 1
    shown = network.table_of(answer)
    assert shown["Firewall"] == "in force"
    assert shown["Interfaces"][0]["Of"] == instance_id


def test_a_load_balancer_is_named(ec2: Ec2) -> None:
    subnets = [one["SubnetId"] for one in ec2("DescribeSubnets")["Subnets"][:2]]
    api.call(ec2.cloud, "elbv2", "CreateLoadBalancer", {"Name": "web", "Subnets": subnets})
    shown = network.table_of(network.gather(ec2.cloud))
    assert {one["Of"].partition("/web/")[0] for one in shown["Interfaces"]} == {"ELB app"}


def test_nobody_is_there(ec2: Ec2) -> None:
    shown = network.table_of(network.gather(ec2.cloud))
    assert (shown["Subnets"], shown["Interfaces"], shown["Elastic IPs"]) == ("none on the host", "none", "none")


@pytest.mark.parametrize(
    ("facts", "statuses"),
    [
        (doctor_network.Facts((), True, 2, "", True), [OK, OK]),
        (doctor_network.Facts((), False, 0, "", True, stranger="MC-ID-0123456789abcdef012345"), [FAIL, OK]),
        (doctor_network.Facts((), True, 2, "", True, dns_port=16953, dns=("named",)), [OK, OK]),
        (doctor_network.Facts((), True, 2, "", True, dns=("named",)), [OK, FAIL]),
        (doctor_network.Facts((), True, 2, "", True, dns_port=16953, dns_taken=("nginx",)), [OK, FAIL]),
        (doctor_network.Facts((), True, 2, "", True, taken=(("subnet-0a (10.0.0.0/24)", "wg0"),)), [OK, OK, WARN]),
        (doctor_network.Facts(("ipset",), False, 2, "", True), [FAIL, OK]),
        (doctor_network.Facts((), False, 2, "", True), [WARN, OK]),
        (doctor_network.Facts((), fact(lambda: 1 // 0 > 0), 2, "", True), [FAIL, OK]),
        (doctor_network.Facts((), True, 0, "eth9", False), [OK, OK, FAIL]),
    ],
)
def test_doctor(facts: doctor_network.Facts, statuses: list[str]) -> None:
    checks = doctor_network.judge(facts)
    assert [check.status for check in checks] == statuses
    assert all(check.remedy for check in checks if check.status != OK)
