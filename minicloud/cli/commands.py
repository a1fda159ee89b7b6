"""The commands that AWS has no name for, by name: the module below `minicloud.cli` with a click command named `command`, and
what it is for. A line here adds a command; the module is imported when its command is used.
"""

COMMANDS: dict[str, tuple[str, str]] = {
    "ssh": ("ssh", "Log in to an instance, or run a command in it."),
    "console": ("console", "Join the serial console of an instance."),
    "images": ("images", "Base images: list, build, pull, import, export, remove."),
    "status": ("status", "Show what runs, what is left of the host, and what went wrong."),
    "top": ("top", "What instances do right now: CPU, network, disk; sizes of groups."),
    "network": ("network", "Show subnets, interfaces, addresses, and what may come in."),
    "lb": ("lb", "Show load balancers: listeners, targets, health, traffic."),
    "storage": ("storage", "Show what uses the disk: layers, sharing, chains, what can be reclaimed."),
    "backup": ("backup", "Write the state, the keys and, if asked for, all disks into one file, while all goes on."),
    "restore": ("restore", "Put a backup in its place, on this host or another."),
    "adopt": ("adopt", "Go on with this state beside disks that it does not know; nothing is deleted."),
    "doctor": ("doctor", "Check all that minicloud needs of this host."),
    "serve": ("serve", "Run the daemon in the foreground."),
    "configure": ("configure", "Make an access key and a profile for AWS clients."),
    "credentials": ("credentials", "Access keys for the AWS endpoint: create, list, delete."),
    "uninstall": ("uninstall", "Take everything of minicloud's off this host."),
    "wait": ("wait", "Wait for a state, such as instance-running."),
    "completion": ("completion", "Print the script that completes commands and flags in bash, zsh or fish."),
}
