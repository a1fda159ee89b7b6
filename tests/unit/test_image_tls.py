"""HTTPS: who is trusted, and for which name."""

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from minicloud.errors import Permanent, Retry
from minicloud.host import image_fetch, image_http
from tests.http_images import Page, Server, serving


def certificate(directory: Path, address: str) -> Path:
    """A self-signed certificate for an address, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{address}.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def secured(path: Path) -> Iterator[Server]:
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.pages["/sums"] = Page(b"text")
        yield server


def fetch(server: Server) -> str:
    return image_fetch.fetch_text(server.url("/sums").replace("http:", "https:"), allow_private=True)[1]


def test_a_certificate_that_the_host_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with secured(path) as server:
        assert fetch(server) == "text"


def test_a_certificate_that_nobody_signed_is_refused_for_good(tmp_path: Path) -> None:
    with secured(certificate(tmp_path, "127.0.0.1")) as server, pytest.raises(Permanent, match="can't be trusted"):
        fetch(server)


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = certificate(tmp_path, "127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with secured(path) as server, pytest.raises(Permanent, match="can't be trusted"):
        fetch(server)


def test_a_server_that_does_not_speak_tls() -> None:
    with serving() as server, pytest.raises(Retry, match="as HTTPS servers do"):
        fetch(server)


def test_a_server_that_never_shakes_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_http, "_HEAD_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Retry, match="as HTTPS servers do"):
        image_fetch.fetch_text(f"https://127.0.0.1:{silent.getsockname()[1]}/", allow_private=True)
