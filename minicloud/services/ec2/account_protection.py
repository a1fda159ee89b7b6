"""Settings of the account that forbid or hide something in AWS, which nobody can set here: each is as it is without them."""

from ...api import Answer, Call, operation
from ...errors import ApiError

_BY_ACCOUNT = {"ManagedBy": "account"}


@operation()
def get_ebs_encryption_by_default(call: Call) -> Answer:
    """GetEbsEncryptionByDefault: no volume is encrypted."""
    del call
    return {"EbsEncryptionByDefault": False, "SseType": "none"}


@operation()
def get_snapshot_block_public_access_state(call: Call) -> Answer:
    """GetSnapshotBlockPublicAccessState: a snapshot can be made public."""
    del call
    return {"State": "unblocked", **_BY_ACCOUNT}


@operation()
def get_image_block_public_access_state(call: Call) -> Answer:
    """GetImageBlockPublicAccessState: an image can be made public."""
    del call
    return {"ImageBlockPublicAccessState": "unblocked", **_BY_ACCOUNT}


@operation()
def get_allowed_images_settings(call: Call) -> Answer:
    """GetAllowedImagesSettings: every image can be used."""
    del call
    return {"State": "disabled", "ImageCriteria": [], **_BY_ACCOUNT}


@operation()
def get_serial_console_access_status(call: Call) -> Answer:
    """GetSerialConsoleAccessStatus: AWS's API gives no access; `minicloud console` is for the host's own users."""
    del call
    return {"SerialConsoleAccessEnabled": False, **_BY_ACCOUNT}


@operation()
def describe_vpc_block_public_access_options(call: Call) -> Answer:
    """DescribeVpcBlockPublicAccessOptions: internet gateways let through what groups and routes do."""
    settings = call.cloud.settings
    return {
        "VpcBlockPublicAccessOptions": {
            "AwsAccountId": settings.account_id,
            "AwsRegion": settings.region,
            "State": "default-state",
            "InternetGatewayBlockMode": "off",
            "ExclusionsAllowed": "allowed",
            **_BY_ACCOUNT,
        }
    }


@operation()
def describe_account_vpc_encryption_control(call: Call) -> Answer:
    """DescribeAccountVpcEncryptionControl: traffic in a VPC is not encrypted."""
    del call
    return {"AccountVpcEncryptionControl": {"State": "default-state", "Mode": "unmanaged", **_BY_ACCOUNT}}


@operation()
def get_managed_resource_visibility(call: Call) -> Answer:
    """GetManagedResourceVisibility: nothing is hidden."""
    del call
    return {"Visibility": {"DefaultVisibility": "visible"}}


@operation()
def get_enabled_ipam_policy(call: Call) -> Answer:
    """GetEnabledIpamPolicy: none."""
    del call
    return {"IpamPolicyEnabled": False}


@operation()
def get_capacity_manager_attributes(call: Call) -> Answer:
    """GetCapacityManagerAttributes: there is no capacity manager."""
    del call
    return {"CapacityManagerStatus": "disabled", "OrganizationsAccess": False, "DataExportCount": 0}


@operation()
def describe_instance_event_notification_attributes(call: Call) -> Answer:
    """DescribeInstanceEventNotificationAttributes: nobody is notified of scheduled events, which there are none of."""
    del call
    return {"InstanceTagAttribute": {"InstanceTagKeys": [], "IncludeAllTagsOfInstance": False}}


@operation()
def describe_spot_datafeed_subscription(call: Call) -> Answer:
    """DescribeSpotDatafeedSubscription: none, which AWS refuses to describe."""
    del call
    raise ApiError("InvalidSpotDatafeed.NotFound", "Spot datafeed subscription does not exist.")
