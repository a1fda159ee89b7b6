"""`minicloud --endpoint-url`: the same commands, the same bytes on standard output and standard error, as in process."""

import contextlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from minicloud.cli import profiles
from minicloud.cli.errors import ConfigurationError
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.errors import UsageError
from tests.cloud_fixtures import IMAGE
from tests.endpoint_fixtures import Served

RUN = ["run-instances", "--image-id", IMAGE.image_id, "--instance-type", "t3.nano"]
TAGS = ["--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value='a<b> & ü'}]"]


@pytest.fixture(autouse=True)
def environment(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "MINICLOUD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)


def printed(args: list[str], session: Session) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = execute(args, session)
    return status, out.getvalue(), err.getvalue()


def no_cloud() -> None:
    raise AssertionError("over the wire no cloud of this host is opened")


@pytest.fixture
def both(served: Served) -> "Both":
    profiles.write("test", profiles.Profile(served.keys.access_key, served.keys.secret, "", "us-east-1", served.url))
    return Both(served)


class Both:
    def __init__(self, served: Served) -> None:
        self.served = served

    def here(self, *args: str) -> tuple[int, str, str]:
        return printed(list(args), Session(connect=lambda: self.served.cloud))

    def there(self, *args: str) -> tuple[int, str, str]:
        return printed(["--profile", "test", *args], Session(connect=no_cloud))  # type: ignore[arg-type]

    def same(self, *args: str) -> str:
        """Run both ways; what both print."""
        here, there = self.here(*args), self.there(*args)
        assert there == here
        return here[1] + here[2]


READS = [
    "describe-instances", "describe-images", "describe-vpcs", "describe-subnets", "describe-network-interfaces",
    "describe-tags", "describe-key-pairs", "describe-regions", "describe-availability-zones", "describe-account-attributes",
    "describe-instance-status", "describe-security-groups",
]  # fmt: skip


def test_reading_prints_the_same_bytes_in_every_format(both: Both) -> None:
    status, _, err = both.there(*RUN, *TAGS)
    assert (status, err) == (0, "")
    both.there("create-key-pair", "--key-name", "k", "--key-type", "ed25519")
    for form in ("json", "text", "yaml", "table"):
        for command in READS:
            assert both.same(command, "--output", form), command
    instance = both.same("describe-instances", "--query", "Reservations[].Instances[].InstanceId", "--output", "text").strip()
    for attribute in ("userData", "disableApiStop", "instanceType", "blockDeviceMapping", "groupSet", "kernel"):
        both.same("describe-instance-attribute", "--instance-id", instance, "--attribute", attribute)
    both.same("describe-instance-types", "--instance-types", "t3.nano", "m5.large")
    both.same("describe-instances", "--filters", "Name=tag:Name,Values=a*", "--max-items", "1")
    both.same("get-console-output", "--instance-id", instance, "--query", "InstanceId")
    assert both.same("sts", "get-caller-identity")
    assert both.same("iam", "list-access-keys")
    assert both.same("credentials", "list")


def test_refusals_and_hints_are_the_same(both: Both) -> None:
    for args, code in (
        (["describe-instances", "--instance-ids", "i-0123456789abcdef0"], "InvalidInstanceID.NotFound"),
        (["describe-instances", "--instance-ids", "x"], "InvalidInstanceID.Malformed"),
        ([*RUN, "--key-name", "none"], "InvalidKeyPair.NotFound"),
        ([*RUN, "--instance-type", "nope"], "InvalidParameterValue"),
        ([*RUN, "--dry-run"], "DryRunOperation"),
        ([*RUN, "--kernel-id", "aki-1"], "UnsupportedOperation"),
        (["describe-instances", "--filters", "Name=no,Values=x"], "InvalidParameterValue"),
        (["iam", "get-role", "--role-name", "x"], "NoSuchEntity"),
        (["create-tags", "--resources", "vpc-1", "--tags", "Key=Name,Value=a,b"], "It must be text"),
        (["create-tags", "--resources", "vpc-1", "--tags", '[{"Key": "Name", "Value": 7}]'], "It must be text"),
        (["create-tags", "--resources", "vpc-1", "--tags", '[{"Key": "Name", "Value": null}]'], "It must be text"),
        (["create-tags", "--resources", "vpc-1", "--tags", '[{"Key": "Name", "Value": {"a": 1}}]'], "It must be text"),
        (["create-key-pair", "--key-name", ""], "MissingParameter"),
    ):
        assert code in both.same(*args)


POLICY = {
    "PolicyType": "EBS_SNAPSHOT_MANAGEMENT", "ResourceTypes": ["VOLUME"], "TargetTags": [{"Key": "Backup", "Value": "a<b> & ü"}],
    "Schedules": [{"Name": "daily", "CreateRule": {"Interval": 24, "IntervalUnit": "HOURS"}, "RetainRule": {"Count": 3}}],
}  # fmt: skip


def test_rest_with_json_is_spoken_too(both: Both) -> None:
    make = [
        "create-lifecycle-policy",
        "--description",
        "d",
        "--state",
        "ENABLED",
        "--execution-role-arn",
        "arn:aws:iam::1:role/r",
    ]
    status, out, err = both.there("dlm", *make, "--policy-details", json.dumps(POLICY), "--tags", "a=b c,k=/ü")
    assert (status, err) == (0, "")
    policy = json.loads(out)["PolicyId"]
    arn = json.loads(both.same("dlm", "get-lifecycle-policy", "--policy-id", policy))["Policy"]["PolicyArn"]
    for form in ("json", "text", "yaml", "table"):
        assert both.same("dlm", "get-lifecycle-policy", "--policy-id", policy, "--output", form)
        assert both.same(
            "dlm", "get-lifecycle-policies", "--state", "ENABLED", "--target-tags", "Backup=a<b> & ü", "--output", form
        )
    assert both.there("dlm", "tag-resource", "--resource-arn", arn, "--tags", "x=y z")[0] == 0
    assert both.there("dlm", "untag-resource", "--resource-arn", arn, "--tag-keys", "k", "a")[0] == 0
    assert json.loads(both.same("dlm", "list-tags-for-resource", "--resource-arn", arn))["Tags"] == {"x": "y z"}
    assert both.there("dlm", "update-lifecycle-policy", "--policy-id", policy, "--state", "DISABLED")[0] == 0
    assert '"DISABLED"' in both.same("dlm", "get-lifecycle-policy", "--policy-id", policy)
    for args, code in (
        (["get-lifecycle-policy", "--policy-id", "policy-0123456789abcdef0"], "ResourceNotFoundException"),
        (["get-lifecycle-policies", "--state", "SLEEPING"], "InvalidRequestException"),
        ([*make, "--policy-details", "{}"], "InvalidRequestException"),
    ):
        assert code in both.same("dlm", *args)
    assert both.there("dlm", "delete-lifecycle-policy", "--policy-id", policy)[0] == 0
    assert json.loads(both.same("dlm", "get-lifecycle-policies"))["Policies"] == []


OTHER_SERVICES = [
    ("elbv2", "describe-load-balancers", "LoadBalancers"),
    ("elbv2", "describe-target-groups", "TargetGroups"),
    ("elbv2", "describe-account-limits", "Limits"),
    ("elb", "describe-load-balancers", "LoadBalancerDescriptions"),
    ("elb", "describe-account-limits", "Limits"),
    ("cloudwatch", "describe-alarms", "MetricAlarms"),
    ("cloudwatch", "list-metrics", "Metrics"),
    ("acm", "list-certificates", "CertificateSummaryList"),
]


def test_other_services_in_their_own_protocols(both: Both) -> None:
    alarm = ["--alarm-name", "a<b> & ü", "--metric-name", "m", "--namespace", "n", "--statistic", "Average", "--period", "60"]
    more = ["--evaluation-periods", "1", "--threshold", "1.5", "--comparison-operator", "GreaterThanThreshold"]
    assert both.there("cloudwatch", "put-metric-alarm", *alarm, *more)[::2] == (0, "")
    group = ["--name", "g", "--protocol", "HTTP", "--port", "80", "--target-type", "ip"]
    vpc = both.same("describe-vpcs", "--query", "Vpcs[0].VpcId", "--output", "text").strip()
    assert both.there("elbv2", "create-target-group", *group, "--vpc-id", vpc)[::2] == (0, "")
    for service, command, member in OTHER_SERVICES:
        for form in ("json", "text"):
            both.same(service, command, "--output", form)
        assert member in json.loads(both.same(service, command) or "{}")
    assert "a<b> & ü" in both.same("cloudwatch", "describe-alarms", "--query", "MetricAlarms[].AlarmName", "--output", "text")
    assert both.there("elbv2", "create-target-group", "--name", "h", *group[2:], "--vpc-id", vpc)[0] == 0
    one = json.loads(both.same("elbv2", "describe-target-groups", "--page-size", "1", "--max-items", "1"))
    assert (len(one["TargetGroups"]), "NextToken" in one) == (1, True)
    assert len(json.loads(both.same("elbv2", "describe-target-groups", "--page-size", "1"))["TargetGroups"]) == 2
    assert len(json.loads(both.same("iam", "list-access-keys", "--max-items", "1"))["AccessKeyMetadata"]) == 1
    for service, args, code in (
        ("elbv2", ["describe-load-balancers", "--page-size", "500"], "ValidationError"),
        ("elb", ["describe-load-balancers", "--load-balancer-names", "nobody"], "LoadBalancerNotFound"),
        (
            "cloudwatch",
            ["set-alarm-state", "--alarm-name", "no", "--state-value", "OK", "--state-reason", "r"],
            "ResourceNotFound",
        ),
        ("acm", ["describe-certificate", "--certificate-arn", "short"], "ValidationException"),
    ):
        assert code in both.same(service, *args)


def test_writing_works_and_waiters_wait(both: Both) -> None:
    assert both.there(*RUN, "--count", "2", "--user-data", "text", "--client-token", "t")[0] == 0
    rows = both.served.cloud.state.instances.query()
    assert [row.user_data for row in rows] == [b"text", b"text"]
    assert both.there("wait", "instance-running", "--instance-ids", rows[0].id)[0] == 0
    assert both.there("terminate-instances", "--instance-ids", rows[0].id, rows[1].id)[0] == 0
    assert both.same("wait", "instance-terminated", "--instance-ids", rows[0].id, rows[1].id) == ""


def test_what_is_missing_is_said(served: Served, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(connect=no_cloud)  # type: ignore[arg-type]
    assert printed(["--profile", "none", "describe-vpcs"], session)[0] == 253
    assert printed(["--endpoint-url", "localhost", "describe-vpcs"], session)[0] == 253
    status, _, err = printed(["--endpoint-url", served.url, "describe-vpcs"], session)
    assert (status, "configure" in err) == (253, True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", served.keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", served.keys.secret)
    monkeypatch.setenv("MINICLOUD_ENDPOINT_URL", served.url)
    assert printed(["describe-vpcs"], Session(connect=no_cloud))[0] == 0  # type: ignore[arg-type]
    assert printed(["--endpoint-url", "http://127.0.0.1:9", "describe-vpcs"], Session())[0] == 253
    status, _, err = printed(["--profile", "test", "status"], session)
    assert (status, "on the host itself" in err) == (253, True)


def test_configure_writes_a_profile_and_keeps_the_rest(served: Served, tmp_path: Path) -> None:
    directory = tmp_path / ".aws"
    directory.mkdir()
    (directory / "credentials").write_text("# mine\n[default]\naws_access_key_id = A\n\n[minicloud]\nold = 1\n\n[z]\nx = y\n")
    session = Session(connect=lambda: served.cloud)
    status, out, _ = printed(["configure", "--url", served.url], session)
    assert status == 0
    text = (directory / "credentials").read_text()
    assert text.startswith("# mine\n[default]\naws_access_key_id = A\n")
    assert "[z]\nx = y\n" in text
    assert "old" not in text
    for name in ("credentials", "config"):
        assert (directory / name).stat().st_mode & 0o777 == 0o600
    profile = profiles.read("minicloud")
    assert profile is not None
    assert profile.secret not in out
    assert profile.access_key in out
    assert printed(["--profile", "minicloud", "describe-vpcs"], Session(connect=no_cloud))[0] == 0  # type: ignore[arg-type]
    assert printed(["configure", "--profile", "a]b"], session)[0] == 252


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act for another user")
def test_under_sudo_the_files_are_the_users(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody, home = 65534, Path(tempfile.mkdtemp())
    try:
        os.chown(home, nobody, nobody)
        account = SimpleNamespace(pw_uid=nobody, pw_gid=nobody, pw_dir=str(home))
        monkeypatch.setattr("pwd.getpwuid", {nobody: account}.__getitem__)
        monkeypatch.setenv("SUDO_UID", str(nobody))
        session = Session(connect=lambda: served.cloud)
        assert printed(["configure"], session)[0] == 0
        for name in ("credentials", "config"):
            found = (home / ".aws" / name).stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (nobody, nobody, 0o600)
        assert (os.geteuid(), os.getegid()) == (0, 0)
        shutil.rmtree(home / ".aws")
        (home / ".aws").symlink_to("/root")
        keys = len(served.cloud.state.access_keys.query())
        status, _, err = printed(["configure"], session)
        assert (status, "cannot be written" in err) == (253, True)
        assert len(served.cloud.state.access_keys.query()) == keys
    finally:
        shutil.rmtree(home)


def test_credentials_are_shown_once_and_end(both: Both) -> None:
    status, out, _ = both.here("credentials", "create", "--output", "text", "--query", "[AccessKeyId,SecretAccessKey]")
    assert status == 0
    access_key, secret = out.split()
    assert secret not in both.here("credentials", "list")[1]
    assert access_key in both.here("credentials", "list")[1]
    assert both.here("credentials", "delete", access_key)[0] == 0
    assert both.here("credentials", "delete", access_key)[0] == 254


def test_a_broken_file_of_profiles_is_said_so(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("no section\n")
    with pytest.raises((ConfigurationError, UsageError), match="config"):
        profiles.read("x")


def test_the_name_of_an_image_does_for_its_id(both: Both) -> None:
    run = json.loads(both.there("run-instances", "--image-id", IMAGE.name, "--instance-type", "t3.nano")[1])
    assert run["Instances"][0]["ImageId"] == IMAGE.image_id
    assert json.loads(both.here("describe-images", "--image-ids", IMAGE.name)[1])["Images"][0]["ImageId"] == IMAGE.image_id
    template = ["--launch-template-name", "ttt", "--launch-template-data", f'{{"ImageId":"{IMAGE.name}"}}']
    assert both.there("create-launch-template", *template)[0] == 0
    shown = json.loads(both.here("describe-launch-template-versions", "--launch-template-name", "ttt")[1])
    assert shown["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"] == IMAGE.image_id
    launch = ["autoscaling", "create-launch-configuration", "--launch-configuration-name", "c", "--instance-type", "t3.nano"]
    assert both.there(*launch, "--image-id", IMAGE.name)[0] == 0
    (shown,) = json.loads(both.here("autoscaling", "describe-launch-configurations")[1])["LaunchConfigurations"]
    assert shown["ImageId"] == IMAGE.image_id


def test_a_name_of_no_image_is_refused_in_the_words_of_aws(both: Both) -> None:
    text = both.same("run-instances", "--image-id", "no-such-image", "--instance-type", "t3.nano")
    assert "InvalidAMIID.Malformed" in text
    assert "no-such-image" in text
