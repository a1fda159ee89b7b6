"""What a page of an operation may be, read out of AWS's documentation: least and most items, the usual number, and the
identifiers that it cannot be asked for with.

Where neither the model nor the text has bounds, EC2's Describe operations have those of EC2 in general: 5 to 1,000, and what
is above is taken for 1,000.
"""

import functools
import re
from dataclasses import dataclass
from typing import Any

from ..errors import ApiError
from . import pages, refusals
from .model import Member, Operation

SIZES = ("MaxResults", "MaxRecords")
_RANGE = re.compile(r"between ([\d,]*\d) and ([\d,]*\d)")
_USUAL = re.compile(r"(?:[Dd]efault value is|Default:|[Dd]efaults to|[Dd]efault is) ([\d,]*\d)")
_MOST = re.compile(r"(?:maximum value is|up to a limit of) ([\d,]*\d)")
_NOT_WITH = re.compile(r"(?:cannot|can't) specify this parameter and the ([a-z ]+) IDs parameter")
_MARKUP = re.compile(r"<[^>]+>")

NOT_WITH = {
    "DescribeImages": "ImageIds",
    "DescribeSecurityGroups": "GroupIds",
    "DescribeSecurityGroupRules": "SecurityGroupRuleIds",
    "DescribeSnapshots": "SnapshotIds",
    "DescribeVolumes": "VolumeIds",
    "DescribeVolumeStatus": "VolumeIds",
    "DescribeVpcs": "VpcIds",
}
"""Identifiers that AWS refuses beside MaxResults although its documentation does not say so."""
_SETS = {
    "GroupIds": "securityGroupIdSet",
    "ImageIds": "imageIdsSet",
    "InstanceIds": "instancesSet",
    "SnapshotIds": "snapshotSet",
    "VolumeIds": "volumeSet",
}
"""What EC2 calls lists of identifiers in this refusal; it calls others as they are called in the model."""


@dataclass(frozen=True)
class PageRule:
    """The pages of one operation. `size` is the parameter that asks for a number of items; `usual` is what there is without
    it (None: all items); a number above `most` is refused where `bounded` and is taken for `most` elsewhere."""

    size: str
    low: int
    most: int
    bounded: bool
    usual: int | None
    not_with: str


@functools.cache
def of(operation: Operation) -> PageRule | None:
    """The rule of an operation; None for one without pages."""
    size = next((name for name in SIZES if name in operation.input), None)
    return None if size is None else _rule(operation, operation.input[size])


def _rule(operation: Operation, member: Member) -> PageRule:
    text, raw = _MARKUP.sub("", member.documentation), member.shape.raw
    ec2 = refusals.of(operation.service) is refusals.EC2
    span, most, usual = _RANGE.search(text), _MOST.search(text), _USUAL.search(text)
    general = 5 if ec2 and operation.name.startswith("Describe") else 1
    high = _number(span[2]) if span else raw.get("max") or (_number(most[1]) if most else pages.MOST_RESULTS)
    return PageRule(
        member.name,
        low=_number(span[1]) if span else raw.get("min", general),
        most=high,
        bounded=bool(span or raw.get("max") or (most and not ec2)),
        usual=_number(usual[1]) if usual else _number(most[1]) if most and not ec2 else None,
        not_with=_not_with(operation, text) if ec2 else "",
    )


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _not_with(operation: Operation, text: str) -> str:
    said = _NOT_WITH.search(text)
    if said is None:
        return NOT_WITH.get(operation.name, "")
    name = f"{said[1].title().replace(' ', '')}Ids"  # EventWindowIds, of InstanceEventWindowIds
    return next((member for member in operation.input if member.endswith(name)), "")


def asked(given: dict[str, Any]) -> int | None:
    """How many items a request asks for, by either of AWS's names for it."""
    return next((given[name] for name in SIZES if name in given), None)


def check(operation: Operation, given: dict[str, Any]) -> None:
    """Refuse what cannot be a page of this operation. Raises ApiError."""
    rule, words = of(operation), refusals.of(operation.service)
    if token := given.get("NextToken"):
        pages.decode(token, words)
    if rule is None or (most := given.get(rule.size)) is None:
        return
    if most < rule.low or (rule.bounded and most > rule.most):
        raise words.page_size(rule.size, most, rule.low, rule.most)
    if given.get(rule.not_with):
        name = _SETS.get(rule.not_with)
        pair = (name, "maxResults") if name else (rule.not_with, rule.size)
        raise ApiError("InvalidParameterCombination", "The parameter {} cannot be used with the parameter {}".format(*pair))


def page_of(operation: Operation, items: list[Any], key: Any, given: dict[str, Any]) -> tuple[list[Any], str | None]:
    """The page of `items` that a request asks for, and the token of the next one."""
    rule = of(operation)
    usual, most = (rule.usual, rule.most) if rule else (None, pages.MOST_RESULTS)
    return pages.page(items, key, asked(given), given.get("NextToken"), usual=usual, largest=most)
