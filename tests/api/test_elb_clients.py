"""Load balancers through other people's clients: boto3 with its waiters, Ansible's modules, the calls that Terraform makes."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from minicloud.host.fake import FakeHost
from minicloud.host.run import run
from minicloud.state.rows_lb import LoadBalancer

from ..cloud_fixtures import RUN
from ..endpoint_fixtures import Served
from ..lb_scene import issue

PLAYBOOKS = Path(__file__).parent / "ansible"
QUICK = {"Delay": 1, "MaxAttempts": 5}


@pytest.fixture
def where(served: Served) -> dict[str, Any]:
    """The default VPC and its subnets, by zone."""
    ec2 = served.boto()
    subnets = sorted(ec2.describe_subnets()["Subnets"], key=lambda one: one["AvailabilityZone"])
    return {"vpc": subnets[0]["VpcId"], "subnets": [one["SubnetId"] for one in subnets]}


def code_of(caught: Any) -> tuple[str, int]:
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def answered(served: Served, host: FakeHost, kind: str, group: str, *, up: bool) -> None:
    """Let the last probe of each target of a balancer have said this."""
    row: LoadBalancer = served.cloud.state.load_balancers.find(kind=kind)[0]
    for place in host.balancers.health(row.id):
        assert place[0] == group
        host.probe(row.id, place, "" if up else "codes", up=up, code=200 if up else 503)


def test_waiters_see_a_balancer_and_its_targets_come(served: Served, host: FakeHost, where: dict[str, Any]) -> None:
    ec2, elbv2 = served.boto(), served.boto("elbv2")
    instance = ec2.run_instances(**RUN, SubnetId=where["subnets"][0])["Instances"][0]["InstanceId"]
    balancer = elbv2.create_load_balancer(Name="web", Subnets=where["subnets"])["LoadBalancers"][0]["LoadBalancerArn"]
    elbv2.get_waiter("load_balancer_exists").wait(Names=["web"], WaiterConfig=QUICK)
    elbv2.get_waiter("load_balancer_available").wait(LoadBalancerArns=[balancer], WaiterConfig=QUICK)
    group = elbv2.create_target_group(Name="blue", Protocol="HTTP", Port=80, VpcId=where["vpc"])["TargetGroups"][0]
    arn = group["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": arn}]
    elbv2.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
    elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": instance}])
    waiting = elbv2.get_waiter("target_in_service")
    with pytest.raises(WaiterError):
        waiting.wait(TargetGroupArn=arn, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
    answered(served, host, "application", "tg-" + arn.rpartition("/")[2], up=True)
    waiting.wait(TargetGroupArn=arn, Targets=[{"Id": instance}], WaiterConfig=QUICK)
    answered(served, host, "application", "tg-" + arn.rpartition("/")[2], up=False)
    sick = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"][0]["TargetHealth"]
    assert sick == {
        "State": "unhealthy",
        "Reason": "Target.ResponseCodeMismatch",
        "Description": "Health checks failed with these codes: [503]",
    }
    now = [{"Key": "deregistration_delay.timeout_seconds", "Value": "0"}]
    elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=now)
    elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": instance}])
    gone = elbv2.get_waiter("target_deregistered")
    gone.wait(TargetGroupArn=arn, Targets=[{"Id": instance}], WaiterConfig=QUICK)
    elbv2.delete_load_balancer(LoadBalancerArn=balancer)
    elbv2.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer], WaiterConfig=QUICK)


def test_waiters_of_the_old_kind(served: Served, host: FakeHost, where: dict[str, Any]) -> None:
    ec2, elb = served.boto(), served.boto("elb")
    instance = ec2.run_instances(**RUN, SubnetId=where["subnets"][0])["Instances"][0]["InstanceId"]
    listeners = [{"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 80}]
    made = elb.create_load_balancer(LoadBalancerName="old", Listeners=listeners, Subnets=where["subnets"])
    assert made["DNSName"].endswith(".elb.internal")
    registered = {"LoadBalancerName": "old", "Instances": [{"InstanceId": instance}]}
    elb.register_instances_with_load_balancer(**registered)
    with pytest.raises(WaiterError):
        elb.get_waiter("any_instance_in_service").wait(**registered, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
    answered(served, host, "classic", "classic-80", up=True)
    for name in ("any_instance_in_service", "instance_in_service"):
        elb.get_waiter(name).wait(**registered, WaiterConfig=QUICK)
    elb.deregister_instances_from_load_balancer(**registered)
    elb.get_waiter("instance_deregistered").wait(**registered, WaiterConfig=QUICK)


def test_errors_over_the_wire(served: Served) -> None:
    elbv2, acm = served.boto("elbv2"), served.boto("acm")
    with pytest.raises(ClientError) as caught:
        elbv2.describe_load_balancers(Names=["none"])
    assert code_of(caught) == ("LoadBalancerNotFound", 400)
    assert isinstance(caught.value, elbv2.exceptions.LoadBalancerNotFoundException)
    with pytest.raises(ClientError) as caught:
        elbv2.create_load_balancer(Name="n" * 33, Subnets=["subnet-1", "subnet-2"])
    assert code_of(caught) == ("ValidationError", 400)
    with pytest.raises(ClientError) as caught:
        acm.import_certificate(Certificate=b"x", PrivateKey=b"x")
    assert code_of(caught) == ("ValidationException", 400)
    with pytest.raises(acm.exceptions.ResourceNotFoundException):
        acm.describe_certificate(CertificateArn="arn:aws:acm:us-east-1:000000000000:certificate/none")
    with pytest.raises(ClientError) as caught:
        served.boto("elb").describe_load_balancers(LoadBalancerNames=["none"])
    assert code_of(caught) == ("LoadBalancerNotFound", 400)


def imported(served: Served) -> str:
    made = issue(["www.example.com"])
    return str(served.boto("acm").import_certificate(Certificate=made.pem, PrivateKey=made.key)["CertificateArn"])


def play(served: Served, directory: Path, name: str, **given: Any) -> dict[str, int]:
    """Run a playbook; how many of its tasks were ok, changed and failed."""
    environment = {**served.environment(directory), "PATH": os.environ["PATH"], "ANSIBLE_PIPELINING": "true"}
    done = run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-e", json.dumps(given), str(PLAYBOOKS / name)],
        timeout=400,
        env=environment,
        cwd=directory,
        check=False,
    )
    assert done.status == 0, done.text + done.stderr.decode()
    said = done.text
    found = {word: int(number) for word, number in re.findall(r"\b(ok|changed|failed)=(\d+)", said.partition("PLAY RECAP")[2])}
    assert found["failed"] == 0, said
    return found


def test_ansible_changes_nothing_the_second_time(served: Served, where: dict[str, Any], tmp_path: Path) -> None:
    given = {"vpc": where["vpc"], "subnets": sorted(where["subnets"][:2]), "certificate": imported(served)}
    first = play(served, tmp_path, "balancers.yml", **given)
    second = play(served, tmp_path, "balancers.yml", **given)
    assert first["changed"] == 7
    assert (second["changed"], second["ok"]) == (0, first["ok"])
    assert play(served, tmp_path, "nothing.yml")["changed"] == 5
    assert served.boto("elbv2").describe_target_groups()["TargetGroups"] == []


def test_what_terraform_asks(served: Served, where: dict[str, Any]) -> None:
    """The calls of aws_lb, aws_lb_target_group, aws_lb_listener, aws_lb_listener_rule and aws_lb_target_group_attachment."""
    elbv2, tags = served.boto("elbv2"), [{"Key": "by", "Value": "terraform"}]
    with pytest.raises(elbv2.exceptions.TargetGroupNotFoundException):
        elbv2.describe_target_groups(Names=["blue"])
    group = elbv2.create_target_group(
        Name="blue", Protocol="HTTP", Port=80, VpcId=where["vpc"], TargetType="ip", ProtocolVersion="HTTP1", Tags=tags,
        HealthCheckEnabled=True, HealthCheckIntervalSeconds=30, HealthCheckPath="/", HealthCheckPort="traffic-port",
        HealthCheckProtocol="HTTP", HealthyThresholdCount=3, UnhealthyThresholdCount=3, Matcher={"HttpCode": "200"},
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    for key, value in (
        ("deregistration_delay.timeout_seconds", "300"), ("load_balancing.algorithm.type", "round_robin"),
        ("load_balancing.algorithm.anomaly_mitigation", "off"), ("slow_start.duration_seconds", "0"),
        ("stickiness.enabled", "false"), ("stickiness.type", "lb_cookie"),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
    ):  # fmt: skip
        elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[{"Key": key, "Value": value}])
    with pytest.raises(elbv2.exceptions.LoadBalancerNotFoundException):
        elbv2.describe_load_balancers(Names=["web"])
    mappings = [{"SubnetId": subnet} for subnet in where["subnets"]]
    made = elbv2.create_load_balancer(Name="web", Type="application", SubnetMappings=mappings, IpAddressType="ipv4", Tags=tags)
    balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
    elbv2.get_waiter("load_balancer_available").wait(LoadBalancerArns=[balancer], WaiterConfig=QUICK)
    settings = {
        "access_logs.s3.enabled": "false", "connection_logs.s3.enabled": "false", "deletion_protection.enabled": "false",
        "client_keep_alive.seconds": "3600", "idle_timeout.timeout_seconds": "60", "routing.http2.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive", "routing.http.drop_invalid_header_fields.enabled": "false",
        "routing.http.preserve_host_header.enabled": "false", "routing.http.xff_client_port.enabled": "false",
        "routing.http.xff_header_processing.mode": "append", "waf.fail_open.enabled": "false",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false", "zonal_shift.config.enabled": "false",
    }  # fmt: skip
    wanted = [{"Key": key, "Value": value} for key, value in settings.items()]
    elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=wanted)
    answer = elbv2.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
    assert settings.items() <= {one["Key"]: one["Value"] for one in answer}.items()
    action = {"Type": "forward", "Order": 1, "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group}]}}
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[action], Tags=tags
    )["Listeners"][0]  # fmt: skip
    arn = listener["ListenerArn"]
    assert listener["DefaultActions"][0]["Order"] == 1
    assert elbv2.describe_listener_attributes(ListenerArn=arn)["Attributes"]
    condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/static/*"]}}
    rule = elbv2.create_rule(ListenerArn=arn, Priority=100, Conditions=[condition], Actions=[action], Tags=tags)["Rules"][0]
    assert elbv2.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"][0]["Priority"] == "100"
    elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": "172.31.0.10", "Port": 80}])
    health = elbv2.describe_target_health(TargetGroupArn=group, Targets=[{"Id": "172.31.0.10", "Port": 80}])
    assert health["TargetHealthDescriptions"][0]["TargetHealth"]["State"] == "initial"
    described = elbv2.describe_tags(ResourceArns=[balancer, group, arn, rule["RuleArn"]])["TagDescriptions"]
    assert [one["Tags"] for one in described] == [tags] * 4
    elbv2.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "172.31.0.10", "Port": 80}])
    elbv2.delete_rule(RuleArn=rule["RuleArn"])
    elbv2.delete_listener(ListenerArn=arn)
    elbv2.delete_load_balancer(LoadBalancerArn=balancer)
    elbv2.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer], WaiterConfig=QUICK)
    elbv2.delete_target_group(TargetGroupArn=group)
    cards = served.boto().describe_network_interfaces(Filters=[{"Name": "description", "Values": ["ELB app/web/*"]}])
    assert cards["NetworkInterfaces"] == []
