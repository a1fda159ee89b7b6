"""The README's first command, as a newcomer types it: twice, because the second run finds everything there."""

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.guest, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
MINICLOUD = "/usr/local/bin/minicloud"


def quickstart() -> str:
    done = subprocess.run(
        [str(ROOT / "scripts/quickstart")], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_ends_with_the_output_of_a_command_inside_the_guest_and_the_second_run_takes_the_same_guest() -> None:
    first = quickstart()
    instance = first.split("--instance-ids ")[1].split()[0]
    try:
        assert "starts from ami-" in first
        assert "Linux ip-172-31-" in first
        assert first.count(" s)") == 4, "each stage says how long it took"
        second = quickstart()
        assert f"{instance} runs already" in second
        assert "Linux ip-172-31-" in second
    finally:
        subprocess.run([MINICLOUD, "terminate-instances", "--instance-ids", instance], check=True, stdout=subprocess.DEVNULL)
