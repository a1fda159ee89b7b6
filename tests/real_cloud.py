"""Clouds over the real drivers, in a laboratory."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from minicloud.cloud import Cloud
from minicloud.config import load
from minicloud.host import local
from minicloud.host.contracts import Host
from minicloud.host.contracts_storage import Disks
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.host.release import usual_image
from minicloud.reconcile.worker import worker_for

IDENTITY = "0123456789abcdef" * 2
"""Of the state that drivers alone are made for, where a test needs no state."""


def cloud_at(name: str, **changes: Any) -> Cloud:
    """A cloud with directories of its own, which are the same for all who give this name."""
    settings = dataclasses.replace(
        load(), home=Path("/var/lib/minicloud") / name, run=Path("/run/minicloud") / name, **{"direct_boot": False, **changes}
    )
    cloud = Cloud(settings, local.host)
    cloud.worker = worker_for(cloud)
    return cloud


def take_away(host: Host) -> None:
    """Take guests, rules and networks off the host: the next test has a state of its own, which those of another would stop."""
    for guest_id in host.guests.list():
        host.guests.remove(guest_id)
    host.firewall.apply(FirewallSpec())
    for network_id in host.networks.list():
        host.networks.remove(network_id)


def remove_all(disks: Disks) -> None:
    """Remove all disks, those on which another stands after that one."""
    while left := disks.list():
        for disk_id in left:
            if not disks.above(disk_id):
                disks.remove(disk_id)


def images() -> dict[str, str]:
    """The AMIs of the machine's base images, by name."""
    settings = load()
    directories = [settings.images, *([settings.shared_images] if settings.shared_images else [])]
    manifests = (path for directory in directories for path in sorted(directory.glob("ami-*/manifest.json")))
    return {json.loads(path.read_text())["name"]: path.parent.name for path in manifests}


def image_named(name: str) -> str:
    """The AMI of the machine's base image of this name; skips the test where there is none."""
    if name not in images():
        pytest.skip(f"there is no image named {name}; scripts/setup --tests builds it")
    return images()[name]


def debian_name() -> str:
    """The name of the machine's Debian image: what scripts/setup makes on this release, else another. Skips without one."""
    there = [name for name in images() if name.startswith("debian-")]
    if not there:
        pytest.skip("there is no Debian image; scripts/setup builds it")
    return usual_image()[1] if usual_image()[1] in there else there[-1]


_OF_ONE_VCPU = {"t3.nano": "t2.nano", "t3.micro": "t2.micro", "t3.small": "t2.small"}
"""Types of the same memory."""


def bootable(kind: str) -> str:
    """The instance type to take for a guest of this type: under another release (scripts/lab --suite) one with a single vCPU.
    QEMU 10.0 emulating two has aborted while a guest booted (its issue 1921), which is not what the tests are about.
    """
    return _OF_ONE_VCPU.get(kind, kind) if os.environ.get("MINICLOUD_LAB_SUITE") else kind


def launch(name: str, kind: str = "t3.nano") -> dict[str, Any]:
    """Parameters of RunInstances for one instance of an image."""
    return {"ImageId": image_named(name), "InstanceType": bootable(kind), "MinCount": 1, "MaxCount": 1}
