"""A Debian guest with no seed disk: cloud-init finds the Ec2 datasource by itself, and through it the key and the user data.

botocore inside it finds credentials of the instance's role, and asks the endpoint with them.
"""

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import botocore
import pytest

from minicloud import api
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen
from minicloud.metadata import about, cloud_init

from ..real_cloud import debian_name, image_named
from .network_scene import Guests, scene, until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
USER_DATA = b"#!/bin/sh\necho told-by-metadata >/run/told\n"
PORT = 8801
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
LIBRARIES = ("botocore", "urllib3", "jmespath", "dateutil", "six.py")
ASK = f"""
import json, sys
sys.path.insert(0, "/tmp/libraries")
import botocore.session
from botocore.utils import InstanceMetadataRegionFetcher
session = botocore.session.Session()
found = session.get_credentials()
sts = session.create_client("sts", InstanceMetadataRegionFetcher().retrieve_region(), endpoint_url="http://172.31.0.1:{PORT}")
print(json.dumps([found.method, sts.meta.region_name, sts.get_caller_identity()["Arn"]]))
"""


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    with scene() as made:
        for name, value in (("seed_disk", False), ("listen", f"0.0.0.0:{PORT}"), ("guest_endpoint", True)):
            object.__setattr__(made.cloud.settings, name, value)
        image = image_named(debian_name())
        for operation, params in (
            ("CreateRole", {"RoleName": "looker", "AssumeRolePolicyDocument": json.dumps(TRUST)}),
            ("CreateInstanceProfile", {"InstanceProfileName": "looks"}),
            ("AddRoleToInstanceProfile", {"InstanceProfileName": "looks", "RoleName": "looker"}),
        ):
            api.call(made.cloud, "iam", operation, params)
        made.launch(
            "debian", [], ImageId=image, InstanceType="t3.small", UserData=base64.b64encode(USER_DATA).decode(),
            IamInstanceProfile={"Name": "looks"}, MetadataOptions={"HttpTokens": "required"},
        )  # fmt: skip
        until(lambda: made.ssh("debian", "test -e /run/told", user="debian").status == 0, 500)
        yield made


def test_cloud_init_finds_ec2(guests: Guests) -> None:
    told = json.loads(guests.ssh("debian", "sudo cloud-init query --all", user="debian").stdout)
    assert told["cloud_id"] == "aws"
    assert told["v1"]["instance_id"] == guests.ids["debian"]
    assert told["v1"]["platform"] == "ec2"
    # What a seed says in its place is the same to the letter; names beside it are what the other datasource asks for.
    row = guests.cloud.state.instances.get(guests.ids["debian"])
    known = row and about.of_instance(guests.cloud, row)
    assert known
    seeded = cloud_init.meta_data(known, guests.cloud.settings)
    assert told["ds"]["meta-data"] == {name: value for name, value in seeded.items() if name not in cloud_init.ONLY_SEEDED}
    assert (told["v1"]["region"], told["v1"]["availability_zone"]) == (seeded["region"], seeded["availability-zone"])
    assert guests.ssh("debian", "hostname", user="debian").text.strip() == "ip-" + guests.private["debian"].replace(".", "-")
    token = (
        "curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token"
        " || python3 -c \"import urllib.request as u; print(u.urlopen(u.Request('http://169.254.169.254/latest/api/token',"
        " method='PUT', headers={'X-aws-ec2-metadata-token-ttl-seconds': '60'})).read().decode())\""
    )
    assert len(guests.ssh("debian", token, user="debian").text.strip()) > 40


def libraries() -> bytes:
    """botocore with what it needs, as a tar; of the service models only that of STS."""
    packages, packed = Path(botocore.__file__).parent.parent, io.BytesIO()

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(member.name).parts
        model = parts[:2] == ("botocore", "data") and len(parts) > 3 and parts[2] != "sts"
        return None if "__pycache__" in parts or model else member

    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for name in LIBRARIES:
            archive.add(packages / name, name, filter=wanted)
    return packed.getvalue()


def test_botocore_inside_finds_credentials_that_are_good_at_the_endpoint(guests: Guests) -> None:
    server = Server(listen(f"0.0.0.0:{PORT}", None, None, insecure=True), Endpoint(guests.cloud))
    server.start()
    try:
        unpack = "mkdir -p /tmp/libraries && tar xz -C /tmp/libraries"
        assert guests.ssh("debian", unpack, user="debian", input=libraries()).status == 0
        said = guests.ssh("debian", "python3 -", user="debian", input=ASK.encode())
        who = f"arn:aws:sts::000000000000:assumed-role/looker/{guests.ids['debian']}"
        assert json.loads(said.text or said.stderr.decode()) == ["iam-role", "us-east-1", who]
    finally:
        server.stop()
