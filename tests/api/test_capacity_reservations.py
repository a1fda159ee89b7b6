"""Room that is kept: who may have it, who is in it, and what becomes of it when it is over."""

import pytest

from minicloud.aws import times
from minicloud.host.contracts import Capacity
from minicloud.host.fake import FakeHost
from minicloud.services.ec2 import reserved
from minicloud.state.rows_access import CapacityReservation

from ..cloud_fixtures import RUN, Ec2

ZONE = "us-east-1a"
TYPE = {"InstanceType": "t3.nano", "InstancePlatform": "Linux/UNIX", "AvailabilityZone": ZONE}
MIB = 512
"""Memory of a t3.nano."""


def room_for(ec2: Ec2, host: FakeHost, count: int) -> None:
    """Let the host have memory for so many."""
    host.set_capacity(Capacity(64, ec2.cloud.settings.memory_reserve + count * MIB))


def reserve(ec2: Ec2, count: int, **more: object) -> str:
    made = ec2("CreateCapacityReservation", **TYPE, InstanceCount=count, **more)["CapacityReservation"]
    return str(made["CapacityReservationId"])


def free(ec2: Ec2, reservation: str) -> int:
    found = ec2("DescribeCapacityReservations", CapacityReservationIds=[reservation])["CapacityReservations"][0]
    return int(found["AvailableInstanceCount"])


def meant(reservation: str) -> dict[str, object]:
    return {"CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": reservation}}}


def full(ec2: Ec2, **params: object) -> bool:
    return ec2.refused("RunInstances", **{**RUN, **params}).code == "InsufficientInstanceCapacity"


def test_what_is_reserved_is_nobody_elses(ec2: Ec2, host: FakeHost) -> None:
    room_for(ec2, host, 3)
    kept = reserve(ec2, 2, InstanceMatchCriteria="targeted")
    other = ec2.run()
    assert full(ec2)
    inside = [ec2.run(**meant(kept)) for _ in range(2)]
    assert full(ec2, **meant(kept))
    assert free(ec2, kept) == 0
    assert [ec2.instance(one).get("CapacityReservationId") for one in (other, *inside)] == [None, kept, kept]
    usage = ec2("GetCapacityReservationUsage", CapacityReservationId=kept)
    assert (usage["TotalInstanceCount"], usage["AvailableInstanceCount"], usage["InstanceUsages"][0]["UsedInstanceCount"]) == (
        2,
        0,
        2,
    )
    ec2("TerminateInstances", InstanceIds=inside[:1])
    assert full(ec2)
    ec2("CancelCapacityReservation", CapacityReservationId=kept)
    ec2.run()
    assert ec2.instance(inside[1])["State"]["Name"] == "running"
    assert ec2.refused("CancelCapacityReservation", CapacityReservationId=kept).code == "InvalidCapacityReservationState"


def test_an_open_one_takes_who_matches(ec2: Ec2, host: FakeHost) -> None:
    room_for(ec2, host, 2)
    first = ec2.run(Placement={"AvailabilityZone": ZONE})
    kept = reserve(ec2, 2)
    assert ec2.instance(first)["CapacityReservationId"] == kept
    assert full(ec2, Placement={"AvailabilityZone": "us-east-1b"})
    assert full(ec2, CapacityReservationSpecification={"CapacityReservationPreference": "none"})
    only = {"CapacityReservationPreference": "capacity-reservations-only"}
    second = ec2.run(Placement={"AvailabilityZone": ZONE}, CapacityReservationSpecification=only)
    assert full(ec2, Placement={"AvailabilityZone": ZONE}, CapacityReservationSpecification=only)
    assert ec2.instance(second)["CapacityReservationSpecification"] == only
    found = ec2("DescribeInstances", Filters=[{"Name": "capacity-reservation-id", "Values": [kept]}])["Reservations"]
    assert {one["InstanceId"] for each in found for one in each["Instances"]} == {first, second}


def test_a_stopped_instance_needs_a_place_again(ec2: Ec2, host: FakeHost) -> None:
    room_for(ec2, host, 1)
    one = ec2.run()
    ec2("StopInstances", InstanceIds=[one], Force=True)
    kept = reserve(ec2, 1, InstanceMatchCriteria="targeted")
    assert ec2.refused("StartInstances", InstanceIds=[one]).code == "InsufficientInstanceCapacity"
    ec2("ModifyInstanceCapacityReservationAttributes", InstanceId=one, **meant(kept))
    ec2("StartInstances", InstanceIds=[one])
    assert ec2.instance(one)["CapacityReservationId"] == kept
    assert (
        ec2.refused("ModifyInstanceCapacityReservationAttributes", InstanceId=one, **meant(kept)).code == "IncorrectInstanceState"
    )


def test_it_grows_shrinks_and_ends(ec2: Ec2, host: FakeHost) -> None:
    room_for(ec2, host, 3)
    kept = reserve(ec2, 1, TagSpecifications=[{"ResourceType": "capacity-reservation", "Tags": [{"Key": "a", "Value": "b"}]}])
    ec2("ModifyCapacityReservation", CapacityReservationId=kept, InstanceCount=3)
    assert free(ec2, kept) == 3
    more = {"CapacityReservationId": kept, "InstanceCount": 4}
    assert ec2.refused("ModifyCapacityReservation", **more).code == "InsufficientInstanceCapacity"
    ec2.run(MinCount=2, MaxCount=2, Placement={"AvailabilityZone": ZONE})
    assert ec2.refused("ModifyCapacityReservation", **{**more, "InstanceCount": 1}).code == "InvalidParameterValue"
    ec2("ModifyCapacityReservation", CapacityReservationId=kept, EndDate="2099-01-01T00:00:00Z", EndDateType="limited")
    found = ec2("DescribeCapacityReservations", Filters=[{"Name": "end-date-type", "Values": ["limited"]}])[
        "CapacityReservations"
    ][0]
    assert (found["EndDate"][:10], found["Tags"], found["State"]) == ("2099-01-01", [{"Key": "a", "Value": "b"}], "active")
    ec2.cloud.state.capacity_reservations.change(kept, ends=times.text(times.seconds(times.now()) - 1))
    assert ec2("DescribeCapacityReservations", Filters=[{"Name": "state", "Values": ["expired"]}])["CapacityReservations"]
    ec2.run(Placement={"AvailabilityZone": "us-east-1b"})


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"InstanceCount": 0}, "InvalidParameterValue"),
        ({"InstanceCount": 9000}, "InsufficientInstanceCapacity"),
        ({"InstanceType": "t9.huge"}, "InvalidParameterValue"),
        ({"AvailabilityZone": "eu-west-1a"}, "InvalidParameterValue"),
        ({"InstancePlatform": "Windows"}, "UnsupportedOperation"),
        ({"EndDateType": "limited"}, "InvalidParameterCombination"),
        ({"EndDate": "2001-01-01T00:00:00Z", "EndDateType": "limited"}, "InvalidParameterValue"),
    ],
)
def test_reservations_that_cannot_be(ec2: Ec2, params: dict[str, object], code: str) -> None:
    assert ec2.refused("CreateCapacityReservation", **{**TYPE, "InstanceCount": 1, **params}).code == code
    assert ec2("DescribeCapacityReservations")["CapacityReservations"] == []


def test_ids_of_reservations(ec2: Ec2) -> None:
    for operation in ("CancelCapacityReservation", "GetCapacityReservationUsage"):
        unknown = ec2.refused(operation, CapacityReservationId="cr-0123456789abcdef0")
        assert unknown.code == "InvalidCapacityReservationId.NotFound"
        assert ec2.refused(operation, CapacityReservationId="x").code == "InvalidCapacityReservationId.Malformed"
    both = {
        "CapacityReservationPreference": "open",
        "CapacityReservationTarget": {"CapacityReservationId": "cr-0123456789abcdef0"},
    }
    assert ec2.refused("RunInstances", **RUN, CapacityReservationSpecification=both).code == "InvalidParameterCombination"


def test_who_names_a_reservation_comes_first(ec2: Ec2) -> None:
    one, two = ec2.row(ec2.run()), ec2.row(ec2.run())
    two.capacity_reservation = "cr-1"
    row = CapacityReservation("cr-1", "t3.nano", one.zone, 1, "open", "active", "", False, "")
    assert reserved.assign([row], [one, two]) == {two.id: "cr-1"}
    row.count = 2
    assert reserved.assign([row], [one, two]) == {one.id: "cr-1", two.id: "cr-1"}
