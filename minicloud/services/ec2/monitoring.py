"""MonitorInstances and UnmonitorInstances: whether an instance's metrics are kept by the minute."""

from ...api import Answer, Call, operation
from .instance_rows import named


def _set(call: Call, instance_ids: list[str], monitoring: str) -> Answer:
    rows = named(call.cloud.state, instance_ids)
    for row in rows:
        call.cloud.state.instances.change(row.id, monitoring=monitoring)
    return {"InstanceMonitorings": [{"InstanceId": row.id, "Monitoring": {"State": monitoring}} for row in rows]}


@operation()
def monitor_instances(call: Call, *, instance_ids: list[str]) -> Answer:
    """MonitorInstances."""
    return _set(call, instance_ids, "enabled")


@operation()
def unmonitor_instances(call: Call, *, instance_ids: list[str]) -> Answer:
    """UnmonitorInstances."""
    return _set(call, instance_ids, "disabled")
