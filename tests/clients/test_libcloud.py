"""Apache Libcloud."""

from pathlib import Path

from ..cloud_fixtures import IMAGE
from ..endpoint_fixtures import Served
from .programs import PUBLIC_KEY, life


def test_a_nodes_life(served: Served, tmp_path: Path) -> None:
    made = life(served, tmp_path, "with_libcloud.py", IMAGE=IMAGE.image_id, PUBLIC_KEY=PUBLIC_KEY)
    row = served.cloud.state.instances.get(made["node"])
    assert row is not None
    assert (row.state, row.instance_type, row.user_data) == ("terminated", "t3.micro", b"#!/bin/sh\n")
    ec2 = served.boto()
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_addresses()["Addresses"] == []
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1
