"""Key pairs as EC2 makes, takes and names them. Nothing here is kept: a private key exists in the answer alone.

Fingerprints differ by where a key comes from, as AWS's do: RSA made here is the SHA-1 of the private key (PKCS#8, DER), RSA
taken in is the MD5 of the public key (SubjectPublicKeyInfo, DER), both in hexadecimal with colons; ED25519 is the SHA-256
of the wire format in base64 with its padding and without OpenSSH's "SHA256:" (recorded answers of AWS have it so).
The cryptography package is slow to import, so only functions that need it import it.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ApiError
from . import key_formats as formats

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_MOST_BYTES = 16 * 1024
"""No key of a kind that is taken comes near this length."""


@dataclass(frozen=True)
class NewKey:
    """A key pair that was just made. `private` is the text of the file that the user keeps."""

    private: str = field(repr=False)
    public_openssh: str
    fingerprint: str


@dataclass(frozen=True)
class ImportedKey:
    """A public key that a user brought."""

    kind: str
    public_openssh: str
    fingerprint: str


def generate(kind: str, fmt: str, comment: str = "") -> NewKey:
    """A new key pair: `kind` is rsa (of 2048 bits) or ed25519, `fmt` of its private part pem or ppk.

    PEM is PKCS#1 for RSA and OpenSSH's own for ED25519. Raises ApiError InvalidParameterValue.
    """
    _check_choice("keyType", kind, ("rsa", "ed25519"))
    _check_choice("keyFormat", fmt, ("pem", "ppk"))
    return _generate_rsa(fmt, _token(comment)) if kind == "rsa" else _generate_ed25519(fmt, _token(comment))


def import_public(material: bytes) -> ImportedKey:
    """The key in `material`: an OpenSSH line, base64 of DER, or an RFC 4716 file.

    RSA of 1024 to 4096 bits, and ED25519. Raises ApiError MissingParameter or InvalidKey.Format.
    """
    if not material:
        raise ApiError("MissingParameter", "The request must contain the parameter PublicKeyMaterial")
    try:
        key, comment = _read_public(material)
        fingerprint = _ed25519_fingerprint(key) if key.kind == "ed25519" else _md5_fingerprint(key)
    except ValueError:
        raise ApiError("InvalidKey.Format", "Key is not in valid OpenSSH public key format") from None
    return ImportedKey(key.kind, formats.to_line(key, _token(comment)), fingerprint)


def same_key(private_file: Path, public_openssh: str) -> bool:
    """Whether a private key file belongs to a public key. False for a file that is missing, unreadable or no key.

    No passphrase is asked for: of an encrypted file, the part in the clear or the `.pub` file beside it is compared.
    """
    try:
        wanted, _ = formats.from_line(public_openssh)
        return _public_of(private_file).blob == wanted.blob
    except (OSError, ValueError):
        return False


def validate_name(name: str | None) -> str:
    """The name, where EC2 would take it for a key pair. Raises ApiError MissingParameter or InvalidParameterValue."""
    if not name:
        raise ApiError("MissingParameter", "The request must contain the parameter KeyName")
    invalid = "Value for parameter KeyName is invalid."
    if len(name) > 255:
        raise ApiError("InvalidParameterValue", f"{invalid} Length exceeds maximum of 255.")
    if name != name.strip():
        raise ApiError("InvalidParameterValue", f"Invalid value '{name}' for keyName. It should be trimmed")
    if not (name.isascii() and name.isprintable()):
        raise ApiError("InvalidParameterValue", f"{invalid} Character sets beyond ASCII are not supported.")
    return name


def _check_choice(parameter: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not one of AWS's for KeyType or KeyFormat, with ApiError InvalidParameterValue."""
    if value not in choices:
        raise ApiError(
            "InvalidParameterValue",
            f"1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(choices)}]",
        )


def _generate_rsa(fmt: str, comment: str) -> NewKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    private = generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    pkcs8 = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain)
    fingerprint = _colons(hashlib.sha1(pkcs8, usedforsecurity=False).hexdigest())
    public = _public(private)
    if fmt == "ppk":
        numbers = private.private_numbers()
        text = formats.ppk(public, formats.ppk_rsa(numbers.d, numbers.p, numbers.q, numbers.iqmp), comment)
    else:
        traditional = serialization.PrivateFormat.TraditionalOpenSSL
        text = private.private_bytes(serialization.Encoding.PEM, traditional, plain).decode()
    return NewKey(text, formats.to_line(public, comment), fingerprint)


def _generate_ed25519(fmt: str, comment: str) -> NewKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = _public(private)
    if fmt == "ppk":
        text = formats.ppk(public, formats.ppk_ed25519(private.private_bytes_raw()), comment)
    else:
        openssh, plain = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        text = private.private_bytes(serialization.Encoding.PEM, openssh, plain).decode()
    return NewKey(text, formats.to_line(public, comment), _ed25519_fingerprint(public))


def _public(private: "RSAPrivateKey | Ed25519PrivateKey") -> formats.PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if isinstance(private, Ed25519PrivateKey):
        return formats.ed25519(private.public_key().public_bytes_raw())
    numbers = private.public_key().public_numbers()
    return formats.rsa(numbers.e, numbers.n)


def _read_public(material: bytes) -> tuple[formats.PublicKey, str]:
    if len(material) > _MOST_BYTES:
        raise ValueError("too long for a key")
    text = material.decode("utf-8").strip()
    if text.startswith("----"):
        return formats.from_rfc4716(text)
    if text.startswith("ssh-"):
        return formats.from_line(text)
    return _from_der(formats.unbase64("".join(text.split()))), ""


def _from_der(data: bytes) -> formats.PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(data)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if isinstance(key, Ed25519PublicKey):
        return formats.ed25519(key.public_bytes_raw())
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return formats.rsa(numbers.e, numbers.n)
    raise ValueError("neither RSA nor ED25519")


def _read(path: Path) -> bytes:
    if not path.is_file():  # a FIFO among somebody's keys would be waited for without end
        raise ValueError(f"{path} is not a file")
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)


def _public_of(private_file: Path) -> formats.PublicKey:
    content = _read(private_file)
    if public := formats.container_public(content.decode("latin-1")) or _public_of_pem(content):
        return public
    beside = _read(private_file.with_name(private_file.name + ".pub"))
    return formats.from_line(beside.decode("utf-8").strip())[0]


def _public_of_pem(content: bytes) -> formats.PublicKey | None:
    """The public part of an unencrypted PEM file; None for an encrypted one. ValueError for what is no key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(content, password=None)
    except TypeError:  # how cryptography says that a passphrase is needed
        return None
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("neither RSA nor ED25519")  # noqa: TRY004  the file is wrong, not the caller
    return _public(private)


def _md5_fingerprint(key: formats.PublicKey) -> str:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = RSAPublicNumbers(key.exponent, key.modulus).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _colons(hashlib.md5(der, usedforsecurity=False).hexdigest())


def _ed25519_fingerprint(key: formats.PublicKey) -> str:
    return base64.b64encode(hashlib.sha256(key.blob).digest()).decode()


def _colons(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _token(comment: str) -> str:
    """A comment as one word that means nothing to a shell, to XML or to an authorized_keys file."""
    return re.sub(r"[^A-Za-z0-9@._+-]+", "-", comment).strip("-")[:255]
