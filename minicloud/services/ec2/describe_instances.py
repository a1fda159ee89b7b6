"""DescribeInstances, with every filter that can be true here."""

from ...api import Answer, Call, operation
from .instance_rows import wanted
from .instance_view import reservations

FILTERS = {
    "affinity": "Placement.Affinity",
    "architecture": "Architecture",
    "availability-zone": "Placement.AvailabilityZone",
    "block-device-mapping.attach-time": "BlockDeviceMappings[].Ebs.AttachTime",
    "block-device-mapping.delete-on-termination": "BlockDeviceMappings[].Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": "BlockDeviceMappings[].DeviceName",
    "block-device-mapping.status": "BlockDeviceMappings[].Ebs.Status",
    "block-device-mapping.volume-id": "BlockDeviceMappings[].Ebs.VolumeId",
    "boot-mode": "BootMode",
    "client-token": "ClientToken",
    "current-instance-boot-mode": "CurrentInstanceBootMode",
    "dns-name": "PublicDnsName",
    "ebs-optimized": "EbsOptimized",
    "ena-support": "EnaSupport",
    "enclave-options.enabled": "EnclaveOptions.Enabled",
    "hibernation-options.configured": "HibernationOptions.Configured",
    "hypervisor": "Hypervisor",
    "image-id": "ImageId",
    "instance-id": "InstanceId",
    "instance-lifecycle": "InstanceLifecycle",
    "instance-state-code": "State.Code",
    "instance-state-name": "State.Name",
    "instance-type": "InstanceType",
    "instance.group-id": "SecurityGroups[].GroupId",
    "instance.group-name": "SecurityGroups[].GroupName",
    "ip-address": "PublicIpAddress",
    "key-name": "KeyName",
    "launch-index": "AmiLaunchIndex",
    "launch-time": "LaunchTime",
    "maintenance-options.auto-recovery": "MaintenanceOptions.AutoRecovery",
    "monitoring-state": "Monitoring.State",
    "network-interface.addresses.primary": "NetworkInterfaces[].PrivateIpAddresses[].Primary",
    "network-interface.addresses.private-ip-address": "NetworkInterfaces[].PrivateIpAddresses[].PrivateIpAddress",
    "network-interface.attachment.attach-time": "NetworkInterfaces[].Attachment.AttachTime",
    "network-interface.attachment.attachment-id": "NetworkInterfaces[].Attachment.AttachmentId",
    "network-interface.attachment.delete-on-termination": "NetworkInterfaces[].Attachment.DeleteOnTermination",
    "network-interface.attachment.device-index": "NetworkInterfaces[].Attachment.DeviceIndex",
    "network-interface.attachment.status": "NetworkInterfaces[].Attachment.Status",
    "network-interface.description": "NetworkInterfaces[].Description",
    "network-interface.group-id": "NetworkInterfaces[].Groups[].GroupId",
    "network-interface.group-name": "NetworkInterfaces[].Groups[].GroupName",
    "network-interface.mac-address": "NetworkInterfaces[].MacAddress",
    "network-interface.network-interface-id": "NetworkInterfaces[].NetworkInterfaceId",
    "network-interface.owner-id": "NetworkInterfaces[].OwnerId",
    "network-interface.private-dns-name": "NetworkInterfaces[].PrivateDnsName",
    "network-interface.private-ip-address": "NetworkInterfaces[].PrivateIpAddress",
    "network-interface.source-dest-check": "NetworkInterfaces[].SourceDestCheck",
    "network-interface.status": "NetworkInterfaces[].Status",
    "network-interface.subnet-id": "NetworkInterfaces[].SubnetId",
    "network-interface.vpc-id": "NetworkInterfaces[].VpcId",
    "placement-group-name": "Placement.GroupName",
    "platform-details": "PlatformDetails",
    "private-dns-name": "PrivateDnsName",
    "private-ip-address": "PrivateIpAddress",
    "reason": "StateTransitionReason",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "source-dest-check": "SourceDestCheck",
    "state-reason-code": "StateReason.Code",
    "subnet-id": "SubnetId",
    "tenancy": "Placement.Tenancy",
    "usage-operation": "UsageOperation",
    "virtualization-type": "VirtualizationType",
    "vpc-id": "VpcId",
}
OF_RESERVATIONS = {"owner-id": "OwnerId", "reservation-id": "ReservationId", "requester-id": "RequesterId"}


@operation(items="Reservations[].Instances[]", key="ReservationId", filters=FILTERS, outer_filters=OF_RESERVATIONS)
def describe_instances(call: Call, *, instance_ids: list[str] | None = None) -> Answer:
    """DescribeInstances, terminated ones for an hour."""
    return {"Reservations": reservations(call, wanted(call.cloud.state, instance_ids))}
