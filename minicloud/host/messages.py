"""Implements contracts.Messages: webhooks over HTTP, commands of the administrator's."""

from collections.abc import Mapping, Sequence

from ..errors import ApiError, Permanent, Retry
from . import run

COMMAND_TIMEOUT = 30.0


class LocalMessages:
    """Messages that leave this host by itself."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """One request; a status that is no success is a failure. Where a name leads is looked at before it is connected to."""
        from . import image_http

        try:
            status = image_http.post(url, body, dict(headers))
        except ApiError as error:
            raise Permanent(error.message) from error
        if not 200 <= status < 300:
            raise Retry(f"{url} answers with HTTP status {status}")

    def run(self, command: Sequence[str], body: bytes) -> None:
        """Without a shell; it has half a minute, and may say as much as it likes."""
        run.tell(command, body, COMMAND_TIMEOUT)
