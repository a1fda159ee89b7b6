"""A node's life, and those of its volume, key, group, address and network, through Apache Libcloud."""

import json
import os
from typing import Any
from urllib.parse import urlsplit

from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

where = urlsplit(os.environ["AWS_ENDPOINT_URL"])
cloud: Any = get_driver(Provider.EC2)(
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], region="us-east-1",
    signature_version="4", host=where.hostname, port=where.port, secure=False,
)  # fmt: skip


def node_now(node: Any) -> Any:
    (found,) = cloud.list_nodes(ex_node_ids=[node.id])
    return found


def volume_now(volume: Any) -> Any:
    return next(one for one in cloud.list_volumes() if one.id == volume.id)


def network() -> tuple[Any, Any]:
    """A network with a way out."""
    made = cloud.ex_create_network("10.1.0.0/16", name="lib")
    subnet = cloud.ex_create_subnet(made.id, "10.1.1.0/24", "us-east-1a", name="lib-a")
    gateway = cloud.ex_create_internet_gateway(name="lib")
    assert cloud.ex_attach_internet_gateway(gateway, made)
    table = cloud.ex_create_route_table(made, name="lib")
    assert cloud.ex_create_route(table, "0.0.0.0/0", internet_gateway=gateway)
    association = cloud.ex_associate_route_table(table, subnet)
    assert any(route.cidr == "0.0.0.0/0" for route in cloud.ex_list_route_tables([table.id])[0].routes)

    def away() -> None:
        kept = cloud.ex_list_route_tables([table.id])[0].subnet_associations
        assert [one.id for one in kept] == [association]
        assert cloud.ex_dissociate_route_table(kept[0])
        assert cloud.ex_delete_route(table, "0.0.0.0/0")
        assert cloud.ex_delete_route_table(table)
        assert cloud.ex_detach_internet_gateway(gateway, made)
        assert cloud.ex_delete_internet_gateway(gateway)
        assert cloud.ex_delete_subnet(subnet)
        assert cloud.ex_delete_network(made)

    return subnet, away


def keys_and_groups() -> str:
    """A key pair and a security group; the group's id."""
    key = cloud.create_key_pair("lib")
    assert "PRIVATE KEY" in key.private_key
    imported = cloud.import_key_pair_from_string("own", os.environ["PUBLIC_KEY"])
    assert cloud.get_key_pair("own").fingerprint == imported.fingerprint
    assert cloud.delete_key_pair(imported)
    assert [one.name for one in cloud.list_key_pairs()] == ["lib"]
    group = str(cloud.ex_create_security_group("lib", "of libcloud")["group_id"])
    assert cloud.ex_authorize_security_group_ingress(group, 22, 22, cidr_ips=["10.0.0.0/8"])
    assert cloud.ex_authorize_security_group_ingress(group, 80, 80, group_pairs=[{"group_id": group}])
    (found,) = cloud.ex_get_security_groups(group_ids=[group])
    ports = [int(rule["from_port"]) for rule in found.ingress_rules]
    assert sorted(ports) == [22, 80], found.ingress_rules
    assert cloud.ex_revoke_security_group_ingress(group, 22, 22, cidr_ips=["10.0.0.0/8"])
    return group


def node_of(group: str) -> Any:
    image = cloud.get_image(os.environ["IMAGE"])
    size = next(one for one in cloud.list_sizes() if one.id == "t3.nano")
    made = cloud.create_node(
        name="web", image=image, size=size, ex_keyname="lib", ex_security_group_ids=[group], ex_userdata="#!/bin/sh\n",
        ex_subnet=cloud.ex_list_subnets(filters={"availability-zone": "us-east-1a"})[0], ex_metadata={"by": "libcloud"},
        ex_mincount=1, ex_maxcount=1, ex_blockdevicemappings=[{"DeviceName": "/dev/xvda", "Ebs.VolumeSize": 4}],
    )  # fmt: skip
    ((running, addresses),) = cloud.wait_until_running([made], wait_period=1, timeout=30, ssh_interface="private_ips")
    assert (running.name, running.size, running.extra["tags"]) == ("web", None, {"Name": "web", "by": "libcloud"})
    assert running.private_ips == addresses
    return running


def disks(node: Any) -> None:
    """A volume's life, with a snapshot's."""
    volume = cloud.create_volume(5, "data", location=cloud.list_locations()[0], ex_volume_type="gp3", ex_iops=None)
    assert cloud.attach_volume(node, volume, "/dev/sdf")
    assert (volume_now(volume).state, len(cloud.list_volumes(node=node))) == ("inuse", 2)
    snapshot = cloud.create_volume_snapshot(volume, name="friday", ex_metadata={"of": "data"})
    (found,) = cloud.list_volume_snapshots(volume)
    assert (found.id, found.name, found.size, found.extra["tags"]["of"]) == (snapshot.id, "friday", 5, "data")
    again = cloud.create_volume(6, "again", location=cloud.list_locations()[0], snapshot=snapshot)
    assert volume_now(again).extra["snapshot_id"] == snapshot.id
    cloud.ex_modify_volume(again, {"Size": 7})
    assert volume_now(again).size == 7
    assert cloud.detach_volume(volume)
    assert volume_now(volume).state == "available"
    assert [cloud.destroy_volume(one) for one in (volume, again)] == [True, True]
    assert cloud.destroy_volume_snapshot(snapshot)


def address(node: Any) -> None:
    elastic = cloud.ex_allocate_address(domain="vpc")
    assert cloud.ex_associate_address_with_node(node, elastic, domain="vpc")
    (found,) = cloud.ex_describe_all_addresses(only_associated=True)
    shown = (found.ip, found.instance_id, set(node_now(node).public_ips))
    assert shown == (elastic.ip, node.id, {elastic.ip}), shown  # Libcloud names it once for each place where it stands
    assert cloud.ex_disassociate_address(found, domain="vpc")
    assert cloud.ex_release_address(elastic, domain="vpc")


def power(node: Any) -> None:
    assert cloud.reboot_node(node)
    assert cloud.stop_node(node)
    assert node_now(node).state == NodeState.STOPPED
    assert cloud.ex_change_node_size(node, next(one for one in cloud.list_sizes() if one.id == "t3.micro"))
    assert cloud.start_node(node)
    assert (node_now(node).state, node_now(node).extra["instance_type"]) == (NodeState.RUNNING, "t3.micro")


def tags(node: Any) -> None:
    assert cloud.ex_create_tags(node, {"a": "b", "empty": ""})
    assert cloud.ex_delete_tags(node, {"by": "libcloud"})
    assert cloud.ex_describe_tags(node) == {"Name": "web", "a": "b", "empty": ""}


subnet, network_away = network()
group = keys_and_groups()
node = node_of(group)
disks(node)
address(node)
tags(node)
power(node)
image = cloud.create_image(node, "golden", description="made by libcloud", reboot=True)
assert [one.name for one in cloud.list_images(ex_owner="self", ex_filters={"name": "gold*"})] == ["golden"]
assert cloud.delete_image(image)
assert cloud.destroy_node(node)
assert cloud.delete_key_pair(cloud.get_key_pair("lib"))
assert cloud.ex_delete_security_group_by_id(group)
network_away()
print(json.dumps({"node": node.id, "group": group}))
