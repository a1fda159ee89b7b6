"""Three real guests, a cloud of their own with the real drivers, and what they say of one another over SSH."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from minicloud import api, config
from minicloud.aws import keys
from minicloud.cli import uninstall
from minicloud.cloud import Cloud
from minicloud.host import local
from minicloud.host.run import Completed, run
from minicloud.http import metadata
from minicloud.reconcile import loop
from minicloud.reconcile.worker import worker_for

LISTEN = b"#!/bin/sh\nfor port in 80 81; do nc -ll -p $port -e echo open & done\n"
"""User data of the tiny guest: two ports that say `open`."""


def until(what: Callable[[], Any], seconds: float = 240.0) -> Any:
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
    return found


class Guests:
    """The cloud and its guests, by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        settings = dataclasses.replace(config.load(), home=directory / "home", run=directory / "run")
        self.cloud = Cloud(settings, local.host)
        self.cloud.worker = worker_for(self.cloud)
        self.key = directory / "key"
        pair = keys.generate("ed25519", "pem")
        self.key.write_text(pair.private)
        self.key.chmod(0o600)
        self.ids: dict[str, str] = {}
        self.private: dict[str, str] = {}
        self("ImportKeyPair", KeyName="k", PublicKeyMaterial=pair.public_openssh.encode())

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(self.cloud, "ec2", operation, params)

    def launch(self, name: str, groups: list[str], **params: Any) -> None:
        """A tiny guest; it is not waited for."""
        import base64

        images = self("DescribeImages")["Images"]
        tiny = next((image["ImageId"] for image in images if image["Name"] == "tiny"), None)
        if tiny is None:
            pytest.skip("no image named tiny on this machine; scripts/setup --tests builds it")
        wanted = {"ImageId": tiny, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1, "KeyName": "k"}
        wanted |= {"SecurityGroupIds": groups, "UserData": base64.b64encode(LISTEN).decode(), **params}
        answer = self("RunInstances", **wanted)["Instances"][0]
        self.ids[name], self.private[name] = answer["InstanceId"], answer["PrivateIpAddress"]

    def public(self, name: str) -> str:
        """The public address, empty if there is none."""
        found = self("DescribeInstances", InstanceIds=[self.ids[name]])["Reservations"][0]["Instances"][0]
        return str(found.get("PublicIpAddress", ""))

    def ssh(self, name: str, command: str, *, address: str = "", user: str = "root", input: bytes = b"") -> Completed:
        """A command in a guest. Its exit status is 255 where SSH itself fails."""
        options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=4",
            "BatchMode=yes",
        ]
        words = [word for option in options for word in ("-o", option)]
        target = f"{user}@{address or self.private[name]}"
        return run(["ssh", "-F", "none", *words, "-i", self.key, target, command], check=False, timeout=60, input=input)

    def up(self, name: str) -> None:
        """Wait until a guest answers over SSH."""
        until(lambda: self.ssh(name, "true").status == 0)

    def listening(self, name: str) -> None:
        """Wait until a guest runs what its user data told it, which it does at its first start only."""
        until(lambda: b":81" in self.ssh(name, "netstat -ltn").stdout)

    def tcp(self, source: str, address: str, port: int) -> bool:
        """Whether a guest's connection to an address is answered."""
        return b"open" in self.ssh(source, f"timeout 2 nc -w 2 {address} {port} </dev/null").stdout

    def udp(self, source: str, address: str) -> bool:
        """Whether a UDP packet to a port where nobody listens comes as far as the other guest, who says so."""
        hops = self.ssh(source, f"traceroute -n -q 2 -w 1 -m 2 {address}").text.splitlines()
        return any(hop.split()[1:2] == [address] for hop in hops if hop[:2].strip().isdigit())

    def ping(self, source: str, address: str) -> bool:
        """Whether an echo comes back."""
        return self.ssh(source, f"ping -c 1 -W 1 {address}").status == 0

    def group(self, name: str) -> str:
        """A new group that lets nothing in."""
        return str(self("CreateSecurityGroup", GroupName=name, Description="for tests")["GroupId"])

    def allow(self, group_id: str, protocol: str, low: int, high: int, peer: str) -> None:
        """Let something in."""
        self("AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=[_permission(protocol, low, high, peer)])

    def forbid(self, group_id: str, protocol: str, low: int, high: int, peer: str) -> None:
        """Let it in no more."""
        self("RevokeSecurityGroupIngress", GroupId=group_id, IpPermissions=[_permission(protocol, low, high, peer)])

    def end(self) -> None:
        """Terminate everything, and wait until it is gone from the host."""
        self("TerminateInstances", InstanceIds=list(self.ids.values()))
        until(lambda: all(row.state == "terminated" for row in self.cloud.state.instances.query()))
        loop.run_pass(self.cloud)


def _permission(protocol: str, low: int, high: int, peer: str) -> dict[str, Any]:
    who: dict[str, Any] = {"IpRanges": [{"CidrIp": peer}]} if "/" in peer else {"UserIdGroupPairs": [{"GroupId": peer}]}
    return {"IpProtocol": protocol, "FromPort": low, "ToPort": high, **who}


@contextmanager
def scene() -> Iterator[Guests]:
    """A cloud in a directory that QEMU's account may pass through; all that lives in it ends with it."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="minicloud-network-") as directory:
        Path(directory).chmod(0o711)
        guests = Guests(Path(directory))
        service = metadata.Service(guests.cloud)
        service.start()
        try:
            yield guests
        finally:
            service.stop()
            if guests.ids:
                guests.end()
            # Networks, rules, load balancers: the next scene begins with nothing.
            list(uninstall.remove(guests.cloud, data=False))
