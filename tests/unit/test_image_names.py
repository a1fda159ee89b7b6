"""Names of images where ids are asked for: which texts are looked up, and what becomes of them."""

from collections.abc import Mapping
from typing import Any

import pytest

from minicloud.cli import image_names
from minicloud.errors import UsageError

IMAGES = {"debian-12": ["ami-1"], "my image": ["ami-2"], "twice": ["ami-4", "ami-3"]}


class Calls(list[list[str]]):
    """The names that were asked for, call by call."""

    def __call__(self, _service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        assert operation == "DescribeImages"
        (wanted,) = params["Filters"]
        self.append(wanted["Values"])
        return {"Images": [{"ImageId": one, "Name": name} for name in wanted["Values"] for one in IMAGES.get(name, [])]}


def test_all_names_of_a_request_are_asked_for_at_once() -> None:
    calls = Calls()
    params = {
        "ImageId": "debian-12", "ImageIds": ["my image", "ami-9"], "Overrides": [{"ImageId": "debian-12"}], "Name": "twice",
    }  # fmt: skip
    assert image_names.resolved(calls, "ec2", params) == {
        "ImageId": "ami-1", "ImageIds": ["ami-2", "ami-9"], "Overrides": [{"ImageId": "ami-1"}], "Name": "twice",
    }  # fmt: skip
    assert calls == [["debian-12", "my image"]]


@pytest.mark.parametrize("text", ["ami-0123", "resolve:ssm:/path", "", "debian-*", "what?"])
def test_what_is_no_name_costs_no_call(text: str) -> None:
    calls = Calls()
    assert image_names.resolved(calls, "ec2", {"ImageId": text}) == {"ImageId": text}
    assert calls == []


def test_a_name_of_several_images_is_refused_with_their_ids() -> None:
    with pytest.raises(UsageError, match="2 images are named twice: ami-3, ami-4; give the id of one"):
        image_names.resolved(Calls(), "autoscaling", {"ImageId": "twice"})


def test_a_name_of_no_image_stays_as_it_is() -> None:
    assert image_names.one(Calls(), "nothing") == "nothing"
