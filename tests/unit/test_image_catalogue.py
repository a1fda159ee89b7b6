import tomllib
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from minicloud.errors import Permanent, UsageError
from minicloud.host import catalogue
from minicloud.host.image_sums import Checksum
from tests.http_images import Page, Server, serving

A, B = "a" * 64, "b" * 64
ENTRY = catalogue.Entry("x", "X", "", "qcow2", "user", "legacy-bios")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def test_the_catalogue_names_the_usual_distributions() -> None:
    names = catalogue.load()
    usual = ["debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04", "fedora"]
    usual += ["almalinux-9", "almalinux-10", "rocky-9", "rocky-10", "opensuse-leap-15.6", "opensuse-leap-16.0"]
    for start in [*usual, "arch", "alpine", "amazon-linux-2023", "cirros"]:
        assert any(name.startswith(start) for name in names), start


@pytest.mark.parametrize("entry", catalogue.load().values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete_and_safe(entry: catalogue.Entry) -> None:
    for url in filter(None, (entry.url, entry.checksums)):
        parts = urllib.parse.urlsplit(url)
        assert parts.scheme == "https"
        assert parts.path.rpartition("/")[2]
    assert entry.description
    assert entry.default_user not in ("", "root")
    if entry.sha256:
        assert Checksum.of(entry.sha256).algorithm == "sha256"
    else:
        assert "*" not in entry.url.rpartition("/")[0]


@pytest.mark.parametrize(
    "text",
    [
        "[x",
        "x = 1",
        '[x]\nurl = "u"',
        '[x]\nurl="u"\ndescription=""\nformat="raw"\ndefault_user="u"\nboot_mode="legacy-bios"',
        '[x]\nurl="u"\ndescription=""\nformat="raw"\ndefault_user="u"\nboot_mode="odd"\nsha256="s"',
        '[x]\nurl="u"\ndescription=""\nformat="raw"\ndefault_user="u"\nboot_mode="uefi"\nsha256="s"\nother="o"',
        '[x]\nurl="u"\ndescription=""\nformat="raw"\ndefault_user=1\nboot_mode="uefi"\nsha256="s"',
    ],
)
def test_a_catalogue_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"catalogue\.toml"):
        catalogue.load(path)


def test_the_file_lies_where_the_package_is_built_from() -> None:
    assert set(tomllib.loads(catalogue.file().read_text())) == set(catalogue.load())


def test_a_pinned_checksum_needs_no_server() -> None:
    assert catalogue.resolve(replace(ENTRY, url="https://x.test/i", sha256=A)) == ("https://x.test/i", Checksum("sha256", A))


def test_a_plain_name_is_looked_up_in_the_checksum_file(server: Server) -> None:
    server.pages["/SUMS"] = Page(f"{B}  other.qcow2\n{A}  disk.qcow2\n".encode())
    entry = replace(ENTRY, url="https://mirror.test/latest/disk.qcow2", checksums=server.url("/SUMS"))
    assert catalogue.resolve(entry, allow_private=True) == (entry.url, Checksum("sha256", A))


def test_a_pattern_is_resolved_beside_the_final_address_of_the_checksum_file(server: Server) -> None:
    server.pages["/latest/kvm/SUMS"] = Page(redirect="/2023.9/kvm/SUMS")
    server.pages["/2023.9/kvm/SUMS"] = Page(f"{A}  al2023-kvm-2023.9-x86_64.qcow2\n".encode())
    entry = replace(ENTRY, url=server.url("/latest/kvm/al2023-kvm-*-x86_64.qcow2"), checksums=server.url("/latest/kvm/SUMS"))
    url, checksum = catalogue.resolve(entry, allow_private=True)
    assert url == server.url("/2023.9/kvm/al2023-kvm-2023.9-x86_64.qcow2")
    assert checksum.value == A


def test_a_checksum_file_cannot_name_a_place_elsewhere(server: Server) -> None:
    server.pages["/d/SUMS"] = Page(f"{A}  http://169.254.169.254/disk-1.qcow2\n".encode())
    entry = replace(ENTRY, url=server.url("/d/disk-*.qcow2"), checksums=server.url("/d/SUMS"))
    assert catalogue.resolve(entry, allow_private=True)[0] == server.url("/d/disk-1.qcow2")


def test_a_checksum_beside_the_image_counts_whatever_name_it_gives(server: Server) -> None:
    server.pages["/disk.qcow2.sha256"] = Page(f"{A}  disk-Build7.qcow2\n".encode())
    entry = replace(ENTRY, url=server.url("/disk.qcow2"), checksums=server.url("/disk.qcow2.sha256"))
    assert catalogue.resolve(entry, allow_private=True) == (entry.url, Checksum("sha256", A))


def test_an_image_without_a_checksum_is_not_fetched(server: Server) -> None:
    server.pages["/SUMS"] = Page(b"nothing")
    entry = replace(ENTRY, url=server.url("/disk.qcow2"), checksums=server.url("/SUMS"))
    with pytest.raises(Permanent, match="no checksum"):
        catalogue.resolve(entry, allow_private=True)
