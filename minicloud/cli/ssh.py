"""`minicloud ssh INSTANCE [COMMAND...]`: log in to an instance as soon as it can be done, sure that it is the instance.

At the end OpenSSH takes this process's place, so its terminal, signals and exit status are ssh's own. The host key is the one
that the guest printed on its console; OpenSSH learns it by a command of its options, under the instance's id, so no file
of the user's is read or written for it.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from . import host_keys, ssh_keys, which
from .errors import ConfigurationError
from .ssh_guest import InstanceGuest
from .ssh_wait import Wait
from .terminal import clean

if TYPE_CHECKING:
    from ..cloud import Cloud

_WITH_VALUE = ("-i", "--identity", "-l", "--user", "--timeout")


def arrange(args: Sequence[str]) -> list[str]:
    """Our own options from before and right behind INSTANCE, then `--`, INSTANCE, and the words that are ssh's."""
    options: list[str] = []
    instance: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if word.startswith("-") and word != "-":
            options.append(word)
            if word in _WITH_VALUE and rest:
                options.append(rest.pop(0))
        elif instance:
            rest.insert(0, word)
            break
        else:
            instance = [word]
    return [*options, "--", *instance, *rest]


class SshCommand(click.Command):
    """A command whose words behind INSTANCE are not its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, in our order; an option that is not ours is perhaps meant for ssh."""
        try:
            return super().parse_args(ctx, arrange(args))
        except click.NoSuchOption as error:
            raise click.UsageError(f"{error.format_message()} Options of ssh's own go behind --", ctx) from error


def ssh_argv(guest: InstanceGuest, keys: Sequence[str], words: Sequence[str]) -> list[str]:
    """The command line of OpenSSH; `words` are the user's, options of ssh or a command."""
    options = {
        "HostKeyAlias": guest.name,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "KnownHostsCommand": host_keys.known_hosts_command(guest.name, keys),
        "CheckHostIP": "no",
        "UpdateHostKeys": "no",
        "ConnectTimeout": "60",
        "ConnectionAttempts": "20",  # one a second: cloud-init may start the server anew just after it answered
    }
    argv = ["ssh", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    if guest.identity is not None:
        argv += ["-o", "IdentitiesOnly=yes", "-i", str(guest.identity)]
    return [*argv, f"{guest.user}@{guest.address}", *words]


def find(cloud: "Cloud", word: str, user: str | None, identity: str | None) -> tuple[InstanceGuest, str]:
    """The instance with the user and the key to log in with, and a note for the user. Raises UsageError, ApiError."""
    row = which.instance(cloud.state, word)
    image = cloud.state.images.get(row.image_id)
    name = user or (image.default_user if image else "")
    if not name:
        raise UsageError(f"the image {row.image_id} does not say which user to log in as; say it: -l USER")
    primary = next(iter(cloud.state.interfaces.find(instance_id=row.id, device_index=0)), None)
    if primary is None:
        raise UsageError(f"{row.id} is {row.state} and has no address")
    key = ssh_keys.choose(identity, row.key_name, row.public_key, ssh_keys.homes())
    return InstanceGuest(cloud, row.id, primary.address, primary.subnet_id, name, key.file), key.note


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Shows one line that changes, on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    with console.status("") as status:
        yield lambda line: status.update(Text(clean(line), no_wrap=True, overflow="ellipsis"))


@click.command("ssh", cls=SshCommand, short_help="Log in to an instance.")
@click.option("-i", "--identity", metavar="FILE", help="The private key; found by itself where it was saved or is in ~/.ssh.")
@click.option("-l", "--user", metavar="USER", help="Who to log in as; by itself the image's default user.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="Seconds to wait for the guest.",
)
@click.option("--accept-new", is_flag=True, help="Trust the host key that is shown now, if the guest's console tells none.")
@click.option(
    "--replace-host-key", is_flag=True, help="Trust the host key that is shown now, because you made new ones in the guest."
)
@click.argument("instance", metavar="INSTANCE")
@click.argument("words", metavar="[--] [SSH OPTIONS] [COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    *,
    instance: str,
    words: tuple[str, ...],
    identity: str | None,
    user: str | None,
    timeout: float,
    accept_new: bool,
    replace_host_key: bool,
) -> None:
    """Log in to INSTANCE (its id, Name or private address), or run a command there; waits until the guest is up."""
    cloud: Cloud = ctx.obj.cloud
    guest, note = find(cloud, instance, user, identity)
    if note:
        click.echo(f"minicloud: {guest.name}: {note}", err=True)
    with progress() as say:
        keys = Wait(guest, timeout, say).until_ready(accept_new=accept_new, replace=replace_host_key)
    argv = ssh_argv(guest, keys, words)
    cloud.state.close()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvp(argv[0], argv)  # noqa: S606  no shell is what is wanted
    except OSError as error:
        raise ConfigurationError(
            f"ssh cannot be started ({error.strerror}); on Debian: apt-get install openssh-client"
        ) from error
