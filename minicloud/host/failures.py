"""Errors of the operating system, as the two kinds of failure that reconcilers know."""

import contextlib
import errno
from collections.abc import Iterator

from ..errors import Permanent, Retry

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def of_system() -> Iterator[None]:
    """A full disk and the like pass; a permission that is missing stays, until somebody gives it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Retry(f"the host's disk is full; make room on it ({error})", delay=15.0) from error
        if error.errno in _FORBIDDEN:
            raise Permanent(f"minicloud may not do this on this host; is it root? ({error})") from error
        raise Retry(str(error)) from error
