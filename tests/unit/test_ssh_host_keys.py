"""Host keys out of what a guest prints: only whole, valid keys, of the first block, kept for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicloud.aws import keys
from minicloud.cli import host_keys
from minicloud.cli.ssh_guest import InstanceGuest
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2

BEGIN, END = b"-----BEGIN SSH HOST KEY KEYS-----\r\n", b"-----END SSH HOST KEY KEYS-----\r\n"


def key(kind: str = "ed25519") -> str:
    return " ".join(keys.generate(kind, "pem").public_openssh.split()[:2])


ONE, TWO, RSA = key(), key(), key("rsa")
EC = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBL8kSGMYWkHQWV5vgpXlkmgAIkGEkLV0lTbNoRwEqnKk"
    "N6GmE0P3CUdZYdv9HCWDpNEHVqeOxeDgVyxBcCVFAKI="
)


def block(*lines: str) -> bytes:
    return BEGIN + b"".join(line.encode() + b" root@ip-172-31-0-4\r\n" for line in lines) + END


@pytest.mark.parametrize("kind", [ONE, RSA, EC])
def test_every_usual_kind_of_key_is_read(kind: str) -> None:
    assert host_keys.printed(b"[    0.0] Linux\r\n" + block(kind) + b"login: ") == [kind]


def test_kernel_messages_between_the_lines_and_before_a_key_do_not_matter() -> None:
    log = BEGIN + b"[   61.2] eth0: link up\r\n[ 61.3] cloud-init[412]: " + ONE.encode() + b" root\r\n<6>[ 62] foo\n" + END
    assert host_keys.printed(log) == [ONE]


def test_a_key_that_a_message_broke_is_left_out_and_the_others_stay() -> None:
    broken = ONE[:40] + "[   61.2] eth0: link up\r\n" + ONE[40:]
    assert host_keys.printed(block(broken, TWO)) == [TWO]


def test_the_first_whole_block_counts() -> None:
    assert host_keys.printed(block(ONE) + b"reboot\r\n" + block(TWO)) == [ONE]


def test_a_block_that_was_cut_off_is_passed_over() -> None:
    assert host_keys.printed(BEGIN + ONE.encode() + b"\r\npanic, reboot\r\n" + block(TWO)) == [TWO]
    assert host_keys.printed(BEGIN + ONE.encode() + b"\r\n") == []


def test_a_block_without_a_valid_key_is_passed_over() -> None:
    assert host_keys.printed(block("ssh-ed25519 AAAA" + "A" * 64) + block(TWO)) == [TWO]


def test_a_block_of_any_size_is_not_searched_for_ever() -> None:
    assert host_keys.printed(BEGIN + b"x" * 20_000 + ONE.encode() + b"\r\n" + END) == []


def test_a_guest_cannot_hand_over_any_number_of_keys() -> None:
    assert len(host_keys.printed(block(*(key() for _ in range(20))))) == 8


@pytest.mark.parametrize(
    "line",
    [
        "ssh-ed25519 " + RSA.split()[1],
        ONE + "AAAA",
        ONE[:-4],
        "ssh-dss " + ONE.split()[1],
        "ssh-ed25519 " + ONE.split()[1].replace("A", "!", 1),
    ],
    ids=["another kind inside", "too long", "too short", "unknown kind", "not base64"],
)
def test_what_is_no_key_is_not_taken(line: str) -> None:
    assert host_keys.printed(block(line)) == []


@given(st.lists(st.sampled_from([BEGIN, END, ONE.encode(), b" ", b"\r\n", b"ssh-ed25519 AAAA"]) | st.binary(max_size=40)))
def test_any_bytes_give_valid_keys_or_none(parts: list[bytes]) -> None:
    assert all(host_keys.valid(found) for found in host_keys.printed(b"".join(parts)))


def test_keys_are_found_however_much_a_guest_said_since(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    host.say(instance, block(ONE) + b"[   60.0] a verbose driver\r\n" * 10_000)
    assert host_keys.printed(host.guests.console_log(instance)) == [], "what get-console-output shows has them no more"
    guest = InstanceGuest(ec2.cloud, instance, "172.31.0.4", "subnet-0a", "admin", None)
    assert host_keys.printed(guest.console()) == [ONE]


def test_the_keys_seen_first_are_kept(ec2: Ec2) -> None:
    instance = ec2.run()
    assert host_keys.remember(ec2.cloud, instance, [ONE]) == [ONE]
    assert host_keys.remember(ec2.cloud, instance, [TWO]) == [ONE]
    assert ec2.row(instance).host_keys == [ONE]


def test_other_keys_take_their_place_only_when_that_is_asked_for(ec2: Ec2) -> None:
    instance_id = ec2.run()
    host_keys.remember(ec2.cloud, instance_id, [ONE])
    assert host_keys.remember(ec2.cloud, instance_id, [TWO], replace=True) == [TWO]
    assert ec2.row(instance_id).host_keys == [TWO]


def test_keys_of_an_instance_that_is_gone_are_not_kept(ec2: Ec2) -> None:
    assert host_keys.remember(ec2.cloud, "i-0123456789abcdef0", [ONE]) == []
