"""Key pairs without any other program: what is taken, what is refused, which fingerprint, which file is whose."""

import base64
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from minicloud.aws import key_formats as formats
from minicloud.aws import keys
from minicloud.errors import ApiError

# Two throwaway keys: the public line, the same as base64 of DER, and the fingerprint that openssl and ssh-keygen gave.
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCty3p29V5kvjrBkWoYCO4vPAD7jLlFO/ECgiqzi1hD3Pn1I6bListPR0X9xdtevy6xk1aVEjXRbe3T"
    "NbcDnWUNsrOCLCJvSNmS7EDP3ihLTA5dKvpKj+q5gHbF1ff/3REhFnJolhwpFfRD5aPXMzp+HunC1D8t9OcY8K1cuhy0PQ=="
)
RSA_DER = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCty3p29V5kvjrBkWoYCO4vPAD7\njLlFO/ECgiqzi1hD3Pn1I6bListPR0X9xdtevy6xk1aVEjXRbe3T"
    "NbcDnWUNsrOC\nLCJvSNmS7EDP3ihLTA5dKvpKj+q5gHbF1ff/3REhFnJolhwpFfRD5aPXMzp+HunC\n1D8t9OcY8K1cuhy0PQIDAQAB\n"
)
RSA_FINGERPRINT = "03:1d:39:f6:ed:35:95:de:5a:e3:65:cd:7b:35:88:eb"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICgWUNEgKqsebhBSQGnJAJEagy/LGOudBzObDOQ0QKhI"
ED25519_FINGERPRINT = "4HeTAS6GOovGNLKhfv+qAuIgLLCNSi/TIHq7W5jTHkw="


def ssh2(line: str, headers: str = 'Comment: "1024-bit RSA, of \\\nsomebody"\n', end: str = "\n") -> str:
    encoded = line.split()[1]
    body = "\n".join(encoded[at : at + 70] for at in range(0, len(encoded), 70))
    whole = f"---- BEGIN SSH2 PUBLIC KEY ----\n{headers}{body}\n---- END SSH2 PUBLIC KEY ----\n"
    return whole.replace("\n", end)


def pem(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: str, password: bytes = b"") -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), hidden)


def line_of(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return private.public_key().public_bytes(encoding, form).decode()


@pytest.mark.parametrize(
    ("material", "kind", "line", "fingerprint"),
    [
        (RSA, "rsa", RSA, RSA_FINGERPRINT),
        (f"\n{RSA} jo@host \n", "rsa", f"{RSA} jo@host", RSA_FINGERPRINT),
        (RSA_DER, "rsa", RSA, RSA_FINGERPRINT),
        (ssh2(RSA), "rsa", f"{RSA} 1024-bit-RSA-of-somebody", RSA_FINGERPRINT),
        (ssh2(RSA, headers="", end="\r\n"), "rsa", RSA, RSA_FINGERPRINT),
        (ED25519, "ed25519", ED25519, ED25519_FINGERPRINT),
        (f"{ED25519} José's key", "ed25519", f"{ED25519} Jos-s-key", ED25519_FINGERPRINT),
        (ssh2(ED25519), "ed25519", f"{ED25519} 1024-bit-RSA-of-somebody", ED25519_FINGERPRINT),
    ],
)
def test_import(material: str, kind: str, line: str, fingerprint: str) -> None:
    assert keys.import_public(material.encode()) == keys.ImportedKey(kind, line, fingerprint)


def forms(public: str) -> list[str]:
    """A public key in each way in which AWS takes it: a line, an RFC 4716 file, base64 of DER with and without line ends."""
    der = serialization.load_ssh_public_key(public.encode()).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return [public, ssh2(public, headers=""), base64.b64encode(der).decode(), base64.encodebytes(der).decode()]


@pytest.mark.parametrize("bits", [1024, 1536, 2047, 2048, 3072, 4096])
def test_import_takes_the_sizes_of_ec2_in_every_form(bits: int) -> None:
    public = line_of(rsa.generate_private_key(65537, bits))
    found = {keys.import_public(form.encode()) for form in forms(public)}
    assert {(one.kind, one.public_openssh) for one in found} == {("rsa", public)}
    assert len(found) == 1


def test_import_takes_ed25519_in_every_form() -> None:
    assert {keys.import_public(form.encode()) for form in forms(ED25519)} == {
        keys.ImportedKey("ed25519", ED25519, ED25519_FINGERPRINT)
    }


def line(name: str, blob: bytes) -> bytes:
    return f"{name} {base64.b64encode(blob).decode()}".encode()


def of_bits(bits: int) -> bytes:
    """A line with a modulus of so many bits; nothing but its size is looked at before it is refused."""
    numbers = formats.mpint(65537) + formats.mpint((1 << bits - 1) | 1)
    return line("ssh-rsa", formats.string(b"ssh-rsa") + numbers)


def refused() -> dict[str, bytes]:
    blob = base64.b64decode(RSA.split()[1])
    curve, old = ec.generate_private_key(ec.SECP256R1()), dsa.generate_private_key(2048)
    openssh = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    der = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    longer = rsa.generate_private_key(65537, 3072)
    modulus = formats.from_line(RSA)[0].modulus
    even = formats.string(b"ssh-rsa") + formats.mpint(65537) + formats.mpint(modulus - 1)
    padded = formats.string(b"ssh-rsa") + formats.string(b"\0\1\0\1") + formats.mpint(modulus)
    return {
        "blank": b" \n",
        "words": b"not a key",
        "algorithm alone": b"ssh-rsa",
        "private key": pem(longer, "TraditionalOpenSSL"),
        "private key of OpenSSH": pem(ed25519.Ed25519PrivateKey.generate(), "OpenSSH"),
        "1023 bits": of_bits(1023),
        "4097 bits": of_bits(4097),
        "8192 bits": of_bits(8192),
        "ECDSA": curve.public_key().public_bytes(*openssh),
        "ECDSA as DER": base64.b64encode(curve.public_key().public_bytes(*der)),
        "DSA as DER": base64.b64encode(old.public_key().public_bytes(*der)),
        "DER in binary": longer.public_key().public_bytes(*der),
        "wrong algorithm in front": RSA.replace("ssh-rsa", "ssh-ed25519", 1).encode(),
        "two keys": f"{RSA}\n{ED25519}".encode(),
        "options in front": f'command="id" {RSA}'.encode(),
        "more after the key": line("ssh-rsa", blob + b"x"),
        "less than a key": line("ssh-rsa", blob[:-1]),
        "a length beyond the end": line("ssh-rsa", b"\xff\xff\xff\xff"),
        "base64 with something in it": RSA.replace("AAAA", "AA!AA", 1).encode(),
        "even modulus": line("ssh-rsa", even),
        "exponent with a zero in front": line("ssh-rsa", padded),
        "short ED25519": line("ssh-ed25519", formats.string(b"ssh-ed25519") + formats.string(bytes(31))),
        "SSH2 without an end": ssh2(RSA).rpartition("----")[0].encode(),
        "not UTF-8": RSA.encode() + b" \xff",
        "very long": RSA.encode() + b" " + b"x" * 20_000,
    }


@pytest.mark.parametrize(("what", "material"), refused().items())
def test_import_refuses(what: str, material: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        keys.import_public(material)
    assert caught.value.code == "InvalidKey.Format", what
    assert caught.value.message == "Key is not in valid OpenSSH public key format"


def test_import_of_nothing() -> None:
    with pytest.raises(ApiError) as caught:
        keys.import_public(b"")
    assert caught.value.code == "MissingParameter"
    assert caught.value.message == "The request must contain the parameter PublicKeyMaterial"


def refused_or_canonical(material: bytes) -> None:
    """Whatever comes in is either refused in AWS's words or comes out as one clean line that means the same key."""
    try:
        found = keys.import_public(material)
    except ApiError:
        return
    assert keys.import_public(found.public_openssh.encode()) == found
    assert len(found.public_openssh.split(" ")) <= 3
    assert found.public_openssh.isprintable()
    assert found.public_openssh.isascii()


@given(st.binary(max_size=300))
def test_any_bytes(material: bytes) -> None:
    refused_or_canonical(material)
    refused_or_canonical(base64.b64encode(material))
    refused_or_canonical(b"ssh-rsa " + base64.b64encode(formats.string(b"ssh-rsa") + material))
    refused_or_canonical(b"---- BEGIN SSH2 PUBLIC KEY ----\n" + material + b"\n---- END SSH2 PUBLIC KEY ----")


@given(
    st.sampled_from([RSA, RSA_DER, ED25519, ssh2(RSA), ssh2(ED25519)]),
    st.integers(0, 400),
    st.integers(0, 3),
    st.binary(max_size=4),
)
def test_any_small_damage(good: str, at: int, cut: int, put: bytes) -> None:
    data = good.encode()
    refused_or_canonical(data[:at] + put + data[at + cut :])


@given(st.integers(0, 2**1024), st.integers(0, 2**64))
def test_any_numbers(modulus: int, exponent: int) -> None:
    blob = formats.string(b"ssh-rsa") + formats.mpint(exponent | 1) + formats.mpint(modulus | 2**1023 | 1)
    refused_or_canonical(b"ssh-rsa " + base64.b64encode(blob))


@given(st.text())
def test_any_comment_becomes_one_safe_word(comment: str) -> None:
    line = " ".join(f"{ED25519} x{comment}".split())
    found = keys.import_public(line.encode()).public_openssh
    word = found.removeprefix(ED25519).removeprefix(" ")
    assert all(letter.isascii() and (letter.isalnum() or letter in "@._+-") for letter in word)


def test_new_rsa_key() -> None:
    key = keys.generate("rsa", "pem")
    assert key.private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    private = serialization.load_pem_private_key(key.private.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 2048
    assert line_of(private) == key.public_openssh
    assert len(key.fingerprint.split(":")) == 20
    assert keys.import_public(key.public_openssh.encode()).fingerprint != key.fingerprint


def test_new_ed25519_key() -> None:
    key = keys.generate("ed25519", "pem", "my key")
    assert key.private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    private = serialization.load_ssh_private_key(key.private.encode(), None)
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    assert key.public_openssh == f"{line_of(private)} my-key"
    assert keys.import_public(key.public_openssh.encode()).fingerprint == key.fingerprint
    assert len(base64.b64decode(key.fingerprint, validate=True)) == 32


def test_keys_differ_and_are_not_shown() -> None:
    one, other = keys.generate("ed25519", "pem"), keys.generate("ed25519", "pem")
    assert one.public_openssh != other.public_openssh
    assert "PRIVATE" not in repr(one)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_ppk_holds_the_public_key(kind: str) -> None:
    key = keys.generate(kind, "ppk", "web server")
    lines = key.private.splitlines()
    assert lines[:3] == [f"PuTTY-User-Key-File-2: ssh-{kind}", "Encryption: none", "Comment: web-server"]
    count = int(lines[3].removeprefix("Public-Lines: "))
    assert key.public_openssh == f"ssh-{kind} {''.join(lines[4 : 4 + count])} web-server"


@pytest.mark.parametrize("form", ["TraditionalOpenSSL", "PKCS8", "OpenSSH"])
@pytest.mark.parametrize("password", [b"", b"secret"])
def test_same_key_rsa(tmp_path: Path, form: str, password: bytes) -> None:
    private, other = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
    file = tmp_path / "id_rsa"
    file.write_bytes(pem(private, form, password))
    if password and form != "OpenSSH":
        assert not keys.same_key(file, line_of(private)), "nothing in the clear tells"
        (tmp_path / "id_rsa.pub").write_text(line_of(private) + " jo@host\n")
    assert keys.same_key(file, line_of(private) + " some comment")
    assert not keys.same_key(file, line_of(other))


@pytest.mark.parametrize("password", [b"", b"secret"])
def test_same_key_ed25519(tmp_path: Path, password: bytes) -> None:
    private, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    file = tmp_path / "id_ed25519"
    file.write_bytes(pem(private, "OpenSSH", password))
    assert keys.same_key(file, line_of(private))
    assert not keys.same_key(file, line_of(other))


def test_same_key_of_what_is_no_private_key(tmp_path: Path) -> None:
    (tmp_path / "public").write_text(RSA)
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("Host *\n")
    (tmp_path / "broken").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    os.mkfifo(tmp_path / "fifo")
    for name in ("public", "empty", "text", "broken", "fifo", "absent", "."):
        assert not keys.same_key(tmp_path / name, RSA), name
    (tmp_path / "good").write_text(keys.generate("ed25519", "pem").private)
    assert not keys.same_key(tmp_path / "good", "no public key")


@pytest.mark.parametrize("name", ["a", "my key", "x" * 255, "web-1 (old) <&>\"'$(id)"])
def test_names_taken(name: str) -> None:
    assert keys.validate_name(name) == name


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        (None, "MissingParameter", "The request must contain the parameter KeyName"),
        ("", "MissingParameter", "The request must contain the parameter KeyName"),
        ("x" * 256, "InvalidParameterValue", "Value for parameter KeyName is invalid. Length exceeds maximum of 255."),
        (" a", "InvalidParameterValue", "Invalid value ' a' for keyName. It should be trimmed"),
        ("a\n", "InvalidParameterValue", "Invalid value 'a\n' for keyName. It should be trimmed"),
        *(
            (
                name,
                "InvalidParameterValue",
                "Value for parameter KeyName is invalid. Character sets beyond ASCII are not supported.",
            )
            for name in ("café", "a\nb", "a\0b", "a\x7f")
        ),
    ],
)
def test_names_refused(name: str | None, code: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        keys.validate_name(name)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("kind", "fmt", "message"),
    [
        ("dsa", "pem", "Value 'dsa' at 'keyType' failed to satisfy constraint: {} [rsa, ed25519]"),
        ("rsa", "der", "Value 'der' at 'keyFormat' failed to satisfy constraint: {} [pem, ppk]"),
    ],
)
def test_unknown_type_and_format(kind: str, fmt: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        keys.generate(kind, fmt)
    assert caught.value.code == "InvalidParameterValue"
    expected = message.format("Member must satisfy enum value set:")
    assert caught.value.message == f"1 validation error detected: {expected}"
