"""The filters of each operation are those that AWS documents for it; those that can never find anything here find nothing."""

import fnmatch
import re
from typing import Any

import pytest

from minicloud import api
from minicloud.api import OperationDef
from minicloud.cloud import Cloud
from tests.cloud_fixtures import Ec2

FILTERED = [
    found
    for service in api.services()
    for found in api.operations(service).values()
    if found.items and "Filters" in found.model.input
]

NEVER_TRUE = {
    "DescribeInstances": {
        "*capacity-reservation-resource-group-arn": "there are no groups of reservations",
        "host-id": "there are no dedicated hosts",
        "placement-partition-number": "groups have no partitions",
        "ipv6-address": "addresses are IPv4",
        "network-interface.ipv6-a*": "addresses are IPv4",
        "network-interface.ipv6-prefixes.ipv6-prefix": "addresses are IPv4",
        "kernel-id": "an image carries its kernel",
        "ramdisk-id": "an image carries its initrd",
        "network-interface.*association.c*": "there are no carriers and no Outposts",
        "network-interface.ipv4-prefixes.ipv4-prefix": "interfaces have addresses, no prefixes",
        "network-interface.outpost-arn": "there are no Outposts",
        "network-interface.requester-id": "nobody but the account makes interfaces",
        "*operator.principal": "nobody but the account manages its resources",
        "outpost-arn": "there are no Outposts",
        "platform": "only Windows instances have it",
        "product-code*": "there is no marketplace",
        "spot-instance-request-id": "there are no spot instances",
        "tpm-support": "guests have no TPM",
    },
    "DescribeCapacityReservations": {
        "outpost-arn": "there are no Outposts",
        "placement-group-arn": "capacity is not reserved in groups",
    },
    "DescribeImages": {
        "image-watermark.*": "images have no watermarks",
        "scan-result.*": "images are not scanned",
        "instance-type-specification.*": "an image does not say which types it supports",
        "kernel-id": "an image carries its kernel",
        "ramdisk-id": "an image carries its initrd",
        "owner-alias": "no owner has an alias",
        "platform": "only Windows images have it",
        "product-code*": "there is no marketplace",
        "public-ssm-parameter-name": "there is no Systems Manager",
    },
    "DescribeInstanceStatus": {
        "application-status.status": "nothing looks into applications",
        "event.*": "there are no scheduled events",
        "operator.principal": "nobody but the account manages its resources",
    },
    "DescribeNetworkInterfaces": {
        "ipv6-addresses.*": "addresses are IPv4",
        "operator.principal": "nobody but the account manages its resources",
    },
    "DescribeSecurityGroups": {"*prefix-list-id": "there are no prefix lists"},
    "DescribeVolumes": {
        "operator.principal": "nobody but the account manages its resources",
    },
    "DescribeSnapshots": {
        "owner-alias": "no owner has an alias",
    },
    "DescribeVolumeStatus": {
        "action.event-id": "events have no numbers",
        "event.event-id": "events have no numbers",
        "event.not-*": "nothing is scheduled",
    },
    "DescribeSubnets": {
        "customer-owned-ipv4-pool": "there are no Outposts",
        "outpost-arn": "there are no Outposts",
        "enable-lni-at-device-index": "there are no local network interfaces",
        "ipv6-cidr-block-association.*": "addresses are IPv4",
    },
    "DescribeVpcs": {"ipv6-cidr-block-association.*": "addresses are IPv4"},
    "DescribeLaunchTemplateVersions": {
        "host-resource-group-arn": "there are no dedicated hosts",
        "kernel-id": "an image carries its kernel",
        "ram-disk-id": "an image carries its initrd",
        "license-configuration-arn": "there are no licence configurations",
    },
    "DescribeNetworkAcls": {
        "entry.icmp.*": "the default list lets everything through",
        "entry.ipv6-cidr": "addresses are IPv4",
        "entry.port-range.*": "the default list lets everything through",
    },
    "DescribePlacementGroups": {"spread-level": "one host cannot spread instances"},
    "DescribeRouteTables": {
        "association.gateway-id": "a main table belongs to no gateway",
        "route.destination-ipv6-cidr-block": "addresses are IPv4",
        "route.destination-prefix-list-id": "there are no prefix lists",
        "route.egress-only-internet-gateway-id": "addresses are IPv4",
        "route.instance-id": "routes are those of the VPC itself and of its internet gateway",
        "route.nat-gateway-id": "there are no NAT gateways",
        "route.transit-gateway-id": "there are no transit gateways",
        "route.vpc-peering-connection-id": "there are no peerings",
    },
    "DescribeAvailabilityZones": {"group-long-name": "the answer has no long names of groups"},
}
OLDER_NAMES = {
    "DescribeVpcs": {"cidr-block": "what Ansible asks for", "isDefault": "what Terraform asks for"},
    "DescribeAddresses": {"domain": "documented until there was nothing but VPCs"},
    "DescribeNetworkInterfaces": {"group-name": "documented until AWS had several groups of one name"},
}
ELSEWHERE = {
    "autoscaling:DescribeAutoScalingGroups": {"tag-key", "tag-value"},
    "autoscaling:DescribeTags": {"key", "value", "propagate-at-launch"},
}
"""What AWS's text on the shape Filter has, and not that on the operation."""
CENTRAL = {"tag", "tag-key", "tag:&lt;key&gt;"}
"""Served for every operation whose items have tags."""


def entries(found: OperationDef) -> set[str]:
    """The filters that have an entry of their own in AWS's list."""
    text = found.model.input["Filters"].documentation
    # A list inside an entry names values, not filters.
    while (shorter := re.sub(r"(<li>(?:(?!<li>|</li>).)*)<ul>(?:(?!<ul>).)*?</ul>", r"\1", text, flags=re.DOTALL)) != text:
        text = shorter
    return set(re.findall(r"<li>\s*<p>\s*<code>([A-Za-z][^<]+)</code>", text)) - CENTRAL


def mentioned(found: OperationDef) -> set[str]:
    """The same, and other names that the text gives them."""
    return set(re.findall(r"<code>([^<]+)</code>", found.model.input["Filters"].documentation))


def declared(found: OperationDef) -> set[str]:
    return {*found.filters, *found.outer_filters}


def never_true(found: OperationDef) -> dict[str, str]:
    return NEVER_TRUE.get(found.name, {})


def every(test: object) -> object:
    return pytest.mark.parametrize("found", FILTERED, ids=lambda found: found.name)(test)  # type: ignore[arg-type]


@every
def test_each_declared_filter_is_documented(found: OperationDef) -> None:
    elsewhere = ELSEWHERE.get(f"{found.service}:{found.name}", set())
    assert declared(found) - mentioned(found) - elsewhere == set(OLDER_NAMES.get(found.name, {}))


@every
def test_each_documented_filter_is_declared_or_can_never_be_true(found: OperationDef) -> None:
    left = {
        name
        for name in entries(found) - declared(found)
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in never_true(found))
    }
    assert left == set()


@every
def test_no_reason_is_given_for_a_filter_that_there_is_or_that_aws_does_not_have(found: OperationDef) -> None:
    for pattern in never_true(found):
        matching = {name for name in entries(found) if fnmatch.fnmatchcase(name, pattern)}
        assert matching, f"{pattern} is no filter of AWS's"
        assert not matching & declared(found), f"{pattern} is declared"


REQUIRED: dict[str, Any] = {
    "DescribeLaunchTemplateVersions": {"Versions": ["$Latest"]},
}


@every
def test_each_documented_filter_can_be_asked_for(cloud: Cloud, found: OperationDef) -> None:
    params = REQUIRED.get(found.name, {})
    if found.name == "GetSecurityGroupsForVpc":
        params = {"VpcId": api.call(cloud, "ec2", "DescribeVpcs", {})["Vpcs"][0]["VpcId"]}
    for name in [*sorted(entries(found)), "tag-key", "tag:Name"]:
        asked = [{"Name": name, "Values": ["2026-01-02T03:04:05Z"]}]
        answer = api.call(cloud, found.service, found.name, {**params, "Filters": asked})
        assert answer[found.items.partition("[].")[0]] == [], name


def test_what_aws_does_not_document_is_refused(ec2: Ec2) -> None:
    assert ec2.refused("DescribeInstances", Filters=[{"Name": "colour", "Values": ["red"]}]).code == "InvalidParameterValue"
