"""`minicloud credentials`: access keys for the AWS endpoint. A secret is shown once, when its key is made."""

from typing import Any

import click

from .own import answers, show


@click.group("credentials", short_help="Access keys for the AWS endpoint: create, list, delete.")
def command() -> None:
    """Access keys for the AWS endpoint of `minicloud serve`.

    Whoever has a key may do everything with this minicloud. The state keeps the ids of keys, never their secrets.
    """


@command.command("create")
@answers
@click.pass_context
def create(ctx: click.Context, output: str | None, query: str | None) -> None:
    """Make an access key. Its secret is shown now and never again."""
    show(ctx, ctx.obj.call("iam", "CreateAccessKey", {})["AccessKey"], output, query)


@command.command("list")
@answers
@click.pass_context
def list_keys(ctx: click.Context, output: str | None, query: str | None) -> None:
    """The access keys, without their secrets."""
    found: dict[str, Any] = ctx.obj.call("iam", "ListAccessKeys", {})
    show(ctx, {"AccessKeys": found["AccessKeyMetadata"]}, output, query)


@command.command("delete")
@click.argument("access_key_id")
@click.pass_context
def delete(ctx: click.Context, access_key_id: str) -> None:
    """End an access key at once, with all sessions that were begun with it."""
    ctx.obj.call("iam", "DeleteAccessKey", {"AccessKeyId": access_key_id})
