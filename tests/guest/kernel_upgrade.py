"""What the package of a newer kernel does to a Debian guest, without a network: its files in /boot, and GRUB's menu made anew."""

from ..ssh import Login
from ..waits import until

PATIENCE = 600.0


def upgrade(guest: Login) -> None:
    """Give the guest a kernel that GRUB takes for newer, and restart it; it has started from that one when this returns."""
    version = guest.run("uname -r")
    newer = f"{version}-newer"
    for file in ("vmlinuz", "initrd.img"):
        guest.run(f"sudo cp /boot/{file}-{version} /boot/{file}-{newer}")
    # Emulated, this takes longer than a command of a test may.
    guest.run("sudo systemd-run --quiet --unit=menu --remain-after-exit update-grub")
    ended = "systemctl show --property=SubState --value menu"
    until("GRUB's menu is made", lambda: guest.run(ended) in ("exited", "failed"), PATIENCE, pause=3.0)
    assert newer in guest.run("sudo cat /boot/grub/grub.cfg")
    guest.ec2("RebootInstances", InstanceIds=[guest.instance_id])
    until("it has started from the newer kernel", lambda: newer in guest.seen("cat /proc/cmdline"), PATIENCE, pause=3.0)
