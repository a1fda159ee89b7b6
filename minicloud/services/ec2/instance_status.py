"""DescribeInstanceStatus: the system check is that the guest runs on the host, the instance check that its address answers."""

from collections.abc import Iterator
from typing import Any

from ...api import Answer, Call, FilterPaths, operation
from ...aws.names import zone_id
from ...cloud import Cloud
from ...state.rows import Instance
from . import volume_status
from .instance_rows import state_view, wanted


def _attached_volumes(cloud: Cloud, item: dict[str, Any]) -> Iterator[str]:
    """What DescribeVolumeStatus says of an instance's volumes, while it runs."""
    running = item["InstanceState"]["Name"] == "running"
    yield volume_status.of_instance(cloud, item["InstanceId"]) if running else "not-applicable"


FILTERS: FilterPaths = {
    "attached-ebs-status.status": _attached_volumes,
    "availability-zone": "AvailabilityZone",
    "availability-zone-id": "AvailabilityZoneId",
    "instance-state-code": "InstanceState.Code",
    "instance-state-name": "InstanceState.Name",
    "operator.managed": "=false",
    "instance-status.reachability": "InstanceStatus.Details[].Status",
    "instance-status.status": "InstanceStatus.Status",
    "system-status.reachability": "SystemStatus.Details[].Status",
    "system-status.status": "SystemStatus.Status",
}
_STATUS = {"passed": "ok", "initializing": "initializing", "failed": "impaired"}


@operation(items="InstanceStatuses", key="InstanceId", filters=FILTERS)
def describe_instance_status(
    call: Call,
    *,
    instance_ids: list[str] | None = None,
    include_all_instances: bool = False,
    include_managed_resources: bool = True,
) -> Answer:
    """DescribeInstanceStatus: running instances, or all. Services of AWS's, whose could be left out, have none here."""
    del include_managed_resources
    rows = [row for row in wanted(call.cloud.state, instance_ids) if include_all_instances or row.state == "running"]
    return {"InstanceStatuses": [_view(call.cloud.settings.region, row) for row in rows]}


def _view(region: str, row: Instance) -> dict[str, Any]:
    view = {
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(region, row.zone),
        "InstanceId": row.id,
        "InstanceState": state_view(row.state),
    }
    if row.state != "running":
        return {**view, "InstanceStatus": {"Status": "not-applicable"}, "SystemStatus": {"Status": "not-applicable"}}
    # An instance that has missed one look only is not impaired yet.
    reachable = {"": "initializing", "silent": "passed"}.get(row.reachable, row.reachable)
    return {**view, "InstanceStatus": _check(reachable, row.reachable_since), "SystemStatus": _check("passed", "")}


def _check(reachability: str, since: str) -> dict[str, Any]:
    detail = {"Name": "reachability", "Status": reachability}
    if reachability == "failed":
        detail["ImpairedSince"] = since
    return {"Details": [detail], "Status": _STATUS[reachability]}
