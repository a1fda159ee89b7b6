"""A load inside a guest against the limits of its volume's type, before and after the volume is changed while it is used."""

import json

from .measure import MINICLOUD, command, image, rows, wait_for


def _value(*words: str) -> str:
    return command(MINICLOUD, *words, "--output", "text").strip()


def _rate(instance: str, disk: str, seconds: int) -> float:
    """Direct writes of 4096 bytes that the guest completes in a second."""
    script = (
        f"dd if=/dev/zero of={disk} bs=4096 oflag=direct 2>/dev/null & p=$!; sleep 1; "
        f"a=$(awk '{{print $5}}' /sys/block/$(basename $(readlink -f {disk}))/stat); sleep {seconds}; "
        f"b=$(awk '{{print $5}}' /sys/block/$(basename $(readlink -f {disk}))/stat); kill $p; echo $(((b - a) / {seconds}))"
    )
    return float(command(MINICLOUD, "ssh", instance, "--timeout", "300", "--", script))


def limits() -> None:
    """A magnetic volume (100 IOPS, 300 for half a minute), the same as gp3 (3000), and what there is without a limit."""
    command(MINICLOUD, "create-key-pair", "--key-name", "bench", "--key-type", "ed25519", "--save", "/run/home/bench-key")
    instance = _value(
        "run-instances", "--image-id", image("tiny"), "--instance-type", "t3.nano", "--key-name", "bench", "--query",
        "Instances[0].InstanceId",
    )  # fmt: skip
    zone = _value("describe-instances", "--query", "Reservations[0].Instances[0].Placement.AvailabilityZone")
    volume = _value(
        "create-volume", "--availability-zone", zone, "--size", "1", "--volume-type", "standard", "--query", "VolumeId"
    )
    command(MINICLOUD, "ssh", instance, "--timeout", "300", "--", "true")
    command(MINICLOUD, "attach-volume", "--volume-id", volume, "--instance-id", instance, "--device", "/dev/sdf")
    disk = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
    command(MINICLOUD, "ssh", instance, "--", f"until [ -e {disk} ]; do sleep 0.1; done")
    _rate(instance, disk, 45)  # uses the burst up
    magnetic = _rate(instance, disk, 10)
    command(MINICLOUD, "modify-volume", "--volume-id", volume, "--volume-type", "gp3")
    wait_for("the change", lambda: _changed(volume), 60)
    ssd = _rate(instance, disk, 10)
    print("\nwrites inside a guest, in a second")
    rows([("standard, after its burst (limit 100)", magnetic), ("changed to gp3 (limit 3000)", ssd)], "IOPS")
    print(f"  the cap is kept: {magnetic <= 105 and ssd <= 3150}; the change took effect: {ssd > 2 * magnetic}")
    command(MINICLOUD, "terminate-instances", "--instance-ids", instance)


def _changed(volume: str) -> bool:
    said = json.loads(command(MINICLOUD, "describe-volumes-modifications", "--volume-ids", volume, "--output", "json"))
    return bool(said["VolumesModifications"][0]["ModificationState"] == "completed")
