"""Which endpoint and which keys a command line means by --endpoint-url and --profile."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import profiles
from .errors import ConfigurationError

if TYPE_CHECKING:
    from ..aws.client import Client


def client(endpoint_url: str | None, profile: str | None, environ: Mapping[str, str] = os.environ) -> "Client":
    """The client to speak through.

    Keys are those of the profile that is named; else of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; else of AWS_PROFILE, or
    of the profile `minicloud`. Raises ConfigurationError where endpoint or keys are missing.
    """
    from ..aws.client import Client, Keys

    name = profile or environ.get("AWS_PROFILE", profiles.NAME)
    found = profiles.read(name, environ)
    if profile is not None and found is None:
        raise ConfigurationError(
            f"there is no profile {profile} in ~/.aws; sudo minicloud configure --profile {profile} makes it"
        )
    chosen = found or profiles.Profile()
    url = endpoint_url or chosen.endpoint_url
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{url!r} is no URL of an endpoint, such as http://127.0.0.1:8800")
    keys = Keys(chosen.access_key, chosen.secret, chosen.token)
    if profile is None and "AWS_ACCESS_KEY_ID" in environ:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        keys = Keys(*(environ.get(variable, "") for variable in names))
    if not keys.access_key or not keys.secret:
        raise ConfigurationError("there are no access keys for the endpoint; sudo minicloud configure makes some")
    return Client(url, environ.get("AWS_REGION", chosen.region or "us-east-1"), keys)
