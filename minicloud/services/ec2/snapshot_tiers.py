"""Storage tiers: every snapshot is in the standard one, and there is no archive."""

from ...api import Answer, Call, operation

FILTERS = {
    "last-tiering-operation": "LastTieringOperationStatus",
    "snapshot-id": "SnapshotId",
    "volume-id": "VolumeId",
}


@operation(items="SnapshotTierStatuses", key="SnapshotId", filters=FILTERS)
def describe_snapshot_tier_status(call: Call) -> Answer:
    """DescribeSnapshotTierStatus."""
    state = call.cloud.state
    rows = state.snapshots.query()
    tags = state.tags_of(row.id for row in rows)
    return {
        "SnapshotTierStatuses": [
            {
                "SnapshotId": row.id,
                "VolumeId": row.volume_id,
                "Status": row.state,
                "OwnerId": call.cloud.settings.account_id,
                "Tags": tags[row.id],
                "StorageTier": "standard",
            }
            for row in rows
        ]
    }
