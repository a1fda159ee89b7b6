"""Prefix lists: ranges of AWS's own services, of which none is behind a list here, and lists of the account, which has none."""

from ...api import Answer, Call, operation
from ...aws import ids

FILTERS = {"prefix-list-id": "PrefixListId", "prefix-list-name": "PrefixListName"}


def _refuse_all(prefix_list_ids: list[str] | None) -> None:
    ids.check("prefix-list", prefix_list_ids or ())
    if prefix_list_ids:
        raise ids.not_found("prefix-list", prefix_list_ids)


@operation(items="PrefixLists", key="PrefixListId", filters=FILTERS)
def describe_prefix_lists(call: Call, *, prefix_list_ids: list[str] | None = None) -> Answer:
    """DescribePrefixLists: none."""
    del call
    _refuse_all(prefix_list_ids)
    return {"PrefixLists": []}


@operation(items="PrefixLists", key="PrefixListId", filters={**FILTERS, "owner-id": "OwnerId"})
def describe_managed_prefix_lists(call: Call, *, prefix_list_ids: list[str] | None = None) -> Answer:
    """DescribeManagedPrefixLists: none."""
    del call
    _refuse_all(prefix_list_ids)
    return {"PrefixLists": []}
