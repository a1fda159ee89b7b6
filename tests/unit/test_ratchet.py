"""The conformance ratchet itself: what it finds, that it fails the test in which it was found, and how long its list may be."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from minicloud.aws import ids, model, routing
from minicloud.aws.wire import WireAnswer
from minicloud.errors import ApiError
from tests import ratchet, refusal_forms
from tests.conforms import differences

MOST = 5
"""The length of tests/known_differences.txt. Lower it with each line that goes; it is never raised."""
TESTS = Path(ratchet.__file__).parent
REPORT = "report.xml"
INSIDE = """
import dataclasses
import threading

import pytest

from minicloud import api
from minicloud.aws import ids, model, routing
from minicloud.errors import ApiError
from tests import processes, ratchet
from tests.cloud_fixtures import cloud, ec2, host


@pytest.fixture
def wrong(ec2, monkeypatch):
    found = api.find("ec2", "DescribeVpcs")
    declared = dataclasses.replace(found, function=lambda call: {"Vpcs": [{"VpcId": 1}]})
    monkeypatch.setitem(api._declared["ec2"], "DescribeVpcs", declared)
    return ec2


def refuse(*_, **__):
    raise ApiError("NoSuchCode", "no")


def test_answer(wrong):
    wrong("DescribeVpcs")


def test_answer_to_a_thread(wrong):
    thread = threading.Thread(target=wrong, args=("DescribeVpcs",))
    thread.start()
    thread.join()


def test_answer_to_a_forked_process(wrong):
    processes.values(processes.together(lambda: wrong("DescribeVpcs")))


def test_refusal(ec2, monkeypatch):
    monkeypatch.setattr(api, "authorize", refuse)
    ec2.refused("DescribeVpcs")


def test_refusal_on_the_wire():
    routing.EC2.error(model.service("ec2"), ApiError("NoSuchCode", "no"), "id")


def test_all_is_well(ec2):
    ec2("DescribeVpcs")
"""


def test_the_list_gets_shorter() -> None:
    text = ratchet.LIST.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    entries = ratchet.known(text)
    assert lines == sorted(set(lines))
    assert len(entries) == len(lines) == MOST
    for entry in entries:
        assert entry.service == ratchet.EVERY or entry.operation in {
            ratchet.EVERY, ratchet.NOBODY, *model.service(entry.service).operation_names
        }  # fmt: skip


@pytest.mark.parametrize(
    ("vpc", "path", "kind"),
    [
        ({"VpcId": 1}, "Vpcs[].VpcId", "type"),
        ({"IsDefault": "true"}, "Vpcs[].IsDefault", "type"),
        ({"State": "ready"}, "Vpcs[].State", "enum"),
        ({"Colour": "red"}, "Vpcs[].Colour", "unknown"),
        ({"Tags": {"a": "b"}}, "Vpcs[].Tags", "type"),
        ({"Tags": [{"Key": "a", "Value": 1.5}]}, "Vpcs[].Tags[].Value", "type"),
        (
            {"CidrBlockAssociationSet": [{"CidrBlockState": "associated"}]},
            "Vpcs[].CidrBlockAssociationSet[].CidrBlockState",
            "type",
        ),
        ([], "Vpcs[]", "type"),
    ],
)
def test_what_an_answer_has_else(vpc: Any, path: str, kind: str) -> None:
    (found,) = differences(model.service("ec2").operation("DescribeVpcs").output, {"Vpcs": [{"VpcId": "vpc-1"}, vpc]})
    assert (found.path, found.kind) == (path, kind)


@pytest.mark.parametrize("time", ["2027-03-01T12:00:00+01:00", "soon", 1.0, None])
def test_times_and_what_must_be_there(time: Any) -> None:
    shape = model.service("autoscaling").operation("DescribeScheduledActions").output
    assert differences(shape, {"ScheduledUpdateGroupActions": [{"StartTime": "2027-03-01T12:00:00Z"}]}) == []
    found = differences(shape, {"ScheduledUpdateGroupActions": [{"StartTime": time}]})
    assert [each.kind for each in found] == ([] if time is None else ["type"])
    groups = differences(model.service("autoscaling").operation("DescribeAutoScalingGroups").output, {"AutoScalingGroups": None})
    assert [(each.path, each.kind) for each in groups] == [("AutoScalingGroups", "missing")]


def test_maps_and_answers_without_members() -> None:
    shape = model.service("dlm").operation("GetLifecyclePolicy").output
    found = differences(shape, {"Policy": {"Tags": {"a": 1}}})
    assert [(each.path, each.kind) for each in found] == [("Policy.Tags{}", "type")]
    assert [each.kind for each in differences(None, {"Return": True})] == ["unknown"]


@pytest.mark.parametrize(
    ("service", "operation", "error", "kinds"),
    [
        ("ec2", "DescribeVpcs", ApiError("InvalidVpcID.NotFound", ""), []),
        ("ec2", "DescribeVpcs", ApiError("InvalidVpcID.Lost", ""), ["code"]),
        ("ec2", "DescribeVpcs", ApiError("InvalidVpcId.NotFound", ""), ["code"]),
        ("ec2", "DescribeIpams", ApiError("InvalidIpamId.NotFound", ""), []),
        ("ec2", "DescribeVpcs", ApiError("InvalidVpcID.NotFound", "", 404), ["status"]),
        ("elbv2", "DeleteLoadBalancer", ApiError("LoadBalancerNotFound", ""), []),
        ("elbv2", "DeleteLoadBalancer", ApiError("TargetGroupNotFound", ""), ["code"]),
        ("elbv2", "", ApiError("TargetGroupNotFound", ""), []),
        ("cloudwatch", "SetAlarmState", ApiError("ResourceNotFound", "", 404), []),
        ("cloudwatch", "SetAlarmState", ApiError("ResourceNotFound", ""), ["status"]),
        ("dlm", "GetLifecyclePolicy", ApiError("ValidationError", ""), ["code"]),
        ("dlm", "GetLifecyclePolicy", ApiError("InternalServerException", "", 500), []),
    ],
)
def test_codes_and_statuses(service: str, operation: str, error: ApiError, kinds: list[str]) -> None:
    assert [found.kind for found in refusal_forms.of_refusal(service, operation, error)] == kinds


@pytest.mark.parametrize("kind", sorted(ids.KINDS.keys() - {"layer", "policy"}))
def test_the_codes_of_identifiers(kind: str) -> None:
    known = ratchet.known(ratchet.LIST.read_text())
    for code in (ids.KINDS[kind].malformed, ids.KINDS[kind].not_found):
        found = refusal_forms.of_refusal("ec2", "CreateTags", ApiError(code, ""))
        assert [each for each in found if ratchet.Entry("ec2", ratchet.EVERY, each.path, each.kind) not in known] == []


@pytest.mark.parametrize("protocol", [routing.EC2, routing.QUERY, *routing.JSON.values(), routing.REST, routing.CBOR])
def test_the_form_of_a_refusal(protocol: Any) -> None:
    service, error = model.service("cloudwatch"), ApiError("ResourceNotFound", "none <such> & \x07 ü \ud800", 404)
    answer = protocol.error(service, error, "the-id")
    assert list(refusal_forms.of_form(protocol.name, service, error, answer)) == []
    other = protocol.error(service, ApiError("LimitExceeded", "too many"), "the-id")
    wrong = [found.path for found in refusal_forms.of_form(protocol.name, service, error, other)]
    assert wrong == [f"ResourceNotFound.{name}" for name in ("Code", "Message", "HTTPStatusCode")]
    headless = WireAnswer(answer.status, {}, b"")
    assert list(refusal_forms.of_form(protocol.name, service, error, headless)) != []


def run(directory: Path, entries: str) -> subprocess.CompletedProcess[str]:
    """A run of its own, with this list."""
    (directory / "conftest.py").write_text(
        "from tests import ratchet\n\n\ndef pytest_configure(config):\n"
        f"    made = ratchet.Ratchet(ratchet.known({entries!r}))\n    made.watch()\n    config.pluginmanager.register(made)\n"
    )
    (directory / "test_inside.py").write_text(INSIDE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", f"--rootdir={directory}", str(directory)]
    command.append(f"--junitxml={directory / REPORT}")
    return subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)


def test_each_test_fails_in_which_a_difference_was_seen(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    # What pytest prints depends on where it runs: with CI in its environment it says each reason twice. Its report does not.
    cases = ElementTree.parse(tmp_path / REPORT).iter("testcase")  # noqa: S314 - pytest has just written it
    reasons = {case.get("name"): failure.text or "" for case in cases for failure in case.iter("failure")}
    assert list(reasons) == [
        "test_answer", "test_answer_to_a_thread", "test_answer_to_a_forked_process", "test_refusal", "test_refusal_on_the_wire"
    ], done.stdout  # fmt: skip
    answers = [name for name, reason in reasons.items() if "ec2 DescribeVpcs Vpcs[].VpcId type: 1\n" in reason]
    assert answers == ["test_answer", "test_answer_to_a_thread", "test_answer_to_a_forked_process"], done.stdout
    assert "conformance: 0 known differences" in done.stdout


def test_what_the_list_has_is_passed_over_and_counted(tmp_path: Path) -> None:
    entries = (
        "* * NoSuchCode code why\nec2 DescribeVpcs Vpcs[].VpcId type why\nec2 DescribeVpcs Vpcs[].IsDefault type never seen\n"
    )
    done = run(tmp_path, entries)
    assert done.returncode == 0, done.stdout
    assert "conformance: 3 known differences from AWS's models, 2 of them seen in this run" in done.stdout
