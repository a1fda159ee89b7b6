"""Key pairs against the programs that people use them with: ssh-keygen, openssl, puttygen."""

import base64
import hashlib
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from minicloud.aws import key_formats as formats
from minicloud.aws import keys
from minicloud.host.run import run

putty = pytest.mark.skipif(not shutil.which("puttygen"), reason="puttygen (package putty-tools) is not installed")
KINDS = ["rsa", "ed25519"]


def save(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def colons(digest: str) -> str:
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_reads_a_new_key(tmp_path: Path, kind: str) -> None:
    key = keys.generate(kind, "pem")
    file = save(tmp_path / "key.pem", key.private)
    assert run(["ssh-keygen", "-y", "-P", "", "-f", file]).text.split()[:2] == key.public_openssh.split()


def test_fingerprint_of_a_new_rsa_key_is_openssls(tmp_path: Path) -> None:
    key = keys.generate("rsa", "pem")
    file = save(tmp_path / "key.pem", key.private)
    der = run(["openssl", "pkcs8", "-in", file, "-inform", "PEM", "-outform", "DER", "-topk8", "-nocrypt"]).stdout
    assert key.fingerprint == colons(hashlib.sha1(der, usedforsecurity=False).hexdigest())


def test_fingerprint_of_a_new_ed25519_key_is_ssh_keygens(tmp_path: Path) -> None:
    key = keys.generate("ed25519", "pem")
    file = save(tmp_path / "key.pub", key.public_openssh + "\n")
    told = run(["ssh-keygen", "-l", "-f", file]).text.split()[1]
    assert told == "SHA256:" + key.fingerprint.removesuffix("=")


@pytest.mark.parametrize("bits", [1024, 2048, 3072, 4096])
@pytest.mark.parametrize("form", ["line", "RFC4716", "DER"])
def test_fingerprint_of_an_imported_rsa_key_is_openssls(tmp_path: Path, bits: int, form: str) -> None:
    file = tmp_path / "key"
    run(["ssh-keygen", "-q", "-t", "rsa", "-b", str(bits), "-m", "PEM", "-N", "", "-f", file])
    der = run(["openssl", "rsa", "-in", file, "-pubout", "-outform", "DER"]).stdout
    public = file.with_suffix(".pub")
    material = {
        "line": public.read_bytes(),
        "RFC4716": run(["ssh-keygen", "-e", "-m", "RFC4716", "-f", public]).stdout,
        "DER": base64.encodebytes(der),
    }[form]
    found = keys.import_public(material)
    assert found.fingerprint == colons(hashlib.md5(der, usedforsecurity=False).hexdigest())
    assert found.public_openssh.split()[:2] == public.read_text().split()[:2]


@pytest.mark.parametrize("form", ["line", "RFC4716"])
def test_import_of_ssh_keygens_ed25519(tmp_path: Path, form: str) -> None:
    file = tmp_path / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "jo@host", "-f", file])
    public = file.with_suffix(".pub")
    material = public.read_bytes() if form == "line" else run(["ssh-keygen", "-e", "-f", public]).stdout
    found = keys.import_public(material)
    assert run(["ssh-keygen", "-l", "-f", public]).text.split()[1] == "SHA256:" + found.fingerprint.removesuffix("=")
    assert found.public_openssh.split()[:2] == public.read_text().split()[:2]


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "ecdsa"])
@pytest.mark.parametrize("form", ["RFC4716", "PKCS8", "PEM"])
@pytest.mark.parametrize("password", ["", "secret"])
def test_same_key_on_ssh_keygens_files(tmp_path: Path, kind: str, form: str, password: str) -> None:
    file = tmp_path / "id"
    size = ["-b", "2048"] if kind == "rsa" else []
    run(["ssh-keygen", "-q", "-t", kind, *size, "-m", form, "-N", password, "-f", file])
    line = file.with_suffix(".pub").read_text().strip()
    assert keys.same_key(file, line) == (kind != "ecdsa")
    assert not keys.same_key(file, keys.generate("ed25519", "pem").public_openssh)


@putty
@pytest.mark.parametrize("kind", KINDS)
def test_puttygen_reads_a_new_ppk(tmp_path: Path, kind: str) -> None:
    key = keys.generate(kind, "ppk", "web server")
    file = save(tmp_path / "key.ppk", key.private)
    assert run(["puttygen", file, "-L"]).text.strip() == key.public_openssh
    exported = tmp_path / "openssh"
    run(["puttygen", file, "-O", "private-openssh-new", "-o", exported])
    assert run(["ssh-keygen", "-y", "-P", "", "-f", exported]).text.split()[:2] == key.public_openssh.split()[:2]


@putty
def test_ppk_is_puttygens_own_rsa(tmp_path: Path) -> None:
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.private_numbers()
    body = formats.ppk_rsa(numbers.d, numbers.p, numbers.q, numbers.iqmp)
    public = formats.rsa(numbers.public_numbers.e, numbers.public_numbers.n)
    assert formats.ppk(public, body, "me") == puttygens(tmp_path, private, "TraditionalOpenSSL")


@putty
@pytest.mark.parametrize("zeros", [0, 1, 32])
def test_ppk_is_puttygens_own_ed25519(tmp_path: Path, zeros: int) -> None:
    seed = b"\xa5" * (32 - zeros) + bytes(zeros)  # to PuTTY a number, which it could write shorter and does not
    private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    public = formats.ed25519(private.public_key().public_bytes_raw())
    assert formats.ppk(public, formats.ppk_ed25519(seed), "me") == puttygens(tmp_path, private, "OpenSSH")


def puttygens(tmp_path: Path, private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: str) -> str:
    """The PPK of version 2 that PuTTY itself makes of a key."""
    plain = serialization.NoEncryption()
    data = private.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), plain)
    file, made = save(tmp_path / "pem", data.decode()), tmp_path / "made.ppk"
    run(["puttygen", file, "-O", "private", "--ppk-param", "version=2", "-C", "me", "-o", made])
    return made.read_text()
