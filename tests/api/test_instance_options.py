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
        (
            {"CapacityReservationSpecification": {"CapacityReservationPreference": "capacity-reservations-only"}},
            "UnsupportedOperation",
            "no capacity reservations",
        ),
        ({"InstanceMarketOptions": {"MarketType": "spot"}}, "UnsupportedOperation", "InstanceMarketOptions"),
        ({"Placement": {"Tenancy": "host"}}, "UnsupportedOperation", "tenancy"),
        ({"Placement": {"HostId": "h-0123456789abcdef0"}}, "UnsupportedOperation", "Placement.HostId"),
        ({"Placement": {"GroupName": "none"}}, "InvalidPlacementGroup.Unknown", "'none'"),
        ({"Placement": {"GroupName": "a", "GroupId": "pg-0123456789abcdef0"}}, "InvalidParameterCombination", "GroupId"),
        ({"Placement": {"AvailabilityZoneId": "use1-az9"}}, "InvalidParameterValue", "use1-az9"),
        (
            {"Placement": {"AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az1"}},
            "InvalidParameterCombination",
            "AvailabilityZoneId",
        ),
        ({"CpuOptions": {"CoreCount": 1}}, "InvalidParameterCombination", "ThreadsPerCore"),
        ({"CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1}}, "InvalidParameterValue", "Allowed: 1."),
        ({"CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 3}}, "InvalidParameterValue", "Allowed: 1, 2."),
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


def test_a_guest_has_the_cores_that_were_chosen(ec2: Ec2, host: FakeHost) -> None:
    whole, half = ec2.run(), ec2.run(CpuOptions={"CoreCount": 1, "ThreadsPerCore": 1})
    assert [host.spec(name)["vcpus"] for name in (whole, half)] == [2, 1]
    assert ec2.instance(half)["CpuOptions"] == {"CoreCount": 1, "ThreadsPerCore": 1}
    ec2("StopInstances", InstanceIds=[half], Force=True)
    assert ec2("ModifyInstanceCpuOptions", InstanceId=half, CoreCount=1, ThreadsPerCore=2) == {
        "InstanceId": half, "CoreCount": 1, "ThreadsPerCore": 2,
    }  # fmt: skip
    ec2("StartInstances", InstanceIds=[half])
    assert host.spec(half)["vcpus"] == 2


def test_another_type_has_cpu_options_of_its_own(ec2: Ec2) -> None:
    instance = ec2.run(CpuOptions={"CoreCount": 1, "ThreadsPerCore": 1})
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    ec2("ModifyInstanceAttribute", InstanceId=instance, InstanceType={"Value": "t3.xlarge"})
    assert ec2.instance(instance)["CpuOptions"] == {"CoreCount": 2, "ThreadsPerCore": 2}


def test_fewer_cores_take_less_of_the_host(ec2: Ec2, host: FakeHost) -> None:
    host.set_capacity(Capacity(threads=4, memory=65536))
    kind = {"InstanceType": "c5.xlarge", "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1}}
    for _ in range(2):
        ec2.run(**kind)
    error = ec2.refused("RunInstances", ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, **kind)
    assert (error.code, error.status) == ("InsufficientInstanceCapacity", 500)
    assert "takes 2 of the host's" in error.message


def test_options_are_of_a_launch_template_too(ec2: Ec2) -> None:
    data = {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.nano", "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 1}}
    ec2("CreateLaunchTemplate", LaunchTemplateName="t", LaunchTemplateData=data)
    answer = ec2("RunInstances", MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateName": "t"})
    assert answer["Instances"][0]["CpuOptions"] == {"CoreCount": 1, "ThreadsPerCore": 1}


def test_a_placement_group_that_is_used_stays(ec2: Ec2) -> None:
    group = ec2("CreatePlacementGroup", GroupName="near")["PlacementGroup"]
    instance = ec2.run(Placement={"GroupName": "near"})
    assert ec2.instance(instance)["Placement"]["GroupId"] == group["GroupId"]
    named = [{"Name": "placement-group-name", "Values": ["near"]}]
    assert len(ec2("DescribeInstances", Filters=named)["Reservations"]) == 1
    assert ec2.refused("DeletePlacementGroup", GroupName="near").code == "InvalidPlacementGroup.InUse"
    assert ec2.refused("ModifyInstancePlacement", InstanceId=instance, GroupName="").code == "IncorrectInstanceState"
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    ec2("ModifyInstancePlacement", InstanceId=instance, GroupName="")
    assert ec2.instance(instance)["Placement"]["GroupName"] == ""
    ec2("DeletePlacementGroup", GroupName="near")


def test_an_instance_that_is_not_to_be_recovered_stays_off_after_a_restart_of_the_host(ec2: Ec2) -> None:
    instance = ec2.run()
    row, after = ec2.row(instance), instance_plan.Seen(None, "another boot")
    assert any(isinstance(action, StartGuest) for action in instance_plan.plan(row, after, 0.0))
    ec2("ModifyInstanceMaintenanceOptions", InstanceId=instance, AutoRecovery="disabled")
    (action,) = instance_plan.plan(ec2.row(instance), after, 0.0)
    assert isinstance(action, Record)
    assert (action.fields["wish"], action.fields["reason_code"]) == ("stopped", "Server.InternalError")
    assert ec2.instance(instance)["MaintenanceOptions"] == {"AutoRecovery": "disabled"}


def test_reservations_can_be_declined_later(ec2: Ec2) -> None:
    instance = ec2.run()
    wanted = {"CapacityReservationPreference": "none"}
    ec2("ModifyInstanceCapacityReservationAttributes", InstanceId=instance, CapacityReservationSpecification=wanted)
    assert ec2.instance(instance)["CapacityReservationSpecification"] == wanted


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("ModifyInstanceMaintenanceOptions", {}, "MissingParameter"),
        ("ModifyInstanceCpuOptions", {}, "IncorrectInstanceState"),
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


def test_credits_follow_the_type(ec2: Ec2) -> None:
    instance = ec2.run(CreditSpecification={"CpuCredits": "standard"})
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    for kind, chosen in (("t3.micro", "unlimited"), ("t2.nano", "standard"), ("c5.large", "")):
        ec2("ModifyInstanceAttribute", InstanceId=instance, InstanceType={"Value": kind})
        assert ec2.row(instance).credits == chosen
    error = ec2.refused("RunInstances", **{**RUN, "InstanceType": "c5.large"}, CreditSpecification={"CpuCredits": "standard"})
    assert error.code == "InvalidParameterCombination"
