"""Lists of what no account can have here: of the model's shape, empty; with filters, pages and rights like any other."""

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud import api
from minicloud.aws import model
from minicloud.services.ecs.empty_lists import OF_A_CLUSTER
from minicloud.services.empty import EmptyList
from tests import conforms
from tests.cloud_fixtures import Ec2
from tests.endpoint_fixtures import Served, error_of
from tests.samples import sample

from .rights_scene import Rights, shared

__all__ = ["shared"]

EMPTY = [found for service in api.services() for found in api.operations(service).values() if isinstance(found, EmptyList)]
OF_EC2 = [found for found in EMPTY if found.service == "ec2"]


def required(found: EmptyList) -> list[str]:
    shape = found.model.input_shape
    return shape.required if shape else []


def is_id(found: EmptyList, name: str) -> bool:
    shape = found.model.input[name].shape
    text = shape.kind == "string" or (shape.kind == "list" and shape.element.kind == "string")
    return text and re.fullmatch(r".*Id(s|Set)?", name) is not None


def open_to_all(found: EmptyList) -> bool:
    return not any(is_id(found, name) for name in required(found))


def needed(found: EmptyList) -> dict[str, Any]:
    """Sensible values for what must be given."""
    shape = found.model.input_shape
    values = {name: sample(shape.members[name].shape) for name in required(found)} if shape else {}
    if "Filters" in values:
        values["Filters"] = [{"Name": "state", "Values": ["active"]}]
    return {name: 5 if isinstance(value, int) else value for name, value in values.items()}


NARROWING = {"AvailabilityZoneId", "DeltaId", "ResourceId", "VpnConnectionDeviceTypeId"}
LISTS = [found for found in OF_EC2 if open_to_all(found)]
NAMED = [(found, name) for found in OF_EC2 for name in found.model.input if is_id(found, name) and name not in NARROWING]


def test_all_of_ec2s_describe_operations_answer() -> None:
    assert [name for name in model.service("ec2").operation_names if name.startswith("Describe")] == [
        name for name in model.service("ec2").operation_names if name in api.operations("ec2") and name.startswith("Describe")
    ]


def test_each_list_is_there_and_empty(ec2: Ec2) -> None:
    for found in LISTS:
        answer = ec2(found.name, **needed(found))
        assert answer, found.name
        for value in answer.values():
            assert value in ([], {"Instances": []}), found.name


def named(found: EmptyList, name: str) -> str | list[str]:
    """An id that nothing has, as long as the model wants it."""
    shape = found.model.input[name].shape
    text = "xyz-0123456789abcdef0".ljust((shape.element if shape.kind == "list" else shape).raw.get("min", 0), "0")
    return [text] if shape.kind == "list" else text


def test_what_is_named_is_refused(ec2: Ec2) -> None:
    for found, name in NAMED:
        ids = {key: named(found, key) for key in {*required(found), name} if is_id(found, key)}
        error = ec2.refused(found.name, **{**needed(found), **ids})
        assert re.fullmatch(r"Invalid\w+(\.(NotFound|Malformed))?|NatGatewayNotFound", error.code), found.name
        assert "xyz-0123456789abcdef0" in error.message, found.name


@pytest.mark.parametrize(
    ("operation", "params", "code", "text"),
    [
        ("DescribeNatGateways", {"NatGatewayIds": ["nat-1"]}, "NatGatewayNotFound", "NatGateway nat-1 was not found"),
        ("DescribeVpcEndpoints", {"VpcEndpointIds": ["vpce-1"]}, "InvalidVpcEndpointId.NotFound",
         "The Vpc Endpoint Id 'vpce-1' does not exist"),
        ("DescribeVpcPeeringConnections", {"VpcPeeringConnectionIds": ["pcx-1"]}, "InvalidVpcPeeringConnectionID.NotFound",
         "The vpcPeeringConnection ID 'pcx-1' does not exist"),
        ("DescribeVpnGateways", {"VpnGatewayIds": ["vgw-1"]}, "InvalidVpnGatewayID.NotFound",
         "The vpnGateway ID 'vgw-1' does not exist"),
        ("DescribeFlowLogs", {"FlowLogIds": ["fl-1"]}, "InvalidFlowLogId.NotFound", "The flowLog ID 'fl-1' does not exist"),
        ("DescribeVpcEndpointServices", {"ServiceNames": ["com.amazonaws.us-east-1.s3"]}, "InvalidServiceName",
         "The Vpc Endpoint Service 'com.amazonaws.us-east-1.s3' does not exist"),
        ("DescribeStaleSecurityGroups", {"VpcId": "vpc-0123456789abcdef0"}, "InvalidVpcID.NotFound",
         "The vpc ID 'vpc-0123456789abcdef0' does not exist"),
        ("GetManagedPrefixListEntries", {"PrefixListId": "pl-0123456789abcdef0"}, "InvalidPrefixListId.NotFound", None),
        ("DescribeSpotDatafeedSubscription", {}, "InvalidSpotDatafeed.NotFound", "Spot datafeed subscription does not exist."),
        ("DescribeHosts", {"MaxResults": 0}, "InvalidParameterValue", None),
        ("DescribeHosts", {"NextToken": "nonsense"}, "InvalidNextToken", None),
        ("DescribeHosts", {"Colour": "red"}, "UnknownParameter", None),
        ("DescribeHosts", {"Filter": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameterValue", None),
        ("DescribeNatGateways", {"DryRun": True}, "DryRunOperation", None),
    ],
)  # fmt: skip
def test_refusals(ec2: Ec2, operation: str, params: dict[str, Any], code: str, text: str | None) -> None:
    error = ec2.refused(operation, **params)
    assert (error.code, text or error.message) == (code, error.message)


def test_what_a_list_is_about_has_to_exist_and_may(ec2: Ec2) -> None:
    vpc = ec2("DescribeVpcs")["Vpcs"][0]["VpcId"]
    group = ec2("DescribeSecurityGroups")["SecurityGroups"][0]["GroupId"]
    subnet = ec2("DescribeSubnets")["Subnets"][0]["SubnetId"]
    assert ec2("DescribeStaleSecurityGroups", VpcId=vpc) == {"StaleSecurityGroupSet": []}
    assert ec2("DescribeSecurityGroupReferences", GroupId=[group]) == {"SecurityGroupReferenceSet": []}
    assert ec2("GetSubnetCidrReservations", SubnetId=subnet) == {
        "SubnetIpv4CidrReservations": [],
        "SubnetIpv6CidrReservations": [],
    }


def test_documented_filters_are_taken_and_others_refused(ec2: Ec2) -> None:
    for found in LISTS:
        member = next((name for name in ("Filters", "Filter") if name in found.model.input), None)
        if member is None:
            continue
        text = found.model.input[member].documentation
        names = set(re.findall(r"<li>\s*<p>\s*<code>([a-z][a-z.-]+[a-z])</code>", text)) or {"tag-key"}
        ec2(found.name, **needed(found), **{member: [{"Name": name, "Values": ["x"]} for name in names]})
        refused = ec2.refused(found.name, **needed(found), **{member: [{"Name": "colour", "Values": ["red"]}]})
        assert (refused.code, refused.message) == ("InvalidParameterValue", "The filter 'colour' is invalid"), found.name


def test_where_aws_documents_no_filters_the_members_of_the_items_are_some(ec2: Ec2) -> None:
    for operation, name in (("DescribeIpamPools", "ipam-pool-id"), ("DescribeRouteServers", "route-server-id")):
        ec2(operation, Filters=[{"Name": name, "Values": ["x"]}])


def test_what_the_account_has_that_is_no_list(ec2: Ec2) -> None:
    vpc = ec2("DescribeVpcs")["Vpcs"][0]["VpcId"]
    assert ec2("GetEbsEncryptionByDefault") == {"EbsEncryptionByDefault": False, "SseType": "none"}
    assert ec2("GetSnapshotBlockPublicAccessState")["State"] == "unblocked"
    assert ec2("GetImageBlockPublicAccessState")["ImageBlockPublicAccessState"] == "unblocked"
    assert ec2("GetAllowedImagesSettings")["State"] == "disabled"
    assert ec2("GetSerialConsoleAccessStatus")["SerialConsoleAccessEnabled"] is False
    assert ec2("DescribeVpcBlockPublicAccessOptions")["VpcBlockPublicAccessOptions"]["InternetGatewayBlockMode"] == "off"
    assert ec2("DescribeAccountVpcEncryptionControl")["AccountVpcEncryptionControl"]["Mode"] == "unmanaged"
    assert ec2("GetManagedResourceVisibility") == {"Visibility": {"DefaultVisibility": "visible"}}
    assert ec2("GetEnabledIpamPolicy") == {"IpamPolicyEnabled": False}
    assert ec2("GetCapacityManagerAttributes")["CapacityManagerStatus"] == "disabled"
    assert ec2("DescribeInstanceEventNotificationAttributes")["InstanceTagAttribute"]["InstanceTagKeys"] == []
    assert ec2("DescribeVpcClassicLink")["Vpcs"] == [{"VpcId": vpc, "ClassicLinkEnabled": False, "Tags": []}]
    assert ec2("DescribeVpcClassicLinkDnsSupport", VpcIds=[vpc])["Vpcs"] == [{"VpcId": vpc, "ClassicLinkDnsSupported": False}]
    root = f"arn:aws:iam::{ec2.cloud.settings.account_id}:root"
    statuses = ec2("DescribeIdentityIdFormat", PrincipalArn=root, Resource="instance")["Statuses"]
    assert statuses == [{"Resource": "instance", "UseLongIds": True}]


def test_all_snapshots_are_in_the_standard_tier(ec2: Ec2) -> None:
    ec2.run()
    volume = ec2("DescribeVolumes")["Volumes"][0]["VolumeId"]
    made = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    wanted = [{"Name": "volume-id", "Values": [volume]}]
    (status,) = ec2("DescribeSnapshotTierStatus", Filters=wanted)["SnapshotTierStatuses"]
    assert (status["SnapshotId"], status["StorageTier"], status["Status"]) == (made, "standard", "completed")


def test_rights_hold_for_them_as_for_all(shared: Rights) -> None:
    reader = shared.session("AmazonEC2ReadOnlyAccess")
    assert reader("ec2", "DescribeNatGateways")["NatGateways"] == []
    assert reader.refused("ec2", "GetEbsEncryptionByDefault")[0] == "UnauthorizedOperation"
    assert reader.refused("ec2", "SearchTransitGatewayRoutes", TransitGatewayRouteTableId="x", Filters=[])[0] == (
        "UnauthorizedOperation"
    )


def test_boto3_reads_every_one(served: Served) -> None:
    clients = {service: served.boto(service) for service in {found.service for found in EMPTY}}
    for found in EMPTY:
        if required(found) or found.name in OF_A_CLUSTER:
            continue
        method = model.xform_name(found.name)
        answer = getattr(clients[found.service], method)()
        del answer["ResponseMetadata"]
        lists = [value for value in answer.values() if isinstance(value, list)]
        assert lists or found.name == "DescribeApplicationStatus", found.name
        assert not any(lists), found.name
        assert conforms.differences(found.model.output, answer) == [], found.name
    pages = clients["ec2"].get_paginator("describe_nat_gateways").paginate(PaginationConfig={"PageSize": 5})
    assert [page["NatGateways"] for page in pages] == [[]]
    with pytest.raises(ClientError) as caught:
        clients["ec2"].describe_nat_gateways(NatGatewayIds=["nat-0123456789abcdef0"])
    assert error_of(caught) == ("NatGatewayNotFound", 400)


def test_what_tools_ask_to_find_unused_groups_and_roles(served: Served) -> None:
    events, ecs = served.boto("events"), served.boto("ecs")
    assert events.list_event_buses()["EventBuses"] == events.list_rules()["Rules"] == []
    assert served.boto("codebuild").list_projects()["projects"] == []
    assert served.boto("batch").describe_compute_environments()["computeEnvironments"] == []
    assert ecs.list_clusters()["clusterArns"] == ecs.describe_clusters()["clusters"] == []
    missing = ecs.describe_clusters(clusters=["web"])["failures"][0]
    assert (missing["arn"].rpartition("/")[2], missing["reason"]) == ("web", "MISSING")
    for client, operation, params, code in (
        (events, "list_rules", {"EventBusName": "mine"}, "ResourceNotFoundException"),
        (events, "list_targets_by_rule", {"Rule": "mine"}, "ResourceNotFoundException"),
        (ecs, "list_tasks", {}, "ClusterNotFoundException"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(**params)
        assert error_of(caught) == (code, 400)


def test_there_are_no_lambda_functions(served: Served) -> None:
    client = served.boto("lambda")
    assert client.list_functions(MasterRegion="ALL", FunctionVersion="ALL")["Functions"] == []
    assert list(client.get_paginator("list_functions").paginate().search("Functions[]")) == []
    assert client.list_event_source_mappings()["EventSourceMappings"] == []
    with pytest.raises(ClientError) as caught:
        client.get_function(FunctionName="mine")
    assert error_of(caught) == ("ResourceNotFoundException", 404)
