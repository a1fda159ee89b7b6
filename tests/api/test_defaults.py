"""Settings of the account, placement, requirements, resets: what clients call along the way, each with its effect."""

import pytest

from minicloud.host.fake import FakeHost

from ..cloud_fixtures import IMAGE, Ec2


def test_credits_that_a_family_is_launched_with(ec2: Ec2) -> None:
    get = lambda family: ec2("GetDefaultCreditSpecification", InstanceFamily=family)["InstanceFamilyCreditSpecification"]  # noqa: E731
    assert (get("t2")["CpuCredits"], get("t3")["CpuCredits"]) == ("standard", "unlimited")
    before = ec2.run()
    ec2("ModifyDefaultCreditSpecification", InstanceFamily="t3", CpuCredits="standard")
    after, asked = ec2.run(), ec2.run(CreditSpecification={"CpuCredits": "unlimited"})
    assert [ec2.row(one).credits for one in (before, after, asked)] == ["unlimited", "standard", "unlimited"]
    assert ec2.refused("ModifyDefaultCreditSpecification", InstanceFamily="t3", CpuCredits="free").code == "InvalidParameterValue"
    assert ec2.refused("GetDefaultCreditSpecification", InstanceFamily="t4g").code == "InvalidInstanceFamily"


def test_options_of_the_metadata_service_that_launches_start_from(ec2: Ec2) -> None:
    assert ec2("GetInstanceMetadataDefaults")["AccountLevel"] == {"ManagedBy": "account"}
    ec2("ModifyInstanceMetadataDefaults", HttpTokens="required", HttpPutResponseHopLimit=2)
    one, other = ec2.run(), ec2.run(MetadataOptions={"HttpTokens": "optional"})
    options = [ec2.instance(each)["MetadataOptions"] for each in (one, other)]
    assert [(each["HttpTokens"], each["HttpPutResponseHopLimit"]) for each in options] == [("required", 2), ("optional", 2)]
    ec2("ModifyInstanceMetadataDefaults", HttpTokens="no-preference", HttpPutResponseHopLimit=-1, InstanceMetadataTags="enabled")
    assert ec2("GetInstanceMetadataDefaults")["AccountLevel"] == {"InstanceMetadataTags": "enabled", "ManagedBy": "account"}
    assert ec2.refused("ModifyInstanceMetadataDefaults", HttpPutResponseHopLimit=65).code == "InvalidParameterValue"


def test_placement_groups_hold_instances(ec2: Ec2) -> None:
    group = ec2("CreatePlacementGroup", GroupName="g", Strategy="cluster")["PlacementGroup"]["GroupId"]
    one, other, by_id = ec2.run(Placement={"GroupName": "g"}), ec2.run(), ec2.run(Placement={"GroupId": group})
    for each in (one, by_id):
        assert (ec2.instance(each)["Placement"]["GroupName"], ec2.instance(each)["Placement"]["GroupId"]) == ("g", group)
    ec2("TerminateInstances", InstanceIds=[by_id])
    assert "GroupId" not in ec2.instance(other)["Placement"]
    assert ec2.refused("RunInstances", ImageId=IMAGE.image_id, MinCount=1, MaxCount=1, Placement={"GroupName": "no"}).code == (
        "InvalidPlacementGroup.Unknown"
    )
    assert ec2.refused("DeletePlacementGroup", GroupName="g").code == "InvalidPlacementGroup.InUse"
    found = ec2("DescribeInstances", Filters=[{"Name": "placement-group-name", "Values": ["g"]}])["Reservations"]
    assert [each["InstanceId"] for each in found[0]["Instances"]] == [one]
    assert ec2.refused("ModifyInstancePlacement", InstanceId=other, GroupId=group).code == "IncorrectInstanceState"
    ec2("StopInstances", InstanceIds=[other], Force=True)
    assert ec2("ModifyInstancePlacement", InstanceId=other, GroupId=group) == {"Return": True}
    assert ec2.instance(other)["Placement"]["GroupName"] == "g"
    both = {"GroupName": "g", "GroupId": group}
    assert ec2.refused("ModifyInstancePlacement", InstanceId=other, **both).code == "InvalidParameterCombination"
    ec2("ModifyInstancePlacement", InstanceId=other, GroupName="")
    (near,) = ec2("DescribeInstanceTopology", GroupNames=["g"])["Instances"]
    assert (near["InstanceId"], near["GroupName"], len(near["NetworkNodes"])) == (one, "g", 1)
    assert len(ec2("DescribeInstanceTopology")["Instances"]) == 1
    ec2("TerminateInstances", InstanceIds=[one])
    ec2("DeletePlacementGroup", GroupName="g")


def names(ec2: Ec2, **wanted: object) -> set[str]:
    requirements = {"VCpuCount": {"Min": 2, "Max": 2}, "MemoryMiB": {"Min": 0, "Max": 8192}, **wanted}
    found = ec2(
        "GetInstanceTypesFromInstanceRequirements", ArchitectureTypes=["x86_64"], VirtualizationTypes=["hvm"],
        InstanceRequirements=requirements,
    )  # fmt: skip
    return {each["InstanceType"] for each in found["InstanceTypes"]}


def test_types_that_fit_requirements(ec2: Ec2) -> None:
    plain, burstable = names(ec2), names(ec2, BurstablePerformance="required")
    assert {"m5.large", "c5.large"} <= plain
    assert not plain & burstable
    assert "t3.nano" in burstable
    assert names(ec2, BurstablePerformance="included") == plain | burstable
    assert names(ec2, AllowedInstanceTypes=["c5*"]) == {name for name in plain if name.startswith("c5")}
    assert names(ec2, ExcludedInstanceTypes=["c*"]) == {name for name in plain if not name.startswith("c")}
    assert names(ec2, MemoryGiBPerVCpu={"Min": 3.5, "Max": 4.5}) >= {"m5.large"}
    assert "c5.large" not in names(ec2, MemoryGiBPerVCpu={"Min": 3.5})
    amd = names(ec2, CpuManufacturers=["amd"])
    assert amd
    assert amd < plain
    assert names(ec2, LocalStorage="required") == plain - names(ec2, LocalStorage="excluded")
    assert names(ec2, BareMetal="required") == set()
    gpus = names(ec2, VCpuCount={"Min": 1}, MemoryMiB={"Min": 0}, AcceleratorTypes=["gpu"], AcceleratorCount={"Min": 1})
    assert gpus
    assert not gpus & plain


def test_a_template_made_of_an_instance_launches_its_like(ec2: Ec2) -> None:
    ec2("CreateKeyPair", KeyName="k")
    one = ec2.run(
        KeyName="k", UserData="aGVsbG8=", Monitoring={"Enabled": True}, InstanceInitiatedShutdownBehavior="terminate",
        BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "VolumeType": "gp3"}}],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}],
    )  # fmt: skip
    data = ec2("GetLaunchTemplateData", InstanceId=one)["LaunchTemplateData"]
    ec2("CreateLaunchTemplate", LaunchTemplateName="template", LaunchTemplateData=data)
    launched = ec2("RunInstances", MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateName": "template"})["Instances"][0]
    like = ec2("GetLaunchTemplateData", InstanceId=launched["InstanceId"])["LaunchTemplateData"]
    assert like == data
    assert (data["KeyName"], data["UserData"], data["TagSpecifications"][0]["Tags"]) == (
        "k",
        "aGVsbG8=",
        [{"Key": "a", "Value": "b"}],
    )


def test_fewer_cores_than_the_type_has(ec2: Ec2, host: FakeHost) -> None:
    half = {"CoreCount": 1, "ThreadsPerCore": 1}
    one, plain = ec2.run(InstanceType="m5.large", CpuOptions=half), ec2.run(InstanceType="m5.large")
    vcpus = lambda: {each: host.spec(each)["vcpus"] for each in (one, plain)}  # noqa: E731
    assert ec2.instance(one)["CpuOptions"] == half
    assert vcpus() == {one: 1, plain: 2}
    assert ec2.refused("ModifyInstanceCpuOptions", InstanceId=plain, **half).code == "IncorrectInstanceState"
    ec2("StopInstances", InstanceIds=[one, plain], Force=True)
    assert ec2("ModifyInstanceCpuOptions", InstanceId=plain, **half) == {"InstanceId": plain, **half}
    ec2("ModifyInstanceAttribute", InstanceId=one, InstanceType={"Value": "c5.large"})
    ec2("StartInstances", InstanceIds=[one, plain])
    assert vcpus() == {one: 2, plain: 1}


def test_resets(ec2: Ec2) -> None:
    one = ec2.run()
    card = ec2.instance(one)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    for reset in (("ResetInstanceAttribute", {"InstanceId": one, "Attribute": "sourceDestCheck"}),
                  ("ResetNetworkInterfaceAttribute", {"NetworkInterfaceId": card})):  # fmt: skip
        ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=card, SourceDestCheck={"Value": False})
        assert ec2.instance(one)["SourceDestCheck"] is False
        ec2(reset[0], **reset[1])
        assert ec2.instance(one)["SourceDestCheck"] is True
    assert ec2.refused("ResetInstanceAttribute", InstanceId=one, Attribute="kernel").code == "IncorrectInstanceState"
    assert ec2.refused("ResetInstanceAttribute", InstanceId=one, Attribute="userData").code == "InvalidParameterValue"
    unknown = "eni-0fedcba9876543210"
    assert ec2.refused("ResetNetworkInterfaceAttribute", NetworkInterfaceId=unknown).code == "InvalidNetworkInterfaceID.NotFound"


def test_a_default_vpc_stays_away_until_it_is_asked_for(ec2: Ec2) -> None:
    (vpc,) = ec2("DescribeVpcs")["Vpcs"]
    assert ec2.refused("CreateDefaultVpc").code == "DefaultVpcAlreadyExists"
    zone = ec2("DescribeSubnets")["Subnets"][0]["AvailabilityZone"]
    assert ec2.refused("CreateDefaultSubnet", AvailabilityZone=zone).code == "DefaultSubnetAlreadyExistsInAvailabilityZone"
    first = ec2("DescribeSubnets")["Subnets"][0]
    ec2("DeleteSubnet", SubnetId=first["SubnetId"])
    again = ec2("CreateDefaultSubnet", AvailabilityZone=zone)["Subnet"]
    assert (again["CidrBlock"], again["DefaultForAz"], again["MapPublicIpOnLaunch"]) == (first["CidrBlock"], True, True)
    for subnet in ec2("DescribeSubnets")["Subnets"]:
        ec2("DeleteSubnet", SubnetId=subnet["SubnetId"])
    for gateway in ec2("DescribeInternetGateways")["InternetGateways"]:
        ec2("DetachInternetGateway", InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc["VpcId"])
    ec2("DeleteVpc", VpcId=vpc["VpcId"])
    ec2.cloud.prepared.clear()  # as another command would be
    assert ec2("DescribeVpcs")["Vpcs"] == []
    assert ec2.refused("CreateDefaultSubnet", AvailabilityZone=zone).code == "DefaultVpcDoesNotExist"
    made = ec2("CreateDefaultVpc")["Vpc"]
    assert (made["IsDefault"], made["CidrBlock"]) == (True, vpc["CidrBlock"])
    assert len(ec2("DescribeSubnets", Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]) > 1
    ec2.run()


def test_groups_of_a_vpc(ec2: Ec2) -> None:
    vpc = ec2("CreateVpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2("CreateSecurityGroup", GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    found = ec2("GetSecurityGroupsForVpc", VpcId=vpc)["SecurityGroupForVpcs"]
    assert {(each["GroupName"], each["PrimaryVpcId"]) for each in found} == {("default", vpc), ("g", vpc)}
    only = ec2("GetSecurityGroupsForVpc", VpcId=vpc, Filters=[{"Name": "group-name", "Values": ["g"]}])["SecurityGroupForVpcs"]
    assert [each["GroupId"] for each in only] == [group]
    assert ec2.refused("GetSecurityGroupsForVpc", VpcId="vpc-0fedcba9876543210").code == "InvalidVpcID.NotFound"


@pytest.mark.parametrize("resource", [None, "instance", "volume"])
def test_ids_are_long(ec2: Ec2, resource: str | None) -> None:
    statuses = ec2("DescribeIdFormat", Resource=resource)["Statuses"]
    assert all(each["UseLongIds"] for each in statuses)
    assert resource in {None, *(each["Resource"] for each in statuses)}
    assert ec2("DescribeAggregateIdFormat")["UseLongIdsAggregated"] is True
    assert ec2.refused("DescribeIdFormat", Resource="nothing").code == "InvalidParameterValue"
