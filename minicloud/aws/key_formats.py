"""How SSH keys are written down: wire format, OpenSSH lines, RFC 4716 files, OpenSSH's private container, PuTTY's PPK.

What is read comes from strangers: every reader returns a whole, canonical value or raises ValueError, whatever the bytes.
"""

import base64
import binascii
import hashlib
import hmac
import re
import struct
import textwrap
from dataclasses import dataclass

RSA_BITS = range(1024, 4097)
"""The sizes of RSA keys that EC2 takes: 3072, which ssh-keygen makes, is one of them."""
_CONTAINER = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END OPENSSH PRIVATE KEY-----")
_RFC4716 = re.compile(r"---- BEGIN SSH2 PUBLIC KEY ----\r?\n(.*)\r?\n---- END SSH2 PUBLIC KEY ----", re.DOTALL)


@dataclass(frozen=True)
class PublicKey:
    """A public key. `blob` is its wire format; RSA has `exponent` and `modulus`, ED25519 has `point`, of 32 bytes."""

    kind: str
    blob: bytes
    exponent: int = 0
    modulus: int = 0
    point: bytes = b""

    @property
    def algorithm(self) -> str:
        """The name at the beginning of an OpenSSH line."""
        return f"ssh-{self.kind}"


def string(data: bytes) -> bytes:
    """A byte string of the wire format: its length, then itself."""
    return struct.pack(">I", len(data)) + data


def mpint(number: int) -> bytes:
    """A number (not negative) of the wire format, as short as it can be."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


def rsa(exponent: int, modulus: int) -> PublicKey:
    """An RSA key from its numbers. ValueError for a size that EC2 does not take, or numbers that are no key."""
    if modulus.bit_length() not in RSA_BITS or modulus % 2 == 0 or not 3 <= exponent < modulus or exponent % 2 == 0:
        raise ValueError("not an RSA key of 1024 to 4096 bits")
    return PublicKey("rsa", string(b"ssh-rsa") + mpint(exponent) + mpint(modulus), exponent, modulus)


def ed25519(point: bytes) -> PublicKey:
    """An ED25519 key from its 32 bytes. ValueError for another length."""
    if len(point) != 32:
        raise ValueError("not an ED25519 key")
    return PublicKey("ed25519", string(b"ssh-ed25519") + string(point), point=point)


def strings(data: bytes, count: int) -> tuple[list[bytes], bytes]:
    """The first `count` strings of the wire format in `data`, and what follows them."""
    found = []
    for _ in range(count):
        if len(data) < 4 or len(data) - 4 < (length := struct.unpack_from(">I", data)[0]):
            raise ValueError("the key ends too early")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found, data


def from_blob(blob: bytes) -> PublicKey:
    """A public key from its wire format. ValueError for anything but the one way of writing one of the two kinds."""
    (name, *_), rest = strings(blob, 1)
    if name == b"ssh-rsa":
        (exponent, modulus), _ = strings(rest, 2)
        key = rsa(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
    elif name == b"ssh-ed25519":
        (point,), _ = strings(rest, 1)
        key = ed25519(point)
    else:
        raise ValueError("neither RSA nor ED25519")
    if key.blob != blob:
        raise ValueError("not written as a key of its kind is")
    return key


def unbase64(text: str) -> bytes:
    """The bytes behind base64; ValueError where anything else is in it."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def from_line(line: str) -> tuple[PublicKey, str]:
    """The key and the comment of an OpenSSH public key line."""
    if "\n" in line or "\r" in line:
        raise ValueError("not one line")
    name, encoded, *comment = line.split(None, 2)
    key = from_blob(unbase64(encoded))
    if name != key.algorithm:
        raise ValueError(f"{name} in front of another kind of key")
    return key, "".join(comment)


def to_line(key: PublicKey, comment: str = "") -> str:
    """The OpenSSH public key line of a key, without a line end."""
    return f"{key.algorithm} {base64.b64encode(key.blob).decode()} {comment}".rstrip()


def from_rfc4716(text: str) -> tuple[PublicKey, str]:
    """The key and the comment of an SSH2 public key file: headers, which a backslash continues, then base64."""
    if not (body := _RFC4716.fullmatch(text)):
        raise ValueError("not an SSH2 public key file")
    lines = re.sub(r"\\\r?\n", "", body[1]).splitlines()
    headers = [line for line in lines if ":" in line]
    comments = [value for name, _, value in (line.partition(":") for line in headers) if name.lower() == "comment"]
    encoded = "".join(line.strip() for line in lines if ":" not in line)
    return from_blob(unbase64(encoded)), "".join(comments[:1]).strip().strip('"')


def container_public(text: str) -> PublicKey | None:
    """The public key in the clear part of OpenSSH's private container, encrypted or not; None where there is no container.

    ValueError for a container that is damaged, or of another kind of key.
    """
    if not (found := _CONTAINER.search(text)):
        return None
    magic, data = b"openssh-key-v1\0", unbase64("".join(found[1].split()))
    if not data.startswith(magic):
        raise ValueError("not an OpenSSH private key")
    _, rest = strings(data[len(magic) :], 3)
    (blob,), _ = strings(rest[4:], 1)
    return from_blob(blob)


def ppk(key: PublicKey, private: bytes, comment: str) -> str:
    """PuTTY's private key file, version 2, without a passphrase. `private` is what `ppk_rsa` or `ppk_ed25519` gives."""
    mac_key = hashlib.sha1(b"putty-private-key-file-mac-key", usedforsecurity=False).digest()
    signed = (key.algorithm.encode(), b"none", comment.encode(), key.blob, private)
    mac = hmac.new(mac_key, b"".join(string(part) for part in signed), "sha1")
    lines = [f"PuTTY-User-Key-File-2: {key.algorithm}", "Encryption: none", f"Comment: {comment}"]
    for name, data in (("Public", key.blob), ("Private", private)):
        wrapped = textwrap.wrap(base64.b64encode(data).decode(), 64)
        lines += [f"{name}-Lines: {len(wrapped)}", *wrapped]
    return "\n".join([*lines, f"Private-MAC: {mac.hexdigest()}", ""])


def ppk_rsa(d: int, p: int, q: int, inverse_of_q: int) -> bytes:
    """The private part of an RSA key in a PPK file; `inverse_of_q` is modulo `p`."""
    return mpint(d) + mpint(p) + mpint(q) + mpint(inverse_of_q)


def ppk_ed25519(seed: bytes) -> bytes:
    """The private part of an ED25519 key in a PPK file."""
    return string(seed)
