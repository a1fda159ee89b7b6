"""How AWS refuses the ids of things that no account can have here, by the parameter that names one."""

from ...aws import ids
from ...errors import ApiError
from ...state.store import State
from .resources import existing

_THERE = {
    "AllocationId": "elastic-ip",
    "CapacityReservationId": "capacity-reservation",
    "GroupId": "security-group",
    "ImageId": "image",
    "InstanceId": "instance",
    "PrefixListId": "prefix-list",
    "RouteTableId": "route-table",
    "SnapshotId": "snapshot",
    "SubnetId": "subnet",
    "VolumeId": "volume",
    "VpcId": "vpc",
}
"""Things that there are: what the operation tells of them is nothing, but they have to exist."""
_NARROWS = {
    "AvailabilityZoneId",
    "ConfigDeliveryS3DestinationArn",
    "DeltaId",
    "PrincipalArn",
    "ResourceId",
    "VpnConnectionDeviceTypeId",
}
"""Parameters that only say which part of a list is wanted."""
_TGW_TABLE = "Transit Gateway Route Table {id} was deleted or does not exist."
_CODES = {
    "AssociationId": ("InvalidAssociationID.NotFound", "The association ID '{id}' does not exist"),
    "BundleId": ("InvalidBundleID.NotFound", "The bundle ID '{id}' does not exist"),
    "CarrierGatewayId": ("InvalidCarrierGatewayID.NotFound", "The carrierGateway ID '{id}' does not exist"),
    "ConversionTaskId": ("InvalidConversionTaskId", "The conversion task ID '{id}' does not exist"),
    "CustomerGatewayId": ("InvalidCustomerGatewayID.NotFound", "The customerGateway ID '{id}' does not exist"),
    "ElasticGpuId": ("InvalidElasticGpuID.NotFound", "The elasticGpu ID '{id}' does not exist"),
    "ExportTaskId": ("InvalidExportTaskID.NotFound", "The export task ID '{id}' does not exist"),
    "FpgaImageId": ("InvalidFpgaImageID.NotFound", "The fpgaImage ID '{id}' does not exist"),
    "HostId": ("InvalidHostID.NotFound", "The host ID '{id}' does not exist"),
    "LocalGatewayId": ("InvalidLocalGatewayID.NotFound", "The localGateway ID '{id}' does not exist"),
    "NatGatewayId": ("NatGatewayNotFound", "NatGateway {id} was not found"),
    "PoolId": ("InvalidPoolID.NotFound", "The pool ID '{id}' does not exist"),
    "ReservedInstanceId": ("InvalidReservedInstancesId", "The specified Reserved Instance does not exist: {id}"),
    "ReservedInstancesId": ("InvalidReservedInstancesId", "The specified Reserved Instance does not exist: {id}"),
    "ReservedInstancesOfferingId": (
        "InvalidReservedInstancesOfferingId",
        "The specified Reserved Instances offering does not exist: {id}",
    ),
    "ScheduledInstanceId": ("InvalidScheduledInstance", "The specified Scheduled Instance does not exist: {id}"),
    "ServiceId": ("InvalidVpcEndpointServiceId.NotFound", "The VpcEndpointService Id '{id}' does not exist"),
    "ServiceName": ("InvalidServiceName", "The Vpc Endpoint Service '{id}' does not exist"),
    "SpotInstanceRequestId": (
        "InvalidSpotInstanceRequestID.NotFound",
        "The spot instance request ID '{id}' does not exist",
    ),
    "TransitGatewayAttachmentId": (
        "InvalidTransitGatewayAttachmentID.NotFound",
        "Transit Gateway Attachment {id} was deleted or does not exist.",
    ),
    "TransitGatewayId": ("InvalidTransitGatewayID.NotFound", "Transit Gateway {id} was deleted or does not exist."),
    "TransitGatewayRouteTableId": ("InvalidRouteTableID.NotFound", _TGW_TABLE),
    "VpcEndpointId": ("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{id}' does not exist"),
    "VpcPeeringConnectionId": (
        "InvalidVpcPeeringConnectionID.NotFound",
        "The vpcPeeringConnection ID '{id}' does not exist",
    ),
    "VpnConnectionId": ("InvalidVpnConnectionID.NotFound", "The vpnConnection ID '{id}' does not exist"),
    "VpnGatewayId": ("InvalidVpnGatewayID.NotFound", "The vpnGateway ID '{id}' does not exist"),
}
"""Where AWS's list of codes has another than the parameter's name."""


def check(state: State, parameter: str, values: list[str]) -> None:
    """Refuse what a parameter names, unless it is there. Raises ApiError (InvalidFlowLogId.NotFound, ...)."""
    if parameter in _NARROWS or not values:
        return
    if kind := _THERE.get(parameter):
        ids.check(kind, values)
        existing(state, values)
        return
    noun = parameter[:1].lower() + parameter.removesuffix("Id")[1:]
    code, text = _CODES.get(parameter, (f"Invalid{parameter}.NotFound", f"The {noun} ID '{{id}}' does not exist"))
    raise ApiError(code, text.replace("{id}", values[0]))
