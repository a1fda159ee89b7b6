"""The Resource Groups Tagging API through boto3: everything of every service that can have tags, read and changed by its ARN."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud import api
from tests.cloud_fixtures import RUN
from tests.endpoint_fixtures import Served, error_of
from tests.lb_scene import issue

from .rights_scene import Rights, shared, trust

__all__ = ["shared"]

ACCOUNT, REGION = "000000000000", "us-east-1"
PAIRS = [{"Key": "team", "Value": "blue"}]
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}:"


def call(served: Served, service: str, operation: str, **params: Any) -> dict[str, Any]:
    return api.call(served.cloud, service, operation, params)


def image_of(served: Served) -> str:
    return str(call(served, "ec2", "DescribeImages")["Images"][0]["ImageId"])


def first(served: Served, name: str) -> dict[str, Any]:
    """The first thing of a list of EC2's."""
    found: dict[str, Any] = call(served, "ec2", f"Describe{name}")[name][0]
    return found


def ec2_thing(kind: str, name: str, member: str) -> Callable[[Served], str]:
    def made(served: Served) -> str:
        if kind in ("volume", "network-interface"):
            instance(served)
        return f"{EC2}{kind}/{first(served, name)[member]}"

    return made


def instance(served: Served) -> str:
    return f"{EC2}instance/{call(served, 'ec2', 'RunInstances', **RUN)['Instances'][0]['InstanceId']}"


def security_group(served: Served, name: str) -> str:
    made = call(served, "ec2", "CreateSecurityGroup", GroupName=name, Description="d", VpcId=first(served, "Vpcs")["VpcId"])
    return f"{EC2}security-group/{made['GroupId']}"


def elastic_ip(served: Served) -> str:
    return f"{EC2}elastic-ip/{call(served, 'ec2', 'AllocateAddress')['AllocationId']}"


def placement_group(served: Served) -> str:
    call(served, "ec2", "CreatePlacementGroup", GroupName="near")
    return f"{EC2}placement-group/near"


def key_pair(served: Served) -> str:
    return f"{EC2}key-pair/{call(served, 'ec2', 'CreateKeyPair', KeyName='web')['KeyPairId']}"


def template(served: Served) -> str:
    data = {"ImageId": image_of(served), "InstanceType": "t3.nano"}
    made = call(served, "ec2", "CreateLaunchTemplate", LaunchTemplateName="web", LaunchTemplateData=data)
    return f"{EC2}launch-template/{made['LaunchTemplate']['LaunchTemplateId']}"


def balancer(served: Served) -> str:
    subnets = [one["SubnetId"] for one in call(served, "ec2", "DescribeSubnets")["Subnets"]]
    return str(call(served, "elbv2", "CreateLoadBalancer", Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"])


def target_group(served: Served) -> str:
    vpc = first(served, "Vpcs")["VpcId"]
    made = call(served, "elbv2", "CreateTargetGroup", Name="blue", Protocol="HTTP", Port=80, VpcId=vpc)
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def listener(served: Served) -> str:
    actions = [{"Type": "forward", "TargetGroupArn": target_group(served)}]
    params = {"Protocol": "HTTP", "Port": 80, "DefaultActions": actions}
    made = call(served, "elbv2", "CreateListener", LoadBalancerArn=balancer(served), **params)
    return str(made["Listeners"][0]["ListenerArn"])


def classic(served: Served) -> str:
    subnets = [one["SubnetId"] for one in call(served, "ec2", "DescribeSubnets")["Subnets"]]
    listeners = [{"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 80}]
    call(served, "elb", "CreateLoadBalancer", LoadBalancerName="old", Listeners=listeners, Subnets=subnets)
    return f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/old"


def scaling_group(served: Served) -> str:
    call(served, "autoscaling", "CreateLaunchConfiguration", LaunchConfigurationName="c", ImageId=image_of(served),
         InstanceType="t3.nano")  # fmt: skip
    call(served, "autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName="web", LaunchConfigurationName="c",
         MinSize=0, MaxSize=0, AvailabilityZones=["us-east-1a"])  # fmt: skip
    return str(call(served, "autoscaling", "DescribeAutoScalingGroups")["AutoScalingGroups"][0]["AutoScalingGroupARN"])


def alarm(served: Served) -> str:
    call(served, "cloudwatch", "PutMetricAlarm", AlarmName="a:b", Namespace="N", MetricName="m", Statistic="Average", Period=60,
         EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold")  # fmt: skip
    return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a:b"


def certificate(served: Served) -> str:
    made = issue(["www.example.com"])
    return str(call(served, "acm", "ImportCertificate", Certificate=made.pem, PrivateKey=made.key)["CertificateArn"])


def policy(served: Served) -> str:
    role = call(served, "iam", "CreateRole", RoleName="dlm", AssumeRolePolicyDocument=trust("dlm.amazonaws.com"))["Role"]["Arn"]
    rule = {"Name": "n", "CreateRule": {"Interval": 1, "IntervalUnit": "HOURS", "Times": ["00:00"]}, "RetainRule": {"Count": 3}}
    details = {"ResourceTypes": ["VOLUME"], "TargetTags": PAIRS, "Schedules": [rule]}
    made = call(served, "dlm", "CreateLifecyclePolicy", ExecutionRoleArn=role, Description="d", State="DISABLED",
                PolicyDetails=details)  # fmt: skip
    return f"arn:aws:dlm:{REGION}:{ACCOUNT}:policy/{made['PolicyId']}"


THINGS: dict[str, Callable[[Served], str]] = {
    "ec2:instance": instance,
    "ec2:image": lambda served: f"arn:aws:ec2:{REGION}::image/{image_of(served)}",
    "ec2:snapshot": lambda served: f"arn:aws:ec2:{REGION}::snapshot/{first(served, 'Snapshots')['SnapshotId']}",
    "ec2:volume": ec2_thing("volume", "Volumes", "VolumeId"),
    "ec2:network-interface": ec2_thing("network-interface", "NetworkInterfaces", "NetworkInterfaceId"),
    "ec2:vpc": ec2_thing("vpc", "Vpcs", "VpcId"),
    "ec2:subnet": ec2_thing("subnet", "Subnets", "SubnetId"),
    "ec2:security-group": ec2_thing("security-group", "SecurityGroups", "GroupId"),
    "ec2:security-group-rule": ec2_thing("security-group-rule", "SecurityGroupRules", "SecurityGroupRuleId"),
    "ec2:internet-gateway": ec2_thing("internet-gateway", "InternetGateways", "InternetGatewayId"),
    "ec2:route-table": ec2_thing("route-table", "RouteTables", "RouteTableId"),
    "ec2:network-acl": ec2_thing("network-acl", "NetworkAcls", "NetworkAclId"),
    "ec2:dhcp-options": ec2_thing("dhcp-options", "DhcpOptions", "DhcpOptionsId"),
    "ec2:elastic-ip": elastic_ip,
    "ec2:placement-group": placement_group,
    "ec2:key-pair": key_pair,
    "ec2:launch-template": template,
    "elasticloadbalancing:loadbalancer/app": balancer,
    "elasticloadbalancing:loadbalancer": classic,
    "elasticloadbalancing:targetgroup": target_group,
    "elasticloadbalancing:listener": listener,
    "autoscaling:autoScalingGroup": scaling_group,
    "cloudwatch:alarm": alarm,
    "acm:certificate": certificate,
    "dlm:policy": policy,
}


@pytest.fixture
def tagging(served: Served) -> Any:
    return served.boto("resourcegroupstaggingapi")


def shown(answer: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {one["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in answer["ResourceTagMappingList"]}


@pytest.mark.parametrize("kind", THINGS)
def test_a_life_of_tags(served: Served, tagging: Any, kind: str) -> None:
    arn = THINGS[kind](served)
    done = tagging.tag_resources(ResourceARNList=[arn], Tags={"team": "blue", "env": "ü x"})
    assert done["FailedResourcesMap"] == {}
    assert shown(tagging.get_resources(ResourceTypeFilters=[kind])) == {arn: {"team": "blue", "env": "ü x"}}
    assert shown(tagging.get_resources(ResourceTypeFilters=[kind.partition(":")[0]]))[arn]["team"] == "blue"
    assert shown(tagging.get_resources(ResourceARNList=[arn, f"{arn}0"]))[arn]["env"] == "ü x"
    assert shown(tagging.get_resources(ResourceTypeFilters=["s3"])) == {}
    done = tagging.untag_resources(ResourceARNList=[arn], TagKeys=["env", "nothing"])
    assert done["FailedResourcesMap"] == {}
    assert shown(tagging.get_resources(TagFilters=[{"Key": "team", "Values": ["blue"]}])) == {arn: {"team": "blue"}}
    absent = arn[:-4] + ("beef" if not arn.endswith("beef") else "0000")
    failed = tagging.tag_resources(ResourceARNList=[arn, absent], Tags={"more": "1"})["FailedResourcesMap"]
    assert list(failed) == [absent]
    assert (failed[absent]["ErrorCode"], failed[absent]["StatusCode"] >= 400) == ("InvalidParameterException", True)
    assert shown(tagging.get_resources(TagFilters=[{"Key": "more"}])) == {arn: {"team": "blue", "more": "1"}}


def test_what_other_operations_tagged_is_shown_too(served: Served, tagging: Any) -> None:
    ec2 = served.boto()
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": PAIRS}])["Vpc"]["VpcId"]
    assert shown(tagging.get_resources()) == {f"{EC2}vpc/{vpc}": {"team": "blue"}}
    tagging.tag_resources(ResourceARNList=[f"{EC2}vpc/{vpc}"], Tags={"team": "red"})
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == [{"Key": "team", "Value": "red"}]
    ec2.delete_vpc(VpcId=vpc)
    assert shown(tagging.get_resources()) == {}


def test_a_groups_tag_goes_on_to_be_given_to_its_instances(served: Served, tagging: Any) -> None:
    arn, scaling = scaling_group(served), served.boto("autoscaling")
    scaling.create_or_update_tags(Tags=[{"ResourceId": "web", "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True,
                                         "Key": "team", "Value": "blue"}])  # fmt: skip
    tagging.tag_resources(ResourceARNList=[arn], Tags={"team": "red", "env": "x"})
    there = {tag["Key"]: (tag["Value"], tag["PropagateAtLaunch"]) for tag in scaling.describe_tags()["Tags"]}
    assert there == {"team": ("red", True), "env": ("x", False)}


@pytest.fixture
def many(served: Served) -> dict[str, dict[str, str]]:
    """Seven groups with tags."""
    found = {}
    for number in range(7):
        arn = security_group(served, f"g{number}")
        pairs = {"n": str(number), "parity": ("even", "odd")[number % 2], **({"last": ""} if number == 6 else {})}
        call(served, "resourcegroupstaggingapi", "TagResources", ResourceARNList=[arn], Tags=pairs)
        found[arn] = pairs
    return found


def test_pages_keys_and_values(tagging: Any, many: dict[str, dict[str, str]]) -> None:
    pages = list(tagging.get_paginator("get_resources").paginate(ResourcesPerPage=3))
    assert [len(page["ResourceTagMappingList"]) for page in pages] == [3, 3, 1]
    assert pages[-1]["PaginationToken"] == ""
    assert {arn: tags for page in pages for arn, tags in shown(page).items()} == many
    assert list(tagging.get_paginator("get_tag_keys").paginate().search("TagKeys[]")) == ["last", "n", "parity"]
    assert list(tagging.get_paginator("get_tag_values").paginate(Key="parity").search("TagValues[]")) == ["even", "odd"]
    assert tagging.get_tag_values(Key="nothing")["TagValues"] == []


def test_filters(tagging: Any, many: dict[str, dict[str, str]]) -> None:
    assert len(many) == 7
    cases: list[tuple[dict[str, list[str]], int]] = [
        ({"parity": ["even"]}, 4),
        ({"parity": ["even", "odd"]}, 7),
        ({"parity": ["EVEN"]}, 0),
        ({"parity": ["even"], "n": ["2", "3"]}, 1),
        ({"last": []}, 1),
        ({"last": [""]}, 1),
        ({"nothing": []}, 0),
    ]
    for wanted, count in cases:
        filters = [{"Key": key, "Values": values} for key, values in wanted.items()]
        assert len(shown(tagging.get_resources(TagFilters=filters))) == count, wanted


def test_a_page_of_tags_splits_no_resource(served: Served, tagging: Any) -> None:
    for _ in range(3):
        arn = elastic_ip(served)
        tagging.tag_resources(ResourceARNList=[arn], Tags={f"k{number}": "v" for number in range(40)})
    pages = list(tagging.get_paginator("get_resources").paginate(TagsPerPage=100))
    assert [len(page["ResourceTagMappingList"]) for page in pages] == [2, 1]


def test_everything_complies_with_the_policies_that_there_are_not(tagging: Any, many: dict[str, dict[str, str]]) -> None:
    found = tagging.get_resources(IncludeComplianceDetails=True)["ResourceTagMappingList"]
    assert {one["ComplianceDetails"]["ComplianceStatus"] for one in found} == {True}
    assert len(found) == len(many)
    strict = tagging.get_resources(IncludeComplianceDetails=True, ExcludeCompliantResources=True)
    assert strict["ResourceTagMappingList"] == []


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_resources", {"ResourceARNList": [f"{EC2}vpc/x"], "TagFilters": [{"Key": "a"}]}),
        ("get_resources", {"ResourceARNList": [f"{EC2}vpc/x"], "ResourceTypeFilters": ["ec2"]}),
        ("get_resources", {"ResourceARNList": [f"{EC2}vpc/x"], "ResourcesPerPage": 5}),
        ("get_resources", {"ResourcesPerPage": 0}),
        ("get_resources", {"ResourcesPerPage": 101}),
        ("get_resources", {"TagsPerPage": 99}),
        ("get_resources", {"ResourceTypeFilters": ["EC2 instances"]}),
        ("get_resources", {"ExcludeCompliantResources": True}),
        ("get_resources", {"PaginationToken": "nonsense"}),
        ("get_tag_keys", {"PaginationToken": "nonsense"}),
        ("get_tag_values", {}),
        ("tag_resources", {"ResourceARNList": [f"{EC2}vpc/x"], "Tags": {"aws:x": "1"}}),
        ("untag_resources", {"ResourceARNList": [f"{EC2}vpc/x"], "TagKeys": ["aws:x"]}),
        ("tag_resources", {"ResourceARNList": [], "Tags": {"x": "1"}}),
    ],
)
def test_refusals(tagging: Any, operation: str, params: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(tagging, operation)(**params)
    assert error_of(caught) == ("InvalidParameterException", 400)


@pytest.mark.parametrize(
    ("arn", "text"),
    [
        ("vpc-0123456789abcdef0", "is no ARN"),
        (f"arn:aws:ec2:eu-west-1:{ACCOUNT}:vpc/vpc-0123456789abcdef0", "is no ARN of a resource in us-east-1"),
        (f"arn:aws:ec2:{REGION}:111111111111:vpc/vpc-0123456789abcdef0", "InvalidID: "),
        (f"{EC2}instance/vpc-0123456789abcdef0", "InvalidID: "),
        (f"{EC2}vpc/vpc-0123456789abcdef0", "InvalidVpcID.NotFound: The vpc ID 'vpc-0123456789abcdef0' does not exist"),
        (f"arn:aws:s3:{REGION}:{ACCOUNT}:bucket", "minicloud has no resources of s3"),
    ],
)
def test_what_cannot_be_tagged_is_told_by_its_arn(served: Served, tagging: Any, arn: str, text: str) -> None:
    good = elastic_ip(served)
    failed = tagging.tag_resources(ResourceARNList=[arn, good], Tags={"a": "b"})["FailedResourcesMap"]
    assert list(failed) == [arn]
    assert text in failed[arn]["ErrorMessage"]
    assert shown(tagging.get_resources()) == {good: {"a": "b"}}


def test_what_is_refused_half_way_changes_nothing_of_that_resource(served: Served, tagging: Any) -> None:
    arn, other = certificate(served), elastic_ip(served)
    tagging.tag_resources(ResourceARNList=[arn], Tags={f"k{number}": "v" for number in range(49)})
    failed = tagging.tag_resources(ResourceARNList=[arn, other], Tags={"new-1": "v", "new-2": "v"})["FailedResourcesMap"]
    assert list(failed) == [arn]
    assert "TooManyTagsException" in failed[arn]["ErrorMessage"]
    assert shown(tagging.get_resources(TagFilters=[{"Key": "new-1"}])) == {other: {"new-1": "v", "new-2": "v"}}


def test_rights_to_tag_are_those_of_both_services(shared: Rights) -> None:
    arn = elastic_ip(shared.served)
    tags = "resourcegroupstaggingapi"
    tagger = shared.session("PowerUserAccess")
    assert tagger(tags, "TagResources", ResourceARNList=[arn], Tags={"a": "b"})["FailedResourcesMap"] == {}
    reader = shared.session("ReadOnlyAccess")
    assert arn in shown(reader(tags, "GetResources"))
    assert reader.refused(tags, "TagResources", ResourceARNList=[arn], Tags={"a": "c"})[0] == "AccessDeniedException"
    assert shared.session("AmazonEC2FullAccess").refused(tags, "GetResources")[0] == "AccessDeniedException"
