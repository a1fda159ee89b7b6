"""Seeds: what cloud-init reads."""

import io
import os
import stat
from pathlib import Path

import pycdlib
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from minicloud.host.contracts import Seed
from minicloud.host.seed import LocalSeeds, files, image

SEED = Seed(
    "i-0000000000000000a",
    "ip-172-31-0-10",
    ("ssh-ed25519 AAAA me", 'ssh-rsa BBBB "x": - y'),
    b"#!/bin/sh\necho \xff\x00\r\n",
    "admin",
)


def read(data: bytes) -> tuple[str, dict[str, bytes]]:
    """The label and the files of an image, by the names that Linux shows."""
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(data))
    found: dict[str, bytes] = {}
    for entry in iso.list_children(rr_path="/"):
        if not entry.is_dir():
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, rr_path="/" + entry.rock_ridge.name().decode())
            found[entry.rock_ridge.name().decode()] = content.getvalue()
    label = iso.pvd.volume_identifier.decode().strip()
    iso.close()
    return label, found


def test_the_label_and_the_names_that_cloud_init_looks_for() -> None:
    label, found = read(image(files(SEED)))
    assert label == "cidata"
    assert sorted(found) == ["meta-data", "user-data", "vendor-data"]


def test_meta_data() -> None:
    said = yaml.safe_load(files(SEED)["meta-data"])
    assert said == {
        "instance-id": "i-0000000000000000a",
        "local-hostname": "ip-172-31-0-10",
        "public-keys": list(SEED.public_keys),
    }


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=16384))
def test_user_data_reaches_the_guest_to_the_byte(data: bytes) -> None:
    seed = Seed("i-0000000000000000a", "h", (), data, "admin")
    assert read(image(files(seed)))[1]["user-data"] == data


@pytest.mark.parametrize(("user", "disabled"), [("admin", True), ("root", False)])
def test_root_logs_in_only_where_it_is_the_images_user(user: str, disabled: bool) -> None:
    text = files(Seed("i-0000000000000000a", "h", (), b"", user))["vendor-data"]
    assert text.startswith(b"#cloud-config\n")
    assert yaml.safe_load(text)["disable_root"] is disabled
    assert yaml.safe_load(text)["ssh_pwauth"] is False


def test_seeds_are_written_listed_and_removed(tmp_path: Path) -> None:
    seeds = LocalSeeds(tmp_path / "seeds")
    assert seeds.list() == set()
    path = Path(seeds.write(SEED))
    assert str(path) == seeds.path("i-0000000000000000a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    (path.parent / ".i-0000000000000000a.left-by-a-crash").write_bytes(b"")
    for name in ("windows-11.iso", "i-am-a-disk.iso"):
        (path.parent / name).write_bytes(b"somebody else's")
    assert seeds.list() == {"i-0000000000000000a"}
    seeds.remove("i-0000000000000000a")
    seeds.remove("i-0000000000000000a")
    assert sorted(os.listdir(path.parent)) == ["i-am-a-disk.iso", "windows-11.iso"]


@pytest.mark.parametrize("name", ["../i-0000000000000000a", ".", "", "a/b", "*"])
def test_an_id_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the id"):
        LocalSeeds(tmp_path).remove(name)
