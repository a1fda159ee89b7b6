"""Who sent a request: its signature against the secret of its access key. Refusals in the words of the service's family."""

from ..aws import sigv4
from ..aws.refusals import Words
from ..aws.sigv4 import Claim
from ..aws.wire import WireRequest
from ..callers import Caller
from ..cloud import Cloud
from ..errors import ApiError
from ..services.sts import sessions


def authenticate(cloud: Cloud, request: WireRequest, claim: Claim | None, now: float, words: Words) -> Caller:
    """The sender. `now` in seconds since 1970. Raises ApiError, in the `words` of whom the request is for."""
    if claim is None:
        raise words.anonymous()
    if not sigv4.is_current(claim, now):
        raise words.late()
    try:
        found = sessions.recognize(cloud, claim.access_key, claim.token, now)
    except ApiError as error:
        raise words.expired() from error
    if found is None:
        raise words.stranger()
    secret, caller = found
    if not sigv4.verify(request, claim, secret):
        raise words.forged()
    return caller
