"""`minicloud configure`: an access key, and a profile with it for every AWS client, in one step."""

import click

from .errors import ConfigurationError
from .profiles import NAME, Profile, write


@click.command("configure", short_help="Make an access key and a profile for AWS clients.")
@click.option("--profile", default=NAME, show_default=True, help="The profile in ~/.aws to write.")
@click.option("--url", help="The endpoint to write into it; the setting `listen` of this host if not given.")
@click.pass_context
def command(ctx: click.Context, profile: str, url: str | None) -> None:
    """Make an access key and write a profile with it and the endpoint to ~/.aws (under sudo, of whoever called it).

    Then `aws --profile minicloud ec2 ...`, boto3 with AWS_PROFILE=minicloud, and `minicloud --profile minicloud ...` work.
    """
    settings = ctx.obj.cloud.settings
    if url is None and settings.listen == "none":
        raise ConfigurationError("the setting `listen` is none, so there is no endpoint: give its --url")
    if not profile.replace("-", "").replace("_", "").isalnum():
        raise click.UsageError(f"{profile!r} is no name for a profile: letters, digits, - and _", ctx)
    made = ctx.obj.call("iam", "CreateAccessKey", {})["AccessKey"]
    endpoint = url or f"http://{settings.listen}"
    try:
        files = write(profile, Profile(made["AccessKeyId"], made["SecretAccessKey"], "", settings.region, endpoint))
    except OSError as error:
        ctx.obj.call("iam", "DeleteAccessKey", {"AccessKeyId": made["AccessKeyId"]})
        raise ConfigurationError(f"the profile cannot be written: {error}") from error
    click.echo(f"access key {made['AccessKeyId']}: profile {profile} is in {' and '.join(map(str, files))}")
    click.echo(f"next: minicloud serve; then aws --profile {profile} ec2 describe-instances")
