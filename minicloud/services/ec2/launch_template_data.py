"""GetLaunchTemplateData: what a launch template would have to say so that it launches an instance like this one."""

import base64
from typing import Any

from ...api import Answer, Call, operation
from ...aws.tags import is_reserved
from ...state.rows import Instance, Interface, Volume
from . import cpu_options, metadata_options
from .instance_profiles import of_instances
from .instance_rows import named


@operation()
def get_launch_template_data(call: Call, *, instance_id: str) -> Answer:
    """GetLaunchTemplateData. Addresses and names that only one instance can have are left out, as AWS does."""
    row, state = named(call.cloud.state, [instance_id])[0], call.cloud.state
    data: dict[str, Any] = {
        "ImageId": row.image_id,
        "InstanceType": row.instance_type,
        "EbsOptimized": row.ebs_optimized,
        "Monitoring": {"Enabled": row.monitoring == "enabled"},
        "Placement": {"AvailabilityZone": row.zone, "GroupName": row.placement_group, "Tenancy": "default"},
        "DisableApiTermination": row.protect_termination,
        "DisableApiStop": row.protect_stop,
        "InstanceInitiatedShutdownBehavior": row.shutdown_behavior,
        "MetadataOptions": {
            name: value for name, value in metadata_options.view(row.metadata_options).items() if name != "State"
        },
        "BlockDeviceMappings": [_device(volume) for volume in state.volumes.find(instance_id=row.id)],
        "NetworkInterfaces": [_card(card) for card in state.interfaces.find(instance_id=row.id)],
        **_sometimes(call, row),
    }
    if not data["Placement"]["GroupName"]:
        del data["Placement"]["GroupName"]
    return {"LaunchTemplateData": data}


def _sometimes(call: Call, row: Instance) -> dict[str, Any]:
    """What not every instance has."""
    tags = [tag for tag in call.cloud.state.tags_of([row.id])[row.id] if not is_reserved(tag["Key"])]
    profile = of_instances(call, [row.id]).get(row.id)
    found: dict[str, Any] = {
        "KeyName": row.key_name,
        "UserData": base64.b64encode(row.user_data).decode(),
        "CpuOptions": cpu_options.view(row) if row.cpu_cores else {},
        "MaintenanceOptions": {"AutoRecovery": row.auto_recovery} if row.auto_recovery != "default" else {},
        "CreditSpecification": {"CpuCredits": row.credits} if row.credits else {},
        "IamInstanceProfile": {"Arn": profile["Arn"]} if profile else {},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}] if tags else [],
    }
    return {name: value for name, value in found.items() if value}


def _device(volume: Volume) -> dict[str, Any]:
    ebs: dict[str, Any] = {
        "DeleteOnTermination": volume.delete_on_termination,
        "VolumeSize": volume.size,
        "VolumeType": volume.kind,
        **({"SnapshotId": volume.snapshot_id} if volume.snapshot_id else {}),
        **({"Iops": volume.iops} if volume.kind in ("gp3", "io1", "io2") else {}),
        **({"Throughput": volume.throughput} if volume.kind == "gp3" else {}),
    }
    return {"DeviceName": volume.device, "Ebs": ebs}


def _card(card: Interface) -> dict[str, Any]:
    return {
        "DeviceIndex": card.device_index,
        "DeleteOnTermination": card.delete_on_termination,
        "Description": card.description,
        "Groups": card.group_ids,
        "SubnetId": card.subnet_id,
    }
