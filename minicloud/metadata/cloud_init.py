"""What the Ec2 datasource of cloud-init makes of the metadata: `ds.meta_data` in instance data and in templates.

The NoCloud datasource takes `ds.meta_data` from the seed as it is there, so a seed that has the same is as good. Beside it are
the names by which that datasource finds what the Ec2 one finds elsewhere (`v1.cloud_name`, `v1.region`, the launch index of
parts of user data).
"""

import base64
import binascii
import contextlib
import json
from typing import Any

from ..config import Settings
from . import tree, versions

ONLY_SEEDED = ("cloud-name", "region", "availability-zone", "launch-index")
_HANDLED = (b"#", b"\x1f\x8b", b"content-type:", b"mime-version:")
"""How user data begins that cloud-init does something with: scripts, cloud-config and templates, gzip, MIME."""


def meta_data(about: tree.About, settings: Settings) -> dict[str, Any]:
    """The content of a seed's meta-data. Credentials are never in it, because they end and a seed stays."""
    said = versions.of({"meta-data": tree.meta_data(about, settings)}, versions.CLOUD_INIT)["meta-data"]
    return {
        **_directory(said),
        "cloud-name": "aws",
        "region": settings.region,
        "availability-zone": about.row.zone,
        "launch-index": about.row.launch_index,
    }


def _directory(directory: tree.Tree) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, node in directory.items():
        number, _, rest = name.partition("=")
        if name == "security-credentials":
            continue
        if isinstance(node, dict) and rest and number.isdigit():
            found[rest] = _leaf(tree.text(node["openssh-key"]))
        else:
            found[name] = _directory(node) if isinstance(node, dict) else _leaf(tree.text(node))
    return found


def _leaf(text: str) -> Any:
    """Text of several lines is a list; a JSON object is what it says."""
    if text.strip().startswith("{") and text.strip().endswith("}"):
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return text.splitlines() if "\n" in text else text


def user_data(data: bytes) -> bytes:
    """User data as the Ec2 datasource of cloud-init 23.3 and later hands it on: base64 inside the request's is decoded.

    Only where that makes it something that cloud-init handles: one word of another program's may look like base64, too.
    """
    try:
        inner = base64.b64decode(data, validate=True)
    except binascii.Error:
        return data
    return inner if inner[:32].lstrip().lower().startswith(_HANDLED) else data
