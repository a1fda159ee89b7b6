"""What is refused the same way for every operation of a service, in the codes and words of that service's family.

EC2 has codes of its own. The services of the query protocol say ValidationError, those of JSON a ValidationException or the
like, whichever their model declares; a service that speaks several protocols has the codes of query, and its JSON forms call
them by the names of their shapes. Nobody else words what concerns parameters in general, pages, filters, unknown actions,
rates and credentials.
"""

import functools
from collections.abc import Sequence
from typing import Any

from ..errors import ApiError
from . import wire
from .model import Member, Service

_JSON_CODES = ("ValidationException", "InvalidRequestException", "InvalidParameterException")


NOTHING_NAMED = {
    "InstanceIdStringList": ("InvalidParameterCombination", "No instances specified"),
    "ResourceIdList": ("MissingParameter", "The request must contain the parameter resourceIdSet"),
}
"""EC2's own words for lists, by the names of their shapes, that are left out."""

OWN_PATTERNS = {("iam", r"[\w+=,.@-]+"): "It must contain only alphanumeric characters and/or the following: +=,.@_-"}
"""What a service says of its own about texts that do not match a pattern."""

_OF_SHAPES = {
    ("ec2", "LaunchTemplateName"): (
        "InvalidLaunchTemplateName.MalformedException",
        "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, "
        "and the following characters: - ( ) . / _.",
    ),
}
"""Codes and texts for values of a service's shape that has bounds or a pattern of its own."""


def malformed(service: str, shape: str) -> ApiError | None:
    """What a service says of a value that is not what a shape's bounds and pattern want, if it has own words for that."""
    own = _OF_SHAPES.get((service, shape))
    return ApiError(*own) if own else None


def _shown(value: Any) -> str:
    return " ".join(str(value).split())[:80]


class Words:
    """EC2's, which are also used where nobody knows which service was meant."""

    def label(self, member: Member) -> str:
        """What a refusal calls a parameter: its name in a request."""
        return wire.ec2_name(member.raw, member.name)

    def lacks(self, value: Any) -> bool:
        """Whether a parameter is not there; in EC2's requests an empty list is nothing at all."""
        return value is None or value == []

    def missing(self, path: str, shape: str = "") -> ApiError:
        """A parameter that must be there, of a shape of this name, is not."""
        return ApiError(*NOTHING_NAMED.get(shape, ("MissingParameter", f"The request must contain the parameter {path}")))

    def unknown(self, path: str) -> ApiError:
        """AWS has no such parameter."""
        return ApiError("UnknownParameter", f"The parameter {path} is not recognized")

    def kind(self, path: str, value: Any, wanted: str) -> ApiError:
        """A value is of another type than the model's; `wanted` says of which it must be."""
        return ApiError("InvalidParameterValue", f"Value ({_shown(value)}) for parameter {path} is invalid. It must be {wanted}.")

    def choice(self, path: str, value: str, allowed: Sequence[str]) -> ApiError:
        """A value is none of those that there are."""
        text = f"Value ({_shown(value)}) for parameter {path} is invalid. Allowed: {', '.join(allowed)}."
        return ApiError("InvalidParameterValue", text)

    def pattern(self, path: str, value: str | None, pattern: str) -> ApiError:
        """A text does not match the pattern of its shape; `value` is None for a secret."""
        shown = _shown(value or "")
        text = f"Value ({shown}) for parameter {path} is invalid. It must match {pattern}"
        return ApiError("InvalidParameterValue", text)

    def bounds(self, path: str, size: int, low: int | None, high: int | None, unit: str, *, value: Any = None) -> ApiError:
        """A number, or the length of a text ("characters") or list ("entries"), lies outside `low` to `high`.

        `value` is the text or list itself, where it may be shown.
        """
        del value
        if not unit:
            too_low = low is not None and size < low
            wanted = f"greater than or equal to {low}" if too_low else f"smaller than or equal to {high}"
            text = f"Value ( {size} ) for parameter {path} is invalid. Expecting a value {wanted}."
            return ApiError("InvalidParameterValue", text)
        allowed = f"at least {low}" if high is None else f"at most {high}" if low is None else f"{low} to {high}"
        what = f"{size} {unit}".strip()
        return ApiError("InvalidParameterValue", f"Value ({what}) for parameter {path} is invalid. Allowed: {allowed}.")

    def filter(self, name: str, why: str = "") -> ApiError:
        """A filter that the operation does not have, or that is wrong for the reason given."""
        return ApiError("InvalidParameterValue", f"The filter '{name}' is invalid{why}")

    def token(self, token: str) -> ApiError:
        """A page token that never was given out."""
        return ApiError("InvalidNextToken", f"The token '{token}' is invalid")

    def page_size(self, name: str, most: int, low: int, high: int) -> ApiError:
        """A page, by the parameter `name`, of less than `low` items or more than `high`."""
        wanted = f"greater than {low}" if most < low else f"smaller than {high}"
        text = f"Value ( {most} ) for parameter {name[:1].lower()}{name[1:]} is invalid. Expecting a value {wanted}."
        return ApiError("InvalidParameterValue", text)

    def action(self, name: str) -> ApiError:
        """The service has no such operation."""
        return ApiError("InvalidAction", f"The action {name} is not valid for this web service.")

    def rate(self) -> ApiError:
        """Too many requests at once."""
        return ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)

    def fault(self) -> ApiError:
        """Something failed that the caller has no part in."""
        return ApiError("InternalError", "An internal error has occurred", 500)

    def denied(self, who: str, action: str, resource: str = "") -> ApiError:
        """`who` (an ARN) may not do `action`, to a `resource` (an ARN) where that is said."""
        text = f"You are not authorized to perform this operation. {_denied(who, action, resource)}"
        return ApiError("UnauthorizedOperation", text, 403)

    def anonymous(self) -> ApiError:
        """Nobody signed the request."""
        return ApiError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)

    def stranger(self) -> ApiError:
        """Nobody has this access key."""
        return ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)

    def forged(self) -> ApiError:
        """The signature is not that of the access key."""
        return self.stranger()

    def late(self) -> ApiError:
        """The request's time is not near ours."""
        return ApiError("RequestExpired", "Request has expired.")

    def expired(self) -> ApiError:
        """The session that the keys belong to is over."""
        return self.late()


EC2 = Words()


class QueryWords(Words):
    """Those of the services of the query protocol."""

    def __init__(self, service: Service | None = None) -> None:
        self._service = service

    @functools.cached_property
    def _declared(self) -> set[str]:
        """The codes of the errors that the service's model has; read when something is refused, not before."""
        return set(wire.code_shapes(self._service)) if self._service else set()

    @property
    def invalid(self) -> str:
        """The code for parameters that the model does not allow."""
        return "ValidationError"

    def _invalid(self, path: str, value: Any, must: str) -> ApiError:
        return ApiError(self.invalid, _constraint(path, value, must))

    def label(self, member: Member) -> str:
        """See Words."""
        return member.name

    def lacks(self, value: Any) -> bool:
        """See Words."""
        return value is None

    def missing(self, path: str, shape: str = "") -> ApiError:
        """See Words."""
        del shape
        text = (
            f"1 validation error detected: Value null at '{_member(path)}' failed to satisfy constraint: Member must not be null"
        )
        return ApiError(self.invalid, text)

    def unknown(self, path: str) -> ApiError:
        """See Words."""
        return ApiError(self.invalid, f"The parameter {path} is not recognized")

    def kind(self, path: str, value: Any, wanted: str) -> ApiError:
        """See Words."""
        return self._invalid(path, _shown(value), f"be {wanted}")

    def choice(self, path: str, value: str, allowed: Sequence[str]) -> ApiError:
        """See Words."""
        return self._invalid(path, value, f"enum value set: [{', '.join(allowed)}]")

    def pattern(self, path: str, value: str | None, pattern: str) -> ApiError:
        """See Words."""
        if self._service and (own := OWN_PATTERNS.get((self._service.name, pattern))):
            return ApiError(self.invalid, f"The specified value for {_member(path)} is invalid. {own}")
        return self._invalid(path, _listed(value), f"satisfy regular expression pattern: {pattern}")

    def bounds(self, path: str, size: int, low: int | None, high: int | None, unit: str, *, value: Any = None) -> ApiError:
        """See Words."""
        too_low = low is not None and size < low
        of = "length" if unit else "value"
        must = f"{of} {'greater' if too_low else 'less'} than or equal to {low if too_low else high}"
        return self._invalid(path, _listed(value) if unit else size, f"have {must}")

    def filter(self, name: str, why: str = "") -> ApiError:
        """See Words."""
        return ApiError(self.invalid, super().filter(name, why).message)

    def token(self, token: str) -> ApiError:
        """See Words."""
        return ApiError(
            "InvalidNextToken" if "InvalidNextToken" in self._declared else self.invalid, super().token(token).message
        )

    def page_size(self, name: str, most: int, low: int, high: int) -> ApiError:
        """See Words."""
        return self.bounds(name, most, low, high, "")

    def rate(self) -> ApiError:
        """See Words."""
        return ApiError("Throttling", "Rate exceeded")

    def fault(self) -> ApiError:
        """See Words."""
        return ApiError("InternalFailure", "An internal error has occurred", 500)

    def denied(self, who: str, action: str, resource: str = "") -> ApiError:
        """See Words."""
        return ApiError("AccessDenied", _denied(who, action, resource), 403)

    def stranger(self) -> ApiError:
        """See Words."""
        return ApiError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)

    def forged(self) -> ApiError:
        """See Words."""
        text = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        )
        return ApiError("SignatureDoesNotMatch", text, 403)

    def late(self) -> ApiError:
        """See Words."""
        text = "Signature expired: the time of the request differs from the time here by more than 15 minutes"
        return ApiError("SignatureDoesNotMatch", text, 403)

    def expired(self) -> ApiError:
        """See Words."""
        return ApiError("ExpiredToken", "The security token included in the request is expired", 403)


class JsonWords(QueryWords):
    """Those of the services that speak JSON only."""

    @property
    def invalid(self) -> str:
        """See QueryWords."""
        return next((code for code in _JSON_CODES if code in self._declared), _JSON_CODES[0])

    def kind(self, path: str, value: Any, wanted: str) -> ApiError:
        """See Words."""
        return ApiError("SerializationException", f"Value ({_shown(value)}) at '{_member(path)}' must be {wanted}")

    def action(self, name: str) -> ApiError:
        """See Words."""
        return ApiError("UnknownOperationException", f"There is no operation {name}")

    def rate(self) -> ApiError:
        """See Words."""
        return ApiError("ThrottlingException", "Rate exceeded")

    def fault(self) -> ApiError:
        """See Words."""
        code = "InternalServerException" if "InternalServerException" in self._declared else "InternalFailure"
        return ApiError(code, "An internal error has occurred", 500)

    def denied(self, who: str, action: str, resource: str = "") -> ApiError:
        """See Words."""
        return ApiError("AccessDeniedException", super().denied(who, action, resource).message)

    def anonymous(self) -> ApiError:
        """See Words."""
        return ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")

    def stranger(self) -> ApiError:
        """See Words."""
        return ApiError("UnrecognizedClientException", super().stranger().message)

    def forged(self) -> ApiError:
        """See Words."""
        return ApiError("InvalidSignatureException", super().forged().message)

    def late(self) -> ApiError:
        """See Words."""
        return ApiError("InvalidSignatureException", super().late().message)

    def expired(self) -> ApiError:
        """See Words."""
        return ApiError("ExpiredTokenException", super().expired().message)


def _listed(value: Any) -> str | None:
    """A text, or the entries of a list in brackets, as AWS's validators show them; None for what is secret."""
    return None if value is None else _shown(f"[{', '.join(map(str, value))}]" if isinstance(value, list) else value)


def _denied(who: str, action: str, resource: str) -> str:
    on = f" on resource: {resource}" if resource else ""
    return f"User: {who} is not authorized to perform: {action}{on} because no identity-based policy allows the {action} action"


def _constraint(path: str, value: Any, must: str) -> str:
    shown = "" if value is None else f" '{value}'"
    rule = f"satisfy {must}" if must.startswith("enum") else must
    return f"1 validation error detected: Value{shown} at '{_member(path)}' failed to satisfy constraint: Member must {rule}"


def _member(path: str) -> str:
    """A path as AWS's validators write it: `Tags.1.Key` as `tags.1.member.key`."""
    parts = (f"{part}.member" if part.isdecimal() else part[:1].lower() + part[1:] for part in path.split("."))
    return ".".join(parts)


@functools.cache
def of(service: Service) -> Words:
    """The words of a service."""
    protocols = wire.protocols(service)
    if "ec2" in protocols:
        return EC2
    return (QueryWords if "query" in protocols else JsonWords)(service)


def without_service(protocol: str) -> Words:
    """The words of a protocol, for requests that do not say to whom they speak."""
    if protocol == "ec2":
        return EC2
    return (QueryWords if protocol == "query" else JsonWords)()
