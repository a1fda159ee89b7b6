"""Configurations of HAProxy, compared with files that people have read, and accepted by the real one."""

import subprocess
from pathlib import Path

import pytest

from minicloud.host import haproxy_config
from minicloud.host.load_balancer_spec import LoadBalancerSpec

from .. import balancers, golden_file

SPECS = {
    "application": balancers.application(),
    "network": balancers.network(),
    "classic": balancers.classic(),
}


@pytest.mark.parametrize("kind", SPECS)
def test_the_text_is_what_was_read(kind: str) -> None:
    golden_file.check(f"haproxy-{kind}.cfg", _text(SPECS[kind]))


@pytest.mark.parametrize("kind", SPECS)
def test_haproxy_accepts_it(kind: str, tmp_path: Path) -> None:
    assert _accepted(SPECS[kind], tmp_path) == (0, "")


def _text(spec: LoadBalancerSpec) -> str:
    place = haproxy_config.Place(Path("/run/b/socket"), Path("/run/b/state"), Path("/run/b/empty"), 2)
    return haproxy_config.files(spec, place)[haproxy_config.CONFIGURATION]


def _accepted(spec: LoadBalancerSpec, directory: Path) -> tuple[int, str]:
    place = haproxy_config.Place(directory / "socket", directory / "state", directory, 2)
    for name, text in haproxy_config.files(spec, place).items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    words = ["/usr/sbin/haproxy", "-c", "-q", "-C", str(directory), "-f", haproxy_config.CONFIGURATION]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"MINICLOUD_LOG": "1"})
    return done.returncode, "\n".join(line for line in done.stderr.splitlines() if "ALERT" in line or "WARNING" in line)
