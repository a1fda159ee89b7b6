"""Amazon resource names that more than one service speaks of."""


def instance_profile(account_id: str, path: str, name: str) -> str:
    """Of an instance profile; `path` begins and ends with a slash."""
    return f"arn:aws:iam::{account_id}:instance-profile{path}{name}"
