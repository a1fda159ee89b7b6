"""Clusters that are named, of which there are none."""

from ...api import Answer, Call, operation


@operation()
def describe_clusters(call: Call, *, clusters: list[str] | None = None, include: list[str] | None = None) -> Answer:
    """DescribeClusters: each that is named is missing; without a name AWS means the one that is called default."""
    del include
    settings = call.cloud.settings
    start = f"arn:aws:ecs:{settings.region}:{settings.account_id}:cluster/"
    arns = [name if name.startswith("arn:") else start + name for name in clusters or ["default"]]
    return {"clusters": [], "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns]}
