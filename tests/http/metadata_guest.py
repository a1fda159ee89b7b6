"""An instance, and the metadata service over loopback as that instance sees it."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from minicloud.http import metadata
from minicloud.http.metadata import Listener

from ..cloud_fixtures import RUN, Ec2

USER_DATA = bytes(range(256))


@dataclass
class Guest:
    """An instance, and the service as it sees it: loopback stands for its address."""

    ec2: Ec2
    instance_id: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def token(self, seconds: str = "60") -> str:
        status, body = self.ask("PUT", "/latest/api/token", **{metadata.TTL_HEADER: seconds})
        assert status == 200
        return body.decode()

    def get(self, path: str) -> tuple[int, str]:
        status, body = self.ask("GET", path, **{metadata.TOKEN_HEADER: self.token()})
        return status, body.decode(errors="replace")

    def options(self, **options: Any) -> None:
        self.ec2("ModifyInstanceMetadataOptions", InstanceId=self.instance_id, **options)


@pytest.fixture
def guest(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    import base64

    ec2(
        "ImportKeyPair",
        KeyName="me",
        PublicKeyMaterial=b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxvbmdrZXlsb25na2V5bG9uZ2tleWxvbmdrZXlsb25n me",
    )
    answer = ec2(
        "RunInstances",
        **{**RUN, "KeyName": "me", "UserData": base64.b64encode(USER_DATA).decode()},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}, {"Key": "a/b", "Value": "x"}]}],
    )
    instance_id = answer["Instances"][0]["InstanceId"]
    address, network_id = answer["Instances"][0]["PrivateIpAddress"], answer["Instances"][0]["SubnetId"]
    honest = metadata.about_address
    monkeypatch.setattr(
        metadata,
        "about_address",
        lambda cloud, network, seen, given: honest(cloud, network, address if seen == "127.0.0.1" else seen, given),
    )
    object.__setattr__(ec2.cloud.settings, "metadata_port", 0)
    listener = Listener(ec2.cloud, network_id, "127.0.0.1", "", b"secret")
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield Guest(ec2, instance_id, listener.server_address[1])
    listener.shutdown()
    listener.server_close()
    thread.join()


def walk(guest: Guest, path: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf below a directory, found as cloud-init finds it: by lists alone."""
    status, listed = guest.get(path)
    assert status == 200, path
    for name in listed.split("\n"):
        inner = name.split("=")[0] + "/" if "=" in name else name
        if inner.endswith("/"):
            yield from walk(guest, path + inner, prefix + inner)
        else:
            status, body = guest.get(path + inner)
            assert status == 200, path + inner
            yield prefix + inner, body
