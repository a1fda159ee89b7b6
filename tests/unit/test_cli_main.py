"""Whole command lines against a cloud without a host: what is printed, and the exit status."""

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from minicloud import api
from minicloud.aws import model
from minicloud.cli.commands import COMMANDS
from minicloud.cli.errors import ConfigurationError
from minicloud.cli.main import _Once, execute
from minicloud.cli.session import Session, open_cloud
from minicloud.cloud import Cloud
from minicloud.config import Settings
from minicloud.errors import ApiError, Permanent
from minicloud.host.contracts import Host
from minicloud.host.fake import FakeHost
from minicloud.host.release import usual_command

from ..cloud_fixtures import Ec2, cloud_in

Run = Callable[..., tuple[int, str, str]]


def no_host(_: Settings, __: str) -> Host:
    raise Permanent("this cloud has no host")


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(Settings(home=tmp_path / "home"), no_host)


@pytest.fixture
def run(cloud: Cloud, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MINICLOUD_OUTPUT", raising=False)

    def command(*words: str) -> tuple[int, str, str]:
        status = execute(words, Session(connect=lambda: cloud))
        out, err = capsys.readouterr()
        return status, out, err

    return command


def test_an_operation_answers_in_json_on_a_pipe(run: Run) -> None:
    status, out, err = run("describe-availability-zones", "--zone-names", "us-east-1b")
    assert (status, err) == (0, "")
    assert [zone["ZoneName"] for zone in json.loads(out)["AvailabilityZones"]] == ["us-east-1b"]


@pytest.mark.parametrize("before", [True, False])
def test_output_and_query_stand_before_or_after_the_operation(run: Run, before: bool) -> None:
    flags, operation = ["--output", "text", "--query", "AvailabilityZones[0].ZoneName"], ["describe-availability-zones"]
    assert run(*(flags + operation if before else operation + flags))[:2] == (0, "us-east-1a\n")


def test_ec2_may_be_named_as_with_the_aws_cli(run: Run) -> None:
    assert run("ec2", "describe-regions", "--output", "text", "--query", "Regions[].RegionName")[:2] == (0, "us-east-1\n")


def test_pages_are_put_together_and_cut(run: Run) -> None:
    whole = json.loads(run("describe-subnets")[1])["Subnets"]
    assert len(whole) == 3
    by_one = json.loads(run("describe-subnets", "--page-size", "5")[1])["Subnets"]
    assert {subnet["SubnetId"] for subnet in by_one} == {subnet["SubnetId"] for subnet in whole}
    seen, token = [], []
    for _ in range(3):
        answer = json.loads(run("describe-subnets", "--max-items", "1", *token)[1])
        seen += [subnet["SubnetId"] for subnet in answer["Subnets"]]
        token = ["--starting-token", answer["NextToken"]] if "NextToken" in answer else []
    assert seen == [subnet["SubnetId"] for subnet in whole]
    assert token == []
    assert run("describe-subnets", "--max-items", "1", "--no-paginate")[0] == 252


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("describe-instance", 252, "minicloud: there is no command 'describe-instance'; did you mean describe-instances?"),
        ("frobnicate", 252, "minicloud: there is no command 'frobnicate'; minicloud --help lists the commands"),
        ("describe-instances --instance-idz i-1", 252, "minicloud describe-instances: unknown flag --instance-idz; "),
        ("terminate-instances", 252, "minicloud terminate-instances: --instance-ids must be given"),
        ("--output xml describe-vpcs", 252, "minicloud: Invalid value for '--output'"),
        ("describe-vpcs --query [[", 252, "minicloud describe-vpcs: --query: "),
        ("wait instance-runing", 252, "minicloud wait: nothing to wait for is named 'instance-runing'; did you mean "),
        ("wait instance-running --delay x", 252, "minicloud wait instance-running: --delay is a number of seconds, not 'x'"),
        ("run-instances", 254, "An error occurred (MissingParameter) when calling the RunInstances operation: "),
        ("create-vpc-peering-connection", 254, "An error occurred (UnsupportedOperation) when calling the CreateV"),
        ("run-instances --image-id ami-1 --elastic-gpu-specification Type=x", 254, "An error occurred ("),
        ("wait instance-running --instance-ids i-0123456789abcdef0", 255, "minicloud: waiting for instance-running of i-"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_status_and_one_line(run: Run, line: str, status: int, said: str) -> None:
    got, out, err = run(*line.split())
    assert (got, out) == (status, "")
    first, *hints = err.splitlines()
    assert first.startswith(said)
    assert all(hint.startswith("hint: ") for hint in hints)


def test_a_parameter_that_only_aws_has_is_refused_by_name(run: Run) -> None:
    status, _, err = run("describe-vpcs", "--vpc-ids", "vpc-1", "--cli-input-json", '{"MaxResults": 5}')
    assert status == 254
    status, _, err = run("run-instances", "--image-id", "ami-0123456789abcdef0", "--ramdisk-id", "x")
    assert status == 254
    assert "RamdiskId" in err


def test_a_refusal_has_a_hint_where_one_is_known(run: Run) -> None:
    status, _, err = run("run-instances", "--image-id", "ami-0123456789abcdef0")
    assert status == 254
    assert err.splitlines() == [
        "An error occurred (InvalidAMIID.NotFound) when calling the RunInstances operation: "
        "The image id '[ami-0123456789abcdef0]' does not exist",
        f"hint: there is no image yet: {usual_command()}",
    ]


def test_hostile_text_in_an_error_is_written_out(run: Run) -> None:
    assert "\x1b" not in run("describe-instances", "--instance-ids", "i-\x1b[2J\u202e")[2]


def test_a_private_key_is_saved_for_its_owner_and_not_shown(run: Run, cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "web.pem"
    status, out, _ = run("create-key-pair", "--key-name", "web", "--key-type", "ed25519", "--save", str(file))
    assert status == 0
    assert "KeyMaterial" not in json.loads(out)
    assert "PRIVATE KEY" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    register = tmp_path / ".config" / "minicloud" / "keys.json"
    assert json.loads(register.read_text()) == {"web": str(file)}
    assert stat.S_IMODE(register.stat().st_mode) == 0o600
    assert os.listdir(register.parent) == ["keys.json"]


def test_the_directory_of_a_private_key_is_made_for_its_owner_only(run: Run, tmp_path: Path) -> None:
    """As ssh-keygen makes ~/.ssh, which a new account has not."""
    (tmp_path / "there").mkdir(mode=0o755)
    file = tmp_path / "there" / "a" / ".ssh" / "me.pem"
    words = ["create-key-pair", "--key-name", "me", "--key-type", "ed25519", "--save", str(file)]
    assert run(*words)[0] == 0
    assert "PRIVATE KEY" in file.read_text()
    assert [stat.S_IMODE(path.stat().st_mode) for path in [file, *file.parents][:4]] == [0o600, 0o700, 0o700, 0o755]
    assert run(*words[:-1], str(tmp_path / "b" / "me.pem"))[0] == 254
    assert not (tmp_path / "b").exists()
    (tmp_path / "file").touch()
    assert run(*words[:-1], str(tmp_path / "file" / "me.pem"))[0] == 252


def test_an_existing_file_is_found_before_a_key_pair_is_made(run: Run, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("target", "link"):
        status, _, err = run("create-key-pair", "--key-name", "web", "--save", str(tmp_path / name))
        assert status == 252
        assert "exists and is not overwritten" in err
    assert (tmp_path / "target").read_text() == "mine"
    assert cloud.state.key_pairs.query() == []


def test_a_refused_key_pair_leaves_no_file(run: Run, tmp_path: Path) -> None:
    run("create-key-pair", "--key-name", "web", "--key-type", "ed25519")
    status, _, _ = run("create-key-pair", "--key-name", "web", "--key-type", "ed25519", "--save", str(tmp_path / "web.pem"))
    assert status == 254
    assert not (tmp_path / "web.pem").exists()


def test_an_input_skeleton_has_what_is_supported_and_needs_no_cloud(capsys: pytest.CaptureFixture[str]) -> None:
    def connect() -> Cloud:
        raise ConfigurationError("not here")

    assert execute(["reboot-instances", "--generate-cli-skeleton"], Session(connect=connect)) == 0
    assert json.loads(capsys.readouterr().out) == {"InstanceIds": [""], "DryRun": True}
    assert execute(["run-instances", "--generate-cli-skeleton", "input"], Session(connect=connect)) == 0
    skeleton = json.loads(capsys.readouterr().out)
    assert skeleton["TagSpecifications"][0]["Tags"] == [{"Key": "", "Value": ""}]
    assert "RamdiskId" not in skeleton


def test_an_output_skeleton_has_every_member(run: Run) -> None:
    answer = json.loads(run("describe-instances", "--generate-cli-skeleton", "output")[1])
    assert answer["Reservations"][0]["Instances"][0]["InstanceId"] == "InstanceId"
    assert run("terminate-instances", "--generate-cli-skeleton", "output")[0] == 252


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (ConfigurationError("minicloud needs root"), 253, "minicloud: minicloud needs root\n"),
        (Permanent("no disk"), 1, "minicloud: no disk\n"),
        (RuntimeError("x\x1b"), 1, "minicloud: internal fault (RuntimeError: x\\x1b); --debug shows where\n"),
        (ApiError("A", "b"), 254, "An error occurred (A): b\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_faults_have_their_status(capsys: pytest.CaptureFixture[str], fault: BaseException, status: int, said: str) -> None:
    def connect() -> Cloud:
        raise fault

    assert execute(["describe-vpcs"], Session(connect=connect)) == status
    assert capsys.readouterr().err == said
    if isinstance(fault, RuntimeError):
        assert execute(["describe-vpcs", "--debug"], Session(connect=connect)) == 1
        assert "Traceback" in capsys.readouterr().err


def test_help_lists_operations_and_shows_flags_in_plain_text(run: Run) -> None:
    assert "run-instances" in run("--help")[1]
    status, out, _ = run("terminate-instances", "--help")
    assert status == 0
    assert "--instance-ids VALUE ..." in out
    assert "[required]" in out
    assert "<p>" not in out
    assert run("terminate-instances", "help")[1] == out
    assert "instance-running" in run("wait", "--help")[1]


def test_the_help_of_an_empty_list_says_so(run: Run) -> None:
    assert "There is nothing of this kind here: the list is empty." in run("describe-nat-gateways", "--help")[1]
    assert "list is empty" not in run("describe-vpcs", "--help")[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_our_own_has_help(run: Run, name: str) -> None:
    status, out, err = run(name, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: minicloud {name}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Run, shell: str) -> None:
    status, out, _ = run("completion", shell)
    assert status == 0
    assert "_MINICLOUD_COMPLETE" in out


@pytest.mark.parametrize(
    ("words", "incomplete", "wanted"),
    [
        ([], "run-i", ["run-instances"]),
        (["run-instances"], "--image", ["--image-id"]),
        (["run-instances", "--image-id", "x"], "--key", ["--key-name"]),
        (["create-key-pair", "--key-type"], "ed", ["ed25519"]),
        (["wait"], "instance-ru", ["instance-running"]),
        (["describe-instances", "--output"], "ta", ["table"]),
    ],
)
def test_completion_offers_commands_flags_and_values(words: list[str], incomplete: str, wanted: list[str]) -> None:
    from click.shell_completion import ShellComplete

    from minicloud.cli.main import root

    offered = ShellComplete(root(), {}, "minicloud", "_X").get_completions(words, incomplete)
    assert [item.value for item in offered] == wanted


def test_bash_really_completes(tmp_path: Path) -> None:
    line = 'eval "$(minicloud completion bash)"; COMP_WORDS=(minicloud run-ins); COMP_CWORD=1'
    asked = f'{line}; _minicloud_completion minicloud; echo "${{COMPREPLY[@]}}"'
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", asked], env={"PATH": path, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "run-instances\n"


def test_what_a_shell_shows_beside_a_flag_is_plain_text() -> None:
    from click.shell_completion import ShellComplete

    from minicloud.cli.main import root

    (offered,) = ShellComplete(root(), {}, "minicloud", "_X").get_completions(["run-instances"], "--image")
    assert offered.help == "The ID of the AMI."


def test_who_may_not_write_the_state_is_told_about_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(os, "access", lambda path, _: bool(asked.append(path)))
    with pytest.raises(ConfigurationError, match=r"\Aminicloud needs root to reach libvirt [^\n]*: try sudo minicloud"):
        open_cloud(Settings(home=tmp_path / "not" / "there"))
    assert asked == [tmp_path]
    assert not (tmp_path / "not").exists()


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom minicloud.cli.main import execute\n"
        "from minicloud.cli.session import Session\n"
        "from minicloud.cloud import Cloud\nfrom minicloud.config import Settings\n"
        "sys.exit(execute(['describe-instance-types'], Session(connect=lambda: Cloud(Settings(home=Path(sys.argv[1])), None))))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    child = subprocess.run([sys.executable, "-c", program, str(tmp_path)], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (child.returncode, child.stderr) == (141, b"")


def test_the_help_breaks_no_name_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0
    said = capsys.readouterr().out
    assert [name for name in api.operations("ec2") if model.xform_name(name, "-") not in said] == []


def test_a_state_that_is_no_database_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"no database at all " * 100)
    session = Session(connect=lambda: Cloud(Settings(home=tmp_path), no_host))
    assert execute(["describe-vpcs"], session) == 253
    (line,) = capsys.readouterr().err.splitlines()
    said = f"minicloud: the state {tmp_path / 'state.sqlite'} cannot be read (file is not a database): restore it from a backup"
    assert line.startswith(said)


def test_flags_that_scripts_for_the_aws_cli_have(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")  # so that what --color does is undone
    words = ["describe-availability-zones", "--query", "AvailabilityZones[0].ZoneName"]
    common = ["--region", "us-east-1", "--no-cli-pager", "--color", "off", "--cli-binary-format", "raw-in-base64-out"]
    assert run(*words, *common, "--output", "text")[:2] == (0, "us-east-1a\n")
    assert run("--region", "us-east-1", "--no-cli-pager", *words, "--output", "yaml-stream")[:2] == (0, "- us-east-1a\n")
    assert run(*words, "--output", "off")[:2] == (0, "")
    status, _, err = run(*words, "--region", "eu-west-1")
    assert (status, "us-east-1, not 'eu-west-1'" in err) == (252, True)
    status, _, err = run("describe-instances", "--profile", "nobody")
    assert (status, "no profile nobody" in err) == (253, True)


@pytest.mark.parametrize("words", [["help"], ["dlm", "help"], ["run-instances", "help"], ["wait", "--help"]])
def test_help_is_a_word_too(run: Run, words: list[str]) -> None:
    status, out, err = run(*words)
    assert (status, err) == (0, "")
    assert out.startswith("Usage: minicloud")


def test_a_group_without_a_command_shows_what_there_is(run: Run) -> None:
    status, _, err = run("wait")
    assert (status, err.startswith("Usage: minicloud wait")) == (252, True)


def test_each_service_has_its_waiters(run: Run) -> None:
    assert "instance-running" in run("ec2", "wait", "--help")[1]
    assert "wait" not in run("dlm", "--help")[1].split()


def test_a_skeleton_in_yaml_has_what_is_supported_at_every_depth(run: Run) -> None:
    skeleton = yaml.safe_load(run("run-instances", "--generate-cli-skeleton", "yaml-input")[1])
    assert "KmsKeyId" not in skeleton["BlockDeviceMappings"][0]["Ebs"]
    assert skeleton["Placement"].keys() == {"AvailabilityZone", "AvailabilityZoneId", "Tenancy", "GroupName", "GroupId"}


def test_a_warning_is_said_once() -> None:
    once, records = _Once(), [logging.makeLogRecord({"msg": "libvirt %s", "args": (word,)}) for word in ("down", "down", "up")]
    assert [once.filter(record) for record in records] == [True, False, True]


def test_a_reason_is_said_once_with_all_that_it_concerns(
    host: FakeHost, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, ec2 = _Once(), Ec2(cloud_in(tmp_path, host))
    monkeypatch.setattr(caplog.handler, "filters", [once])
    host.fail("networks.ensure", Permanent("the bridge is another's"), times=9)
    host.fail("firewall.in_force", Permanent("the bridge is another's"), times=9)
    instance = ec2.run()
    said = [line for line in caplog.messages if "bridge" in line or "reason" in line]
    assert len([line for line in said if "the bridge is another's" in line]) == 1
    assert said[0].endswith(": the bridge is another's")
    assert said[1:]
    assert all(line.endswith(": for the same reason") for line in said[1:])
    assert f"instances: {instance}: for the same reason" in said
