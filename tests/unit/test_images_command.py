"""`minicloud images` over a store of its own: what is printed, registered and refused. No disk is really converted."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.cli import images
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.errors import ApiError, Permanent, UsageError
from minicloud.host import base_images, catalogue, image_build, image_build_tiny, image_import
from minicloud.host.account import Account
from minicloud.host.fake import FakeHost
from minicloud.host.image_build import Built
from minicloud.host.image_store import ImageStore, Manifest
from minicloud.host.release import usual_command

from .. import image_forge
from ..cloud_fixtures import Ec2, cloud_in

Run = Callable[..., str]


@pytest.fixture
def cloud(tmp_path: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud with a real image store, and everything else of the fake host."""
    monkeypatch.setattr(base_images, "hypervisor", lambda: Account(os.getuid(), os.getgid()))
    made = cloud_in(tmp_path, host)
    made.settings = dataclasses.replace(made.settings, images=tmp_path / "images", shared_images=tmp_path / "shared")
    real = dataclasses.replace(host, images=base_images.BaseImages(base_images.store(made.settings), made.settings.home))
    made._make_host = lambda *_: real
    return made


@pytest.fixture
def store(cloud: Cloud) -> ImageStore:
    return base_images.store(cloud.settings)


@pytest.fixture
def run(cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("MINICLOUD_OUTPUT", raising=False)

    def command(*words: str) -> str:
        images.command.main(list(words), obj=Session(connect=lambda: cloud), standalone_mode=False)
        return capsys.readouterr().out

    return command


def add(store: ImageStore, tmp_path: Path, name: str = "debian-12", *, kernel: bool = False) -> str:
    file = tmp_path / "new.qcow2"
    file.write_bytes(image_forge.qcow2())
    linux = tmp_path / "vmlinuz"
    linux.write_bytes(b"linux")
    return store.add(file, name=name, source="test", default_user="debian", kernel=linux if kernel else None).image_id


def listed(run: Run) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("list", "--output", "json"))["Images"]
    return found


def test_an_empty_store_shows_what_could_be_had(run: Run) -> None:
    answer = json.loads(run("list", "--output", "json"))
    commands = {entry["Command"] for entry in answer["Available"]}
    assert answer["Images"] == []
    assert {"minicloud images build debian-12", "minicloud images build tiny", "minicloud images pull ubuntu-24.04"} <= commands


def test_images_are_listed_with_their_disks(ec2: Ec2, store: ImageStore, run: Run, tmp_path: Path) -> None:
    image = add(store, tmp_path)
    ec2.run(ImageId=image)
    (entry,) = listed(run)
    assert (entry["ImageId"], entry["Name"], entry["State"], entry["Disks"]) == (image, "debian-12", "available", 1)


def test_a_damaged_image_is_shown(store: ImageStore, run: Run, tmp_path: Path) -> None:
    image = add(store, tmp_path)
    store.path(image).unlink()
    assert json.loads(run("list", "--output", "json"))["Damaged"][0]["Reason"] == "image.qcow2 is missing"


def test_a_table_has_the_columns_that_fit(store: ImageStore, run: Run, tmp_path: Path) -> None:
    image = add(store, tmp_path)
    out = run("list", "--output", "table")
    assert image in out
    assert "Path" not in out


def build(recipe: image_build.Recipe, workdir: Path, progress: Callable[[str], None], *_: object) -> Built:
    """In place of a build of minutes."""
    progress("installing")
    files = {name: workdir / name for name in ("image.qcow2", "vmlinuz", "initrd")}
    for path in files.values():
        path.write_bytes(image_forge.qcow2())
    return Built(*files.values(), "root=/dev/vda1", recipe.name, recipe.description, "debian")


def test_build_prints_the_id_alone_and_registers_it(
    ec2: Ec2, store: ImageStore, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(image_build, "build_debian", build)
    image = run("build", "debian-12").strip()
    assert store.get(image).kernel
    assert ec2("DescribeImages", ImageIds=[image])["Images"][0]["Name"] == "debian-12"
    assert {path.name for path in store.directory.iterdir()} == {image, ".homes"}
    assert json.loads(run("build", "debian-12", "--output", "json"))["Name"] == "debian-12"


def test_stages_are_told_on_standard_error(
    run: Run, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(image_build, "build_debian", build)
    images.command.main(["build", "debian-12"], obj=Session(connect=lambda: cloud), standalone_mode=False)
    assert [line.split(" s  ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "installing", "putting it into the image store", "done",
    ]  # fmt: skip


def test_the_tiny_image_takes_the_newest_debian_kernel(
    store: ImageStore, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=usual_command()):
        run("build", "tiny")
    debian = add(store, tmp_path, kernel=True)

    def build_tiny(workdir: Path, kernel_source: Path, progress: Callable[[str], None]) -> Built:
        assert kernel_source == store.path(debian).parent
        made = build(image_build.recipes()["debian-12"], workdir, progress)
        return dataclasses.replace(made, name="tiny", default_user="root", boot_mode="legacy-bios")

    monkeypatch.setattr(image_build_tiny, "build_tiny", build_tiny)
    assert not store.get(run("build", "tiny").strip()).boot_loader


@pytest.mark.parametrize(("words", "hint"), [(("build", "windows"), "debian-12"), (("pull", "windows"), "ubuntu-24.04")])
def test_a_name_that_is_not_there_lists_those_that_are(run: Run, words: tuple[str, ...], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        run(*words)


def test_pull_registers_what_it_got(ec2: Ec2, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(entry: catalogue.Entry, store: ImageStore, *, max_bytes: int, progress: Callable[[int, int], None]) -> Manifest:
        progress(1, max_bytes)
        return store.get(add(store, tmp_path, entry.name))

    monkeypatch.setattr(catalogue, "pull", pull)
    image = run("pull", "cirros-0.6").strip()
    assert ec2("DescribeImages", ImageIds=[image])["Images"][0]["Name"] == "cirros-0.6"


def test_import_hands_on_what_was_said(
    ec2: Ec2, store: ImageStore, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "mine.img"
    source.write_bytes(b"a disk")

    def prepare(_: Path, workdir: Path, *, claimed: str | None, **__: object) -> Path:
        assert claimed == "raw"
        clean = workdir / "clean.qcow2"
        clean.write_bytes(image_forge.qcow2())
        return clean

    monkeypatch.setattr(image_import, "prepare", prepare)
    words = ["--name", "mine", "--user", "me", "--boot-mode", "uefi", "--format", "raw", "--root-device-name", "/dev/xvda"]
    made = store.get(run("import", str(source), *words).strip())
    assert (made.name, made.default_user, made.boot_mode, made.root_device_name) == ("mine", "me", "uefi", "/dev/xvda")
    assert source.read_bytes() == b"a disk"


@pytest.mark.parametrize(
    "refused", [("tiny", "Duplicate"), ("a b;rm -rf", "Malformed"), ("ab", "Malformed"), ("n" * 129, "Malformed")]
)
def test_a_name_that_was_asked_for_is_refused_as_register_image_does(
    store: ImageStore, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, str]
) -> None:
    name, code = refused
    source = tmp_path / "mine.img"
    source.write_bytes(b"a disk")
    add(store, tmp_path, "tiny")  # which no command has seen yet
    monkeypatch.setattr(image_import, "prepare", lambda *_, **__: pytest.fail("work was done for it"))
    with pytest.raises(ApiError) as caught:
        run("import", str(source), "--name", name)
    assert caught.value.code == f"InvalidAMIName.{code}"
    assert [one.name for one in store.list()] == ["tiny"]


@pytest.mark.parametrize("state", ["available", "disabled"])
def test_a_name_that_comes_from_a_file_is_made_distinct(
    ec2: Ec2, store: ImageStore, run: Run, tmp_path: Path, state: str
) -> None:
    name = "n" * 128
    run("list")
    first = add(store, tmp_path, name)
    run("list")
    if state == "disabled":
        ec2("DisableImage", ImageId=first)
    second = add(store, tmp_path, name)
    shown = ec2("DescribeImages", ImageIds=[second])["Images"][0]["Name"]
    assert shown == f"{'n' * 104} ({second})"
    assert len(shown) == 128


@pytest.mark.parametrize("words", [["import", "no-such-file"], ["import", "x", "--checksum", "abc"]])
def test_an_import_that_makes_no_sense_is_refused(run: Run, words: list[str]) -> None:
    import click

    with pytest.raises(click.UsageError):
        run(*words)


def test_rm_refuses_while_a_disk_is_built_on_it(ec2: Ec2, store: ImageStore, run: Run, tmp_path: Path) -> None:
    image = add(store, tmp_path)
    instance = ec2.run(ImageId=image)
    with pytest.raises(Permanent, match=f"of {instance}"):
        run("rm", image)
    assert listed(run)[0]["State"] == "available"
    ec2("TerminateInstances", InstanceIds=[instance])
    run("rm", image)
    assert listed(run) == []
    assert ec2.refused("RunInstances", ImageId=image, MinCount=1, MaxCount=1).code.startswith("InvalidAMIID")


def test_rm_goes_on_where_it_was_killed(store: ImageStore, cloud: Cloud, run: Run, tmp_path: Path) -> None:
    image = add(store, tmp_path)
    run("list")
    images.forget(cloud, image)
    assert listed(run)[0]["State"] == "deregistered"
    run("rm", image)
    assert listed(run) == []


def test_rm_deregisters_all_that_start_from_the_files(
    ec2: Ec2, store: ImageStore, cloud: Cloud, run: Run, tmp_path: Path
) -> None:
    image = add(store, tmp_path)
    run("list")
    row = cloud.state.images.get(image)
    assert row is not None
    cloud.state.images.add(dataclasses.replace(row, id="ami-00000000000000001", name="second"))
    with pytest.raises(UsageError, match=f"those of {image}"):
        run("rm", "ami-00000000000000001")
    run("rm", image)
    assert [one.state for one in cloud.state.images.query("base = ?", [image])] == ["deregistered", "deregistered"]


def test_an_image_of_the_shared_store_is_nobodys_to_remove(cloud: Cloud, run: Run, tmp_path: Path) -> None:
    assert cloud.settings.shared_images is not None
    image = add(ImageStore(cloud.settings.shared_images), tmp_path)
    run("list")
    with pytest.raises(Permanent, match="shared and read-only"):
        run("rm", image)
    assert listed(run)[0]["State"] == "available"
