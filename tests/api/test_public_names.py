"""DNS names of public addresses: shown where AWS shows them, and what each network is told of them."""

from typing import Any

from minicloud.cli import network
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2


def names(host: FakeHost, subnet_id: str) -> dict[str, str]:
    found = host.networks.list()[subnet_id]
    return {one.name: str(one.address) for one in found.names} if found else {}


def launched(ec2: Ec2, **params: Any) -> dict[str, Any]:
    return ec2.instance(ec2.run(**params))


def name_of(address: str) -> str:
    return f"ec2-{address.replace('.', '-')}.compute-1.amazonaws.com"


def test_an_instance_its_interface_and_the_network_have_it(ec2: Ec2, host: FakeHost) -> None:
    shown = launched(ec2)
    name = name_of(shown["PublicIpAddress"])
    assert shown["PublicDnsName"] == name
    card = shown["NetworkInterfaces"][0]
    assert card["Association"]["PublicDnsName"] == card["PrivateIpAddresses"][0]["Association"]["PublicDnsName"] == name
    assert ec2("DescribeInstances", Filters=[{"Name": "dns-name", "Values": [name]}])["Reservations"]
    assert names(host, shown["SubnetId"]) == {name: shown["PrivateIpAddress"]}
    assert f"{shown['PublicIpAddress']} {name}\n" in network.hosts_text(ec2.cloud)
    assert f"{shown['PrivateIpAddress']} {shown['PrivateDnsName']}\n" in network.hosts_text(ec2.cloud)


def test_it_follows_the_address(ec2: Ec2, host: FakeHost) -> None:
    shown, mine = launched(ec2), ec2("AllocateAddress")
    ec2("AssociateAddress", AllocationId=mine["AllocationId"], InstanceId=shown["InstanceId"])
    assert ec2.instance(shown["InstanceId"])["PublicDnsName"] == name_of(mine["PublicIp"])
    assert names(host, shown["SubnetId"]) == {name_of(mine["PublicIp"]): shown["PrivateIpAddress"]}


def test_a_vpc_without_names_has_none_and_sees_others_by_public_addresses(ec2: Ec2, host: FakeHost) -> None:
    first = launched(ec2)
    vpc = ec2("CreateVpc", CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    table = ec2("DescribeRouteTables", Filters=mine)["RouteTables"][0]["RouteTableId"]
    ec2("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    subnet = ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    nics = [{"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}]
    second = launched(ec2, NetworkInterfaces=nics)
    assert second["PublicIpAddress"]
    assert second["PublicDnsName"] == ""
    assert names(host, subnet) == {name_of(first["PublicIpAddress"]): first["PublicIpAddress"]}
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    other = name_of(second["PublicIpAddress"])
    assert ec2.instance(second["InstanceId"])["PublicDnsName"] == other
    assert names(host, subnet)[other] == second["PrivateIpAddress"]
    assert names(host, first["SubnetId"])[other] == second["PublicIpAddress"]
