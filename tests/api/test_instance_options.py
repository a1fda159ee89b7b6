"""Options of instances beside their type: what a launch takes, what guests get of it, what can be changed later."""

from typing import Any

import pytest

from minicloud.host.contracts import Capacity
from minicloud.host.fake import FakeHost
from minicloud.reconcile import instance_plan
from minicloud.reconcile.actions import Record, StartGuest

from ..cloud_fixtures import RUN, Ec2

HARMLESS: dict[str, dict[str, Any]] = {
    "HibernationOptions": {"Configured": False},
    "EnclaveOptions": {"Enabled": False},
    "MaintenanceOptions": {"AutoRecovery": "default"},
    "CapacityReservationSpecification": {"CapacityReservationPreference": "none"},
    "PrivateDnsNameOptions": {"HostnameType": "ip-name", "EnableResourceNameDnsARecord": False},
    "Placement": {"Tenancy": "default", "AvailabilityZoneId": "use1-az1"},
}


def test_what_clients_send_by_default_is_taken(ec2: Ec2) -> None:
    seen = ec2.instance(ec2.run(**HARMLESS))
    assert seen["HibernationOptions"] == {"Configured": False}
    assert seen["EnclaveOptions"] == {"Enabled": False}
    assert seen["MaintenanceOptions"] == {"AutoRecovery": "default"}
    assert seen["CapacityReservationSpecification"] == {"CapacityReservationPreference": "none"}
    assert seen["Placement"]["AvailabilityZoneId"] == "use1-az1"
    assert ec2.instance(ec2.run())["CapacityReservationSpecification"] == {"CapacityReservationPreference": "open"}


@pytest.mark.parametrize(
    ("params", "code", "named"),
    [
        ({"HibernationOptions": {"Configured": True}}, "UnsupportedOperation", "HibernationOptions.Configured"),
        ({"EnclaveOptions": {"Enabled": True}}, "UnsupportedOperation", "EnclaveOptions.Enabled"),
        ({"PrivateDnsNameOptions": {"HostnameType": "resource-name"}}, "UnsupportedOperation", "HostnameType"),
        ({"PrivateDnsNameOptions": {"EnableResourceNameDnsARecord": True}}, "UnsupportedOperation", "DnsARecord"),
        ({"InstanceMarketOptions": {"MarketType": "spot"}}, "UnsupportedOperation", "InstanceMarketOptions"),
        ({"Placement": {"Tenancy": "host"}}, "UnsupportedOperation", "tenancy"),
        ({"Placement": {"HostId": "h-0123456789abcdef0"}}, "UnsupportedOperation", "Placement.HostId"),
        ({"Placement": {"GroupName": "none"}}, "InvalidPlacementGroup.Unknown", "'none'"),
        ({"Placement": {"GroupId": "none"}}, "InvalidPlacementGroupId.Malformed", "none"),
        ({"Placement": {"GroupName": "a", "GroupId": "pg-0123456789abcdef0"}}, "InvalidParameterCombination", "GroupId"),
        ({"Placement": {"AvailabilityZoneId": "use1-az9"}}, "InvalidParameterValue", "use1-az9"),
        (
            {"Placement": {"AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az1"}},
            "InvalidParameterCombination",
            "AvailabilityZoneId",
        ),
        ({"CpuOptions": {"CoreCount": 1}}, "InvalidParameterCombination", "ThreadsPerCore"),
        ({"CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1}}, "InvalidParameterValue", "Allowed: CoreCount 1;"),
        ({"CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 3}}, "InvalidParameterValue", "ThreadsPerCore 1 to 2."),
        ({"InstanceType": "t2.nano", "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 1}}, "InvalidParameterCombination", "t2"),
    ],
)
def test_what_no_instance_here_can_have_is_refused_by_name(ec2: Ec2, params: dict[str, Any], code: str, named: str) -> None:
    error = ec2.refused(
        "RunInstances", MinCount=1, MaxCount=1, **{"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.nano", **params}
    )
    assert error.code == code
    assert named in error.message
    assert ec2.cloud.state.instances.query() == []


def test_fewer_cores_take_less_of_the_host(ec2: Ec2, host: FakeHost) -> None:
    host.set_capacity(Capacity(threads=4, memory=65536))
    kind = {"InstanceType": "c5.xlarge", "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1}}
    for _ in range(2):
        ec2.run(**kind)
    error = ec2.refused("RunInstances", ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, **kind)
    assert (error.code, error.status) == ("InsufficientInstanceCapacity", 500)
    assert "takes 2 of the host's" in error.message


def test_a_place_that_is_reserved_is_whole_whatever_is_in_it(ec2: Ec2, host: FakeHost) -> None:
    host.set_capacity(Capacity(threads=6, memory=65536))
    half = {"InstanceType": "c5.xlarge", "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1}}
    zone = {"AvailabilityZone": "us-east-1a"}
    ec2("CreateCapacityReservation", InstanceType="c5.xlarge", InstancePlatform="Linux/UNIX", InstanceCount=1, **zone)
    inside, beside = ec2.run(**half, Placement=zone), ec2.run(**half, Placement=zone)
    assert ["CapacityReservationId" in ec2.instance(name) for name in (inside, beside)] == [True, False]
    assert ec2.refused("RunInstances", **{**RUN, **half}).code == "InsufficientInstanceCapacity"
    ec2("StopInstances", InstanceIds=[beside], Force=True)
    ec2("StartInstances", InstanceIds=[beside])


def test_options_are_of_a_launch_template_too(ec2: Ec2) -> None:
    data = {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.nano", "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 1}}
    ec2("CreateLaunchTemplate", LaunchTemplateName="template", LaunchTemplateData=data)
    answer = ec2("RunInstances", MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateName": "template"})
    assert answer["Instances"][0]["CpuOptions"] == {"CoreCount": 1, "ThreadsPerCore": 1}


def test_an_instance_that_is_not_to_be_recovered_stays_off_after_a_restart_of_the_host(ec2: Ec2) -> None:
    instance = ec2.run()
    row, after = ec2.row(instance), instance_plan.Seen(None, "another boot")
    assert any(isinstance(action, StartGuest) for action in instance_plan.plan(row, after, 0.0))
    ec2("ModifyInstanceMaintenanceOptions", InstanceId=instance, AutoRecovery="disabled")
    (action,) = instance_plan.plan(ec2.row(instance), after, 0.0)
    assert isinstance(action, Record)
    assert (action.fields["wish"], action.fields["reason_code"]) == ("stopped", "Server.InternalError")
    assert ec2.instance(instance)["MaintenanceOptions"] == {"AutoRecovery": "disabled"}
    other = ec2.run(MaintenanceOptions={"AutoRecovery": "disabled"})
    assert ec2.row(other).auto_recovery == "disabled"
    ec2("TerminateInstances", InstanceIds=[other])
    changed = ec2.refused("ModifyInstanceMaintenanceOptions", InstanceId=other, AutoRecovery="default")
    assert changed.code == "IncorrectInstanceState"


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("ModifyInstanceMaintenanceOptions", {}, "MissingParameter"),
        ("ModifyInstanceCpuOptions", {}, "MissingParameter"),
        ("ModifyInstancePlacement", {}, "MissingParameter"),
        ("ModifyInstancePlacement", {"Tenancy": "dedicated"}, "UnsupportedOperation"),
        ("StopInstances", {"Hibernate": True}, "UnsupportedHibernationConfiguration"),
    ],
)
def test_changes_that_are_refused(ec2: Ec2, operation: str, params: dict[str, Any], code: str) -> None:
    instance = ec2.run()
    name = {"InstanceIds": [instance]} if operation == "StopInstances" else {"InstanceId": instance}
    assert ec2.refused(operation, **name, **params).code == code


def test_the_system_of_a_guest_need_not_be_asked(ec2: Ec2, host: FakeHost) -> None:
    stopped, ended = ec2.run(), ec2.run()
    ec2("StopInstances", InstanceIds=[stopped], SkipOsShutdown=True, Hibernate=False)
    ec2("TerminateInstances", InstanceIds=[ended], SkipOsShutdown=True, Force=True)
    assert [ec2.state(name) for name in (stopped, ended)] == ["stopped", "terminated"]


def test_ena_is_there_and_stays(ec2: Ec2) -> None:
    instance = ec2.run()
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    ec2("ModifyInstanceAttribute", InstanceId=instance, EnaSupport={"Value": True})
    assert ec2.refused("ModifyInstanceAttribute", InstanceId=instance, EnaSupport={"Value": False}).code == "UnsupportedOperation"


def test_attributes_by_name_and_text(ec2: Ec2) -> None:
    instance = ec2.run()
    ec2("ModifyInstanceAttribute", InstanceId=instance, Attribute="sourceDestCheck", Value="false")
    assert ec2.instance(instance)["SourceDestCheck"] is False
    wrong = ec2.refused("ModifyInstanceAttribute", InstanceId=instance, Attribute="sourceDestCheck", Value="no")
    assert (wrong.code, "Allowed: true, false." in wrong.message) == ("InvalidParameterValue", True)
    by_value = ec2.refused("ModifyInstanceAttribute", InstanceId=instance, Attribute="groupSet", Value="sg-1")
    assert by_value.code == "UnsupportedOperation"
    group = ec2("CreateSecurityGroup", GroupName="other", Description="other")["GroupId"]
    ec2("ModifyInstanceAttribute", InstanceId=instance, Attribute="groupSet", Groups=[group])
    assert [one["GroupId"] for one in ec2.instance(instance)["SecurityGroups"]] == [group]


def test_credits_follow_the_type(ec2: Ec2) -> None:
    instance = ec2.run(CreditSpecification={"CpuCredits": "standard"})
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    for kind, chosen in (("t3.micro", "unlimited"), ("t2.nano", "standard"), ("c5.large", "")):
        ec2("ModifyInstanceAttribute", InstanceId=instance, InstanceType={"Value": kind})
        assert ec2.row(instance).credits == chosen
    ec2("ModifyDefaultCreditSpecification", InstanceFamily="t3", CpuCredits="standard")
    ec2("ModifyInstanceAttribute", InstanceId=instance, InstanceType={"Value": "t3.micro"})
    assert ec2.row(instance).credits == "standard"
    error = ec2.refused("RunInstances", **{**RUN, "InstanceType": "c5.large"}, CreditSpecification={"CpuCredits": "standard"})
    assert error.code == "InvalidParameterCombination"
