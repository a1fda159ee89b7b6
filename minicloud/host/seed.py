"""What cloud-init reads about a guest: a NoCloud disk, an ISO 9660 image with the label `cidata`.

`user-data` is the user's, to the byte; `vendor-data` holds what minicloud itself wishes, which the user's data overrides.
The files are YAML from a library. The disk is replaced as a whole and readable by root and the hypervisor only.
"""

import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any

from . import account, disk_links, failures
from .contracts import Seed

_LABEL = "cidata"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
WHOLE_NAME = re.compile(r"i-[0-9a-f]{17}\.iso")
"""The full form of our own names: a file of any other is somebody else's."""


def meta_data(seed: Seed) -> dict[str, Any]:
    """Who the guest is. The three names that every reader of seeds wants stand at the end, after all others like them."""
    wanted = {
        "instance-id": seed.instance_id,
        "local-hostname": seed.about.get("local-hostname", seed.hostname),
        "public-keys": seed.about.get("public-keys", list(seed.public_keys)),
    }
    return {name: value for name, value in seed.about.items() if name not in wanted} | wanted


def vendor_data(seed: Seed) -> dict[str, Any]:
    """EC2's defaults: no passwords over SSH, keys for the image's own default user, a root file system as large as its disk.

    RSA host keys take long to make, above all under emulation, and no client of today needs them.
    """
    return {
        "ssh_pwauth": False,
        "disable_root": seed.default_user != "root",
        "ssh_genkeytypes": ["ed25519", "ecdsa"],
        "preserve_hostname": False,
        "growpart": {"mode": "auto", "devices": ["/"]},
        "resize_rootfs": True,
    }


def files(seed: Seed) -> dict[str, bytes]:
    """The files of the disk."""
    import yaml

    return {
        "meta-data": yaml.safe_dump(meta_data(seed), sort_keys=False).encode(),
        "user-data": seed.user_data,
        "vendor-data": b"#cloud-config\n" + yaml.safe_dump(vendor_data(seed), sort_keys=True).encode(),
    }


def image(contents: dict[str, bytes]) -> bytes:
    """An ISO 9660 image with Joliet and Rock Ridge names, so that every system reads the names as they are."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=_LABEL)
    for number, (name, data) in enumerate(sorted(contents.items())):
        iso.add_fp(io.BytesIO(data), len(data), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    written = io.BytesIO()
    iso.write_fp(written)
    iso.close()
    return written.getvalue()


class LocalSeeds:
    """Seeds in `directory`, one file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _path(self, instance_id: str) -> Path:
        if not _ID.fullmatch(instance_id):
            raise ValueError(f"not the id of an instance: {instance_id!r}")
        return self._directory / f"{instance_id}.iso"

    def path(self, instance_id: str) -> str:
        """Where the seed is, or will be."""
        return str(self._path(instance_id))

    @failures.of_system()
    def write(self, seed: Seed) -> str:
        """Make or replace the seed."""
        final = self._path(seed.instance_id)
        data = image(files(seed))
        account.directory(self._directory)
        disk_links.refuse_linked(self._directory, self._directory.parent)
        # The name tells whose it is: what a crash leaves is removed by the next one who writes, or with the seed.
        self._clear(seed.instance_id)
        import tempfile  # 5 ms that most commands save

        handle, name = tempfile.mkstemp(dir=self._directory, prefix=f".{seed.instance_id}.")
        new = Path(name)
        try:
            with open(handle, "wb") as file:
                file.write(data)
            account.share(new)
            os.rename(new, final)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        return str(final)

    @failures.of_system()
    def remove(self, instance_id: str) -> None:
        """Delete the seed, and what a crash in the midst of writing it left; not one that is another home's, by a link."""
        if disk_links.is_anothers(self._directory, self._directory.parent):
            return
        self._path(instance_id).unlink(missing_ok=True)
        self._clear(instance_id)

    def _clear(self, instance_id: str) -> None:
        """Delete what was never whole."""
        for path in self._directory.glob(f".{instance_id}.*"):
            path.unlink(missing_ok=True)

    @failures.of_system()
    def list(self) -> set[str]:
        """The instance ids that have one."""
        with contextlib.suppress(FileNotFoundError):
            return {path.name.removesuffix(".iso") for path in self._directory.iterdir() if WHOLE_NAME.fullmatch(path.name)}
        return set()
