"""The signatures under identity documents: a key and a certificate of this cloud's own, made when first needed.

`signature` is RSA over SHA-256, `pkcs7` and `rsa2048` are the document signed as PKCS #7, all in base64. The certificate is
beside the key, for those who check.
"""

import base64
import datetime
import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_MAKING = threading.Lock()
_COLUMNS = 76
"""Characters of base64 in a line; the last line has no end."""


@functools.cache
def _pair(directory: Path) -> "tuple[RSAPrivateKey, x509.Certificate]":
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    path, certificate = directory / "identity.key", directory / "identity.pem"
    with _MAKING:  # two guests may be the first ones together
        if not certificate.exists():
            _make(path, certificate)
    secret = serialization.load_pem_private_key(files.read(path), None)
    if not isinstance(secret, RSAPrivateKey):
        raise TypeError(f"{path} is not an RSA key")
    return secret, x509.load_pem_x509_certificate(files.read(certificate))


def _make(path: Path, certificate: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    secret = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "minicloud instance identity")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=36500))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _write(path, secret.private_bytes(serialization.Encoding.PEM, *plain))
    _write(certificate, builder.sign(secret, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _write(path: Path, data: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    with open(files.draft(new, 0o600), "wb") as file:
        file.write(data)
    new.rename(path)


def signature(directory: Path, document: str) -> str:
    """The plain signature."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signed = _pair(directory)[0].sign(document.encode(), padding.PKCS1v15(), hashes.SHA256())
    return _lines(base64.b64encode(signed).decode())


def pkcs7(directory: Path, document: str) -> str:
    """The document and its signature in one."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.serialization import pkcs7 as standard

    secret, certificate = _pair(directory)
    builder = standard.PKCS7SignatureBuilder().set_data(document.encode()).add_signer(certificate, secret, hashes.SHA256())
    return _lines(base64.b64encode(builder.sign(serialization.Encoding.DER, [standard.PKCS7Options.Binary])).decode())


def _lines(text: str) -> str:
    return "\n".join(text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS))
