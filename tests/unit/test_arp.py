"""ARP frames: what is asked, and what counts as an answer."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from minicloud.host.arp import answered_by, question

HOST, GUEST = bytes.fromhex("060000000001"), bytes.fromhex("02000000000a")
GATEWAY, ADDRESS = IPv4Address("172.31.0.1"), IPv4Address("172.31.0.10")


def answer() -> bytes:
    """What a guest sends back."""
    head = HOST + GUEST + bytes.fromhex("0806")
    return head + bytes.fromhex("0001080006040002") + GUEST + ADDRESS.packed + HOST + GATEWAY.packed


def test_the_question() -> None:
    frame = question(HOST, GATEWAY, ADDRESS)
    assert frame.hex() == ("ffffffffffff06000000000108060001080006040001060000000001ac1f0001000000000000ac1f000a")


def test_an_answer_with_the_padding_of_a_wire() -> None:
    assert answered_by(answer()) == ADDRESS
    assert answered_by(answer().ljust(60, b"\0")) == ADDRESS


def test_a_question_is_no_answer() -> None:
    assert answered_by(question(GUEST, ADDRESS, GATEWAY)) is None


@given(st.integers(0, 41))
def test_a_frame_cut_short_is_no_answer(length: int) -> None:
    assert answered_by(answer()[:length]) is None


@given(st.integers(12, 21), st.integers(1, 255))
def test_a_frame_of_another_kind_is_no_answer(place: int, change: int) -> None:
    frame = bytearray(answer())
    frame[place] ^= change
    assert answered_by(bytes(frame)) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(frame: bytes) -> None:
    found = answered_by(frame)
    assert found is None or isinstance(found, IPv4Address)
