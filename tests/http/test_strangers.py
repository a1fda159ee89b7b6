"""Peers that keep the endpoint waiting: others get their answers meanwhile, and they themselves are ended."""

import functools
import threading
from pathlib import Path

import pytest

from minicloud.cloud import Cloud
from minicloud.http import certificate, connection
from minicloud.http.server import Server, listen

from .strangers import LARGE, Stranger, Strangers, serving, trusting_nobody

SHORT = {"head": 1.5, "body": 1.5, "answer": 1.5, "idle": 1.5, "handshake": 1.5}
LONG = dict.fromkeys(SHORT, 600.0)


def given_up(server: Server, strangers: Strangers) -> list[Stranger]:
    """Those whose connections the endpoint has ended."""
    left = {one.remote_port for one in server._server.crowd._all}
    return [one for one in strangers.all if one.socket.getsockname()[1] not in left]


def test_slow_peers_hold_up_nobody_and_are_ended(cloud: Cloud) -> None:
    with serving(cloud, **SHORT) as (served, _), Strangers(served.url) as slow:
        slow.many(64, [slow.slow_head, slow.slow_body, slow.slow_chunks, slow.never_reads, slow.idle, slow.silent])
        assert len(served.boto().describe_vpcs()["Vpcs"]) == 1
        assert all(one.is_closed() for one in slow.all)
        assert len(served.boto().describe_vpcs()["Vpcs"]) == 1


def test_handshakes_hold_up_nobody_and_are_ended(cloud: Cloud, tmp_path: Path) -> None:
    made, key = certificate.own(tmp_path, "127.0.0.1")
    with serving(cloud, listen("127.0.0.1:0", made, key, insecure=False), **SHORT) as (served, _), Strangers(served.url) as slow:
        wrap = functools.partial(trusting_nobody().wrap_socket, server_hostname="localhost")
        slow.many(64, [slow.silent, slow.slow_handshake, lambda: slow.slow_head(wrap), lambda: slow.slow_body(wrap)])
        assert len(served.boto(verify=str(made)).describe_vpcs()["Vpcs"]) == 1
        assert all(one.is_closed() for one in slow.all)
        assert len(served.boto(verify=str(made)).describe_vpcs()["Vpcs"]) == 1


def test_plain_http_where_tls_is_spoken_is_told_so(cloud: Cloud, tmp_path: Path) -> None:
    made, key = certificate.own(tmp_path, "127.0.0.1")
    with serving(cloud, listen("127.0.0.1:0", made, key, insecure=False)) as (served, _), Strangers(served.url) as peers:
        plain = peers.connect()
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert plain.recv(4096).endswith(b"This port speaks HTTPS only.")
        plain.close()


@pytest.mark.parametrize("kind", ["silent", "slow_head", "slow_body", "never_reads", "idle"])
def test_a_full_endpoint_has_room_for_the_next(cloud: Cloud, kind: str) -> None:
    with serving(cloud, connections=8, **LONG) as (served, server), Strangers(served.url) as slow:
        for _ in range(20):
            getattr(slow, kind)()
        assert len(served.boto().describe_vpcs()["Vpcs"]) == 1
        gone = given_up(server, slow)
        assert len(gone) >= 12
        assert all(one.is_closed() for one in gone)


def test_an_address_has_its_share_and_others_have_theirs(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "origin", lambda address: "192.0.2.2" if address == "127.0.0.2" else "")
    with serving(cloud, connections=64, of_address=4, **LONG) as (served, _), Strangers(served.url, "127.0.0.2") as slow:
        for _ in range(12):
            slow.slow_head()
        mine = served.boto()
        assert len(mine.describe_vpcs()["Vpcs"]) == 1
        assert all(one.is_closed() for one in slow.all[:8])
        assert len(mine.describe_vpcs()["Vpcs"]) == 1


def test_bodies_together_have_a_bound(cloud: Cloud) -> None:
    piece = b"a" * (512 << 10)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"
    with serving(cloud, held=2 << 20, **LONG) as (served, server), Strangers(served.url) as slow:
        for _ in range(12):
            slow._add(head + piece)
        assert served.boto().import_key_pair(KeyName="k", PublicKeyMaterial=_public_key())["KeyName"] == "k"
        gone = given_up(server, slow)
        assert len(gone) >= 8
        assert all(one.is_closed() for one in gone)
        assert sum(one.held for one in server._server.crowd._all) <= 2 << 20


def test_answers_together_have_a_bound(cloud: Cloud) -> None:
    with serving(cloud, held=2 * LARGE + 1024, **LONG) as (served, server), Strangers(served.url) as slow:
        for _ in range(6):
            assert slow.never_reads().socket.recv(1) == b"H"
        gone = given_up(server, slow)
        assert len(gone) >= 4
        assert all(one.is_closed() for one in gone)
        assert sum(one.held for one in server._server.crowd._all) <= 2 * LARGE + 1024
        assert len(served.boto().describe_vpcs()["Vpcs"]) == 1


def test_the_end_waits_for_no_stranger(cloud: Cloud) -> None:
    with serving(cloud, **{**LONG, "end": 0.5}) as (served, server), Strangers(served.url) as slow:
        slow.many(24, [slow.slow_head, slow.slow_body, slow.never_reads, slow.idle])
        assert len(served.boto().describe_vpcs()["Vpcs"]) == 1
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(60)
        assert not stopping.is_alive()
        assert all(one.is_closed() for one in slow.all)
        assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("http"))


def _public_key() -> bytes:
    return b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxvbmdrZXlsb25na2V5bG9uZ2tleWxvbmdrZXlsb25n me"
