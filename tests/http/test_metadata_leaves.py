"""Each leaf and each list of the metadata to the byte, in the versions that have it, and the seed that says the same.

The categories and the versions that they came with are those of AWS's page "Instance metadata categories".
"""

import json
from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.metadata import about, cloud_init, versions

from ..cloud_fixtures import FakeHost
from .metadata_guest import Guest, walk

MAC = "meta-data/network/interfaces/macs/{mac}/"
LEAVES = {
    "meta-data/ami-id": ("1.0", "{image}"),
    "meta-data/ami-launch-index": ("1.0", "0"),
    "meta-data/ami-manifest-path": ("1.0", "(unknown)"),
    "meta-data/block-device-mapping/ami": ("2007-12-15", "{root}"),
    "meta-data/block-device-mapping/ebs1": ("2007-12-15", "sdf"),
    "meta-data/block-device-mapping/root": ("2007-12-15", "{root}"),
    "meta-data/events/maintenance/history": ("2018-08-17", "[]"),
    "meta-data/events/maintenance/scheduled": ("2018-08-17", "[]"),
    "meta-data/hostname": ("1.0", "{name}"),
    "meta-data/iam/info": (
        "2012-01-12",
        '{{\n  "Code" : "Success",\n  "LastUpdated" : "{since}",\n  "InstanceProfileArn" : "{arn}",\n'
        '  "InstanceProfileId" : "{profile}"\n}}',
    ),
    "meta-data/iam/security-credentials/looker": ("2012-01-12", None),
    "meta-data/instance-action": ("2008-09-01", "none"),
    "meta-data/instance-id": ("1.0", "{id}"),
    "meta-data/instance-life-cycle": ("2019-10-01", "on-demand"),
    "meta-data/instance-type": ("2007-08-29", "{type}"),
    "meta-data/local-hostname": ("2007-01-19", "{name}"),
    "meta-data/local-ipv4": ("1.0", "{private}"),
    "meta-data/mac": ("2011-01-01", "{mac}"),
    MAC + "device-number": ("2011-01-01", "0"),
    MAC + "interface-id": ("2011-01-01", "{nic}"),
    MAC + "ipv4-associations/{public}": ("2011-01-01", "{private}"),
    MAC + "local-hostname": ("2011-01-01", "{name}"),
    MAC + "local-ipv4s": ("2011-01-01", "{private}\n172.31.0.99"),
    MAC + "mac": ("2011-01-01", "{mac}"),
    MAC + "owner-id": ("2011-01-01", "000000000000"),
    MAC + "public-hostname": ("2011-01-01", "{public_name}"),
    MAC + "public-ipv4s": ("2011-01-01", "{public}"),
    MAC + "security-group-ids": ("2011-01-01", "{group}"),
    MAC + "security-groups": ("2011-01-01", "default"),
    MAC + "subnet-id": ("2011-01-01", "{subnet}"),
    MAC + "subnet-ipv4-cidr-block": ("2011-01-01", "172.31.0.0/20"),
    MAC + "vpc-id": ("2011-01-01", "{vpc}"),
    MAC + "vpc-ipv4-cidr-block": ("2011-01-01", "172.31.0.0/16"),
    MAC + "vpc-ipv4-cidr-blocks": ("2016-06-30", "172.31.0.0/16"),
    "meta-data/placement/availability-zone": ("2008-02-01", "us-east-1a"),
    "meta-data/placement/availability-zone-id": ("2019-10-01", "use1-az1"),
    "meta-data/placement/group-name": ("2020-08-24", "near"),
    "meta-data/placement/region": ("2020-08-24", "us-east-1"),
    "meta-data/profile": ("2011-01-01", "default-hvm"),
    "meta-data/public-hostname": ("2007-01-19", "{public_name}"),
    "meta-data/public-ipv4": ("2007-01-19", "{public}"),
    "meta-data/public-keys/0/openssh-key": ("1.0", "{key}\n"),
    "meta-data/reservation-id": ("1.0", "{reservation}"),
    "meta-data/security-groups": ("1.0", "default"),
    "meta-data/services/domain": ("2014-02-25", "amazonaws.com"),
    "meta-data/services/partition": ("2015-10-20", "aws"),
    "meta-data/system": ("2022-09-24", "nitro"),
    "meta-data/tags/instance/Name": ("2021-03-23", "web"),
    "dynamic/fws/instance-monitoring": ("2009-04-04", "disabled"),
    "dynamic/instance-identity/document": ("2009-04-04", None),
    "dynamic/instance-identity/pkcs7": ("2009-04-04", None),
    "dynamic/instance-identity/rsa2048": ("2009-04-04", None),
    "dynamic/instance-identity/signature": ("2009-04-04", None),
}
"""Where each is, the version that it came with, and its bytes; None for those that other tests look at."""
LISTS = {
    "": "dynamic\nmeta-data\nuser-data",
    "meta-data/": "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\nhostname\niam/\ninstance-action\n"
    "instance-id\ninstance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nnetwork/\nplacement/\nprofile\n"
    "public-hostname\npublic-ipv4\npublic-keys/\nreservation-id\nsecurity-groups\nservices/\nsystem\ntags/",
    "meta-data/block-device-mapping/": "ami\nebs1\nroot",
    "meta-data/events/maintenance/": "history\nscheduled",
    "meta-data/iam/": "info\nsecurity-credentials/",
    "meta-data/iam/security-credentials/": "looker",
    "meta-data/network/interfaces/macs/": "{mac}/",
    MAC: "device-number\ninterface-id\nipv4-associations/\nlocal-hostname\nlocal-ipv4s\nmac\nowner-id\npublic-hostname\n"
    "public-ipv4s\nsecurity-group-ids\nsecurity-groups\nsubnet-id\nsubnet-ipv4-cidr-block\nvpc-id\nvpc-ipv4-cidr-block\n"
    "vpc-ipv4-cidr-blocks",
    "meta-data/placement/": "availability-zone\navailability-zone-id\ngroup-name\nregion",
    "meta-data/public-keys/": "0=me",
    "meta-data/public-keys/0/": "openssh-key",
    "meta-data/services/": "domain\npartition",
    "meta-data/tags/instance/": "Name",
    "dynamic/": "fws/\ninstance-identity/",
    "dynamic/instance-identity/": "document\npkcs7\nrsa2048\nsignature",
}
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


@pytest.fixture
def rich(guest: Guest) -> Guest:
    """An instance with a role, a second volume, a second address, a placement group and tags in its metadata."""
    for operation, params in (
        ("CreateRole", {"RoleName": "looker", "AssumeRolePolicyDocument": json.dumps(TRUST)}),
        ("CreateInstanceProfile", {"InstanceProfileName": "looks"}),
        ("AddRoleToInstanceProfile", {"InstanceProfileName": "looks", "RoleName": "looker"}),
    ):
        api.call(guest.ec2.cloud, "iam", operation, params)
    ec2, one = guest.ec2, guest.instance_id
    ec2("AssociateIamInstanceProfile", InstanceId=one, IamInstanceProfile={"Name": "looks"})
    nic = ec2.instance(one)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2("AssignPrivateIpAddresses", NetworkInterfaceId=nic, PrivateIpAddresses=["172.31.0.99"])
    ec2("StopInstances", InstanceIds=[one], Force=True)
    ec2("CreatePlacementGroup", GroupName="near", Strategy="cluster")
    ec2("ModifyInstancePlacement", InstanceId=one, GroupName="near")
    volume = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    ec2("AttachVolume", VolumeId=volume, InstanceId=one, Device="/dev/sdf")
    guest.options(InstanceMetadataTags="enabled")
    ec2("StartInstances", InstanceIds=[one])
    return guest


def facts(guest: Guest) -> dict[str, str]:
    """What the API says of it."""
    shown = guest.ec2.instance(guest.instance_id)
    nic = shown["NetworkInterfaces"][0]
    (profile,) = guest.ec2("DescribeIamInstanceProfileAssociations")["IamInstanceProfileAssociations"]
    return {
        "id": shown["InstanceId"],
        "image": shown["ImageId"],
        "type": shown["InstanceType"],
        "root": shown["RootDeviceName"],
        "name": shown["PrivateDnsName"],
        "private": shown["PrivateIpAddress"],
        "public": shown["PublicIpAddress"],
        "public_name": shown["PublicDnsName"],
        "mac": nic["MacAddress"],
        "nic": nic["NetworkInterfaceId"],
        "group": nic["Groups"][0]["GroupId"],
        "subnet": shown["SubnetId"],
        "vpc": shown["VpcId"],
        "reservation": guest.ec2("DescribeInstances", InstanceIds=[guest.instance_id])["Reservations"][0]["ReservationId"],
        "key": guest.ec2.row(guest.instance_id).public_key.strip(),
        "arn": profile["IamInstanceProfile"]["Arn"],
        "profile": profile["IamInstanceProfile"]["Id"],
        "since": times.whole(guest.ec2.cloud.state.profile_associations.find(instance_id=guest.instance_id)[0].created),
    }


def test_every_leaf_to_the_byte_and_no_others(rich: Guest) -> None:
    known = facts(rich)
    found = dict(walk(rich, "/latest/meta-data/", "meta-data/")) | dict(walk(rich, "/latest/dynamic/", "dynamic/"))
    expected = {path.format(**known): text and text.format(**known) for path, (_, text) in LEAVES.items()}
    assert {path: found[path] if text is not None else None for path, text in expected.items()} == expected
    assert set(found) == set(expected)


def test_every_list_to_the_byte(rich: Guest) -> None:
    known = facts(rich)
    for path, listed in LISTS.items():
        assert rich.get("/latest/" + path.format(**known)) == (200, listed.format(**known)), path


def test_a_version_has_what_was_there_when_it_was_published(rich: Guest) -> None:
    known = facts(rich)
    for path, (since, _) in LEAVES.items():
        older = [version for version in versions.ALL if version < since]
        newer = next(version for version in versions.ALL if version >= since)
        for version, status in [(newer, 200), *((version, 404) for version in older[-1:])]:
            assert rich.get(f"/{version}/{path.format(**known)}")[0] == status, (version, path)
    assert rich.get("/1.0/")[1] == "meta-data\nuser-data"
    assert rich.get("/2018-08-17/meta-data/placement/")[1] == "availability-zone"


def test_documents_are_written_as_on_ec2(rich: Guest) -> None:
    for path in ("meta-data/iam/security-credentials/looker", "dynamic/instance-identity/document"):
        text = rich.get(f"/latest/{path}")[1]
        assert text == json.dumps(json.loads(text), indent=2, separators=(",", " : "))


def test_signatures_are_base64_in_lines_of_76_without_an_end(rich: Guest) -> None:
    for name in ("pkcs7", "rsa2048", "signature"):
        *lines, last = rich.get(f"/latest/dynamic/instance-identity/{name}")[1].split("\n")
        assert {len(line) for line in lines} == {76}, name
        assert 0 < len(last) <= 76, name


def crawled(guest: Guest, path: str) -> dict[str, Any]:
    """A directory as the Ec2 datasource of cloud-init reads it: by the lists of the service alone, without credentials."""
    found: dict[str, Any] = {}
    for name in guest.get(path)[1].splitlines():
        if name == "security-credentials/":
            continue
        if name.endswith("/"):
            found[name[:-1]] = crawled(guest, path + name)
            continue
        number, _, key = name.partition("=")
        text = guest.get(f"{path}{number}/openssh-key" if key else path + name)[1]
        found[key or name] = json.loads(text) if text.startswith("{") else text.splitlines() if "\n" in text else text
    return found


def test_the_seed_says_what_the_service_says(rich: Guest, host: FakeHost) -> None:
    said = crawled(rich, f"/{versions.CLOUD_INIT}/meta-data/")
    row = rich.ec2.row(rich.instance_id)
    known = about.of_instance(rich.ec2.cloud, row)
    assert known is not None
    assert said["public-keys"] == {"me": [row.public_key.strip()]}
    assert said["iam"]["info"]["Code"] == "Success"
    beside = {"cloud-name": "aws", "region": "us-east-1", "availability-zone": "us-east-1a", "launch-index": 0}
    with host.store.change() as held:
        seed = held["seeds"][rich.instance_id]
    # It was written at the last start, after a stop in which the public address had changed.
    assert seed["about"] == cloud_init.meta_data(known, rich.ec2.cloud.settings) == said | beside
    assert set(beside) == set(cloud_init.ONLY_SEEDED)
    assert "security-credentials" not in json.dumps(seed)
