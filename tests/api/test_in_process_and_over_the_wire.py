"""An operation gets the same parameters, or refuses them with the same words, in process and over the wire.

Random values for every parameter of every operation: of the model's types, of others, empty, at the bounds and beyond them.
"""

import json
import random
from typing import Any

import pytest

from minicloud import api
from minicloud.api import OperationDef
from minicloud.aws import client, model, routing, times
from minicloud.aws.model import Shape
from minicloud.aws.wire import protocols
from minicloud.config import Settings
from minicloud.errors import ApiError

OPERATIONS = [found for service in api.services() for found in api.operations(service).values()]
PROTOCOLS = {"ec2": routing.EC2, "query": routing.QUERY, "json": routing.JSON["1.1"], "rest-json": routing.REST}
SETTINGS = Settings()
TRIES, MOST_DEEP = 12, 5
TEXTS = ["", "a", "a,b", " x ", "a&b=c+d%20", "ü日本\n<>", "true", "7", "..", "i-0123456789abcdef0", "x" * 300, "gp3", "\ud800"]
OTHERS: list[Any] = [None, 1, 1.5, True, "text", ["a", "b"], [], {}, {"a": 1}, b"\x00\xff", [None], [{}], 2**70, float("nan")]
SCALARS: dict[str, list[Any]] = {
    "string": TEXTS,
    "character": ["c", ""],
    "integer": [0, 1, -1, 2**31 - 1, -(2**31), 2**31],
    "long": [0, 5, 2**63 - 1, -(2**63), 2**63],
    "float": [0.0, 1.5, -2.25e-7, 3, float("inf"), float("nan")],
    "double": [0.0, 1.5, 1e300, 3, float("-inf"), float("nan")],
    "boolean": [True, False],
    "blob": [b"", b"\x00\xffbytes"],
    "timestamp": ["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05+02:00", "2026-01-02", "soon", ""],
}


def value(dice: random.Random, shape: Shape, deep: int = 0) -> Any:
    """A value for a shape: nearly always of its type."""
    if dice.random() < 0.02:
        return dice.choice(OTHERS)
    if shape.kind == "structure":
        return structure(dice, shape, deep)
    if shape.kind == "list":
        return [value(dice, shape.element, deep + 1) for _ in range(dice.choice([0, 1, 1, 2, 3]))]
    if shape.kind == "map":
        return {dice.choice(TEXTS[1:4]): value(dice, shape.value, deep + 1) for _ in range(dice.choice([0, 1, 2]))}
    if shape.enum and dice.random() < 0.8:
        return dice.choice(shape.enum)
    return dice.choice(SCALARS[shape.kind])


def structure(dice: random.Random, shape: Shape, deep: int) -> dict[str, Any]:
    """Some members of a structure: the required ones mostly; fewer, the deeper it is."""
    chance = 0.0 if deep > MOST_DEEP else 0.6 / (deep + 1)
    names = [name for name in shape.members if dice.random() < (0.95 if name in shape.required else chance)]
    dice.shuffle(names)
    found = {name: value(dice, shape.members[name].shape, deep + 1) for name in names}
    return {**found, "NoSuchMember": "x"} if dice.random() < 0.01 else found


def plain(shape: Shape | None, given: Any) -> Any:
    """Parameters to be compared: times in one form, NaN as a text that is itself."""
    if shape is None:
        return given
    if shape.kind == "structure":
        return {name: plain(shape.members[name].shape, inner) for name, inner in given.items()}
    if shape.kind == "list":
        return [plain(shape.element, inner) for inner in given]
    if shape.kind == "map":
        return {key: plain(shape.value, inner) for key, inner in given.items()}
    if shape.kind == "timestamp":
        return times.seconds(given)
    return float(given).hex() if shape.kind in ("float", "double") else given


def outcome(found: OperationDef, params: dict[str, Any]) -> Any:
    try:
        given, passed_over = api.checked(found, params, SETTINGS)
    except ApiError as error:
        return error.code, error.message, error.status
    return plain(found.model.input_shape, given), sorted(passed_over)


def sent(found: OperationDef, params: dict[str, Any]) -> Any:
    """What comes of it over the wire, by our own client."""
    operation = found.model
    spoken = next(known for known in client.SPOKEN if known in protocols(operation.service))
    try:
        request = client.request(operation, client.checked(operation, params))
        metadata = operation.service.metadata
        scope = str(metadata.get("signingName") or metadata["endpointPrefix"])
        target = routing.route(request, scope, [found.service])
        assert (target.refused, target.operation) == (None, found.name)
        read = PROTOCOLS[spoken].parse(operation, request)
    except ApiError as error:
        return error.code, error.message, error.status
    return outcome(found, read)


@pytest.mark.parametrize("found", OPERATIONS, ids=lambda found: f"{found.service}:{found.name}")
def test_parameters_are_the_same(found: OperationDef) -> None:
    dice = random.Random(f"{found.service}:{found.name}")  # noqa: S311  a test that is the same each time
    shape = found.model.input_shape
    for _ in range(TRIES if shape else 1):
        params = structure(dice, shape, 0) if shape else {}
        expected = outcome(found, params)
        assert sent(found, params) == expected, params


def test_most_of_the_tries_are_carried_out_or_refused_for_one_reason() -> None:
    """The tries above are neither all refused nor all taken."""
    counts = {True: 0, False: 0}
    for found in OPERATIONS:
        dice = random.Random(f"{found.service}:{found.name}")  # noqa: S311
        shape = found.model.input_shape
        for _ in range(TRIES if shape else 1):
            counts[len(outcome(found, structure(dice, shape, 0) if shape else {})) == 2] += 1
    assert min(counts.values()) > 300, counts


@pytest.mark.parametrize("wrong", [["a", "b"], 7, {"a": 1}, True])
def test_what_is_no_text_is_refused_before_it_is_sent(wrong: Any) -> None:
    found = api.find("ec2", "CreateTags")
    params = {"Resources": ["vpc-1"], "Tags": [{"Key": "Name", "Value": wrong}]}
    with pytest.raises(ApiError, match="must be text") as caught:
        client.checked(found.model, params)
    assert (caught.value.code, caught.value.message, caught.value.status) == outcome(found, params)
    assert json.dumps(outcome(found, params))


def test_none_is_not_given_at_the_top_and_refused_inside() -> None:
    tags = model.service("ec2").operation("CreateTags")
    assert client.checked(tags, {"Resources": ["vpc-1"], "Tags": [{"Key": "a"}], "DryRun": None}) == {
        "Resources": ["vpc-1"], "Tags": [{"Key": "a"}],
    }  # fmt: skip
    with pytest.raises(ApiError):
        client.checked(tags, {"Resources": ["vpc-1"], "Tags": [{"Key": "a", "Value": None}]})
