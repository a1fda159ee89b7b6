"""Commands in processes of their own, all at once, over one state and one fake host."""

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import ApiError
from minicloud.host import fake
from minicloud.host.contracts import Capacity
from minicloud.reconcile import daemon

from ..cloud_fixtures import IMAGE, RUN, Ec2, cloud_in
from ..processes import beside, together, values
from ..waits import until

STATES = {"StartInstances": "running", "StopInstances": "stopped", "TerminateInstances": "terminated"}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory with a fake host that all processes see."""
    host = fake.host(tmp_path / "host")
    host.add_image(IMAGE)
    host.set_capacity(Capacity(200, 200_000))
    return tmp_path


def command(directory: Path, operation: str, **params: Any) -> Callable[[], Any]:
    """What a command does: it opens the state, asks, and lets the work be done. A refusal is its code."""

    def run() -> Any:
        try:
            return Ec2(cloud_in(directory))(operation, **params)
        except ApiError as error:
            return error.code

    return run


def test_fifty_launches_with_one_client_token_are_one_instance(shared: Path) -> None:
    launch = command(shared, "RunInstances", **RUN, ClientToken="the one")
    answers = values(together(*[launch] * 50))
    assert isinstance(answers[0], dict), answers[0]
    assert all(answer == answers[0] for answer in answers)
    ec2 = Ec2(cloud_in(shared))
    instance_id = answers[0]["Instances"][0]["InstanceId"]
    assert [row.id for row in ec2.cloud.state.instances.query()] == [instance_id]
    assert ec2.state(instance_id) == "running"
    assert list(ec2.cloud.host.guests.list()) == [instance_id]
    calls = fake.host(shared / "host").calls()
    assert sum(call[0] == "guests.start" for call in calls) == 1


def test_two_different_requests_with_one_client_token(shared: Path) -> None:
    kinds = ("t3.nano", "t3.micro")
    launches = [command(shared, "RunInstances", **{**RUN, "InstanceType": kind}, ClientToken="t") for kind in kinds]
    answers = values(together(*launches * 5))
    assert Counter(answer if isinstance(answer, str) else "launched" for answer in answers) == {
        "launched": 5, "IdempotentParameterMismatch": 5,
    }  # fmt: skip
    assert len(cloud_in(shared).state.instances.query()) == 1


def test_twenty_launches_have_twenty_addresses(shared: Path) -> None:
    answers = values(together(*[command(shared, "RunInstances", **RUN)] * 20))
    cards = [card for answer in answers for card in answer["Instances"][0]["NetworkInterfaces"]]
    assert len({card["PrivateIpAddress"] for card in cards}) == len({card["MacAddress"] for card in cards}) == 20
    ec2 = Ec2(cloud_in(shared))
    assert {row.state for row in ec2.cloud.state.instances.query()} == {"running"}
    reserved = [one for spec in ec2.cloud.host.networks.list().values() if spec for one in spec.reservations]
    assert {str(one.address) for one in reserved} == {card["PrivateIpAddress"] for card in cards}


def test_launches_and_ends_side_by_side_leave_every_network_as_it_should_be(shared: Path) -> None:
    """An empty network is taken away while somebody moves in: who starts a guest finds it there all the same."""

    def live_and_die() -> list[str]:
        ec2, seen = Ec2(cloud_in(shared)), []
        for _ in range(4):
            instance_id = ec2.run()
            seen.append(ec2.row(instance_id).state)
            ec2("TerminateInstances", InstanceIds=[instance_id])
        return seen

    assert values(together(*[live_and_die] * 5)) == [["running"] * 4] * 5
    host = cloud_in(shared).host
    assert (host.guests.list(), host.networks.list()) == ({}, {})


def test_one_address_is_given_to_one_of_ten(shared: Path) -> None:
    answers = values(together(*[command(shared, "RunInstances", **RUN, PrivateIpAddress="172.31.0.99")] * 10))
    assert Counter(answer if isinstance(answer, str) else "launched" for answer in answers) == {
        "launched": 1, "InvalidIPAddress.InUse": 9,
    }  # fmt: skip


def test_no_more_are_launched_than_fit(shared: Path) -> None:
    fake.host(shared / "host").set_capacity(Capacity(64, 512 + 3 * 512))
    answers = values(together(*[command(shared, "RunInstances", **RUN)] * 8))
    assert Counter(answer if isinstance(answer, str) else "launched" for answer in answers) == {
        "launched": 3, "InsufficientInstanceCapacity": 5,
    }  # fmt: skip


def test_one_name_is_given_to_one_key_pair(shared: Path) -> None:
    create = command(shared, "CreateKeyPair", KeyName="k", KeyType="ed25519")
    answers = values(together(*[create] * 8))
    assert sorted(answer if isinstance(answer, str) else "" for answer in answers) == ["", *["InvalidKeyPair.Duplicate"] * 7]


@pytest.mark.parametrize("verbs", list(itertools.combinations_with_replacement(STATES, 2)), ids="-".join)
def test_two_commands_at_one_instance(shared: Path, verbs: tuple[str, str]) -> None:
    """Each is carried out or refused; afterwards row and host agree, in a state that one of them asked for."""
    ec2 = Ec2(cloud_in(shared))
    instance_id = ec2.run()
    if "StartInstances" in verbs:
        ec2("StopInstances", InstanceIds=[instance_id])
    ec2.cloud.state.close()
    answers = values(together(*(command(shared, verb, InstanceIds=[instance_id]) for verb in verbs)))
    assert {answer for answer in answers if isinstance(answer, str)} <= {"IncorrectInstanceState"}
    assert any(isinstance(answer, dict) for answer in answers)
    state = ec2.state(instance_id)
    assert state in {STATES[verb] for verb in verbs}
    assert "TerminateInstances" not in verbs or state == "terminated"
    guests = ec2.cloud.host.guests.list()
    assert (instance_id in guests and guests[instance_id].power.value == "running") == (state == "running")


def test_many_terminate_one(shared: Path) -> None:
    instance_id = Ec2(cloud_in(shared)).run()
    answers = values(together(*[command(shared, "TerminateInstances", InstanceIds=[instance_id])] * 10))
    assert all(answer["TerminatingInstances"][0]["CurrentState"]["Name"] in ("shutting-down", "terminated") for answer in answers)
    host = cloud_in(shared).host
    assert (host.guests.list(), host.disks.list(), host.seeds.list(), host.networks.list()) == ({}, {}, set(), {})


class TestDaemon:
    def test_it_does_the_work_of_commands(self, shared: Path) -> None:
        ec2 = Ec2(cloud_in(shared))
        with beside(lambda stopped: daemon.run(cloud_in(shared), stopped)):
            until("the daemon listens", (shared / "run" / "wake.sock").exists)
            answers = values(together(*[command(shared, "RunInstances", **RUN)] * 5))
            ids = [answer["Instances"][0]["InstanceId"] for answer in answers]
            assert {answer["Instances"][0]["State"]["Name"] for answer in answers} == {"pending"}
            until("all run", lambda: {ec2.row(one).state for one in ids} == {"running"})
            values(together(*(command(shared, "StopInstances", InstanceIds=[one]) for one in ids[:2])))
            values(together(*(command(shared, "TerminateInstances", InstanceIds=[one]) for one in ids[2:])))
            until("two are stopped", lambda: {ec2.row(one).state for one in ids[:2]} == {"stopped"})
            until("three are terminated", lambda: {ec2.row(one).state for one in ids[2:]} == {"terminated"})
        assert not (shared / "run" / "wake.sock").exists()
        assert set(ec2.cloud.host.seeds.list()) == set(ids[:2])

    def test_it_sees_what_happens_to_guests(self, shared: Path) -> None:
        ec2, host = Ec2(cloud_in(shared)), fake.host(shared / "host")
        one, two = ec2.run(), ec2.run()
        with beside(lambda stopped: daemon.run(cloud_in(shared), stopped)):
            until("both answer", lambda: {ec2.row(each).reachable for each in (one, two)} == {"passed"})
            host.kill(one)
            host.power_off_by_guest(two)
            until("both are stopped", lambda: {ec2.row(each).state for each in (one, two)} == {"stopped"})
        assert ec2.row(one).reason_code == "Server.InternalError"
        assert ec2.row(two).reason_code == "Client.InstanceInitiatedShutdown"

    def test_commands_go_on_when_it_has_ended(self, shared: Path) -> None:
        ec2 = Ec2(cloud_in(shared))
        with beside(lambda stopped: daemon.run(cloud_in(shared), stopped)):
            until("the daemon listens", (shared / "run" / "wake.sock").exists)
        assert ec2.state(ec2.run()) == "running"

    def test_there_is_one(self, shared: Path) -> None:
        def second() -> str:
            try:
                daemon.run(cloud_in(shared), lambda: True)
            except Exception as error:  # noqa: BLE001 - its text is what is asked for
                return str(error)
            return "it ran"

        with beside(lambda stopped: daemon.run(cloud_in(shared), stopped)):
            until("the daemon listens", (shared / "run" / "wake.sock").exists)
            assert values(together(second)) == ["minicloud serve runs already (its lock is held)"]
