"""Pages put together, compared with botocore's own paginator over the same service."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.paginate import Paginator
from hypothesis import given
from hypothesis import strategies as st

from minicloud.cli.paginate import Pages, collect, decode, encode, number
from minicloud.errors import UsageError

DEFINITION = {"input_token": "NextToken", "output_token": "NextToken", "limit_key": "MaxResults", "result_key": "Items"}


def service(count: int) -> Any:
    """A service with `count` items; as many on a page as it is asked for."""

    def call(NextToken: str = "0", MaxResults: int = 1000) -> dict[str, Any]:  # noqa: N803
        start, end = int(NextToken), int(NextToken) + MaxResults
        return {"Items": list(range(count))[start:end], "Other": "x", **({"NextToken": str(end)} if end < count else {})}

    return call


def theirs(count: int, token: str | None, most: int | None, size: int | None) -> dict[str, Any]:
    members = {"MaxResults": SimpleNamespace(type_name="integer")}
    described = SimpleNamespace(name="Describe", input_shape=SimpleNamespace(members=members))
    pages = Paginator(service(count), {**DEFINITION, "non_aggregate_keys": ["Other"]}, described)
    wanted = {"StartingToken": token, "MaxItems": most, "PageSize": size}
    return dict(pages.paginate(PaginationConfig=wanted).build_full_result())


@given(st.integers(0, 9), st.integers(1, 4), st.integers(1, 5))
def test_pages_and_their_tokens_are_botocores(count: int, size: int, most: int) -> None:
    token = None
    for _ in range(12):
        call = service(count)
        mine = collect(lambda params: call(**params), DEFINITION, {}, Pages(token, most, size))  # noqa: B023
        other = theirs(count, token, most, size)
        assert mine["Items"] == other["Items"]
        assert mine.get("NextToken") == other.get("NextToken")
        token = mine.get("NextToken")
        if token is None:
            return
    pytest.fail("the pages have no end")


def test_all_pages_without_a_limit() -> None:
    call = service(7)
    assert collect(lambda params: call(**params), DEFINITION, {}, Pages(page_size=2)) == {"Items": list(range(7)), "Other": "x"}


def test_a_token_of_the_service_is_taken_as_it_is() -> None:
    assert decode("plain token") == ("plain token", 0)
    assert decode(encode("a", 3)) == ("a", 3)


@pytest.mark.parametrize("text", ["0", "-1", "x", ""])
def test_a_limit_is_a_number_from_one(text: str) -> None:
    with pytest.raises(UsageError):
        number("max-items", text)


def test_pages_that_never_end_are_left() -> None:
    with pytest.raises(UsageError, match="came twice"):
        collect(lambda _: {"Items": [1], "NextToken": "again"}, DEFINITION, {}, Pages())
