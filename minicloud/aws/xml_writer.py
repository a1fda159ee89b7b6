"""Answers as XML, by the shapes of the model.

A writer is made once for each shape, with its tags ready, and kept: DescribeInstances with a thousand instances writes some
eighty thousand elements. Tags come from AWS's models; all text goes through `text`, which escapes by the library and replaces
what XML 1.0 cannot hold. Members are written in the answer's own order, so a reader gets back what the operation gave.
"""

import base64
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from . import times
from .model import Operation, Service, Shape
from .wire import is_flat, time_form, wire_name

Out = Callable[[str], None]
Writer = Callable[[Any, Out], None]
_SPECIAL = re.compile("[^\t\n\x20-\x25\x27-\x3b\x3d\x3f-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TELL_RETURN = {"AssignPrivateIpAddresses", "AssociateAddress", "CreatePlacementGroup", "CreateSecurityGroup"}
"""Operations of EC2 whose answers have a `return` beside their members. AWS's API reference shows it in its examples, and for
each operation without any result; the models have it for neither, because SDKs tell success by the status."""


def printable(value: str) -> str:
    """Text with U+FFFD in place of each character that XML 1.0 cannot hold."""
    return _UNWRITABLE.sub("\ufffd", value)


def text(value: Any) -> str:
    """A scalar as the text of an element."""
    if type(value) is str:
        return value if _SPECIAL.search(value) is None else escape(printable(value), {"\r": "&#13;"})
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (int, float)):
        return repr(value)
    raise TypeError(f"{value!r} is no value of AWS's")


@functools.cache
def _writer(shape: Shape, list_tag: str) -> Writer | None:
    """What writes a value of `shape`; None for plain scalars. `list_tag` is for the entries of lists that name none."""
    if shape.kind == "structure":
        return _structure(shape, list_tag)
    if shape.kind == "list":
        return _list(shape, shape.raw["member"].get("locationName", list_tag), list_tag)
    if shape.kind == "map":
        return _map(shape, "entry", list_tag)
    return _time(shape, {}) if shape.kind == "timestamp" else None


def _time(shape: Shape, raw: Mapping[str, Any]) -> Writer | None:
    """What writes a time; None where that is the text as it is. CloudWatch writes no fraction of a second that is none."""
    form = time_form(raw, shape, "iso8601")
    if form != "iso8601":
        return lambda value, out: out(text(times.written(value, form)))
    if shape.service.name == "cloudwatch":
        return lambda value, out: out(text(value.replace(".000Z", "Z")))
    return None


def _structure(shape: Shape, list_tag: str) -> Writer:
    raw_members = shape.raw.get("members", {})
    table: dict[str, tuple[str, str, Writer | None]] = {}
    special = _SPECIAL.search

    def prepare(name: str) -> tuple[str, str, Writer | None]:
        raw = raw_members[name]
        inner, tag = shape.service.shape(raw["shape"]), wire_name(raw, name)
        if inner.kind in ("list", "map") and (is_flat(inner) or raw.get("flattened")):
            table[name] = ("", "", _flat(inner, tag, list_tag))
        else:
            writer = _time(inner, raw) if inner.kind == "timestamp" else _writer(inner, list_tag)
            table[name] = (f"<{tag}>", f"</{tag}>", writer)
        return table[name]

    def write(value: Any, out: Out) -> None:
        for name, inner in value.items():
            if inner is None:
                continue
            opening, closing, writer = table.get(name) or prepare(name)
            if writer is not None:
                out(opening)
                writer(inner, out)
                out(closing)
            elif type(inner) is str and not special(inner):
                out(f"{opening}{inner}{closing}")
            else:
                out(f"{opening}{text(inner)}{closing}")

    return write


def _flat(shape: Shape, tag: str, list_tag: str) -> Writer:
    if shape.kind == "list":
        return _list(shape, shape.raw["member"].get("locationName", tag), list_tag)
    return _map(shape, tag, list_tag)


def _list(shape: Shape, tag: str, list_tag: str) -> Writer:
    opening, closing, element = f"<{tag}>", f"</{tag}>", shape.element

    def write(value: Any, out: Out) -> None:
        writer = _writer(element, list_tag)
        for inner in value:
            if writer is None:
                out(f"{opening}{text(inner)}{closing}")
            else:
                out(opening)
                writer(inner, out)
                out(closing)

    return write


def _map(shape: Shape, tag: str, list_tag: str) -> Writer:
    key_tag, value_tag = (shape.raw[part].get("locationName", part) for part in ("key", "value"))
    inner_shape = shape.value

    def write(value: Any, out: Out) -> None:
        writer = _writer(inner_shape, list_tag)
        for key, inner in value.items():
            out(f"<{tag}><{key_tag}>{text(key)}</{key_tag}><{value_tag}>")
            if writer is None:
                out(text(inner))
            else:
                writer(inner, out)
            out(f"</{value_tag}></{tag}>")

    return write


@functools.cache
def _frame(service: Service, name: str, ec2: bool) -> tuple[str, str, str]:
    """What stands before the request id of EC2 or the members of the others, and what stands after the members."""
    operation, namespace = service.operation(name), service.metadata.get("xmlNamespace", "")
    if ec2:
        told = operation.output is None or name in TELL_RETURN
        end = f"{'<return>true</return>' if told else ''}</{name}Response>"
        return f'<{name}Response xmlns="{escape(namespace)}/">', "", end
    output = operation.raw.get("output", {})
    wrapper = output.get("resultWrapper", f"{name}Result")
    return (
        f'<{name}Response xmlns="{escape(namespace)}"><{wrapper}>',
        f"</{wrapper}><ResponseMetadata><RequestId>",
        f"</RequestId></ResponseMetadata></{name}Response>",
    )


def document(operation: Operation, answer: dict[str, Any], request_id: str, *, ec2: bool) -> bytes:
    """A whole answer. Raises KeyError for a member that the model does not have."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    before, between, after = _frame(operation.service, operation.name, ec2)
    parts.append(before)
    if ec2:
        parts.append(f"<requestId>{text(request_id)}</requestId>")
    if operation.output is not None:
        writer = _writer(operation.output, "item" if ec2 else "member")
        if writer is not None:
            writer(answer, parts.append)
    if not ec2:
        parts += [between, text(request_id)]
    parts.append(after)
    return "".join(parts).encode()
