"""`minicloud ssh` as a command line: which instance, which words are whose, and what OpenSSH is started with."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.aws import keys
from minicloud.cli import ssh, ssh_probe, which
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.errors import ApiError, UsageError
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2
from .test_ssh_host_keys import ONE, TWO, block

KEY = keys.generate("ed25519", "pem")


class Executed(Exception):
    """Instead of becoming ssh."""


@pytest.fixture
def run(ec2: Ec2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Run the command; what would have been executed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ssh_probe, "listens", lambda *_: True)
    monkeypatch.setattr(ssh_probe, "takes_logins", lambda *_: True)
    (tmp_path / "k.pem").write_text(KEY.private)
    argv: list[str] = []

    def execvp(file: str, words: list[str]) -> None:
        argv[:] = words
        raise Executed

    monkeypatch.setattr(os, "execvp", execvp)

    def command(*words: str) -> list[str]:
        argv.clear()
        with pytest.raises(Executed):
            ssh.command.main(list(words), obj=Session(connect=lambda: ec2.cloud), standalone_mode=False)
        return argv

    return command


@pytest.fixture
def web(ec2: Ec2, host: FakeHost) -> str:
    """An instance that has booted."""
    ec2("ImportKeyPair", KeyName="k", PublicKeyMaterial=KEY.public_openssh.encode())
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}]
    made = ec2.run(KeyName="k", TagSpecifications=tags)
    host.say(made, block(ONE))
    return made


def address(ec2: Ec2, instance: str) -> str:
    return str(ec2.instance(instance)["PrivateIpAddress"])


def option(argv: list[str], name: str) -> str:
    return next(word.partition("=")[2] for word in argv if word.startswith(f"{name}="))


def test_ssh_gets_the_right_user_key_and_host_key(ec2: Ec2, web: str, run: Callable[..., list[str]], tmp_path: Path) -> None:
    argv = run("web", "uptime", "-p")
    assert argv[0] == "ssh"
    assert argv[-3:] == [f"debian@{address(ec2, web)}", "uptime", "-p"]
    assert option(argv, "HostKeyAlias") == web
    assert option(argv, "StrictHostKeyChecking") == "yes"
    assert int(option(argv, "ConnectionAttempts")) > 1
    assert option(argv, "KnownHostsCommand").endswith(f'printf "%%s %%s %%s\\n" {web} {ONE}')
    assert argv[argv.index("-i") + 1] == str(tmp_path / "k.pem")
    assert "IdentitiesOnly=yes" in argv
    assert ec2.row(web).host_keys == [ONE]


def test_later_words_on_the_console_change_nothing(web: str, host: FakeHost, run: Callable[..., list[str]]) -> None:
    run("web")
    host.say(web, block(TWO))
    assert ONE in option(run("web"), "KnownHostsCommand")


@pytest.mark.parametrize(
    ("words", "tail"),
    [
        (["web"], []),
        (["web", "--", "-L", "80:x:80"], ["-L", "80:x:80"]),
        (["web", "--timeout", "9", "--", "uname", "-a"], ["uname", "-a"]),
        (["--timeout", "9", "web", "ls", "--", "x"], ["ls", "--", "x"]),
        (["web", "ls", "--timeout", "9"], ["ls", "--timeout", "9"]),
        (["web", "--accept-new", "uptime"], ["uptime"]),
    ],
)
def test_words_behind_the_instance_are_sshs(web: str, run: Callable[..., list[str]], words: list[str], tail: list[str]) -> None:
    argv = run(*words)
    assert argv[next(at for at, word in enumerate(argv) if word.startswith("debian@")) + 1 :] == tail


def test_a_user_may_be_named_on_either_side(ec2: Ec2, web: str, run: Callable[..., list[str]]) -> None:
    assert run("-l", "root", web)[-1] == run(web, "--user", "root")[-1] == f"root@{address(ec2, web)}"


@pytest.mark.parametrize(
    ("args", "arranged"),
    [
        (["a", "b", "-x"], ["--", "a", "b", "-x"]),
        (["-i", "f", "a", "-l", "u", "--", "-v"], ["-i", "f", "-l", "u", "--", "a", "-v"]),
        (["--identity=f", "a"], ["--identity=f", "--", "a"]),
        (["--", "-odd-name", "c"], ["--", "-odd-name", "c"]),
        ([], ["--"]),
        (["-i"], ["-i", "--"]),
    ],
)
def test_arrange(args: list[str], arranged: list[str]) -> None:
    assert ssh.arrange(args) == arranged


def test_options_of_sshs_own_are_explained(ec2: Ec2, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("minicloud.cli.commands", fromlist=["x"]).COMMANDS, "ssh", ("ssh", ""))
    assert execute(["ssh", "web", "-L", "80:x:80"], Session(connect=lambda: ec2.cloud)) == 252
    assert "behind --" in capsys.readouterr().err


def test_an_instance_is_found_by_id_name_and_address(ec2: Ec2, web: str) -> None:
    for word in (web, "web", address(ec2, web)):
        assert which.instance(ec2.cloud.state, word).id == web


def test_an_ambiguous_name_lists_the_candidates(ec2: Ec2, web: str) -> None:
    second = ec2.run()
    ec2("CreateTags", Resources=[second], Tags=[{"Key": "Name", "Value": "web"}])
    with pytest.raises(UsageError, match="2 instances are named 'web'") as caught:
        which.instance(ec2.cloud.state, "web")
    assert web in str(caught.value)
    assert f"{second} (running, {address(ec2, second)})" in str(caught.value)


def test_a_terminated_namesake_is_not_meant(ec2: Ec2, web: str) -> None:
    second = ec2.run()
    ec2("CreateTags", Resources=[second], Tags=[{"Key": "Name", "Value": "web"}])
    ec2("TerminateInstances", InstanceIds=[second])
    assert which.instance(ec2.cloud.state, "web").id == web


def test_what_is_not_there_is_said_as_aws_says_it(ec2: Ec2) -> None:
    with pytest.raises(ApiError) as caught:
        which.instance(ec2.cloud.state, "i-0123456789abcdef0")
    assert caught.value.code == "InvalidInstanceID.NotFound"
    with pytest.raises(UsageError, match="describe-instances"):
        which.instance(ec2.cloud.state, "nothing")


def test_a_stopped_instance_is_not_waited_for(ec2: Ec2, web: str) -> None:
    ec2("StopInstances", InstanceIds=[web], Force=True)
    with pytest.raises(UsageError, match=f"minicloud start-instances --instance-ids {web}"):
        ssh.command.main([web, "-i", "/dev/null"], obj=Session(connect=lambda: ec2.cloud), standalone_mode=False)


def test_a_terminated_instance_has_no_address(ec2: Ec2, web: str) -> None:
    ec2("TerminateInstances", InstanceIds=[web])
    with pytest.raises(UsageError, match="is terminated"):
        ssh.command.main([web], obj=Session(connect=lambda: ec2.cloud), standalone_mode=False)


def test_signals_are_left_to_ssh(web: str, run: Callable[..., list[str]]) -> None:
    before = signal.getsignal(signal.SIGINT)
    run("web")
    assert signal.getsignal(signal.SIGINT) is before
