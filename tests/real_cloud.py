"""Clouds over the real drivers, in a laboratory."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from minicloud.cloud import Cloud
from minicloud.config import load
from minicloud.host import local
from minicloud.reconcile.worker import worker_for


def cloud_at(name: str, **changes: Any) -> Cloud:
    """A cloud with directories of its own, which are the same for all who give this name."""
    settings = dataclasses.replace(
        load(), home=Path("/var/lib/minicloud") / name, run=Path("/run/minicloud") / name, **{"direct_boot": False, **changes}
    )
    cloud = Cloud(settings, local.host)
    cloud.worker = worker_for(cloud)
    return cloud


def image_named(name: str) -> str:
    """The AMI of the machine's base image of this name; skips the test where there is none."""
    settings = load()
    directories = [settings.images, *([settings.shared_images] if settings.shared_images else [])]
    for manifest in (path for directory in directories for path in sorted(directory.glob("ami-*/manifest.json"))):
        if json.loads(manifest.read_text())["name"] == name:
            return manifest.parent.name
    pytest.skip(f"no image named {name} in {', '.join(map(str, directories))}; scripts/setup builds it")


def launch(name: str, kind: str = "t3.nano") -> dict[str, Any]:
    """Parameters of RunInstances for one instance of an image."""
    return {"ImageId": image_named(name), "InstanceType": kind, "MinCount": 1, "MaxCount": 1}
