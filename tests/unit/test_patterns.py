"""The patterns of AWS's models, each as what it says in Java."""

from collections.abc import Iterator

import pytest

from minicloud import api
from minicloud.aws import model, patterns, validate
from minicloud.aws.model import Shape
from minicloud.errors import ApiError

XML = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"
TAG = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"


def patterns_in(shape: Shape | None, seen: set[str]) -> Iterator[str]:
    """Those of a shape and of all that it holds."""
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    if pattern := shape.raw.get("pattern"):
        yield pattern
    parts = [member.shape for member in shape.members.values()] if shape.kind == "structure" else []
    parts += [shape.element] if shape.kind == "list" else [shape.key, shape.value] if shape.kind == "map" else []
    for part in parts:
        yield from patterns_in(part, seen)


ALL = sorted(
    {
        pattern
        for service in api.services()
        for found in api.operations(service).values()
        for pattern in patterns_in(found.model.input_shape, set())
    }
)


@pytest.mark.parametrize("pattern", ALL)
def test_each_can_be_read(pattern: str) -> None:
    assert patterns.compiled(pattern)


def test_one_that_newer_models_have_lets_all_through() -> None:
    assert patterns.fits(r"[\p{L}\p{M}]+", "?")


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        (XML, ["", "a b\n", "日本", "\U0001f600"], ["a\x01", "\x7f\x00"]),
        (TAG, ["", "a b", "ü日本٣", "a_b+c@d"], ["a,b", "a\tb", "\U0001f600", "a\n"]),
        (r"[\p{all}]*", ["", "a\n\x01"], []),
        (r"[\w+=,.@-]+", ["a_b@c"], ["", "ü", "a b", "٣", "a\n"]),
        (r"\d+|[a-z]", ["12", "a"], ["٣", "ab"]),
        (r"^(?!aws:)[a-zA-Z+-=._:/]+$", ["a1:b"], ["aws:a", "a b"]),
    ],
)
def test_what_fits(pattern: str, fitting: list[str], others: list[str]) -> None:
    assert [value for value in fitting if not patterns.fits(pattern, value)] == []
    assert [value for value in others if patterns.fits(pattern, value)] == []


def refused(service: str, name: str, **params: object) -> tuple[str, str]:
    with pytest.raises(ApiError) as caught:
        validate.validate(model.service(service).operation(name), params)
    return caught.value.code, caught.value.message.removeprefix("1 validation error detected: ")


def test_a_refusal_shows_the_value_as_awss_validators_do() -> None:
    must, iam = "failed to satisfy constraint: Member must", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}
    assert refused("iam", "CreateRole", **{**iam, "RoleName": "r" * 65}) == (
        "ValidationError", f"Value '{'r' * 65}' at 'roleName' {must} have length less than or equal to 64",
    )  # fmt: skip
    assert refused("iam", "CreateRole", **iam, Description="a\x01")[1].startswith(
        f"Value 'a\x01' at 'description' {must} satisfy regular expression pattern: [\\u0009"
    )
    assert refused("iam", "GetRole", RoleName="a b") == (
        "ValidationError",
        "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
    )
    assert refused("cloudwatch", "DescribeAlarms", AlarmNames=["a"] * 101)[1].startswith("Value '[a, a, a")
    assert refused("cloudwatch", "DescribeAlarms", MaxRecords=0)[1].startswith("Value '0' at 'maxRecords'")
    assert refused("dlm", "GetLifecyclePolicy", PolicyId="policy-x")[0] == "InvalidRequestException"


def test_what_is_secret_is_not_shown() -> None:
    given = {"ServerCertificateName": "c", "CertificateBody": "c", "PrivateKey": "Geheim" * 4000}
    assert refused("iam", "UploadServerCertificate", **given)[1].startswith("Value at 'privateKey' failed to satisfy")
