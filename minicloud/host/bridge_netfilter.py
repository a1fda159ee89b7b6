"""br_netfilter, the kernel's module by which frames of bridges pass through iptables: bridges of ours want that, others' do not.

The module begins with all bridges of the host (`net.bridge.bridge-nf-call-*` are 1 from its loading on), which cuts off
containers and guests of others wherever FORWARD drops. Where it was us who loaded it, that is switched off at once; each bridge
of ours has a flag of its own. Where it was there before, or is switched on again by somebody later (Docker and Kubernetes do),
it is theirs and stays. That we loaded it is noted before we do, in a directory that is lost when the host restarts, as the
module is. When nothing of ours is left it is unloaded, unless somebody came to use it meanwhile.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import files
from . import iproute
from .run import run

_NOTE = "br_netfilter"
_LOADING, _LOADED = "loading", "loaded"
_KNOBS = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables")
_FLAGS = ("nf_call_iptables", "nf_call_ip6tables", "nf_call_arptables")


class BridgeNetfilter:
    """The module. `directory` is where it is noted; `sysctl` and `proc` are where the kernel tells."""

    def __init__(self, directory: Path, sysctl: Path = Path("/proc/sys/net/bridge"), proc: Path = Path("/proc")) -> None:
        self._note = directory / _NOTE
        self._sysctl = sysctl
        self._proc = proc

    def loaded_by_us(self) -> bool:
        """Whether it is ours to unload."""
        return self._note.exists()

    def load(self) -> None:
        """Have it, with nothing changed for the bridges of others."""
        if not self._sysctl.exists():
            files.directory(self._note.parent, 0o750)
            self._note.write_text(_LOADING)
            run(["modprobe", "br_netfilter"])
        # What a crash left half done is told by the note.
        if self._note.exists() and self._note.read_text() != _LOADED:
            for knob in _KNOBS:
                (self._sysctl / knob).write_text("0")
            self._note.write_text(_LOADED)

    def release(self) -> None:
        """Unload it if we loaded it and nobody else uses it; in any case it is not ours any more."""
        if not self._note.exists():
            return
        if self._sysctl.exists() and not self._used():
            # Not `modprobe -r`, which would take the bridges of the host along with their module. What the kernel does not
            # let go is in use.
            run(["rmmod", "br_netfilter"], check=False)
        self._note.unlink()

    def _used(self) -> bool:
        """Whether somebody else has come to rely on it."""
        switched = any((self._sysctl / knob).read_text().strip() != "0" for knob in _KNOBS)
        rules = any("physdev" in run([command]).text for command in ("iptables-save", "ip6tables-save"))
        flagged = any(_flagged(link) for link in _bridges([]))
        return switched or rules or flagged or any(self._bridged_elsewhere())

    def _bridged_elsewhere(self) -> Iterator[bool]:
        """Of each other network namespace: whether it has a bridge, for which the module began as it does for all."""
        seen = {os.stat(self._proc / "self/ns/net").st_ino}
        for path in sorted(self._proc.glob("[0-9]*/ns/net")):
            try:
                inode = path.stat().st_ino
            except OSError:  # the process has ended
                continue
            if inode not in seen:
                seen.add(inode)
                yield bool(_bridges(["nsenter", f"--net={path}", "--"]))


def _bridges(inside: list[str]) -> list[dict[str, Any]]:
    done = run([*inside, "ip", "-json", "-details", "link", "show", "type", "bridge"], check=not inside)
    links = iproute.rows(done.text)
    return [link for link in links if "ifname" in link]


def _flagged(link: dict[str, Any]) -> bool:
    """Whether a bridge of somebody else's hands its frames to the filters by a flag of its own."""
    about = link.get("linkinfo", {}).get("info_data", {})
    return not str(link.get("ifalias", "")).startswith("minicloud ") and any(about.get(flag) for flag in _FLAGS)
