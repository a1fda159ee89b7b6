"""Refusals as the query protocols write them: EC2 in its way, all others in theirs."""

from xml.etree.ElementTree import Element, SubElement, tostring

from ..errors import ApiError
from .model import Service
from .xml_writer import printable


def _leaf(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = printable(text)


def of_ec2(_: Service | None, error: ApiError, request_id: str) -> bytes:
    """EC2's form."""
    root = Element("Response")
    inner = SubElement(SubElement(root, "Errors"), "Error")
    _leaf(inner, "Code", error.code)
    _leaf(inner, "Message", error.message)
    _leaf(root, "RequestID", request_id)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def of_query(service: Service | None, error: ApiError, request_id: str) -> bytes:
    """The form of all other services."""
    namespace = service.metadata.get("xmlNamespace") if service else None
    root = Element("ErrorResponse", {"xmlns": namespace} if namespace else {})
    inner = SubElement(root, "Error")
    _leaf(inner, "Type", "Receiver" if error.status >= 500 else "Sender")
    _leaf(inner, "Code", error.code)
    _leaf(inner, "Message", error.message)
    _leaf(root, "RequestId", request_id)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))
