"""br_netfilter, loaded by us, by others, or by us and then wanted by others: bridges of others do not notice.

The kernel of a laboratory has it built in, so what loads and unloads it is played here; what the kernel does with its settings
is real.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from minicloud.host import bridge_netfilter
from minicloud.host.bridge_netfilter import BridgeNetfilter
from minicloud.host.firewall import IptablesFirewall
from minicloud.host.firewall_spec import FirewallSpec, Group, Permission
from minicloud.host.run import Completed, run

from ..real_cloud import IDENTITY
from .test_firewall import GUESTS, OUT, A, B, Scene, _port
from .wires import Wire

pytestmark = pytest.mark.lab

REAL = Path("/proc/sys/net/bridge")
KNOBS = [REAL / f"bridge-nf-call-{name}" for name in ("iptables", "ip6tables", "arptables")]
ONE, TWO = "10.55.0.1", "10.55.0.2"


class Kernel:
    """A kernel that has the module only while it is loaded: its settings are then the real ones, all on at first."""

    def __init__(self, directory: Path) -> None:
        self.sysctl = directory / "bridge"
        self.done: list[str] = []
        switch("0")

    def __call__(self, argv: list[str], **more: Any) -> Completed:
        if argv[0] not in ("modprobe", "rmmod"):
            return run(argv, **more)
        self.done.append(" ".join(argv))
        if argv[0] == "modprobe":
            self.sysctl.symlink_to(REAL)
            switch("1")
        else:
            self.sysctl.unlink()
            switch("0")
        return Completed(0, b"", b"")


def switch(value: str) -> None:
    for knob in KNOBS:
        knob.write_text(value)


def switched() -> set[str]:
    return {knob.read_text().strip() for knob in KNOBS}


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    made = Kernel(tmp_path)
    monkeypatch.setattr(bridge_netfilter, "run", made)
    yield made
    switch("1")


@pytest.fixture
def module(kernel: Kernel, tmp_path: Path) -> BridgeNetfilter:
    return BridgeNetfilter(tmp_path / "run", kernel.sysctl)


class Neighbours:
    """Two machines on a bridge of somebody else's, on a host whose FORWARD drops, as with Docker or ufw."""

    def __init__(self) -> None:
        run(["ip", "link", "add", "br9", "type", "bridge"])
        run(["ip", "link", "set", "br9", "up"])
        self.wires = [self._wire(f"other{number}", address) for number, address in enumerate((ONE, TWO))]
        run(["iptables", "-P", "FORWARD", "DROP"])

    def _wire(self, name: str, address: str) -> Wire:
        wire = Wire.__new__(Wire)
        wire.tap, wire._listeners = name, []
        run(["ip", "netns", "add", name])
        run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name])
        run(["ip", "link", "set", name, "master", "br9", "up"])
        inner = ["link set dev lo up", "link set dev eth0 up", f"address add {address}/24 dev eth0"]
        run(["ip", "-netns", name, "-batch", "-"], input="\n".join(inner).encode())
        return wire

    def talk(self) -> bool:
        return self.wires[0].ping(TWO)

    def close(self) -> None:
        run(["iptables", "-P", "FORWARD", "ACCEPT"])
        for wire in self.wires:
            wire.remove()
        run(["ip", "link", "delete", "br9"])


def test_others_bridges_go_on_and_ours_are_filtered(kernel: Kernel, module: BridgeNetfilter, tmp_path: Path) -> None:
    scene, neighbours = Scene(tmp_path / "run"), Neighbours()
    scene.firewall.apply(FirewallSpec())
    scene.firewall = IptablesFirewall(tmp_path / "run", IDENTITY, module)
    try:
        assert neighbours.talk()
        web = Group("sg-web", (Permission("tcp", 80, 80, IPv4Network("0.0.0.0/0")),), OUT)
        scene.apply(ports=tuple(_port(tap, ("sg-web",)) for tap in GUESTS), groups=(web,))
        assert kernel.done == ["modprobe br_netfilter"]
        assert neighbours.talk()
        assert scene.guests["mc0000000000b"].tcp(A, 80) == B
        assert scene.guests["mc0000000000b"].tcp(A, 22) is None
    finally:
        neighbours.close()
        scene.close()
    assert kernel.done == ["modprobe br_netfilter", "rmmod br_netfilter"]
    assert scene.firewall.in_force(FirewallSpec())


def test_where_it_was_there_before_nothing_is_changed(kernel: Kernel, module: BridgeNetfilter) -> None:
    kernel.sysctl.symlink_to(REAL)
    switch("1")
    module.load()
    assert (switched(), kernel.done, module.loaded_by_us()) == ({"1"}, [], False)
    module.release()
    assert (switched(), kernel.done) == ({"1"}, [])


def test_who_switches_it_on_later_keeps_it(kernel: Kernel, module: BridgeNetfilter) -> None:
    module.load()
    KNOBS[0].write_text("1")  # as Docker does for a network without communication between containers
    module.load()
    assert KNOBS[0].read_text() == "1\n"
    module.release()
    assert kernel.done == ["modprobe br_netfilter"]
    assert KNOBS[0].read_text() == "1\n"
    assert not module.loaded_by_us()


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (["ip", "link", "add", "br9", "type", "bridge", "nf_call_iptables", "1"], ["ip", "link", "del", "br9"]),
        (["iptables", "-A", "FORWARD", "-m", "physdev", "--physdev-in", "x"], ["iptables", "-F", "FORWARD"]),
        (["ip", "netns", "add", "kind"], ["ip", "netns", "del", "kind"]),
    ],
    ids=["flag", "rule", "namespace"],
)
def test_it_stays_while_somebody_uses_it(kernel: Kernel, module: BridgeNetfilter, begin: list[str], end: list[str]) -> None:
    module.load()
    run(begin)
    if begin[2] == "add" and begin[1] == "netns":
        holder = _in_namespace("kind", ["sleep", "infinity"])
        run(["ip", "-netns", "kind", "link", "add", "br0", "type", "bridge"])
    try:
        module.release()
    finally:
        if "netns" in begin:
            holder.kill()
            holder.wait()
        run(end)
    assert kernel.done == ["modprobe br_netfilter"]


def test_a_crash_between_loading_and_switching_off(
    kernel: Kernel, module: BridgeNetfilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(argv: list[str], **more: Any) -> Completed:
        kernel(argv, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(bridge_netfilter, "run", dies)
    with pytest.raises(KeyboardInterrupt):
        module.load()
    assert switched() == {"1"}
    monkeypatch.setattr(bridge_netfilter, "run", kernel)
    module.load()
    assert switched() == {"0"}
    module.release()
    assert kernel.done[-1] == "rmmod br_netfilter"


def _in_namespace(name: str, argv: list[str]) -> Any:
    import subprocess

    return subprocess.Popen(["ip", "netns", "exec", name, *argv])
