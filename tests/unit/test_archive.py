"""The archives of backups: what is written is read again, and whatever is not as written is refused, whatever its bytes are."""

import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from minicloud.errors import ApiError
from minicloud.host import archive, backup_manifest, own_names
from minicloud.host.archive import Reader, Writer

KEY = "credentials.key"
DISK = "volumes/layer-0123456789abcdef0.qcow2"


def written(**members: bytes) -> bytes:
    out = io.BytesIO()
    made = Writer(out)
    for name, data in {"manifest.json": b"{}", **members}.items():
        made.add_bytes(name, data)
    made.finish()
    return out.getvalue()


def read(data: bytes, into: Path) -> dict[str, bytes]:
    """All of an archive, laid out below a directory."""
    reader = Reader(io.BytesIO(data), own_names.is_in_backup)
    found = {}
    for number, entry in enumerate(reader.entries()):
        reader.extract(entry, into / str(number))
        found[entry.name] = (into / str(number)).read_bytes()
    return found


def members(*infos: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive that somebody else has made."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for info, data in infos:
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def refused(data: bytes, into: Path) -> str:
    with pytest.raises(ApiError) as caught:
        read(data, into)
    assert caught.value.code == "InvalidFormat"
    return caught.value.message


def sparse(path: Path, pieces: dict[int, bytes], size: int) -> Path:
    with path.open("wb") as file:
        for offset, data in pieces.items():
            file.seek(offset)
            file.write(data)
        file.truncate(size)
    return path


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ({}, 0),
        ({}, 1 << 20),
        ({0: b"a"}, 1),
        ({0: b"a" * 5000}, 1 << 20),
        ({1 << 19: b"b" * 70000}, 1 << 20),
        ({0: b"a", 999_999: b"z"}, 1_000_000),
    ],
)
def test_holes_stay_holes(tmp_path: Path, pieces: dict[int, bytes], size: int) -> None:
    source = sparse(tmp_path / "source", pieces, size)
    out = io.BytesIO()
    made = Writer(out)
    made.add_file(DISK, source)
    made.finish()
    (tmp_path / "to").mkdir()
    assert read(out.getvalue(), tmp_path / "to") == {DISK: source.read_bytes()}
    laid = (tmp_path / "to" / "0").stat()
    assert laid.st_blocks <= source.stat().st_blocks + 16
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as theirs:
        body = theirs.extractfile(DISK)
        assert body is not None
        assert body.read() == source.read_bytes()


def test_more_holes_than_are_kept_are_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_SEGMENTS", 3)
    source = sparse(tmp_path / "source", {n * 20000: b"x" for n in range(20)}, 1 << 20)
    descriptor = os.open(source, os.O_RDONLY)
    assert len(archive.segments_of(descriptor)) <= 3
    os.close(descriptor)


@pytest.mark.parametrize(
    "name",
    [
        "../credentials.key",
        "/etc/shadow",
        "volumes/../credentials.key",
        "volumes/i-0123456789abcdef0.qcow2",
        "images/../x",
        ".restore/ready.json",
        "certificates/a.key",
        "volumes/layer-0123456789abcdef0.qcow2/x",
        "state.sqlite-wal",
        "volumes/minicloud.json",
        "credentials.key\n",
        "a" * 300,
    ],
)
def test_names_that_are_none_of_a_backup(tmp_path: Path, name: str) -> None:
    refused(members((named("manifest.json"), b"{}"), (named(name), b"x")), tmp_path)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CONTTYPE],
)
def test_what_is_no_regular_file(tmp_path: Path, kind: bytes) -> None:
    told = refused(members((named("manifest.json"), b"{}"), (named(KEY, kind, "/etc/passwd"), b"")), tmp_path)
    assert "no regular file" in told
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_one_of_another_kind_or_without_sums(tmp_path: Path, form: int) -> None:
    refused(members((named("manifest.json"), b"{}"), form=form), tmp_path)


def test_cut_short_anywhere(tmp_path: Path) -> None:
    whole = written(**{KEY: b"k" * 700})
    for length in [*range(0, len(whole), 256), len(whole) - 1]:
        (tmp_path / str(length)).mkdir()
        refused(whole[:length], tmp_path / str(length))
    (tmp_path / "more").mkdir()
    refused(whole + b"\0", tmp_path / "more")


def test_a_member_that_was_changed(tmp_path: Path) -> None:
    whole = written(**{KEY: b"k" * 700})
    at = whole.index(b"k" * 700)
    assert "the sum of credentials.key" in refused(whole[:at] + b"x" + whole[at + 1 :], tmp_path)


def test_a_member_that_is_there_twice(tmp_path: Path) -> None:
    assert "twice" in refused(members((named(KEY), b"a"), (named(KEY), b"b")), tmp_path)


def holes(name: str, text: bytes, realsize: str, more: Mapping[str, str] = MappingProxyType({})) -> bytes:
    info = named("x/GNUSparseFile.0/y")
    values = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": realsize}
    info.pax_headers = {**values, **more}
    return members((info, text))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (b"1\n0\n512\n" + b"\0" * 504, "10"),
        (b"1\n", "10"),
        (b"99999999\n" + b"\0" * 503, "10"),
        (b"x\n" + b"\0" * 510, "10"),
        (b"-1\n" + b"\0" * 509, "10"),
        (b"2\n5\n5\n0\n5\n" + b"\0" * 502 + b"0123456789", "10"),
        (b"1\n0\n512\n" + b"\0" * 503, "9" * 30),
        (b"\0" * 1024, "5"),
        (b"1\n0\n0\n" + b"\0" * 506, ""),
    ],
)
def test_maps_that_cannot_be(tmp_path: Path, text: bytes, size: str) -> None:
    refused(holes(DISK, text, size), tmp_path)


@pytest.mark.parametrize(
    "more", [{"path": "/etc/x"}, {"GNU.sparse.numblocks": "1"}, {"GNU.sparse.major": "0"}, {"linkpath": "x"}, {"size": "-1"}]
)
def test_headers_of_other_kinds(tmp_path: Path, more: dict[str, str]) -> None:
    refused(holes(DISK, b"1\n0\n0\n" + b"\0" * 506, "0", more), tmp_path)


def test_a_header_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    info = named(KEY)
    info.pax_headers = {"comment": "x" * 100_000}
    assert "header is too large" in refused(members((info, b"")), tmp_path)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=150)
def test_no_bytes_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = bytearray(written(**{KEY: b"key", "endpoint.pem": b"p"}))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        whole[at] = value
    try:
        read(bytes(whole), tmp_path_factory.mktemp("fuzz"))
    except ApiError as error:
        assert error.code == "InvalidFormat"  # noqa: PT017


MANIFEST: dict[str, Any] = {
    "format": 1,
    "id": "a" * 32,
    "created": "2026-01-01T00:00:00.000Z",
    "minicloud": "0",
    "identity": "b" * 32,
    "generation": 1,
    "database": 1,
    "disks": True,
    "region": "r",
    "account": "a",
    "host": "h",
    "size": 1,
    "members": {"state.sqlite": 1},
    "layers": [],
    "images": [{"image_id": "ami-1", "name": "n", "source": "s", "size": 1, "sha256": "x"}],
    "volumes": 0,
    "instances": 0,
    "messages": [],
}


def test_a_manifest() -> None:
    made = backup_manifest.decode(json.dumps(MANIFEST).encode())
    assert backup_manifest.decode(backup_manifest.encode(made)) == made


def _without(values: dict[str, Any]) -> None:
    del values["disks"]


@pytest.mark.parametrize(
    "change",
    [
        _without,
        lambda values: values.update(format=2),
        lambda values: values.update(id="../x"),
        lambda values: values.update(size="1"),
        lambda values: values.update(size=-1),
        lambda values: values.update(disks=1),
        lambda values: values.update(layers=5),
        lambda values: values.update(layers=[5]),
        lambda values: values.update(members={"a": "b"}),
        lambda values: values.update(members=[]),
        lambda values: values.update(images=[{}]),
        lambda values: values["images"][0].update(size="x"),
        lambda values: values.update(more=1),
    ],
)
def test_manifests_that_are_refused(change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(json.dumps(MANIFEST))
    change(values)
    with pytest.raises(ApiError):
        backup_manifest.decode(json.dumps(values).encode())
    with pytest.raises(ApiError):
        backup_manifest.decode(b"[" * 100_000)
