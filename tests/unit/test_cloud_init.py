"""What a seed says beyond names and keys, and user data that was encoded twice."""

import base64
import gzip

import pytest
import yaml

from minicloud.host.contracts import Seed
from minicloud.host.seed import files
from minicloud.metadata import cloud_init, versions

ABOUT = {
    "local-hostname": "ip-172-31-0-10.ec2.internal",
    "network": {"interfaces": {"macs": {"0a:00:00:00:00:01": {"local-hostname": "ip-172-31-0-11.ec2.internal"}}}},
    "instance-id": "i-0000000000000000a",
    "placement": {"region": "us-east-1"},
    "public-keys": {"me": ["ssh-ed25519 AAAA me"]},
    "tags": {"instance": {"a": "instance-id: i-0ffffffffffffffff", "b": "1", "c": "null"}},
}
SEED = Seed("i-0000000000000000a", "ip-172-31-0-10", ("ssh-ed25519 AAAA me",), b"", "admin", ABOUT)
SCRIPT = b"#!/bin/sh\necho hello\n"


def test_the_seed_has_the_metadata_to_the_letter() -> None:
    assert yaml.safe_load(files(SEED)["meta-data"]) == ABOUT


def test_what_every_reader_wants_is_the_last_of_its_name() -> None:
    # Readers that are no YAML parsers take the last line with a name.
    lines = files(SEED)["meta-data"].decode().splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith((" ", "-"))][-3:] == [
        "instance-id", "local-hostname", "public-keys",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "inner",
    [
        SCRIPT,
        b"#cloud-config\n{}\n",
        b"## template: jinja\n#!/bin/sh\n",
        gzip.compress(SCRIPT),
        b"Content-Type: multipart/mixed; boundary=x\n",
        b"MIME-Version: 1.0\n",
        b"\n#!/bin/sh\n",
    ],
)
def test_what_was_encoded_twice_is_decoded_once_more(inner: bytes) -> None:
    twice = base64.b64encode(inner)
    assert cloud_init.user_data(twice) == inner
    assert cloud_init.user_data(inner) == inner
    # No more than once more, as the Ec2 datasource.
    assert cloud_init.user_data(base64.b64encode(twice)) == base64.b64encode(twice)


@pytest.mark.parametrize(
    "data",
    [b"", b"worker12", b"prod", bytes(range(256)), base64.b64encode(SCRIPT) + b"\n", base64.encodebytes(SCRIPT * 9)],
)
def test_other_user_data_is_left_to_the_byte(data: bytes) -> None:
    assert cloud_init.user_data(data) == data


def test_a_version_has_no_directory_whose_entries_all_came_later() -> None:
    tree = {"meta-data": {"placement": {"region": "r"}, "tags": {"instance": {}}, "ami-id": "a"}}
    assert versions.of(tree, "2019-10-01") == {"meta-data": {"ami-id": "a"}}
    assert versions.of(tree, "latest") == tree
