"""Redirects between classes of network, and names whose addresses change: with names that only these tests resolve."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from minicloud.errors import ApiError, Retry
from minicloud.host import image_address, image_http
from tests.http_images import Page, Server, serving

PUBLIC, PRIVATE, LOOPBACK = (ip_address(text) for text in ("93.184.216.34", "192.168.7.7", "127.0.0.1"))


class Names:
    """A name server and a network: every name has a list of answers, and every address leads to the test's server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answers: dict[str, list[list[image_address.Address]]] = {}
        self.dialled: list[tuple[str, list[image_address.Address]]] = []
        self.secured: list[str] = []

    def resolve(self, host: str, _port: int) -> list[image_address.Address]:
        return self.answers[host].pop(0)

    def dial(self, host: str, _port: int, addresses: list[image_address.Address]) -> socket.socket:
        self.dialled.append((host, addresses))
        return socket.create_connection(("127.0.0.1", self.server.server_port))

    def secure(self, plain: socket.socket, host: str) -> socket.socket:
        self.secured.append(host)
        return plain


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    with serving() as server:
        made = Names(server)
        monkeypatch.setattr(image_address, "resolve", made.resolve)
        monkeypatch.setattr(image_address, "dial", made.dial)
        monkeypatch.setattr(image_address, "secure", made.secure)
        yield made


def fetch(url: str, *, allow_private: bool = True, allow_downgrade: bool = True) -> bytes:
    with image_http.get(url, {}, allow_private=allow_private, allow_downgrade=allow_downgrade) as answer:
        return b"".join(answer.body())


@pytest.mark.parametrize(("start", "end"), [(PUBLIC, PRIVATE), (PUBLIC, LOOPBACK), (PRIVATE, LOOPBACK), (LOOPBACK, PRIVATE)])
def test_a_redirect_into_another_network_is_refused(
    names: Names, start: image_address.Address, end: image_address.Address
) -> None:
    names.answers = {"start.test": [[start]], "end.test": [[end]]}
    names.server.pages = {"/a": Page(redirect="http://end.test/b"), "/b": Page(b"secret")}
    with pytest.raises(ApiError, match=r"end\.test leads to"):
        fetch("http://start.test/a")
    assert [host for host, _ in names.dialled] == ["start.test"]


@pytest.mark.parametrize(("start", "end"), [(PUBLIC, PUBLIC), (PRIVATE, PRIVATE), (LOOPBACK, LOOPBACK), (PRIVATE, PUBLIC)])
def test_a_redirect_within_its_network_or_outwards_is_followed(
    names: Names, start: image_address.Address, end: image_address.Address
) -> None:
    names.answers = {"start.test": [[start]], "end.test": [[end]]}
    names.server.pages = {"/a": Page(redirect="http://end.test/b"), "/b": Page(b"image")}
    assert fetch("http://start.test/a") == b"image"


def test_going_outwards_gives_up_the_way_back(names: Names) -> None:
    names.answers = {"lan.test": [[PRIVATE]], "out.test": [[PUBLIC]], "host.test": [[LOOPBACK]]}
    names.server.pages = {"/a": Page(redirect="http://out.test/b"), "/b": Page(redirect="http://host.test/c")}
    with pytest.raises(ApiError, match=r"host\.test"):
        fetch("http://lan.test/a")


def test_the_address_that_was_checked_is_the_one_connected_to(names: Names) -> None:
    names.answers = {"rebind.test": [[PUBLIC], [LOOPBACK]]}
    names.server.pages = {"/a": Page(b"image")}
    assert fetch("http://rebind.test/a", allow_private=False) == b"image"
    assert names.dialled == [("rebind.test", [PUBLIC])]
    assert names.answers["rebind.test"] == [[LOOPBACK]]  # the second answer was never asked for


def test_a_name_that_turns_to_loopback_on_the_redirect_is_refused(names: Names) -> None:
    names.answers = {"rebind.test": [[PUBLIC], [LOOPBACK]]}
    names.server.pages = {"/a": Page(redirect="http://rebind.test/b"), "/b": Page(b"secret")}
    with pytest.raises(ApiError, match="this host itself"):
        fetch("http://rebind.test/a")


def test_https_does_not_fall_back_to_http_unless_the_content_is_checked(names: Names) -> None:
    names.answers = {"safe.test": [[PUBLIC], [PUBLIC]], "plain.test": [[PUBLIC]]}
    names.server.pages = {"/a": Page(redirect="http://plain.test/b"), "/b": Page(b"image")}
    with pytest.raises(ApiError, match="which anybody could alter"):
        fetch("https://safe.test/a", allow_downgrade=False)
    assert fetch("https://safe.test/a", allow_downgrade=True) == b"image"
    assert names.secured == ["safe.test", "safe.test"]


def test_the_path_is_sent_as_it_is_meant(names: Names) -> None:
    names.answers = {"x.test": [[PUBLIC]]}
    names.server.pages = {"/a%20b/%C3%A9%2F?q=1&r=%20": Page(b"image")}
    assert fetch("http://x.test/a b/é%2F?q=1&r= #part") == b"image"


def test_a_head_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_http, "_HEAD_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Retry, match="no proper answer"):
        fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_nobody_listening_is_a_retry() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Retry, match="can't be reached"):
        fetch(f"http://127.0.0.1:{port}/")
