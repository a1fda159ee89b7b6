"""What tests of the host need: a laboratory, and a guest that boots in seconds."""

import json
import os
from dataclasses import dataclass

import pytest

from minicloud.config import load
from minicloud.host.contracts import BootSpec


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a laboratory never touch the machine itself."""
    for item in items:
        if item.get_closest_marker("lab") and os.environ.get("MINICLOUD_IN_LAB") != "1":
            item.add_marker(pytest.mark.skip(reason="needs a laboratory: scripts/lab pytest ..."))


@dataclass(frozen=True)
class Tiny:
    """The tiny guest: a base to make disks of, and how it is booted."""

    base: str
    boot: BootSpec


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    settings = load()
    directories = [settings.images, *([settings.shared_images] if settings.shared_images else [])]
    for manifest in (path for directory in directories for path in sorted(directory.glob("ami-*/manifest.json"))):
        if json.loads(manifest.read_text())["name"] == "tiny":
            files = {name: manifest.parent / name for name in ("image.qcow2", "vmlinuz", "initrd", "cmdline")}
            cmdline = files["cmdline"].read_text().strip() if files["cmdline"].exists() else ""
            boot = BootSpec("bios", str(files["vmlinuz"]), str(files["initrd"]), cmdline or "console=ttyS0")
            return Tiny(str(files["image.qcow2"]), boot)
    pytest.skip(f"no image named tiny in {', '.join(map(str, directories))}; scripts/setup --tests builds it")
