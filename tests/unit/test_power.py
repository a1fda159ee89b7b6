"""Why a guest is off, when libvirtd has forgotten it: read from its log."""

import os
import time
from pathlib import Path

import pytest

from minicloud.host.contracts import Power
from minicloud.host.guest_log import power_from_log, power_from_log_file

START = "2026-11-23 18:28:45.110+0000: starting up libvirt version: 9.0.0, package: x, qemu version: 7.2.22\nLC_ALL=C \\\n"
SIGNAL = "2026-11-23T18:28:55.461886Z qemu-system-x86_64: terminating on signal 15 from pid 271 (libvirtd)\n"


def end(reason: str) -> str:
    return f"2026-11-23 18:28:55.676+0000: shutting down, reason={reason}\n"


@pytest.mark.parametrize(
    ("text", "power"),
    [
        ("", Power.OFF),
        (START, Power.OFF),
        (START + end("shutdown"), Power.OFF_BY_GUEST),
        (START + SIGNAL + end("shutdown"), Power.OFF_BY_GUEST),
        (START + end("crashed"), Power.OFF_BY_FAILURE),
        (START + end("failed"), Power.OFF),
        (START + end("destroyed"), Power.OFF),
        (START + end("crashed") + START + end("destroyed"), Power.OFF),
        (START + end("shutdown") + START, Power.OFF),
        (START + "char device says: shutting down, reason=shutdown\n", Power.OFF),
    ],
)
def test_the_last_event_tells(text: str, power: Power) -> None:
    assert power_from_log(text) is power


def test_a_log_of_this_life_of_the_host_counts(tmp_path: Path) -> None:
    log = tmp_path / "i-1.log"
    log.write_text(START + end("shutdown"))
    assert power_from_log_file(log) is Power.OFF_BY_GUEST


def test_a_log_of_an_earlier_life_of_the_host_does_not(tmp_path: Path) -> None:
    log = tmp_path / "i-1.log"
    log.write_text(START + end("shutdown"))
    before = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - 60
    os.utime(log, (before, before))
    assert power_from_log_file(log) is Power.OFF


def test_no_log_says_nothing(tmp_path: Path) -> None:
    assert power_from_log_file(tmp_path / "none.log") is Power.OFF
