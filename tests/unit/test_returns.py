"""Answers of EC2 without a result: they say `return` true, as AWS's API reference has it and as no model shows."""

import pytest

from minicloud.aws import model
from minicloud.aws.xml_writer import TELL_RETURN, document

from ..golden_file import check

EC2 = model.service("ec2")
WITHOUT = [name for name in EC2.operation_names if EC2.operation(name).output is None]


def told(name: str) -> str:
    return document(EC2.operation(name), {}, "r", ec2=True).decode().partition("\n")[2]


def test_every_answer_without_a_result() -> None:
    assert len(WITHOUT) > 50
    check("ec2-returns.xml", "".join(f"{told(name)}\n" for name in WITHOUT))


@pytest.mark.parametrize("name", sorted(TELL_RETURN))
def test_those_that_have_it_beside_a_result(name: str) -> None:
    assert "Return" not in EC2.operation(name).output.members  # type: ignore[union-attr]
    assert "<return>true</return>" in told(name)


def test_others_do_not() -> None:
    assert "return" not in told("DescribeVpcs")
    elb = model.service("elb").operation("DeleteLoadBalancer")
    assert b"return" not in document(elb, {}, "r", ec2=False)
