"""VPCs, subnets, gateways and interfaces made by requests, and what the firewall makes of them."""

from typing import Any

import pytest

from minicloud.reconcile import firewall

from ..cloud_fixtures import RUN, Ec2

UNKNOWN = "0fedcba9876543210"


@pytest.fixture
def vpc(ec2: Ec2) -> str:
    return str(ec2("CreateVpc", CidrBlock="10.7.3.4/16")["Vpc"]["VpcId"])


@pytest.fixture
def subnet(ec2: Ec2, vpc: str) -> str:
    return str(ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.7.1.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"])


def default_subnet(ec2: Ec2) -> str:
    return str(ec2("DescribeSubnets", Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]["SubnetId"])


class TestVpcs:
    def test_one_comes_with_its_parts_and_goes_with_them(self, ec2: Ec2, vpc: str) -> None:
        shown = ec2("DescribeVpcs", VpcIds=[vpc])["Vpcs"][0]
        assert (shown["CidrBlock"], shown["IsDefault"]) == ("10.7.0.0/16", False)
        mine = [{"Name": "vpc-id", "Values": [vpc]}]
        assert [one["GroupName"] for one in ec2("DescribeSecurityGroups", Filters=mine)["SecurityGroups"]] == ["default"]
        assert [route["GatewayId"] for route in ec2("DescribeRouteTables", Filters=mine)["RouteTables"][0]["Routes"]] == ["local"]
        assert ec2("DescribeNetworkAcls", Filters=mine)["NetworkAcls"][0]["IsDefault"] is True
        assert ec2("DescribeDhcpOptions", DhcpOptionsIds=[shown["DhcpOptionsId"]])["DhcpOptions"]
        ec2("DeleteVpc", VpcId=vpc)
        assert ec2.refused("DescribeVpcs", VpcIds=[vpc]).code == "InvalidVpcID.NotFound"
        assert ec2("DescribeSecurityGroups", Filters=mine)["SecurityGroups"] == []

    def test_one_in_use_stays(self, ec2: Ec2, vpc: str, subnet: str) -> None:
        assert ec2.refused("DeleteVpc", VpcId=vpc).code == "DependencyViolation"
        instance_id = ec2.run(SubnetId=subnet)
        assert ec2.refused("DeleteSubnet", SubnetId=subnet).code == "DependencyViolation"
        ec2("TerminateInstances", InstanceIds=[instance_id])
        ec2("DeleteSubnet", SubnetId=subnet)
        ec2("DeleteVpc", VpcId=vpc)

    def test_attributes(self, ec2: Ec2, vpc: str) -> None:
        ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
        shown = ec2("DescribeVpcAttribute", VpcId=vpc, Attribute="enableDnsHostnames")
        assert shown["EnableDnsHostnames"] == {"Value": True}

    def test_an_instance_lives_in_it_alone_until_a_gateway_comes(self, ec2: Ec2, vpc: str, subnet: str) -> None:
        instance_id = ec2.run(SubnetId=subnet)
        shown = ec2.instance(instance_id)
        assert shown["PrivateIpAddress"] == "10.7.1.4"
        assert shown["Placement"]["AvailabilityZone"] == "us-east-1b"
        assert "PublicIpAddress" not in shown
        assert [lan.outside for lan in lans(ec2)] == [False]
        allocation = ec2("AllocateAddress")["AllocationId"]
        error = ec2.refused("AssociateAddress", AllocationId=allocation, InstanceId=instance_id)
        assert error.code == "Gateway.NotAttached"
        gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
        ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
        assert [lan.outside for lan in lans(ec2)] == [False]
        table = ec2("DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
        ec2("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        assert [lan.outside for lan in lans(ec2)] == [True]
        ec2("AssociateAddress", AllocationId=allocation, InstanceId=instance_id)
        assert ec2.refused("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc).code == "DependencyViolation"
        assert ec2.refused("DeleteInternetGateway", InternetGatewayId=gateway).code == "DependencyViolation"

    def test_a_gateway_comes_and_goes(self, ec2: Ec2, vpc: str) -> None:
        gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
        ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
        again = ec2.refused("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
        assert again.code == "Resource.AlreadyAssociated"
        ec2("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
        assert ec2.refused("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc).code == "Gateway.NotAttached"
        ec2("DeleteInternetGateway", InternetGatewayId=gateway)
        assert len(ec2("DescribeInternetGateways")["InternetGateways"]) == 1

    def test_subnets_give_public_addresses_as_they_are_told(self, ec2: Ec2) -> None:
        first = default_subnet(ec2)
        ec2("ModifySubnetAttribute", SubnetId=first, MapPublicIpOnLaunch={"Value": False})
        assert "PublicIpAddress" not in ec2.instance(ec2.run(SubnetId=first))
        ec2("ModifySubnetAttribute", SubnetId=first, MapPublicIpOnLaunch={"Value": True})
        assert "PublicIpAddress" in ec2.instance(ec2.run(SubnetId=first))


def lans(ec2: Ec2) -> tuple[Any, ...]:
    spec = firewall.wanted(firewall.read(ec2.cloud.state), ec2.cloud.settings)
    assert ec2.cloud.host.firewall.in_force(spec)
    return spec.lans


class TestInterfaces:
    def test_one_that_was_attached_outlives_its_instance(self, ec2: Ec2) -> None:
        instance_id = ec2.run(SubnetId=default_subnet(ec2))
        interface_id = ec2("CreateNetworkInterface", SubnetId=default_subnet(ec2))["NetworkInterface"]["NetworkInterfaceId"]
        ec2("StopInstances", InstanceIds=[instance_id])
        ec2("AttachNetworkInterface", NetworkInterfaceId=interface_id, InstanceId=instance_id, DeviceIndex=1)
        ec2("TerminateInstances", InstanceIds=[instance_id])
        left = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
        assert [(one["NetworkInterfaceId"], one["Status"]) for one in left] == [(interface_id, "available")]

    def test_secondary_addresses(self, ec2: Ec2) -> None:
        shown = ec2.instance(ec2.run(SubnetId=default_subnet(ec2)))
        interface_id = shown["NetworkInterfaces"][0]["NetworkInterfaceId"]
        answer = ec2("AssignPrivateIpAddresses", NetworkInterfaceId=interface_id, PrivateIpAddresses=["172.31.0.50"])
        assert answer["AssignedPrivateIpAddresses"] == [{"PrivateIpAddress": "172.31.0.50"}]
        ec2("AssignPrivateIpAddresses", NetworkInterfaceId=interface_id, SecondaryPrivateIpAddressCount=2)
        spec = firewall.wanted(firewall.read(ec2.cloud.state), ec2.cloud.settings)
        assert len(spec.ports[0].addresses) == 4
        assert ec2.cloud.host.firewall.in_force(spec)
        taken = ec2.refused("AssignPrivateIpAddresses", NetworkInterfaceId=interface_id, PrivateIpAddresses=["172.31.0.50"])
        assert taken.code == "InvalidIPAddress.InUse"
        mine = ec2("AllocateAddress")
        ec2(
            "AssociateAddress",
            AllocationId=mine["AllocationId"],
            NetworkInterfaceId=interface_id,
            PrivateIpAddress="172.31.0.50",
        )
        shown = ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=[interface_id])["NetworkInterfaces"][0]
        by_private = {one["PrivateIpAddress"]: one.get("Association", {}).get("PublicIp") for one in shown["PrivateIpAddresses"]}
        assert by_private["172.31.0.50"] == mine["PublicIp"]
        assert by_private[shown["PrivateIpAddress"]] not in (None, mine["PublicIp"])
        ec2("UnassignPrivateIpAddresses", NetworkInterfaceId=interface_id, PrivateIpAddresses=["172.31.0.50"])
        assert "AssociationId" not in ec2("DescribeAddresses")["Addresses"][0]

    def test_attributes(self, ec2: Ec2) -> None:
        interface_id = ec2.instance(ec2.run())["NetworkInterfaces"][0]["NetworkInterfaceId"]
        group = ec2("CreateSecurityGroup", GroupName="web", Description="d")["GroupId"]
        for params in ({"Groups": [group]}, {"SourceDestCheck": {"Value": False}}, {"Description": {"Value": "x"}}):
            ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=interface_id, **params)
        shown = ec2("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=interface_id, Attribute="groupSet")
        assert [one["GroupId"] for one in shown["Groups"]] == [group]
        port = firewall.wanted(firewall.read(ec2.cloud.state), ec2.cloud.settings).ports[0]
        assert (port.group_ids, port.strict) == ((group,), False)
        both = ec2.refused(
            "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=interface_id, Groups=[group], Description={"Value": "y"}
        )
        assert both.code == "InvalidParameterCombination"

    def test_a_full_subnet(self, ec2: Ec2, vpc: str) -> None:
        small = ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.7.9.0/28")["Subnet"]["SubnetId"]
        for _ in range(11):
            ec2("CreateNetworkInterface", SubnetId=small)
        assert ec2.refused("CreateNetworkInterface", SubnetId=small).code == "InsufficientFreeAddressesInSubnet"
        assert ec2.refused("RunInstances", **RUN, SubnetId=small).code == "InsufficientFreeAddressesInSubnet"
        assert ec2("DescribeSubnets", SubnetIds=[small])["Subnets"][0]["AvailableIpAddressCount"] == 0


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("CreateVpc", {"CidrBlock": "10.0.0.0/15"}, "InvalidVpc.Range"),
        ("CreateVpc", {"CidrBlock": "10.0.0.0/33"}, "InvalidParameterValue"),
        ("CreateVpc", {}, "MissingParameter"),
        ("CreateVpc", {"CidrBlock": "172.31.128.0/20"}, "UnsupportedOperation"),
        ("CreateVpc", {"CidrBlock": "10.0.0.0/16", "InstanceTenancy": "dedicated"}, "UnsupportedOperation"),
        ("CreateVpc", {"CidrBlock": "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock": True}, "UnsupportedOperation"),
        ("DeleteVpc", {"VpcId": f"vpc-{UNKNOWN}"}, "InvalidVpcID.NotFound"),
        ("CreateSubnet", {"VpcId": f"vpc-{UNKNOWN}", "CidrBlock": "10.0.0.0/24"}, "InvalidVpcID.NotFound"),
        ("DeleteSubnet", {"SubnetId": f"subnet-{UNKNOWN}"}, "InvalidSubnetID.NotFound"),
        ("DeleteNetworkInterface", {"NetworkInterfaceId": f"eni-{UNKNOWN}"}, "InvalidNetworkInterfaceID.NotFound"),
        ("DetachNetworkInterface", {"AttachmentId": f"eni-attach-{UNKNOWN}"}, "InvalidAttachmentID.NotFound"),
        ("DeleteInternetGateway", {"InternetGatewayId": f"igw-{UNKNOWN}"}, "InvalidInternetGatewayID.NotFound"),
    ],
)
def test_bad_input(ec2: Ec2, operation: str, params: dict[str, Any], code: str) -> None:
    assert ec2.refused(operation, **params).code == code


def test_subnets_out_of_range_and_in_conflict(ec2: Ec2, vpc: str, subnet: str) -> None:
    for cidr, code in (("10.8.0.0/24", "InvalidSubnet.Range"), ("10.7.1.128/25", "InvalidSubnet.Conflict")):
        assert ec2.refused("CreateSubnet", VpcId=vpc, CidrBlock=cidr).code == code
    assert ec2.refused("CreateSubnet", VpcId=vpc, CidrBlock="10.7.2.0/24", AvailabilityZone="x").code == "InvalidParameterValue"
