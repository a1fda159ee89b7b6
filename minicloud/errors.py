"""The errors that cross layers. Imports nothing of ours.

`ApiError` is what a caller of an operation did wrong, in AWS's codes and words. `Retry` and `Permanent` are the two kinds
of failure that a host driver may raise at a reconciler: the first goes away by itself, the second needs somebody.
"""


class ApiError(Exception):
    """A request that is refused: AWS's error code, its message, the HTTP status that goes with it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class HostError(Exception):
    """Something on the host failed. `code` and `message` are what describe-* shows as StateReason."""

    def __init__(self, message: str, code: str = "Server.InternalError") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Retry(HostError):
    """A failure that may pass: the reconciler tries again after `delay` seconds."""

    def __init__(self, message: str, code: str = "Server.InternalError", delay: float = 2.0) -> None:
        super().__init__(message, code)
        self.delay = delay


class Away(Retry):
    """What a file lies on is not there now, such as a file system that is mounted late: it is waited for, however long."""


class Permanent(HostError):
    """A failure that stays until somebody changes something; it becomes the resource's StateReason."""


class Damaged(Permanent):
    """A file is gone, or is not what it has to be: it will not be right by itself."""


class Unreadable(Permanent):
    """The system gave an error of the disk each time a file was read (EIO). What is in it may be right."""


def host_error(error: BaseException) -> HostError:
    """Whatever was raised, as one of the two kinds: what nobody foresaw may pass, and is tried again."""
    return error if isinstance(error, HostError) else Retry(f"{type(error).__name__}: {error}")


class UsageError(Exception):
    """A command line that makes no sense; the message says what to type instead. Exit status 252."""


class StateError(Exception):
    """The state is not there, or must not be used as it is; the message says what happened and what to do. Exit status 253."""
