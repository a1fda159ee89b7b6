"""Loads inside a guest against the limits of its volumes' types, before and after a volume is changed while it is used."""

import json
from dataclasses import dataclass

from .measure import MINICLOUD, command, image, rows, wait_for

_NEARLY = 1.05
"""By how much a cap may be passed for QEMU's accounting of what began before the measurement."""


def _value(*words: str) -> str:
    return command(MINICLOUD, *words, "--output", "text").strip()


@dataclass(frozen=True)
class _Guest:
    """A running instance."""

    instance: str
    zone: str

    def ssh(self, script: str) -> str:
        return command(MINICLOUD, "ssh", self.instance, "--timeout", "300", "--", script)

    def volume(self, size: int, kind: str, device: str, *more: str) -> tuple[str, str]:
        """A volume that is plugged in, and its device."""
        words = ("create-volume", "--availability-zone", self.zone, "--size", str(size), "--volume-type", kind, *more)
        volume = _value(*words, "--query", "VolumeId")
        command(MINICLOUD, "attach-volume", "--volume-id", volume, "--instance-id", self.instance, "--device", device)
        disk = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
        self.ssh(f"until [ -e {disk} ]; do sleep 0.1; done")
        return volume, disk

    def rate(self, disk: str, block: int, seconds: int) -> float:
        """Direct writes of `block` bytes that the guest completes in a second, in KiB (the counter has sectors)."""
        counter = f"awk '{{print $7}}' /sys/block/$(basename $(readlink -f {disk}))/stat"
        script = (
            f"dd if=/dev/zero of={disk} bs={block} oflag=direct conv=notrunc 2>/dev/null & p=$!; "
            f"sleep 1; a=$({counter}); sleep {seconds}; b=$({counter}); kill $p; echo $(((b - a) / 2 / {seconds}))"
        )
        return float(self.ssh(script))


def limits() -> None:
    """IOPS: an io1 volume of 100 that becomes gp3 (3000). Throughput: sc1 (9 MiB/s for 125 GiB) that becomes gp3 (125 MiB/s)."""
    command(MINICLOUD, "create-key-pair", "--key-name", "bench", "--key-type", "ed25519", "--save", "/run/home/bench-key")
    instance = _value(
        "run-instances", "--image-id", image("tiny"), "--instance-type", "t3.nano", "--key-name", "bench", "--query",
        "Instances[0].InstanceId",
    )  # fmt: skip
    zone = _value("describe-instances", "--query", "Reservations[0].Instances[0].Placement.AvailabilityZone")
    guest = _Guest(instance, zone)
    guest.ssh("true")
    _iops(guest)
    _throughput(guest)
    command(MINICLOUD, "terminate-instances", "--instance-ids", instance)


def _iops(guest: _Guest) -> None:
    volume, disk = guest.volume(4, "io1", "/dev/sdf", "--iops", "100")
    before = guest.rate(disk, 4096, 10) / 4
    _change(volume)
    after = guest.rate(disk, 4096, 10) / 4
    print("\nwrites of 4 KB inside a guest, in a second")
    rows([("io1 with 100 IOPS (limit 100)", before), ("changed to gp3 (limit 3000)", after)], "IOPS")
    _judge(before, 100, after, 3000)


def _throughput(guest: _Guest) -> None:
    volume, disk = guest.volume(125, "sc1", "/dev/sdg")
    before = guest.rate(disk, 1 << 20, 15) / 1024
    _change(volume)
    after = guest.rate(disk, 1 << 20, 15) / 1024
    print("\nwrites of 1 MB inside a guest")
    rows([("sc1 of 125 GiB, in its burst (limit 9)", before), ("changed to gp3 (limit 125)", after)], "MiB/s")
    _judge(before, 9, after, 125)


def _judge(before: float, first: int, after: float, second: int) -> None:
    print(f"  the caps are kept: {before <= first * _NEARLY and after <= second * _NEARLY}", end="; ")
    print(f"the change took effect: {after > 2 * before}")


def _change(volume: str) -> None:
    command(MINICLOUD, "modify-volume", "--volume-id", volume, "--volume-type", "gp3")
    wait_for("the change", lambda: _changed(volume), 60)


def _changed(volume: str) -> bool:
    said = json.loads(command(MINICLOUD, "describe-volumes-modifications", "--volume-ids", volume, "--output", "json"))
    return bool(said["VolumesModifications"][0]["ModificationState"] == "completed")
