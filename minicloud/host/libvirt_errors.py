"""libvirt's errors, as the two kinds of failure that reconcilers know."""

import contextlib
from collections.abc import Iterator
from typing import Any

from ..errors import Permanent, Retry
from .libvirt_link import library


@contextlib.contextmanager
def errors(doing: str) -> Iterator[None]:
    """Turn libvirt's errors into the two kinds that reconcilers know."""
    try:
        yield
    except library().libvirtError as error:
        raise translated(error, doing) from error


@contextlib.contextmanager
def gone_is_fine() -> Iterator[None]:
    """A guest that stopped, or was removed, a moment ago is what was wanted."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


def translated(error: Any, doing: str) -> Retry | Permanent:
    """What a failure of libvirt's means: whether it may pass."""
    libvirt = library()
    text = f"{doing}: {error}"
    if "Cannot allocate memory" in text or "cannot set up guest memory" in text:
        return Retry(f"{text}: the host has no memory left for it", "Server.InsufficientInstanceCapacity", 15.0)
    if "No space left on device" in text:
        return Retry(f"{text}: the host's disk is full; make room on it", "Server.InternalError", 15.0)
    stays = {
        libvirt.VIR_ERR_XML_ERROR,
        libvirt.VIR_ERR_XML_DETAIL,
        libvirt.VIR_ERR_XML_INVALID_SCHEMA,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_INVALID_ARG,
    }
    if error.get_error_code() in stays or "already exists with uuid" in text:
        return Permanent(text)
    return Retry(text)
