"""The SSH host keys that a guest printed on its console, and how OpenSSH is told of them.

What a guest writes is anybody's bytes: a block counts only when it is whole, small, and holds keys that are keys. Of several
blocks in a console's log the first is taken, because it is nearest to the first boot, when nobody could log in yet; the
instance's row keeps it, and nothing that is printed later changes it.
"""

import base64
import binascii
import re
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..cloud import Cloud

_BEGIN, _END = b"-----BEGIN SSH HOST KEY KEYS-----", b"-----END SSH HOST KEY KEYS-----"
_MOST_BLOCK = 16 * 1024
"""Bytes of a block; four keys of the largest usual sizes are 3 KiB, the rest is for the kernel's messages among them."""
_MOST_KEYS = 8
_KEY = re.compile(rb"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) +(AAAA[A-Za-z0-9+/]{20,2000}={0,2})(?![A-Za-z0-9+/=])")
_FIELDS = {"ssh-ed25519": 2, "ssh-rsa": 3, "ecdsa-sha2-nistp256": 3, "ecdsa-sha2-nistp384": 3, "ecdsa-sha2-nistp521": 3}


def printed(log: bytes) -> list[str]:
    """The keys of the first complete block of a console's log, each `type base64`; empty if there is none yet.

    Kernel messages may stand between the lines or break one; a key that is broken is left out.
    """
    start = log.find(_BEGIN)
    while start >= 0:
        inside = start + len(_BEGIN)
        end = log.find(_END, inside, inside + _MOST_BLOCK)
        again = log.find(_BEGIN, inside)
        whole = end >= 0 and not 0 <= again < end  # a second beginning before an end: the guest died while it printed
        if whole and (keys := _keys(log[inside:end])):
            return keys
        start = again
    return []


def _keys(block: bytes) -> list[str]:
    found = [f"{kind.decode()} {data.decode()}" for kind, data in _KEY.findall(block)]
    return list(dict.fromkeys(key for key in found if valid(key)))[:_MOST_KEYS]


def valid(key: str) -> bool:
    """Whether `type base64` is a public key as RFC 4253 has it: as many fields as its type has, the first of them the type."""
    kind, _, text = key.partition(" ")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields = []
    while data:
        size = int.from_bytes(data[:4])
        if len(data) < 4 + size:
            return False
        fields.append(data[4 : 4 + size])
        data = data[4 + size :]
    return len(fields) == _FIELDS.get(kind) and fields[0] == kind.encode() and all(fields)


def remember(cloud: "Cloud", instance_id: str, keys: Sequence[str], *, replace: bool = False) -> list[str]:
    """Keep the keys in the instance's row, unless it has some and they are to stay; returns those that hold from now on."""
    with cloud.state.transaction():
        row = cloud.state.instances.get(instance_id)
        if row is None:
            return []
        if replace or not row.host_keys:
            cloud.state.instances.change(instance_id, host_keys=list(keys))
            return list(keys)
        return row.host_keys


def known_hosts_command(alias: str, keys: Sequence[str]) -> str:
    """The value of OpenSSH's KnownHostsCommand that tells it the keys of the host `alias`.

    OpenSSH closes what it inherits and takes no keys as words, so any other way would leave a file behind.
    Raises UsageError on a host without printf.
    """
    program = shutil.which("printf", path="/usr/bin:/bin:/usr/local/bin")
    if program is None:
        raise UsageError("printf is not installed; on Debian it is in the package coreutils")
    # ssh splits the words itself and expands %; printf uses its format anew for every three words.
    return " ".join([program, r'"%%s %%s %%s\n"', *(f"{alias} {key}" for key in keys)])
