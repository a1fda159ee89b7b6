"""Who sent a request: its signature against the secret of its access key. Refusals in the words of EC2, or of the others."""

from ..api import Caller
from ..aws import sigv4
from ..aws.sigv4 import Claim
from ..aws.wire import WireRequest
from ..cloud import Cloud
from ..errors import ApiError
from ..services.sts import sessions


def authenticate(cloud: Cloud, request: WireRequest, claim: Claim | None, now: float) -> Caller:
    """The sender. `now` in seconds since 1970. Raises ApiError.

    AuthFailure (401, EC2), InvalidClientTokenId and SignatureDoesNotMatch (403, others), MissingAuthenticationToken,
    RequestExpired, ExpiredToken.
    """
    if claim is None:
        raise ApiError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    ec2 = claim.service == "ec2"
    if not sigv4.is_current(claim, now):
        raise ApiError("RequestExpired", "Request has expired.") if ec2 else _expired()
    found = _recognized(cloud, claim, now, ec2)
    if found is None:
        raise _auth_failure() if ec2 else _unknown_key()
    secret, caller = found
    if not sigv4.verify(request, claim, secret):
        raise _auth_failure() if ec2 else _mismatch()
    return caller


def _recognized(cloud: Cloud, claim: Claim, now: float, ec2: bool) -> tuple[str, Caller] | None:
    try:
        return sessions.recognize(cloud, claim.access_key, claim.token, now)
    except ApiError as error:
        raise (ApiError("RequestExpired", "Request has expired.") if ec2 else error) from error


def _auth_failure() -> ApiError:
    return ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)


def _unknown_key() -> ApiError:
    return ApiError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


def _mismatch() -> ApiError:
    return ApiError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        403,
    )


def _expired() -> ApiError:
    text = "Signature expired: the time of the request differs from the time here by more than 15 minutes"
    return ApiError("SignatureDoesNotMatch", text, 403)
