import fcntl
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from minicloud.errors import ApiError, Permanent, Retry
from minicloud.host import image_fetch, image_http
from minicloud.host.image_sums import Checksum
from tests.http_images import Page, Server, serving

DATA = random.Random(1).randbytes(3_000_000)  # noqa: S311 -- bytes to tell apart, no secret
SUM = Checksum("sha256", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


class Fetcher:
    def __init__(self, directory: Path) -> None:
        self.partial = directory / "partial"
        self.partial.mkdir()
        self.target = directory / "image"
        self.progress: list[tuple[int, int]] = []

    def __call__(self, url: str, checksum: Checksum | None = SUM, max_bytes: int = 1 << 30, allow_private: bool = True) -> bytes:
        image_fetch.download(
            url,
            self.target,
            partial=self.partial,
            max_bytes=max_bytes,
            checksum=checksum,
            allow_private=allow_private,
            progress=lambda done, size: self.progress.append((done, size)),
        )
        return self.target.read_bytes()

    @property
    def left(self) -> list[str]:
        return sorted(path.suffix for path in self.partial.iterdir())


@pytest.fixture
def fetch(tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path)


def test_a_file_arrives_whole_with_progress_and_leaves_nothing_behind(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA)
    assert fetch(server.url("/image")) == DATA
    assert fetch.progress[-1] == (len(DATA), len(DATA))
    assert fetch.left == []


def test_a_cut_connection_is_resumed_where_it_broke(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA, cuts=[1_000_000, 500_000])
    assert fetch(server.url("/image")) == DATA
    assert server.seen == [("/image", ""), ("/image", "bytes=1000000-"), ("/image", "bytes=1500000-")]


def test_a_later_command_goes_on_where_an_earlier_one_gave_up(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA, cuts=[1_000_000, 0, 0, 0])
    with pytest.raises(Retry, match="broke"):
        fetch(server.url("/image"))
    assert not fetch.target.exists()
    assert fetch.left == [".json", ".part"]
    server.seen.clear()
    assert fetch(server.url("/image")) == DATA
    assert server.seen == [("/image", "bytes=1000000-")]


@pytest.mark.parametrize("change", [{"etag": '"two"'}, {"ranges": False}], ids=["another file", "no ranges"])
def test_what_cannot_be_resumed_starts_anew(server: Server, fetch: Fetcher, change: dict[str, object]) -> None:
    server.pages["/image"] = Page(b"old" + DATA[3:], cuts=[1_000_000, 0, 0, 0])
    with pytest.raises(Retry):
        fetch(server.url("/image"))
    server.pages["/image"] = Page(DATA, **change)  # type: ignore[arg-type]
    assert fetch(server.url("/image")) == DATA


def test_without_a_validator_nothing_is_resumed(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA, cuts=[1_000_000, 0, 0, 0], etag="")
    with pytest.raises(Retry):
        fetch(server.url("/image"))
    assert fetch.left == []
    server.seen.clear()
    assert fetch(server.url("/image")) == DATA
    assert server.seen == [("/image", "")]


def test_a_damaged_partial_file_is_found_by_the_checksum_and_removed(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA, cuts=[1_000_000, 0, 0, 0])
    with pytest.raises(Retry):
        fetch(server.url("/image"))
    (part,) = fetch.partial.glob("*.part")
    part.write_bytes(b"x" * 1_000_000)
    with pytest.raises(Permanent, match=SUM.value):
        fetch(server.url("/image"))
    assert fetch.left == []
    assert fetch(server.url("/image")) == DATA


def test_a_wrong_checksum_leaves_nothing_and_says_both_values(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA)
    with pytest.raises(Permanent) as caught:
        fetch(server.url("/image"), Checksum("sha256", "0" * 64))
    assert SUM.value in caught.value.message
    assert "0" * 64 in caught.value.message
    assert fetch.left == []
    assert not fetch.target.exists()


@pytest.mark.parametrize("length", [True, False])
def test_a_file_larger_than_the_limit_is_not_taken(server: Server, fetch: Fetcher, length: bool) -> None:
    server.pages["/image"] = Page(DATA, length=length)
    with pytest.raises(ApiError) as caught:
        fetch(server.url("/image"), max_bytes=1_000_000)
    assert caught.value.code == "DiskImageSizeTooLarge"
    assert fetch.left == []


def test_a_body_without_a_length_is_taken(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA, length=False)
    assert fetch(server.url("/image")) == DATA


def test_an_address_that_is_not_there_fails_at_once(server: Server, fetch: Fetcher) -> None:
    with pytest.raises(Permanent, match="404"):
        fetch(server.url("/absent"))
    assert len(server.seen) == 1
    assert fetch.left == []


def test_a_server_in_trouble_is_asked_again_and_then_left(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(b"", status=503)
    with pytest.raises(Retry, match="503"):
        fetch(server.url("/image"))
    assert len(server.seen) == 3
    assert fetch.left == []


def test_redirects_are_followed_and_counted(server: Server, fetch: Fetcher) -> None:
    server.pages["/latest"] = Page(redirect="/image")
    server.pages["/image"] = Page(DATA)
    assert fetch(server.url("/latest")) == DATA
    server.pages["/loop"] = Page(redirect="/loop")
    with pytest.raises(Permanent, match="more than 10 redirects"):
        fetch(server.url("/loop"))


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/iam/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "file:///etc/shadow",
        "gopher://127.0.0.1/",
        "http://user:secret@127.0.0.1/",
        "//169.254.169.254/x",
    ],
)
def test_redirects_to_places_that_are_none_of_theirs_are_refused(server: Server, fetch: Fetcher, target: str) -> None:
    server.pages["/image"] = Page(redirect=target)
    with pytest.raises(ApiError) as caught:
        fetch(server.url("/image"))
    assert caught.value.code == "InvalidParameterValue"
    assert len(server.seen) == 1
    assert fetch.left == []


def test_this_host_is_not_fetched_from_unless_it_is_allowed(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA)
    with pytest.raises(ApiError, match="this host itself"):
        fetch(server.url("/image"), allow_private=False)
    assert server.seen == []
    assert fetch.left == []


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file:///etc/passwd", "http://", "http://[::1", "http://host:99999/", "http://a@b/", "disk.img"]
)
def test_urls_that_are_not_fetched(fetch: Fetcher, url: str) -> None:
    with pytest.raises(ApiError) as caught:
        fetch(url)
    assert caught.value.code == "InvalidParameterValue"


def test_two_commands_do_not_work_on_one_download(server: Server, fetch: Fetcher) -> None:
    server.pages["/image"] = Page(DATA)
    with image_fetch._hold(fetch.partial, server.url("/image"), SUM), pytest.raises(Retry, match="another command"):
        fetch(server.url("/image"))


def test_a_file_that_was_finished_meanwhile_is_not_touched(
    server: Server, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the partial file and locking it, another command finishes and takes the file away."""
    server.pages["/image"] = Page(DATA)
    real, theirs = fcntl.flock, fetch.partial.parent / "theirs"

    def flock(file: BinaryIO, operation: int) -> None:
        if not theirs.exists():
            (part,) = fetch.partial.glob("*.part")
            part.write_bytes(b"their image")
            part.rename(theirs)
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert fetch(server.url("/image")) == DATA
    assert theirs.read_bytes() == b"their image"


def test_a_trickle_is_given_up(server: Server, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_http, "_SLOWEST_OVER", 0.0)
    monkeypatch.setattr(image_http, "_SLOWEST", 1 << 60)
    server.pages["/image"] = Page(DATA)
    with pytest.raises(Retry, match="too slowly"):
        fetch(server.url("/image"))


def test_a_text_has_a_limit_and_an_address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.pages["/latest/SUMS"] = Page(redirect="/2023.1/SUMS")
    server.pages["/2023.1/SUMS"] = Page(b"text")
    assert image_fetch.fetch_text(server.url("/latest/SUMS"), allow_private=True) == (server.url("/2023.1/SUMS"), "text")
    monkeypatch.setattr(image_fetch, "_TEXT_LIMIT", 3)
    with pytest.raises(Permanent, match="too long"):
        image_fetch.fetch_text(server.url("/latest/SUMS"), allow_private=True)
