"""The filters of DescribeInstances about an instance's network interfaces, of which its answer says only a part."""

from collections.abc import Callable, Iterator
from typing import Any

from ...api import FilterPaths
from ...aws import filters
from ...cloud import Cloud
from ...state.rows import Tag
from ...state.rows_network import PublicAddress

_Item = dict[str, Any]


def _of_each(path: str) -> Callable[[Cloud, _Item], Iterator[str]]:
    """What holds of each interface because it holds of the instance."""

    def values(_: Cloud, item: _Item) -> Iterator[str]:
        for _interface in item["NetworkInterfaces"]:
            yield from filters.values_at(item, path)

    return values


def _elastic_addresses(cloud: Cloud, item: _Item, *, primary: bool) -> Iterator[PublicAddress]:
    for interface in item["NetworkInterfaces"]:
        for row in cloud.state.public_addresses.find(interface_id=interface["NetworkInterfaceId"]):
            if row.allocation_id and (not primary or row.private_address == interface["PrivateIpAddress"]):
                yield row


def _allocations(cloud: Cloud, item: _Item) -> Iterator[str]:
    return (row.allocation_id for row in _elastic_addresses(cloud, item, primary=False))


def _associations(cloud: Cloud, item: _Item) -> Iterator[str]:
    return (row.association_id for row in _elastic_addresses(cloud, item, primary=False))


def _primary_allocations(cloud: Cloud, item: _Item) -> Iterator[str]:
    return (row.allocation_id for row in _elastic_addresses(cloud, item, primary=True))


def _primary_associations(cloud: Cloud, item: _Item) -> Iterator[str]:
    return (row.association_id for row in _elastic_addresses(cloud, item, primary=True))


def _tags(cloud: Cloud, item: _Item) -> Iterator[Tag]:
    for interface in item["NetworkInterfaces"]:
        yield from cloud.state.tags.find(resource_id=interface["NetworkInterfaceId"])


def _tag_keys(cloud: Cloud, item: _Item) -> Iterator[str]:
    return (tag.key for tag in _tags(cloud, item))


def _tag_values(cloud: Cloud, item: _Item) -> Iterator[str]:
    return (tag.value for tag in _tags(cloud, item))


OF_INSTANCES: FilterPaths = {
    "network-interface.addresses.association.allocation-id": _allocations,
    "network-interface.addresses.association.association-id": _associations,
    "network-interface.addresses.association.ip-owner-id": "NetworkInterfaces[].PrivateIpAddresses[].Association.IpOwnerId",
    "network-interface.addresses.association.public-dns-name": (
        "NetworkInterfaces[].PrivateIpAddresses[].Association.PublicDnsName"
    ),
    "network-interface.addresses.association.public-ip": "NetworkInterfaces[].PrivateIpAddresses[].Association.PublicIp",
    "network-interface.addresses.primary": "NetworkInterfaces[].PrivateIpAddresses[].Primary",
    "network-interface.addresses.private-dns-name": "NetworkInterfaces[].PrivateIpAddresses[].PrivateDnsName",
    "network-interface.addresses.private-ip-address": "NetworkInterfaces[].PrivateIpAddresses[].PrivateIpAddress",
    "network-interface.association.allocation-id": _primary_allocations,
    "network-interface.association.association-id": _primary_associations,
    "network-interface.association.ip-owner-id": "NetworkInterfaces[].Association.IpOwnerId",
    "network-interface.association.public-dns-name": "NetworkInterfaces[].Association.PublicDnsName",
    "network-interface.association.public-ip": "NetworkInterfaces[].Association.PublicIp",
    "network-interface.attachment.attach-time": "NetworkInterfaces[].Attachment.AttachTime",
    "network-interface.attachment.attachment-id": "NetworkInterfaces[].Attachment.AttachmentId",
    "network-interface.attachment.delete-on-termination": "NetworkInterfaces[].Attachment.DeleteOnTermination",
    "network-interface.attachment.device-index": "NetworkInterfaces[].Attachment.DeviceIndex",
    "network-interface.attachment.instance-id": _of_each("InstanceId"),
    "network-interface.attachment.instance-owner-id": "NetworkInterfaces[].OwnerId",
    "network-interface.attachment.network-card-index": "NetworkInterfaces[].Attachment.NetworkCardIndex",
    "network-interface.attachment.status": "NetworkInterfaces[].Attachment.Status",
    "network-interface.availability-zone": _of_each("Placement.AvailabilityZone"),
    "network-interface.deny-all-igw-traffic": "NetworkInterfaces[].=false",
    "network-interface.description": "NetworkInterfaces[].Description",
    "network-interface.group-id": "NetworkInterfaces[].Groups[].GroupId",
    "network-interface.group-name": "NetworkInterfaces[].Groups[].GroupName",
    "network-interface.ipv6-native": "NetworkInterfaces[].=false",
    "network-interface.mac-address": "NetworkInterfaces[].MacAddress",
    "network-interface.network-interface-id": "NetworkInterfaces[].NetworkInterfaceId",
    "network-interface.operator.managed": "NetworkInterfaces[].=false",
    "network-interface.owner-id": "NetworkInterfaces[].OwnerId",
    "network-interface.private-dns-name": "NetworkInterfaces[].PrivateDnsName",
    "network-interface.private-ip-address": "NetworkInterfaces[].PrivateIpAddress",
    "network-interface.public-dns-name": "NetworkInterfaces[].Association.PublicDnsName",
    "network-interface.requester-managed": "NetworkInterfaces[].=false",
    "network-interface.source-dest-check": "NetworkInterfaces[].SourceDestCheck",
    "network-interface.status": "NetworkInterfaces[].Status",
    "network-interface.subnet-id": "NetworkInterfaces[].SubnetId",
    "network-interface.tag-key": _tag_keys,
    "network-interface.tag-value": _tag_values,
    "network-interface.vpc-id": "NetworkInterfaces[].VpcId",
}
