"""A Debian guest with no seed disk: cloud-init finds the Ec2 datasource by itself, and through it the key and the user data."""

import base64
import json

import pytest

from .network_scene import scene, until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
USER_DATA = b"#!/bin/sh\necho told-by-metadata >/run/told\n"


def test_cloud_init_finds_ec2() -> None:
    with scene() as guests:
        object.__setattr__(guests.cloud.settings, "seed_disk", False)
        images = guests("DescribeImages")["Images"]
        debian = next((image["ImageId"] for image in images if image["Name"].startswith("debian")), None)
        if debian is None:
            pytest.skip("no Debian image on this machine; scripts/setup builds it")
        data = base64.b64encode(USER_DATA).decode()
        guests.launch("debian", [], ImageId=debian, InstanceType="t3.small", UserData=data)
        until(lambda: guests.ssh("debian", "test -e /run/told", user="debian").status == 0, 500)
        told = json.loads(guests.ssh("debian", "sudo cloud-init query --all", user="debian").stdout)
        assert told["cloud_id"] == "aws"
        assert told["v1"]["instance_id"] == guests.ids["debian"]
        assert told["v1"]["platform"] == "ec2"
        assert guests.ssh("debian", "hostname", user="debian").text.strip() == "ip-" + guests.private["debian"].replace(".", "-")
        token = (
            "curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token"
            " || python3 -c \"import urllib.request as u; print(u.urlopen(u.Request('http://169.254.169.254/latest/api/token',"
            " method='PUT', headers={'X-aws-ec2-metadata-token-ttl-seconds': '60'})).read().decode())\""
        )
        assert len(guests.ssh("debian", token, user="debian").text.strip()) > 40
