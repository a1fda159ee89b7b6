"""Classic load balancers, API 2012-06-01."""

from typing import Any

import pytest

from minicloud.cloud import Cloud

from ..lb_scene import Scene

WEB = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP", "InstancePort": 8080}


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


def make(scene: Scene, name: str = "old", *listeners: dict[str, Any], **params: Any) -> str:
    where = {} if "Subnets" in params else {"AvailabilityZones": ["us-east-1a", "us-east-1b"]}
    made = scene.old("CreateLoadBalancer", LoadBalancerName=name, Listeners=list(listeners or [WEB]), **where, **params)
    return str(made["DNSName"])


def shown(scene: Scene, name: str = "old") -> dict[str, Any]:
    found: dict[str, Any] = scene.old("DescribeLoadBalancers", LoadBalancerNames=[name])["LoadBalancerDescriptions"][0]
    return found


def test_a_balancer_from_its_making_to_its_end(scene: Scene) -> None:
    name = make(scene, Tags=[{"Key": "a", "Value": "b"}])
    assert make(scene) == name
    one = shown(scene)
    assert one["DNSName"] == name
    assert name.startswith("old-")
    assert one["AvailabilityZones"] == ["us-east-1a", "us-east-1b"]
    assert sorted(one["Subnets"]) == sorted(scene.subnets[:2])
    assert one["ListenerDescriptions"] == [{"Listener": WEB, "PolicyNames": []}]
    assert one["HealthCheck"] == {
        "Target": "TCP:8080", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 10,
    }  # fmt: skip
    cards = scene.ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert {card["Description"] for card in cards} == {"ELB old"}
    tags = scene.old("DescribeTags", LoadBalancerNames=["old"])["TagDescriptions"]
    assert tags == [{"LoadBalancerName": "old", "Tags": [{"Key": "a", "Value": "b"}]}]
    assert scene.v2("DescribeLoadBalancers")["LoadBalancers"] == []
    assert scene.v2("DescribeTargetGroups")["TargetGroups"] == []
    scene.balancer("old")
    assert len(scene.old("DescribeLoadBalancers")["LoadBalancerDescriptions"]) == 1
    scene.old("DeleteLoadBalancer", LoadBalancerName="old")
    scene.old("DeleteLoadBalancer", LoadBalancerName="old")
    assert scene.old("DescribeLoadBalancers")["LoadBalancerDescriptions"] == []
    assert scene.cloud.state.target_groups.query() == []
    assert len(scene.v2("DescribeLoadBalancers")["LoadBalancers"]) == 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"LoadBalancerName": "n" * 33}, "ValidationError"),
        ({"LoadBalancerName": "a_b"}, "ValidationError"),
        ({"Listeners": []}, "ValidationError"),
        ({"Listeners": [{**WEB, "Protocol": "GOPHER"}]}, "UnsupportedProtocol"),
        ({"Listeners": [{**WEB, "InstanceProtocol": "TCP"}]}, "InvalidConfigurationRequest"),
        ({"Listeners": [{**WEB, "LoadBalancerPort": 0}]}, "ValidationError"),
        ({"Listeners": [{**WEB, "InstancePort": 0}]}, "ValidationError"),
        ({"Listeners": [{**WEB, "Protocol": "HTTPS"}]}, "ValidationError"),
        ({"Listeners": [{**WEB, "Protocol": "HTTPS", "SSLCertificateId": "x"}]}, "CertificateNotFound"),
        ({"Listeners": [{**WEB, "SSLCertificateId": "x"}]}, "ValidationError"),
        ({"Listeners": [WEB, {**WEB, "InstancePort": 81}]}, "InvalidConfigurationRequest"),
        ({"Scheme": "other"}, "InvalidScheme"),
        ({"AvailabilityZones": []}, "ValidationError"),
        ({"AvailabilityZones": ["mars-1a"]}, "ValidationError"),
        ({"AvailabilityZones": [], "Subnets": ["subnet-00000000000000000"]}, "SubnetNotFound"),
        ({"SecurityGroups": ["sg-00000000000000000"]}, "InvalidSecurityGroup"),
    ],
)
def test_what_no_balancer_can_be(scene: Scene, params: dict[str, Any], code: str) -> None:
    whole = {"LoadBalancerName": "old", "Listeners": [WEB], "AvailabilityZones": ["us-east-1a"], **params}
    assert scene.old.refused("CreateLoadBalancer", **whole)[0] == code
    assert scene.old("DescribeLoadBalancers")["LoadBalancerDescriptions"] == []
    assert scene.ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []


def test_another_of_the_same_name(scene: Scene) -> None:
    make(scene)
    whole = {"LoadBalancerName": "old", "Listeners": [{**WEB, "LoadBalancerPort": 81}], "AvailabilityZones": ["us-east-1a"]}
    assert scene.old.refused("CreateLoadBalancer", **whole)[0] == "DuplicateLoadBalancerName"
    code, message = scene.old.refused("DescribeLoadBalancers", LoadBalancerNames=["none"])
    assert (code, message) == ("LoadBalancerNotFound", "There is no ACTIVE Load Balancer named 'none'")


def test_listeners_and_their_certificates(scene: Scene) -> None:
    one, two = scene.certificate("a.example.com"), scene.certificate("b.example.com")
    make(scene, "old", {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstanceProtocol": "HTTP", "InstancePort": 80,
                        "SSLCertificateId": one})  # fmt: skip
    listener = shown(scene)["ListenerDescriptions"][0]
    assert listener["PolicyNames"] == ["ELBSecurityPolicy-2016-08"]
    name = {"LoadBalancerName": "old"}
    scene.old("CreateLoadBalancerListeners", **name, Listeners=[WEB, WEB])
    wrong = scene.old.refused("CreateLoadBalancerListeners", **name, Listeners=[{**WEB, "InstancePort": 1}])
    assert wrong[0] == "DuplicateListener"
    scene.old("SetLoadBalancerListenerSSLCertificate", **name, LoadBalancerPort=443, SSLCertificateId=two)
    assert shown(scene)["ListenerDescriptions"][0]["Listener"]["SSLCertificateId"] == two
    gone = scene.old.refused("SetLoadBalancerListenerSSLCertificate", **name, LoadBalancerPort=1, SSLCertificateId=two)
    assert gone[0] == "ListenerNotFound"
    scene.old("DeleteLoadBalancerListeners", **name, LoadBalancerPorts=[80, 81])
    assert [one["Listener"]["LoadBalancerPort"] for one in shown(scene)["ListenerDescriptions"]] == [443]


def test_the_health_check(scene: Scene) -> None:
    make(scene)
    check = {"Target": "HTTP:80/ping", "Interval": 10, "Timeout": 5, "UnhealthyThreshold": 3, "HealthyThreshold": 2}
    assert scene.old("ConfigureHealthCheck", LoadBalancerName="old", HealthCheck=check) == {"HealthCheck": check}
    assert shown(scene)["HealthCheck"] == check
    for target in ("HTTP:80", "TCP:80/x", "TCP:0", "TCP:70000", "GOPHER:70/x", 'HTTP:80/"', "HTTP:80/a\nb", "80"):
        wrong = {**check, "Target": target}
        code, _ = scene.old.refused("ConfigureHealthCheck", LoadBalancerName="old", HealthCheck=wrong)
        assert code == "ValidationError", target
    slow = scene.old.refused("ConfigureHealthCheck", LoadBalancerName="old", HealthCheck={**check, "Timeout": 10})
    assert slow == ("ValidationError", "HealthCheck timeout must be less than interval")


def states(scene: Scene, **params: Any) -> dict[str, tuple[str, str]]:
    found = scene.old("DescribeInstanceHealth", LoadBalancerName="old", **params)["InstanceStates"]
    return {one["InstanceId"]: (one["State"], one["Description"]) for one in found}


def test_instances_and_how_they_are(scene: Scene) -> None:
    make(scene)
    near, far, idle = (scene.ec2.run(SubnetId=subnet) for subnet in (scene.subnets[0], scene.subnets[2], scene.subnets[1]))
    scene.ec2("StopInstances", InstanceIds=[idle])
    wanted = [{"InstanceId": one} for one in (near, far, idle)]
    answer = scene.old("RegisterInstancesWithLoadBalancer", LoadBalancerName="old", Instances=wanted)
    assert answer["Instances"] == wanted == shown(scene)["Instances"]
    found = states(scene)
    assert found[near][0] in ("InService", "OutOfService")
    assert "Availability Zone" in found[far][1]
    assert found[idle] == ("OutOfService", "Instance is in stopped state.")
    nobody = {"LoadBalancerName": "old", "Instances": [{"InstanceId": "i-00000000000000000"}]}
    for operation in (
        "RegisterInstancesWithLoadBalancer", "DeregisterInstancesFromLoadBalancer", "DescribeInstanceHealth"
    ):  # fmt: skip
        code, message = scene.old.refused(operation, **nobody)
        assert (code, message) == ("InvalidInstance", "Could not find EC2 instance i-00000000000000000.")
    scene.old("DeregisterInstancesFromLoadBalancer", LoadBalancerName="old", Instances=wanted[1:2])
    text = "Instance is not currently registered with the LoadBalancer."
    assert states(scene, Instances=wanted[1:2]) == {far: ("OutOfService", text)}
    draining = {"ConnectionDraining": {"Enabled": True, "Timeout": 60}}
    scene.old("ModifyLoadBalancerAttributes", LoadBalancerName="old", LoadBalancerAttributes=draining)
    scene.old("DeregisterInstancesFromLoadBalancer", LoadBalancerName="old", Instances=wanted[:1])
    assert states(scene)[near] == ("InService", "Instance deregistration currently in progress.")
    assert shown(scene)["Instances"] == wanted[2:]
    scene.ec2("TerminateInstances", InstanceIds=[idle])
    assert idle not in states(scene)


def test_zones_subnets_and_groups(scene: Scene) -> None:
    make(scene)
    name = {"LoadBalancerName": "old"}
    enabled = scene.old("EnableAvailabilityZonesForLoadBalancer", **name, AvailabilityZones=["us-east-1c", "us-east-1a"])
    assert enabled["AvailabilityZones"] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    left = scene.old("DisableAvailabilityZonesForLoadBalancer", **name, AvailabilityZones=["us-east-1a"])
    assert left["AvailabilityZones"] == ["us-east-1b", "us-east-1c"]
    assert sorted(scene.old("AttachLoadBalancerToSubnets", **name, Subnets=scene.subnets[:1])["Subnets"]) == sorted(scene.subnets)
    assert scene.old("DetachLoadBalancerFromSubnets", **name, Subnets=scene.subnets[1:])["Subnets"] == scene.subnets[:1]
    last = scene.old.refused("DetachLoadBalancerFromSubnets", **name, Subnets=scene.subnets[:1])
    assert last[0] == "InvalidConfigurationRequest"
    group = scene.ec2("CreateSecurityGroup", GroupName="lb", Description="of the balancer")["GroupId"]
    assert scene.old("ApplySecurityGroupsToLoadBalancer", **name, SecurityGroups=[group]) == {"SecurityGroups": [group]}
    assert shown(scene)["SourceSecurityGroup"]["GroupName"] == "lb"


def test_attributes(scene: Scene) -> None:
    make(scene)
    found = scene.old("DescribeLoadBalancerAttributes", LoadBalancerName="old")["LoadBalancerAttributes"]
    assert found["ConnectionSettings"] == {"IdleTimeout": 60}
    assert found["CrossZoneLoadBalancing"] == {"Enabled": False}

    def put(**attributes: Any) -> Any:
        return scene.old("ModifyLoadBalancerAttributes", LoadBalancerName="old", LoadBalancerAttributes=attributes)

    def bad(**attributes: Any) -> str:
        whole = {"LoadBalancerName": "old", "LoadBalancerAttributes": attributes}
        return scene.old.refused("ModifyLoadBalancerAttributes", **whole)[0]

    log = {"Enabled": True, "S3BucketName": "logs", "EmitInterval": 5, "S3BucketPrefix": "old"}
    changed = put(AccessLog=log, ConnectionSettings={"IdleTimeout": 5})["LoadBalancerAttributes"]
    assert (changed["AccessLog"], changed["ConnectionSettings"]) == (log, {"IdleTimeout": 5})
    assert bad(AccessLog={"Enabled": True}) == "ValidationError"
    assert bad(AccessLog={**log, "S3BucketName": ".."}) == "ValidationError"
    assert bad(AccessLog={**log, "EmitInterval": 7}) == "ValidationError"
    assert bad(ConnectionDraining={"Enabled": True, "Timeout": 0}) == "ValidationError"
    assert bad(ConnectionSettings={"IdleTimeout": 4001}) == "ValidationError"
    assert bad(AdditionalAttributes=[{"Key": "no.such", "Value": "x"}]) == "LoadBalancerAttributeNotFound"
    mode = "elb.http.desyncmitigationmode"
    assert bad(AdditionalAttributes=[{"Key": mode, "Value": "monitor"}]) == "UnsupportedOperation"
    put(AdditionalAttributes=[{"Key": mode, "Value": "strictest"}])
    found = scene.old("DescribeLoadBalancerAttributes", LoadBalancerName="old")["LoadBalancerAttributes"]
    assert found["AdditionalAttributes"] == [{"Key": mode, "Value": "strictest"}]


def test_policies(scene: Scene) -> None:
    certificate = scene.certificate()
    secure = {"Protocol": "SSL", "LoadBalancerPort": 443, "InstancePort": 9000, "InstanceProtocol": "TCP"}
    make(scene, "old", WEB, {**secure, "SSLCertificateId": certificate})
    name = {"LoadBalancerName": "old"}
    scene.old("CreateLBCookieStickinessPolicy", **name, PolicyName="hour", CookieExpirationPeriod=3600)
    scene.old("CreateAppCookieStickinessPolicy", **name, PolicyName="app", CookieName="session")
    again = scene.old.refused("CreateAppCookieStickinessPolicy", **name, PolicyName="app", CookieName="session")
    assert again[0] == "DuplicatePolicyName"
    proxy = [{"AttributeName": "ProxyProtocol", "AttributeValue": "true"}]
    kinds = {"PolicyTypeName": "ProxyProtocolPolicyType", "PolicyAttributes": proxy}
    scene.old("CreateLoadBalancerPolicy", **name, PolicyName="proxy", **kinds)
    assert shown(scene)["Policies"] == {
        "AppCookieStickinessPolicies": [{"PolicyName": "app", "CookieName": "session"}],
        "LBCookieStickinessPolicies": [{"PolicyName": "hour", "CookieExpirationPeriod": 3600}],
        "OtherPolicies": ["ELBSecurityPolicy-2016-08", "proxy"],
    }

    def of(port: int, *policies: str) -> Any:
        return scene.old("SetLoadBalancerPoliciesOfListener", **name, LoadBalancerPort=port, PolicyNames=list(policies))

    def bad(port: int, *policies: str) -> str:
        whole = {**name, "LoadBalancerPort": port, "PolicyNames": list(policies)}
        return scene.old.refused("SetLoadBalancerPoliciesOfListener", **whole)[0]

    of(80, "hour")
    assert bad(80, "hour", "app") == "InvalidConfigurationRequest"
    assert bad(443, "hour") == "InvalidConfigurationRequest"
    assert bad(80, "proxy") == "InvalidConfigurationRequest"
    assert bad(80, "none") == "PolicyNotFound"
    modern = [{"AttributeName": "Reference-Security-Policy", "AttributeValue": "ELBSecurityPolicy-TLS-1-2-2017-01"}]
    tls = {"PolicyTypeName": "SSLNegotiationPolicyType"}
    scene.old("CreateLoadBalancerPolicy", **name, PolicyName="tls", **tls, PolicyAttributes=modern)
    of(443, "tls")
    row = scene.cloud.state.listeners.find(port=443)[0]
    assert (row.ssl_policy, row.policies) == ("ELBSecurityPolicy-TLS-1-2-2017-01", ["tls"])
    of(443)
    assert scene.cloud.state.listeners.find(port=443)[0].ssl_policy == "ELBSecurityPolicy-2016-08"
    own = [{"AttributeName": "Protocol-TLSv1.2", "AttributeValue": "true"}]
    refused = scene.old.refused("CreateLoadBalancerPolicy", **name, PolicyName="own", **tls, PolicyAttributes=own)
    assert refused[0] == "UnsupportedOperation"
    strange = scene.old.refused("CreateLoadBalancerPolicy", **name, PolicyName="x", PolicyTypeName="NoSuchType")
    assert strange[0] == "PolicyTypeNotFound"
    scene.old("SetLoadBalancerPoliciesForBackendServer", **name, InstancePort=9000, PolicyNames=["proxy"])
    assert shown(scene)["BackendServerDescriptions"] == [{"InstancePort": 9000, "PolicyNames": ["proxy"]}]
    for used in ("hour", "proxy"):
        assert scene.old.refused("DeleteLoadBalancerPolicy", **name, PolicyName=used)[0] == "InvalidConfigurationRequest"
    scene.old("SetLoadBalancerPoliciesForBackendServer", **name, InstancePort=9000, PolicyNames=[])
    scene.old("DeleteLoadBalancerPolicy", **name, PolicyName="proxy")
    described = scene.old("DescribeLoadBalancerPolicies", **name)["PolicyDescriptions"]
    assert {one["PolicyName"] for one in described} == {"app", "hour", "tls", "ELBSecurityPolicy-2016-08"}
    assert len(scene.old("DescribeLoadBalancerPolicies")["PolicyDescriptions"]) == 4
    assert len(scene.old("DescribeLoadBalancerPolicyTypes")["PolicyTypeDescriptions"]) == 4
