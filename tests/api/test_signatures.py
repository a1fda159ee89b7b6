"""Every operation against AWS's model: parameters, nested structures, the paths that filters and pages follow."""

import inspect
import subprocess
import sys
import types
import typing
from typing import Any

import pytest

from minicloud import api
from minicloud.api import OperationDef
from minicloud.aws import model
from minicloud.aws.model import Shape
from minicloud.services.empty import EmptyList

OPERATIONS = [
    found
    for service in api.services()
    for found in api.operations(service).values()
    if not isinstance(found, EmptyList)  # made of the model itself
]
KINDS = {"string": str, "timestamp": str, "integer": int, "long": int, "boolean": bool, "double": float, "float": float}


def every(test: Any) -> Any:
    return pytest.mark.parametrize("found", OPERATIONS, ids=lambda found: f"{found.service}:{found.name}")(test)


def fits(hint: Any, shape: Shape, path: str) -> None:
    """Fail where an annotation is not what a shape holds, or names a member that the shape does not have."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        for part in typing.get_args(hint):
            if part is not types.NoneType and not (part is bytes and shape.kind == "string"):
                fits(part, shape, path)
    elif typing.get_origin(hint) is list:
        assert shape.kind == "list", path
        fits(typing.get_args(hint)[0], shape.element, f"{path}[]")
    elif typing.get_origin(hint) is dict:
        assert shape.kind == "map", path
        fits(typing.get_args(hint)[1], shape.value, f"{path}{{}}")
    elif typing.is_typeddict(hint):
        assert shape.kind == "structure", path
        members = shape.members
        for name, inner in typing.get_type_hints(hint).items():
            assert name in members, f"{path} has no {name}"
            fits(inner, members[name].shape, f"{path}.{name}")
    elif shape.kind == "blob":
        assert hint in (bytes, str), path
    else:
        assert hint is KINDS[shape.kind], f"{path} is a {shape.kind}, and annotated as {hint}"


def test_there_are_operations() -> None:
    assert {"RunInstances", "DescribeInstances", "CreateKeyPair", "CreateTags"} <= {found.name for found in OPERATIONS}


@every
def test_each_parameter_is_one_of_awss(found: OperationDef) -> None:
    ours = {model.xform_name(name): member for name, member in found.model.input.items()}
    hints = typing.get_type_hints(found.function)
    own = list(inspect.signature(found.function).parameters.values())
    assert own[0].name == "call"
    for parameter in own[1:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        fits(hints[parameter.name], ours[parameter.name].shape, f"{found.name}.{parameter.name}")


@every
def test_a_parameter_that_aws_requires_has_no_default_and_others_have(found: OperationDef) -> None:
    shape = found.model.input_shape
    required = {model.xform_name(name) for name in (shape.required if shape else [])}
    for parameter in list(inspect.signature(found.function).parameters.values())[1:]:
        assert (parameter.default is parameter.empty) == (parameter.name in required), parameter.name


@every
def test_central_parameters_are_not_the_functions(found: OperationDef) -> None:
    assert not {model.xform_name(name) for name in api.CENTRAL} & set(inspect.signature(found.function).parameters)


@every
def test_each_operation_and_each_structure_says_what_it_is(found: OperationDef) -> None:
    assert (found.function.__doc__ or "").startswith(found.name)


def shape_at(shape: Shape, path: str) -> Shape:
    """Follow a filter's path. Fails where it leads nowhere."""
    for part in path.partition("=")[0].removesuffix(".").split("."):
        name, is_list = part.removesuffix("[]"), part.endswith("[]")
        shape = shape.members[name].shape if name else shape
        if is_list:
            assert shape.kind == "list", f"{path}: {name} is no list"
            shape = shape.element
        else:
            assert shape.kind != "list", f"{path}: {name} is a list"
    return shape


def items_of(found: OperationDef) -> tuple[Shape, Shape]:
    """The shapes of the outer and of the inner items; the same where there is one level."""
    assert found.model.output is not None
    outer_path, _, inner_path = found.items.partition("[].")
    outer = shape_at(found.model.output, outer_path.removesuffix("[]") + "[]")
    return outer, shape_at(outer, inner_path) if inner_path else outer


@every
def test_items_keys_and_filters_lead_to_members_of_the_answer(found: OperationDef) -> None:
    if not found.items:
        assert (found.key, dict(found.filters), dict(found.outer_filters)) == ("", {}, {})
        return
    outer, inner = items_of(found)
    for part in found.key.split():
        assert shape_at(outer, part).kind in ("string", "long")
    for filters, shape in ((found.filters, inner), (found.outer_filters, outer)):
        for path in [path for path in filters.values() if isinstance(path, str)]:
            constant, kind = "=" in path, shape_at(shape, path).kind
            assert kind == "structure" if constant else kind not in ("structure", "list", "map")


@every
def test_what_can_be_filtered_or_paged_in_aws_can_be_here(found: OperationDef) -> None:
    assert ("Filters" in found.model.input) <= bool(found.items)
    assert ("NextToken" in found.model.input) <= (bool(found.key) or found.own_pages)


def test_two_files_cannot_declare_one_operation() -> None:
    def describe_vpcs() -> None: ...

    describe_vpcs.__module__ = "minicloud.services.ec2.another"
    with pytest.raises(TypeError, match="DescribeVpcs is declared in"):
        api.operation()(describe_vpcs)


def test_each_operation_can_be_found_without_the_others() -> None:
    for found in OPERATIONS:
        source = inspect.getsource(sys.modules[found.function.__module__])
        assert f"\ndef {model.xform_name(found.name)}(" in source, found.name
    code = "import sys; from minicloud import api; api.find('ec2', 'DescribeKeyPairs'); print(LAUNCH in sys.modules)"
    code = code.replace("LAUNCH", "'minicloud.services.ec2.launch'")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
