from ipaddress import ip_address

import pytest

from minicloud.errors import ApiError
from minicloud.host import image_address
from minicloud.host.image_address import Reach, choose, classify


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("93.184.216.34", Reach.PUBLIC),
        ("2606:2800:220:1::1", Reach.PUBLIC),
        ("10.1.2.3", Reach.PRIVATE),
        ("172.31.0.10", Reach.PRIVATE),
        ("192.168.1.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("fd12::1", Reach.PRIVATE),
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.255.0.9", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("2002:7f00:1::", Reach.LOOPBACK),
        ("64:ff9b::7f00:1", Reach.LOOPBACK),
        ("::127.0.0.1", Reach.LOOPBACK),
        ("169.254.169.254", Reach.NEVER),
        ("::ffff:169.254.169.254", Reach.NEVER),
        ("64:ff9b::a9fe:a9fe", Reach.NEVER),
        ("fe80::1", Reach.NEVER),
        ("fec0::1", Reach.NEVER),
        ("fd00:ec2::254", Reach.NEVER),
        ("0.0.0.0", Reach.NEVER),
        ("0.1.2.3", Reach.NEVER),
        ("::", Reach.NEVER),
        ("224.0.0.1", Reach.NEVER),
        ("ff02::1", Reach.NEVER),
        ("240.0.0.1", Reach.NEVER),
        ("255.255.255.255", Reach.NEVER),
        ("::ffff:8.8.8.8", Reach.PUBLIC),
    ],
)
def test_classes_of_addresses(text: str, reach: Reach) -> None:
    assert classify(ip_address(text)) is reach


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "017700000001", "::1"])
def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises(ApiError, match="this host itself"):
        choose(host, 80, frozenset({Reach.PUBLIC, Reach.PRIVATE}))


def test_of_a_mixed_answer_only_one_allowed_class_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [ip_address(text) for text in ("127.0.0.1", "93.184.216.34", "169.254.169.254", "10.0.0.1")]
    monkeypatch.setattr(image_address, "resolve", lambda _host, _port: addresses)
    assert choose("mixed.test", 80, frozenset({Reach.PUBLIC})) == ([ip_address("93.184.216.34")], Reach.PUBLIC)
    assert choose("mixed.test", 80, frozenset({Reach.LOOPBACK})) == ([ip_address("127.0.0.1")], Reach.LOOPBACK)


def test_the_refusal_names_host_and_address() -> None:
    with pytest.raises(ApiError) as caught:
        choose("169.254.169.254", 80, frozenset(Reach))
    assert caught.value.code == "InvalidParameterValue"
    assert "link-local" in caught.value.message
