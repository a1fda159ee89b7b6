"""Certificates, chains and private keys as somebody brings them: read, and checked against one another.

A certificate is good if it is one PEM certificate that holds now, with the public half of the private key, and if its chain,
where there is one, leads from its issuer upwards: each names the next as its issuer and is signed by it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtensionOID, NameOID

from . import times

CURVES = {"secp256r1": "EC_prime256v1", "secp384r1": "EC_secp384r1", "secp521r1": "EC_secp521r1"}
RSA_SIZES = (1024, 2048, 3072, 4096)
MOST_NAMES = 100
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class BadCertificateError(Exception):
    """Why something is no certificate, no key, or not of the other."""


@dataclass(frozen=True)
class Read:
    """What was brought, written anew as PEM, and what the certificate says. Times are ISO 8601."""

    certificate: str
    chain: str
    key: str
    names: list[str]
    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    key_algorithm: str
    signature_algorithm: str


def read(certificate: bytes, key: bytes, chain: bytes, now: float) -> Read:
    """Check a certificate, its key, and its chain, which may be empty. `now` is in seconds since 1970.

    Raises BadCertificateError.
    """
    try:
        return _read(certificate, key, chain, now)
    except (ValueError, OverflowError) as error:  # what is written in it in a way that cannot be
        raise BadCertificateError("The certificate could not be parsed") from error


def _read(certificate: bytes, key: bytes, chain: bytes, now: float) -> Read:
    found, private = _only(certificate), _private(key)
    algorithm = _algorithm(private)
    if found.public_key().public_bytes(*_SPKI) != private.public_key().public_bytes(*_SPKI):
        raise BadCertificateError("The private key does not match the certificate")
    if now < found.not_valid_before_utc.timestamp():
        raise BadCertificateError("The certificate is not valid yet")
    if now > found.not_valid_after_utc.timestamp():
        raise BadCertificateError("The certificate has expired")
    names = _names(found)
    if not names:
        raise BadCertificateError("The certificate must have a domain name")
    return Read(
        certificate=_pem(found),
        chain="".join(_pem(one) for one in _chain(found, chain)),
        key=private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        names=names,
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        serial=":".join(re.findall("..", f"{found.serial_number:x}".zfill(2 * ((found.serial_number.bit_length() + 7) // 8)))),
        not_before=_time(found.not_valid_before_utc),
        not_after=_time(found.not_valid_after_utc),
        key_algorithm=algorithm,
        signature_algorithm=_signature(found),
    )


_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(found: x509.Certificate) -> str:
    return found.public_bytes(serialization.Encoding.PEM).decode()


def _time(moment: datetime) -> str:
    return times.text(moment.astimezone(UTC).timestamp())


def _only(pem: bytes) -> x509.Certificate:
    """The one certificate in a text. Raises BadCertificateError."""
    blocks = list(_PEM.finditer(pem))
    if len(blocks) != 1 or blocks[0][1] != b"CERTIFICATE":
        raise BadCertificateError(
            "The certificate field contains more than one certificate. You can specify only one certificate in this field"
            if len(blocks) > 1
            else "The certificate could not be parsed; it must be PEM-encoded"
        )
    return _parsed(blocks[0][0], "certificate")


def _parsed(block: bytes, what: str) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(block)
        found.public_key()
        _ = found.extensions
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise BadCertificateError(f"The {what} could not be parsed") from error
    except Exception as error:
        if type(error).__module__.startswith("cryptography"):  # unsupported algorithms, curves, versions
            raise BadCertificateError(f"The {what} is of a kind that is not supported") from error
        raise
    return found


def _private(pem: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise BadCertificateError("The private key is encrypted; it must be brought without a passphrase") from error
    except Exception as error:
        if isinstance(error, ValueError) or type(error).__module__.startswith("cryptography"):
            raise BadCertificateError("The private key could not be parsed; it must be PEM-encoded") from error
        raise


def _algorithm(key: PrivateKeyTypes) -> str:
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size in RSA_SIZES:
        return f"RSA_{key.key_size}"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    raise BadCertificateError("The private key must be RSA of 1024, 2048, 3072 or 4096 bits, or ECDSA on P-256, P-384 or P-521")


def _signature(found: x509.Certificate) -> str:
    digest = found.signature_hash_algorithm
    kind = "ECDSA" if "ecdsa" in (found.signature_algorithm_oid._name or "").lower() else "RSA"  # noqa: SLF001
    return f"{digest.name.upper()}WITH{kind}" if digest else "UNKNOWN"


def _names(found: x509.Certificate) -> list[str]:
    """The names that a certificate is for, its common name first."""
    names = [str(one.value) for one in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)][:1]
    try:
        value = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        value = None
    if isinstance(value, x509.SubjectAlternativeName):
        names += value.get_values_for_type(x509.DNSName)
        names += [str(one) for one in value.get_values_for_type(x509.IPAddress)]
    return list(dict.fromkeys(name for name in names if name and len(name) <= 253))[:MOST_NAMES]


def _chain(leaf: x509.Certificate, pem: bytes) -> list[x509.Certificate]:
    """The certificates of a chain, in order. Raises BadCertificateError."""
    blocks = list(_PEM.finditer(pem))
    if pem.strip() and (not blocks or any(block[1] != b"CERTIFICATE" for block in blocks)):
        raise BadCertificateError("The certificate chain could not be parsed; it must be PEM-encoded certificates")
    found = [_parsed(block[0], "certificate chain") for block in blocks]
    lower = leaf
    for upper in found:
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise BadCertificateError("Could not validate the certificate with the certificate chain") from error
        lower = upper
    return found
