"""Route tables: made, changed, given to subnets; and which subnets the firewall lets out because of them."""

from typing import Any

import pytest

from minicloud.reconcile import firewall

from ..cloud_fixtures import Ec2

UNKNOWN = "0fedcba9876543210"
EVERYWHERE = "0.0.0.0/0"


class Vpc:
    """A VPC with two subnets in which somebody lives, a gateway, and a second route table."""

    def __init__(self, ec2: Ec2) -> None:
        self.ec2 = ec2
        self.id = ec2("CreateVpc", CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2("CreateSubnet", VpcId=self.id, CidrBlock=f"10.7.{number}.0/24")["Subnet"]["SubnetId"] for number in (1, 2)
        ]
        self.instances = [ec2.run(SubnetId=subnet) for subnet in self.subnets]
        self.gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
        ec2("AttachInternetGateway", InternetGatewayId=self.gateway, VpcId=self.id)
        self.main = self.tables()[0]["RouteTableId"]
        self.own = ec2("CreateRouteTable", VpcId=self.id)["RouteTable"]["RouteTableId"]

    def tables(self) -> list[dict[str, Any]]:
        mine = [{"Name": "vpc-id", "Values": [self.id]}]
        found: list[dict[str, Any]] = self.ec2("DescribeRouteTables", Filters=mine)["RouteTables"]
        return found

    def table(self, table_id: str) -> dict[str, Any]:
        return next(one for one in self.tables() if one["RouteTableId"] == table_id)

    def open(self) -> list[bool]:
        """Which of the two subnets the firewall lets out, when an answer is given."""
        spec = firewall.wanted(firewall.read(self.ec2.cloud.state), self.ec2.cloud.settings)
        assert self.ec2.cloud.host.firewall.in_force(spec)
        return [next(lan.outside for lan in spec.lans if lan.network_id == subnet) for subnet in self.subnets]

    def route(self, table_id: str, **params: Any) -> None:
        said = {"RouteTableId": table_id, "DestinationCidrBlock": EVERYWHERE, "GatewayId": self.gateway, **params}
        self.ec2("CreateRoute", **said)


@pytest.fixture
def vpc(ec2: Ec2) -> Vpc:
    return Vpc(ec2)


def test_the_default_vpc_leads_outside(ec2: Ec2) -> None:
    table = ec2("DescribeRouteTables")["RouteTables"][0]
    assert [(route["DestinationCidrBlock"], route["State"]) for route in table["Routes"]] == [
        ("172.31.0.0/16", "active"),
        (EVERYWHERE, "active"),
    ]
    assert [one["Main"] for one in table["Associations"]] == [True]


def test_a_gateway_alone_leads_nowhere(vpc: Vpc) -> None:
    assert vpc.open() == [False, False]
    vpc.route(vpc.main)
    vpc.route(vpc.main)
    assert vpc.open() == [True, True]
    assert vpc.table(vpc.main)["Routes"][1] == {
        "DestinationCidrBlock": EVERYWHERE,
        "GatewayId": vpc.gateway,
        "Origin": "CreateRoute",
        "State": "active",
    }
    vpc.ec2("DeleteRoute", RouteTableId=vpc.main, DestinationCidrBlock=EVERYWHERE)
    assert vpc.open() == [False, False]


def test_a_subnet_with_a_table_of_its_own(vpc: Vpc) -> None:
    vpc.route(vpc.own)
    link = vpc.ec2("AssociateRouteTable", RouteTableId=vpc.own, SubnetId=vpc.subnets[0])["AssociationId"]
    assert vpc.open() == [True, False]
    again = vpc.ec2("AssociateRouteTable", RouteTableId=vpc.own, SubnetId=vpc.subnets[0])
    assert again["AssociationId"] == link
    shown = vpc.table(vpc.own)["Associations"]
    assert [(one["SubnetId"], one["Main"], one["RouteTableAssociationId"]) for one in shown] == [(vpc.subnets[0], False, link)]
    other = vpc.ec2("CreateRouteTable", VpcId=vpc.id)["RouteTable"]["RouteTableId"]
    refused = vpc.ec2.refused("AssociateRouteTable", RouteTableId=other, SubnetId=vpc.subnets[0])
    assert refused.code == "Resource.AlreadyAssociated"
    new = vpc.ec2("ReplaceRouteTableAssociation", AssociationId=link, RouteTableId=other)["NewAssociationId"]
    assert vpc.open() == [False, False]
    vpc.route(vpc.main)
    assert vpc.open() == [False, True]
    vpc.ec2("DisassociateRouteTable", AssociationId=new)
    assert vpc.open() == [True, True]


def test_another_main_table(vpc: Vpc) -> None:
    vpc.route(vpc.own)
    main = vpc.table(vpc.main)["Associations"][0]["RouteTableAssociationId"]
    assert vpc.ec2.refused("DisassociateRouteTable", AssociationId=main).code == "InvalidParameterValue"
    new = vpc.ec2("ReplaceRouteTableAssociation", AssociationId=main, RouteTableId=vpc.own)["NewAssociationId"]
    assert vpc.open() == [True, True]
    assert [one["RouteTableAssociationId"] for one in vpc.table(vpc.own)["Associations"]] == [new]
    vpc.ec2("DeleteRouteTable", RouteTableId=vpc.main)
    assert [one["RouteTableId"] for one in vpc.tables()] == [vpc.own]


def test_a_detached_gateway_is_a_black_hole(vpc: Vpc) -> None:
    vpc.route(vpc.main)
    vpc.ec2("DetachInternetGateway", InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    assert vpc.open() == [False, False]
    assert vpc.table(vpc.main)["Routes"][1]["State"] == "blackhole"
    other = vpc.ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    vpc.ec2("AttachInternetGateway", InternetGatewayId=other, VpcId=vpc.id)
    said = {"RouteTableId": vpc.main, "DestinationCidrBlock": EVERYWHERE, "GatewayId": other}
    assert vpc.ec2.refused("CreateRoute", **said).code == "RouteAlreadyExists"
    vpc.ec2("ReplaceRoute", **said)
    assert vpc.open() == [True, True]


def test_a_public_address_leads_only_where_its_subnet_leads(vpc: Vpc) -> None:
    mine = vpc.ec2("AllocateAddress")["AllocationId"]
    vpc.ec2("AssociateAddress", AllocationId=mine, InstanceId=vpc.instances[0])

    def publics() -> int:
        return len(firewall.wanted(firewall.read(vpc.ec2.cloud.state), vpc.ec2.cloud.settings).publics)

    assert publics() == 0
    vpc.route(vpc.main)
    assert publics() == 1


def test_they_go_with_their_vpc(vpc: Vpc) -> None:
    vpc.route(vpc.own)
    vpc.ec2("CreateTags", Resources=[vpc.own, vpc.main], Tags=[{"Key": "a", "Value": "b"}])
    assert vpc.table(vpc.own)["Tags"] == [{"Key": "a", "Value": "b"}]
    vpc.ec2("AssociateRouteTable", RouteTableId=vpc.own, SubnetId=vpc.subnets[0])
    assert vpc.ec2.refused("DeleteRouteTable", RouteTableId=vpc.own).code == "DependencyViolation"
    assert vpc.ec2.refused("DeleteRouteTable", RouteTableId=vpc.main).code == "DependencyViolation"
    vpc.ec2("TerminateInstances", InstanceIds=vpc.instances)
    for subnet in vpc.subnets:
        vpc.ec2("DeleteSubnet", SubnetId=subnet)
    vpc.ec2("DetachInternetGateway", InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    assert vpc.ec2.refused("DeleteVpc", VpcId=vpc.id).code == "DependencyViolation"
    vpc.ec2("DeleteRouteTable", RouteTableId=vpc.own)
    vpc.ec2("DeleteVpc", VpcId=vpc.id)
    assert len(vpc.ec2("DescribeRouteTables")["RouteTables"]) == 1
    assert vpc.ec2.cloud.state.tags.find(resource_type="route-table") == []


def test_what_cannot_be(vpc: Vpc) -> None:
    far = vpc.ec2("CreateVpc", CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    foreign = vpc.ec2("CreateRouteTable", VpcId=far)["RouteTable"]["RouteTableId"]
    own = {"RouteTableId": vpc.own, "DestinationCidrBlock": EVERYWHERE, "GatewayId": vpc.gateway}
    for operation, params, code in (
        ("CreateRoute", {**own, "DestinationCidrBlock": "10.7.1.0/24"}, "InvalidParameterValue"),
        ("CreateRoute", {**own, "DestinationCidrBlock": "192.0.2.0/24"}, "UnsupportedOperation"),
        ("CreateRoute", {**own, "DestinationCidrBlock": "0.0.0.0/33"}, "InvalidParameterValue"),
        ("CreateRoute", {**own, "RouteTableId": foreign}, "InvalidParameterValue"),
        ("CreateRoute", {**own, "GatewayId": f"igw-{UNKNOWN}"}, "InvalidInternetGatewayID.NotFound"),
        ("CreateRoute", {**own, "NatGatewayId": f"nat-{UNKNOWN}"}, "UnsupportedOperation"),
        ("CreateRoute", {"RouteTableId": vpc.own}, "MissingParameter"),
        ("ReplaceRoute", own, "InvalidRoute.NotFound"),
        ("DeleteRoute", {"RouteTableId": vpc.own, "DestinationCidrBlock": EVERYWHERE}, "InvalidRoute.NotFound"),
        ("DeleteRoute", {"RouteTableId": vpc.own, "DestinationCidrBlock": "10.7.0.0/16"}, "InvalidParameterValue"),
        ("DeleteRouteTable", {"RouteTableId": f"rtb-{UNKNOWN}"}, "InvalidRouteTableID.NotFound"),
        ("CreateRouteTable", {"VpcId": f"vpc-{UNKNOWN}"}, "InvalidVpcID.NotFound"),
        ("AssociateRouteTable", {"RouteTableId": foreign, "SubnetId": vpc.subnets[0]}, "InvalidParameterValue"),
        ("AssociateRouteTable", {"RouteTableId": vpc.own}, "MissingParameter"),
        ("AssociateRouteTable", {"RouteTableId": vpc.own, "SubnetId": f"subnet-{UNKNOWN}"}, "InvalidSubnetID.NotFound"),
        ("DisassociateRouteTable", {"AssociationId": f"rtbassoc-{UNKNOWN}"}, "InvalidAssociationID.NotFound"),
    ):
        assert vpc.ec2.refused(operation, **params).code == code, (operation, params)
    assert [len(one["Routes"]) for one in vpc.tables()] == [1, 1]
