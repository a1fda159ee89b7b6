"""The endpoint's own certificate: self-signed, made once on request, kept beside the state with mode 0600 for its key.

Clients trust it with AWS_CA_BUNDLE set to the certificate's file.
"""

import datetime
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

from .. import files
from ..errors import UsageError
from .hosts import own_names

_DAYS = 825


def own(home: Path, address: str, names: Iterable[str] = ()) -> tuple[Path, Path]:
    """The files of certificate and key, made if there are none, for an address and names. Raises UsageError for a key that others
    may read, NotRegular."""
    certificate, key = home / "endpoint.pem", home / "endpoint.key"
    if not (certificate.exists() and key.exists()):
        _make(certificate, key, address, names)
    for path in (certificate, key):
        os.close(files.opened(path, os.O_RDONLY))  # TLS opens them by name, and would wait for a writer
    if key.stat().st_mode & 0o077:
        raise UsageError(f"{key} may be read by others: chmod 600 it")
    return certificate, key


def names_in(certificate: Path) -> list[str]:
    """The DNS names that a certificate is for. Raises UsageError for what is none."""
    from cryptography import x509

    try:
        read = x509.load_pem_x509_certificate(files.read(certificate))
        found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    except (OSError, ValueError) as error:
        raise UsageError(f"{certificate}: {error}") from error
    return found.value.get_values_for_type(x509.DNSName)


def _make(certificate: Path, key: Path, address: str, names: Iterable[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "minicloud")])
    hosts = [x509.DNSName(each) for each in dict.fromkeys(["localhost", *own_names(), *names])]
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in {"127.0.0.1", "::1", address}]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([*hosts, *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    _write(key, private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()), 0o600)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all; from its first moment nobody else's, where `mode` says so."""
    draft = path.with_suffix(path.suffix + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.rename(path)
