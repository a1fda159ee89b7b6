"""A launch, stage by stage, against virt-install with the same image, memory and vCPUs; and what cloning a disk costs.

virt-install's own `--cloud-init` puts the seed on a SATA CD-ROM, which Debian's cloud kernel has no driver for; so it gets the
same seed as a virtio disk, which is what somebody who knows would do by hand.
"""

import json
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from minicloud import config
from minicloud.host.base_images import store
from minicloud.host.contracts import Seed
from minicloud.host.disks import LocalDisks
from minicloud.host.seed import LocalSeeds

from .measure import MINICLOUD, command, image, in_turn, report, rows, seconds, wait_for

LONGEST = 400.0
GIB = 1 << 30
VCPUS, MEMORY = 2, 1024  # those of t3.micro
VIRSH = ("virsh", "-q", "-c", "qemu:///system")


def ssh_answers(address: str) -> bool:
    """Whether something greets there as an SSH server."""
    try:
        with socket.create_connection((address, 22), timeout=1.0) as connection:
            connection.settimeout(2.0)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def by_minicloud(ami: str) -> list[tuple[str, float]]:
    """Launch with minicloud; seconds from Enter to each stage."""
    began = time.perf_counter()
    answer = json.loads(command(MINICLOUD, "run-instances", "--image-id", ami, "--instance-type", "t3.micro", "--output", "json"))
    accepted = time.perf_counter() - began
    instance = answer["Instances"][0]
    name, address = instance["InstanceId"], instance["PrivateIpAddress"]
    started = name in command(*VIRSH, "list", "--name")
    console = config.load().home / "consoles" / f"{name}.log"
    wait_for("the kernel's first line", lambda: console.exists() and b"Linux version" in console.read_bytes(), LONGEST)
    kernel = time.perf_counter() - began
    wait_for("SSH", lambda: ssh_answers(address), LONGEST)
    ssh = time.perf_counter() - began
    command(MINICLOUD, "terminate-instances", "--instance-ids", name)
    if not started:
        raise SystemExit("the command came back before the guest ran")
    return [("accepted, the guest started", accepted), ("kernel", kernel), ("SSH", ssh)]


def by_virt_install(disk: Path) -> list[tuple[str, float]]:
    """Launch a copy-on-write clone with virt-install --import; the same stages."""
    with tempfile.TemporaryDirectory(dir="/var/lib/libvirt/images") as directory:
        Path(directory).chmod(0o755)
        seed = Path(LocalSeeds(Path(directory)).write(Seed("i-by-virt-install", "by-virt-install", (), b"", "debian")))
        seed.chmod(0o644)
        clone, console = Path(directory, "clone.qcow2"), Path(directory, "console.log")
        began = time.perf_counter()
        command("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(disk), "-F", "qcow2", str(clone))
        command(
            "virt-install", "--connect", "qemu:///system", "--name", "by-virt-install", "--memory", str(MEMORY), "--vcpus",
            str(VCPUS), "--import", "--disk", f"path={clone},format=qcow2,bus=virtio", "--disk",
            f"path={seed},format=raw,bus=virtio,readonly=on", "--osinfo", "debian11", "--network", "network=default",
            "--graphics", "none", "--noautoconsole", "--serial", f"file,path={console}",
        )  # fmt: skip
        accepted = time.perf_counter() - began
        wait_for("the kernel's first line", lambda: console.exists() and b"Linux version" in console.read_bytes(), LONGEST)
        kernel = time.perf_counter() - began
        wait_for("SSH", lambda: any(map(ssh_answers, leases())), LONGEST)
        ssh = time.perf_counter() - began
        command(*VIRSH, "destroy", "by-virt-install")
        command(*VIRSH, "undefine", "by-virt-install", check=False)
    return [("accepted, the guest started", accepted), ("kernel", kernel), ("SSH", ssh)]


def leases() -> list[str]:
    """The addresses that libvirt's default network has given out."""
    lines = command(*VIRSH, "net-dhcp-leases", "default").splitlines()
    return [word.partition("/")[0] for line in lines for word in line.split() if "/" in word and word[0].isdigit()]


def clones() -> None:
    """A clone of a disk costs the same whatever the size of its base."""
    with tempfile.TemporaryDirectory() as directory:
        disks, bases = LocalDisks(Path(directory)), {}
        for size in (1, 10):
            base = Path(directory, f"base{size}.qcow2")
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), f"{size}G"], check=True)
            # A tenth of it is data, so that the larger one has ten times the tables too.
            subprocess.run(
                ["qemu-io", "-f", "qcow2", "-c", f"write -q 0 {size * 100}M", str(base)], check=True, stdout=subprocess.DEVNULL
            )
            bases[size] = str(base)
        count = iter(range(1000))

        def clone(size: int) -> None:
            disks.create(f"vol-{next(count):017x}", size * GIB, bases[size])

        report(
            "cloning a disk: 10 GB base against 1 GB base",
            in_turn({"clone of 10 GB": lambda: clone(10), "clone of 1 GB": lambda: clone(1)}, 20),
            "about 1",
        )


def main() -> None:
    """Measure launches one after the other: two at once would measure the machine's cores."""
    ami = image("debian")
    clones()
    print("\na cold launch of the Debian image with minicloud (seconds from Enter)")
    rows(ours := by_minicloud(ami))
    print("  wanted: accepted with the guest started within 1.5 s, under emulation too")
    took = seconds(lambda: command(*VIRSH, "net-start", "default"))
    print(f"\nthe same with virt-install (its network took {took:.1f} s to start, not counted)")
    rows(theirs := by_virt_install(Path(store(config.load()).path(ami))))
    print("\nratios, minicloud to virt-install")
    for (stage, mine), (_, other) in zip(ours, theirs, strict=True):
        print(f"  {stage:44} {mine / other:8.2f}")


if __name__ == "__main__":
    main()
