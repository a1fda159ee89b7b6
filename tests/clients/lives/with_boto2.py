"""An instance's life through boto 2, of 2018."""

import json
import os
import sys
import time
import types
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from typing import Any
from urllib.parse import urlsplit


class Moves:
    """Finds the modules of the `six` inside boto, whose own finder is of a kind that Python 3.12 has done away with."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Whose loader is this object."""
        ours = f"{name}.".startswith("boto.vendored.six.moves.")
        return spec_from_loader(name, self, is_package=True) if ours else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """What six has for this name."""
        six: Any = sys.modules["boto.vendored.six"]
        made: types.ModuleType = six._importer.load_module(spec.name)
        return made

    def exec_module(self, module: types.ModuleType) -> None:
        """It has been run."""


sys.meta_path.insert(0, Moves())  # type: ignore[arg-type]
sys.modules["imp"] = types.ModuleType("imp")  # gone with Python 3.12, too; boto loads plugins by it, of which there are none
os.environ["EC2_USE_SIGV4"] = "true"
from boto.ec2.connection import EC2Connection  # noqa: E402
from boto.exception import EC2ResponseError  # noqa: E402
from boto.regioninfo import RegionInfo  # noqa: E402

where = urlsplit(os.environ["AWS_ENDPOINT_URL"])
ec2: Any = EC2Connection(is_secure=False, port=where.port, region=RegionInfo(name="us-east-1", endpoint=where.hostname))


def until(thing: Any, state: str, read: str = "state") -> None:
    """Ask again and again, as scripts of those years do."""
    for _ in range(60):
        thing.update()
        if getattr(thing, read) == state:
            return
        time.sleep(0.2)
    raise AssertionError(f"{thing} is {getattr(thing, read)} and not {state}")


def keys_and_groups() -> Any:
    key = ec2.create_key_pair("old")
    assert "PRIVATE KEY" in key.material
    assert ec2.import_key_pair("imported", os.environ["PUBLIC_KEY"].encode()).name == "imported"
    assert ec2.delete_key_pair("imported")
    assert [one.name for one in ec2.get_all_key_pairs()] == ["old"]
    group = ec2.create_security_group("old", "of boto 2")
    assert group.authorize("tcp", 22, 22, "10.0.0.0/8")
    assert group.authorize(src_group=group)
    (found,) = ec2.get_all_security_groups(group_ids=[group.id])
    assert sorted(len(rule.grants) for rule in found.rules) == [1, 1]
    assert group.revoke("tcp", 22, 22, "10.0.0.0/8")
    return group


def disks(instance: Any) -> None:
    volume = ec2.create_volume(5, ec2.get_all_zones()[0], volume_type="gp2")
    until(volume, "available", "status")
    assert volume.attach(instance.id, "/dev/sdf")
    until(volume, "in-use", "status")
    assert volume.attach_data.instance_id == instance.id
    snapshot = volume.create_snapshot("friday")
    until(snapshot, "100%", "progress")
    assert [one.id for one in ec2.get_all_snapshots(owner="self", filters={"volume-id": volume.id})] == [snapshot.id]
    assert snapshot.share(user_ids=["123456789012"])
    assert snapshot.get_permissions()["user_ids"] == ["123456789012"]
    assert volume.detach()
    until(volume, "available", "status")
    assert volume.delete()
    assert snapshot.delete()


def refused(call: Any, *arguments: Any) -> tuple[int, str]:
    try:
        call(*arguments)
    except EC2ResponseError as error:
        return error.status, error.error_code
    raise AssertionError("nothing was refused")


group = keys_and_groups()
(image,) = ec2.get_all_images(image_ids=[os.environ["IMAGE"]])
reservation = image.run(key_name="old", security_group_ids=[group.id], instance_type="t2.micro", user_data="#!/bin/sh\n")
(instance,) = reservation.instances
until(instance, "running")
instance.add_tags({"Name": "old & <new>", "by": "boto"})
instance.remove_tag("by")
(again,) = ec2.get_only_instances(filters={"tag:Name": "old*", "instance-state-name": "running"})
assert (again.id, again.tags, again.groups[0].id, again.key_name) == (instance.id, {"Name": "old & <new>"}, group.id, "old")
assert [one.instance_status.status for one in ec2.get_all_instance_status([instance.id])] == ["ok"]
disks(instance)
address = ec2.allocate_address("vpc")
assert address.associate(instance.id)
(found,) = ec2.get_all_addresses(allocation_ids=[address.allocation_id])
assert (found.instance_id, instance.update() and instance.ip_address) == (instance.id, address.public_ip)
assert ec2.disassociate_address(association_id=found.association_id)
assert ec2.release_address(allocation_id=address.allocation_id)
assert instance.reboot()
assert isinstance(instance.get_console_output().output, bytes)
instance.stop()
until(instance, "stopped")
assert instance.modify_attribute("instanceType", "t2.small")
made = instance.create_image("golden", "made by boto 2")
(golden,) = ec2.get_all_images(owners=["self"], filters={"name": "golden"})
assert (golden.id, golden.state, golden.root_device_name) == (made, "available", "/dev/xvda")
assert golden.deregister()
assert ec2.delete_snapshot(golden.block_device_mapping["/dev/xvda"].snapshot_id)
instance.start()
until(instance, "running")
assert instance.instance_type == "t2.small"
assert refused(ec2.get_all_instances, ["i-0123456789abcdef0"]) == (400, "InvalidInstanceID.NotFound")
assert refused(ec2.delete_security_group, None, group.id) == (400, "DependencyViolation")
instance.terminate()
until(instance, "terminated")
assert ec2.delete_security_group(group_id=group.id)
assert ec2.delete_key_pair("old")
print(json.dumps({"instance": instance.id, "version": ec2.APIVersion}))
