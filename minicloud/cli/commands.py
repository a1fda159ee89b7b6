"""The commands that AWS has no name for, by name: the module below `minicloud.cli` with a click command named `command`, and
what it is for. A line here adds a command; the module is imported when its command is used.
"""

COMMANDS: dict[str, tuple[str, str]] = {
    "wait": ("wait", "Wait for a state, such as instance-running."),
    "completion": ("completion", "Print the script that completes commands and flags in bash, zsh or fish."),
}
