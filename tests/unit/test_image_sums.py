import hashlib
from pathlib import Path

import pytest

from minicloud.errors import Permanent
from minicloud.host.image_sums import Checksum, find, parse, verify

A, B, LONG = "a1" * 32, "B2" * 32, "c3" * 64

FORMS = {
    "gnu text": f"{A}  disk.qcow2\n{B}  other.qcow2\n",
    "gnu binary": f"{A} *disk.qcow2\n{B} *other.qcow2\n",
    "bsd": f"SHA256 (disk.qcow2) = {A}\nSHA256 (other.qcow2) = {B}\n",
    "with a directory": f"{A}  ./images/disk.qcow2\n",
    "comments": f"# disk.qcow2: 645988352 bytes\nSHA256 (disk.qcow2) = {A}\n",
    "pgp": (
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# disk.qcow2: 5 bytes\nSHA256 (disk.qcow2) = {A}\n"
        f"-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n-----END PGP SIGNATURE-----\n"
    ),
    "carriage returns": f"{A}  disk.qcow2\r\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_that_distributions_publish(form: str) -> None:
    assert find(FORMS[form], "disk.qcow2", beside=False) == ("disk.qcow2", Checksum("sha256", A))


def test_the_length_says_the_algorithm_and_values_are_lower_case() -> None:
    assert parse(f"{LONG}  x\n{B}  y") == {"x": Checksum("sha512", LONG), "y": Checksum("sha256", B.lower())}


def test_weak_checksums_are_not_read() -> None:
    assert parse("d41d8cd98f00b204e9800998ecf8427e  disk.qcow2\nMD5 (disk.qcow2) = d41d8cd98f00b204e9800998ecf8427e") == {}


def test_a_hash_that_stands_alone_counts_only_beside_its_file() -> None:
    assert find(A + "\n", "disk.qcow2", beside=True) == ("disk.qcow2", Checksum("sha256", A))
    with pytest.raises(Permanent, match=r"no checksum for disk\.qcow2"):
        find(A + "\n", "disk.qcow2", beside=False)


def test_a_file_beside_may_give_the_build_its_real_name() -> None:
    text = f"{A}  disk-Build17.4.qcow2\n"
    assert find(text, "disk.qcow2", beside=True)[1].value == A
    with pytest.raises(Permanent):
        find(text + f"{B}  disk-Build17.5.qcow2\n", "disk.qcow2", beside=True)


def test_a_pattern_takes_the_newest_by_number_and_not_by_letter() -> None:
    names = [f"al2023-kvm-2023.{build}.qcow2" for build in ("9.1.0-x86_64", "10.1.0-x86_64", "11.1.0-arm64")]
    text = "".join(f"{A}  {name}\n" for name in names)
    assert find(text, "al2023-kvm-*-x86_64.qcow2", beside=False)[0] == "al2023-kvm-2023.10.1.0-x86_64.qcow2"


def test_names_of_different_shapes_can_be_compared() -> None:
    assert find(f"{A}  a-1.qcow2\n{B}  1-a.qcow2\n{B}  aa.qcow2", "*", beside=False)[0] in ("a-1.qcow2", "1-a.qcow2", "aa.qcow2")


def test_verify_says_both_values(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    true = hashlib.sha256(b"content").hexdigest()
    verify(path, Checksum("sha256", true), "file")
    with pytest.raises(Permanent) as caught:
        verify(path, Checksum("sha256", A), "file")
    assert true in caught.value.message
    assert A in caught.value.message


@pytest.mark.parametrize("value", ["", "abc", "g" * 64, "a" * 32, "a" * 40])
def test_what_is_no_checksum_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is not a SHA-256"):
        Checksum.of(value)
