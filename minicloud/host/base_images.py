"""The image store as the reconcilers see it (contracts.Images)."""

from dataclasses import asdict
from pathlib import Path

from ..config import Settings
from ..errors import ApiError, Damaged
from . import failures, image_users
from .account import hypervisor
from .contracts import BaseImage, BootSpec
from .image_store import ImageStore, Manifest


def store(settings: Settings) -> ImageStore:
    """The store of this minicloud, with the shared one behind it."""
    return ImageStore(settings.images, settings.shared_images, hypervisor().gid)


class BaseImages:
    """Implements contracts.Images over the image store, for the minicloud of a home and its state, if that is known."""

    def __init__(self, images: ImageStore, home: Path, identity: str = "") -> None:
        self._images = images
        self._home = home
        self._identity = identity

    def list(self) -> dict[str, BaseImage]:
        """All that can be used, by id."""
        return {manifest.image_id: self._base(manifest) for manifest in self._images.list()}

    def path(self, image_id: str) -> str:
        """Where a disk finds its base."""
        try:
            return str(self._images.path(image_id))
        except ApiError as error:
            raise Damaged(f"the base image {image_id} is gone from {self._images.directory}") from error

    @failures.of_system()
    def keep(self, *, build: bool = False) -> None:
        """By a file in the store; the shared one is not written to."""
        image_users.join(self._images.directory, self._home, self._identity, build=build)

    def _base(self, manifest: Manifest) -> BaseImage:
        known = asdict(manifest)
        direct = self._images.kernel(manifest.image_id)
        boot = BootSpec()
        if direct is not None:
            kernel, initrd, cmdline = direct
            boot = BootSpec(kernel=str(kernel), initrd=str(initrd) if initrd else None, cmdline=cmdline)
        fields = {name: known[name] for name in BaseImage.__dataclass_fields__ if name in known}
        return BaseImage(**fields, path=self.path(manifest.image_id), boot=boot)
