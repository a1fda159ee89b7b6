"""Application and network load balancers: what is kept and shown, and AWS's words for what cannot be."""

from typing import Any

import pytest

from minicloud.cloud import Cloud

from ..lb_scene import ANSWER, Scene, forward


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


def test_a_balancer_stands_in_subnets_with_interfaces_of_its_own(scene: Scene) -> None:
    made = scene.v2("CreateLoadBalancer", Name="web", Subnets=scene.subnets[:2], Tags=[{"Key": "a", "Value": "b"}])
    shown = made["LoadBalancers"][0]
    assert shown["Type"] == "application"
    assert shown["Scheme"] == "internet-facing"
    assert shown["LoadBalancerArn"].startswith("arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/")
    assert shown["DNSName"].startswith("web-")
    assert shown["DNSName"].endswith(".us-east-1.elb.internal")
    assert [one["ZoneName"] for one in shown["AvailabilityZones"]] == ["us-east-1a", "us-east-1b"]
    filters = [{"Name": "requester-id", "Values": ["amazon-elb"]}]
    cards = scene.ec2("DescribeNetworkInterfaces", Filters=filters)["NetworkInterfaces"]
    assert {one["SubnetId"] for one in cards} == set(scene.subnets[:2])
    assert {one["Status"] for one in cards} == {"in-use"}
    assert {one["RequesterManaged"] for one in cards} == {True}
    assert {one["Description"] for one in cards} == {"ELB " + shown["LoadBalancerArn"].partition("loadbalancer/")[2]}
    assert all(one["Association"]["PublicIp"].startswith("203.0.113.") for one in cards)
    assert scene.ec2.refused("DeleteNetworkInterface", NetworkInterfaceId=cards[0]["NetworkInterfaceId"]).code == (
        "InvalidParameterValue"
    )
    changed = scene.ec2.refused(
        "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=cards[0]["NetworkInterfaceId"], Groups=shown["SecurityGroups"]
    )
    assert changed.code == "OperationNotPermitted"
    assert scene.ec2.refused("DeleteSubnet", SubnetId=scene.subnets[0]).code == "DependencyViolation"
    tags = scene.v2("DescribeTags", ResourceArns=[shown["LoadBalancerArn"]])["TagDescriptions"]
    assert tags == [{"ResourceArn": shown["LoadBalancerArn"], "Tags": [{"Key": "a", "Value": "b"}]}]
    scene.v2("DeleteLoadBalancer", LoadBalancerArn=shown["LoadBalancerArn"])
    scene.v2("DeleteLoadBalancer", LoadBalancerArn=shown["LoadBalancerArn"])
    assert scene.ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []
    assert scene.cloud.state.public_addresses.query() == []
    assert scene.cloud.state.tags.query() == []
    assert scene.v2("DescribeLoadBalancers")["LoadBalancers"] == []


def test_the_same_again_is_the_same_and_other_settings_are_refused(scene: Scene) -> None:
    first = scene.balancer()
    assert scene.balancer() == first
    code, message = scene.v2.refused("CreateLoadBalancer", Name="web", Subnets=scene.subnets[1:])
    assert code == "DuplicateLoadBalancerName"
    assert message == "A load balancer with the same name 'web' exists, but with different settings"
    group = scene.group()
    assert scene.group() == group
    code, message = scene.v2.refused("CreateTargetGroup", Name="blue", Protocol="HTTP", Port=81, VpcId=scene.vpc)
    assert code == "DuplicateTargetGroupName"
    assert message == "A target group with the same name 'blue' exists, but with different settings"


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({"Name": "n" * 33}, "ValidationError", f"The load balancer name '{'n' * 33}' cannot be longer than '32' characters"),
        ({"Name": "a_b"}, "ValidationError", "can only contain characters that are alphanumeric characters or hyphens(-)"),
        ({"Name": "-a"}, "ValidationError", "cannot begin or end with '-'"),
        ({"Name": "internal-a"}, "ValidationError", "cannot begin with 'internal-'"),
        ({"Subnets": 1}, "ValidationError", "At least two subnets in two different Availability Zones must be specified"),
        ({"Subnets": ["subnet-00000000000000000"]}, "SubnetNotFound", "The subnet ID 'subnet-00000000000000000' does not exist"),
        ({"SecurityGroups": ["sg-00000000000000000"]}, "InvalidSecurityGroup", "One or more security groups are invalid"),
        ({"Type": "gateway"}, "UnsupportedOperation", "load balancers of the type gateway"),
        ({"Type": "other"}, "ValidationError", "enum value set: [application, network, gateway]"),
        ({"IpAddressType": "dualstack"}, "UnsupportedOperation", "dualstack"),
        ({"Subnets": []}, "ValidationError", "must have at least one subnet"),
    ],
)  # fmt: skip
def test_what_no_balancer_can_be(scene: Scene, params: dict[str, Any], code: str, text: str) -> None:
    whole = {"Name": "web", "Subnets": scene.subnets[:2], **params}
    if whole["Subnets"] == 1:
        whole["Subnets"] = scene.subnets[:1]
    found, message = scene.v2.refused("CreateLoadBalancer", **whole)
    assert found == code
    assert text in message
    assert scene.v2("DescribeLoadBalancers")["LoadBalancers"] == []
    assert scene.ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []


def test_a_network_balancer_has_static_addresses(scene: Scene) -> None:
    elastic = scene.ec2("AllocateAddress")
    mapping = {"SubnetId": scene.subnets[0], "AllocationId": elastic["AllocationId"]}
    made = scene.v2("CreateLoadBalancer", Name="net", Type="network", SubnetMappings=[mapping])["LoadBalancers"][0]
    zone = made["AvailabilityZones"][0]
    assert zone["LoadBalancerAddresses"] == [{"IpAddress": elastic["PublicIp"], "AllocationId": elastic["AllocationId"]}]
    assert "SecurityGroups" not in made
    assert scene.ec2.refused("ReleaseAddress", AllocationId=elastic["AllocationId"]).code == "InvalidIPAddress.InUse"
    association = scene.ec2("DescribeAddresses")["Addresses"][0]["AssociationId"]
    assert scene.ec2.refused("DisassociateAddress", AssociationId=association).code == "OperationNotPermitted"
    taken, _ = scene.v2.refused("CreateLoadBalancer", Name="two", Type="network", SubnetMappings=[mapping])
    assert taken == "ResourceInUse"
    wrong = {"SubnetId": scene.subnets[0], "AllocationId": "eipalloc-00000000000000000"}
    gone, _ = scene.v2.refused("CreateLoadBalancer", Name="two", Type="network", SubnetMappings=[wrong])
    assert gone == "AllocationIdNotFound"
    not_mine, _ = scene.v2.refused("CreateLoadBalancer", Name="app", SubnetMappings=[mapping])
    assert not_mine == "InvalidConfigurationRequest"
    scene.v2("DeleteLoadBalancer", LoadBalancerArn=made["LoadBalancerArn"])
    assert scene.ec2("DescribeAddresses")["Addresses"][0].get("AssociationId") is None
    private = {"SubnetId": scene.subnets[0], "PrivateIPv4Address": "172.31.0.77"}
    inside = scene.v2("CreateLoadBalancer", Name="in", Type="network", Scheme="internal", SubnetMappings=[private])
    zone = inside["LoadBalancers"][0]["AvailabilityZones"][0]
    assert zone["LoadBalancerAddresses"] == [{"PrivateIPv4Address": "172.31.0.77"}]
    assert inside["LoadBalancers"][0]["DNSName"].startswith("internal-in-")


def test_subnets_and_groups_change_and_what_stays_keeps_its_address(scene: Scene) -> None:
    arn, subnets = scene.balancer(), scene.subnets
    before = {one.subnet_id: one.address for one in scene.cloud.state.interfaces.query()}
    scene.v2("SetSubnets", LoadBalancerArn=arn, Subnets=subnets[1:])
    after = {one.subnet_id: one.address for one in scene.cloud.state.interfaces.query()}
    assert set(after) == set(subnets[1:])
    assert after[subnets[1]] == before[subnets[1]]
    assert len(scene.cloud.state.public_addresses.query()) == 2
    group = scene.ec2("CreateSecurityGroup", GroupName="lb", Description="of the balancer")["GroupId"]
    scene.v2("SetSecurityGroups", LoadBalancerArn=arn, SecurityGroups=[group])
    assert {tuple(one.group_ids) for one in scene.cloud.state.interfaces.query()} == {(group,)}
    assert scene.ec2.refused("DeleteSecurityGroup", GroupId=group).code == "DependencyViolation"
    network = scene.balancer("net", Type="network")
    code, _ = scene.v2.refused("SetSecurityGroups", LoadBalancerArn=network, SecurityGroups=[group])
    assert code == "InvalidConfigurationRequest"
    assert scene.v2("SetIpAddressType", LoadBalancerArn=arn, IpAddressType="ipv4") == {"IpAddressType": "ipv4"}
    assert scene.v2.refused("SetIpAddressType", LoadBalancerArn=arn, IpAddressType="dualstack")[0] == "UnsupportedOperation"


def test_attributes(scene: Scene) -> None:
    arn = scene.balancer()
    answer = scene.v2("DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]
    found = {one["Key"]: one["Value"] for one in answer}
    assert found["idle_timeout.timeout_seconds"] == "60"
    assert found["load_balancing.cross_zone.enabled"] == "true"
    assert "dns_record.client_routing_policy" not in found

    def put(key: str, value: str) -> Any:
        return scene.v2("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}])

    def bad(key: str, value: str) -> tuple[str, str]:
        attributes = [{"Key": "idle_timeout.timeout_seconds", "Value": "5"}, {"Key": key, "Value": value}]
        return scene.v2.refused("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=attributes)

    assert {"Key": "routing.http2.enabled", "Value": "false"} in put("routing.http2.enabled", "false")["Attributes"]
    assert bad("no.such", "1")[0] == "ValidationError"
    assert bad("routing.http2.enabled", "maybe")[0] == "ValidationError"
    assert bad("dns_record.client_routing_policy", "any_availability_zone")[0] == "ValidationError"
    assert bad("client_keep_alive.seconds", "5")[0] == "ValidationError"
    assert bad("client_keep_alive.seconds", "9" * 5000)[0] == "ValidationError"
    assert bad("waf.fail_open.enabled", "true")[0] == "UnsupportedOperation"
    assert bad("load_balancing.cross_zone.enabled", "false")[0] == "InvalidConfigurationRequest"
    assert bad("access_logs.s3.enabled", "true")[0] == "ValidationError"
    for value in ("../x", "/x", "a/../b", "a b", 'a"b'):
        assert bad("access_logs.s3.prefix", value)[0] == "ValidationError", value
    for value in ("..", "a/b", "A", "a..b"):
        assert bad("access_logs.s3.bucket", value)[0] == "ValidationError", value
    answer = scene.v2("DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "60"} in answer
    put("deletion_protection.enabled", "true")
    code, message = scene.v2.refused("DeleteLoadBalancer", LoadBalancerArn=arn)
    assert code == "OperationNotPermitted"
    assert message == f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"


def test_unknown_balancers(scene: Scene) -> None:
    gone = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/0123456789abcdef"
    wanted = ("LoadBalancerNotFound", "One or more load balancers not found")
    assert scene.v2.refused("DescribeLoadBalancers", LoadBalancerArns=[gone]) == wanted
    assert scene.v2.refused("DescribeLoadBalancers", Names=["web"]) == wanted
    assert scene.v2.refused("ModifyLoadBalancerAttributes", LoadBalancerArn=gone, Attributes=[]) == wanted
    assert scene.v2.refused("CreateListener", LoadBalancerArn=gone, Port=80, Protocol="HTTP", DefaultActions=[ANSWER]) == wanted
    assert scene.v2.refused("SetSubnets", LoadBalancerArn="web", Subnets=scene.subnets)[0] == "ValidationError"


def test_listeners(scene: Scene) -> None:
    arn, group = scene.balancer(), scene.group()
    listener = scene.listener(arn, forward(group))
    shown = scene.v2("DescribeListeners", LoadBalancerArn=arn)["Listeners"]
    assert shown == scene.v2("DescribeListeners", ListenerArns=[listener])["Listeners"]
    action = shown[0]["DefaultActions"][0]
    assert action["TargetGroupArn"] == group
    assert action["ForwardConfig"]["TargetGroups"] == [{"TargetGroupArn": group, "Weight": 1}]

    def refused(*actions: dict[str, Any], **changes: Any) -> tuple[str, str]:
        whole = {"LoadBalancerArn": arn, "Protocol": "HTTP", "Port": 81, **changes}
        return scene.v2.refused("CreateListener", DefaultActions=list(actions), **whole)

    assert refused(forward(group), Port=80) == (
        "DuplicateListener", f"A listener already exists on this port for this load balancer '{arn}'"
    )  # fmt: skip
    assert refused(forward(group), Protocol="TCP") == (
        "ValidationError", "Listener protocol 'TCP' must be one of 'HTTP, HTTPS'"
    )  # fmt: skip
    missing = group[:-4] + "0000"
    assert refused(forward(missing)) == ("TargetGroupNotFound", "One or more target groups not found")
    assert refused(forward(group), Protocol="HTTPS")[0] == "ValidationError"
    assert refused(forward(group), Protocol="HTTPS", Certificates=[{"CertificateArn": "x"}])[0] == "CertificateNotFound"
    assert refused({"Type": "authenticate-cognito"})[0] == "UnsupportedOperation"
    assert refused(ANSWER, ANSWER)[0] == "ValidationError"
    tcp = scene.group("tcp", Protocol="TCP")
    assert refused(forward(tcp))[0] == "IncompatibleProtocols"
    other = scene.balancer("other")
    taken = scene.v2.refused("CreateListener", LoadBalancerArn=other, Protocol="HTTP", Port=80, DefaultActions=[forward(group)])
    assert taken[0] == "TargetGroupAssociationLimit"
    code, message = scene.v2.refused("DeleteTargetGroup", TargetGroupArn=group)
    assert (code, message) == ("ResourceInUse", f"Target group '{group}' is currently in use by a listener or a rule")
    assert scene.v2("DescribeTargetGroups", LoadBalancerArn=arn)["TargetGroups"][0]["LoadBalancerArns"] == [arn]
    scene.v2("ModifyListener", ListenerArn=listener, Port=8080, DefaultActions=[ANSWER])
    assert scene.v2("DescribeListeners", LoadBalancerArn=arn)["Listeners"][0]["Port"] == 8080
    scene.v2("DeleteTargetGroup", TargetGroupArn=group)
    scene.v2("DeleteTargetGroup", TargetGroupArn=group)
    scene.v2("DeleteListener", ListenerArn=listener)
    assert scene.v2.refused("DescribeListeners", ListenerArns=[listener])[0] == "ListenerNotFound"


@pytest.mark.parametrize(
    "config",
    [
        {"StatusCode": "HTTP_301"},
        {"StatusCode": "HTTP_301", "Port": "0"},
        {"StatusCode": "HTTP_301", "Port": "9" * 5000},
        {"StatusCode": "HTTP_301", "Path": "no-slash"},
        {"StatusCode": "HTTP_301", "Path": '/a"b'},
        {"StatusCode": "HTTP_301", "Path": "/a\nb"},
        {"StatusCode": "HTTP_301", "Host": "a b"},
        {"StatusCode": "HTTP_301", "Path": "/#{nothing}"},
        {"StatusCode": "HTTP_301", "Protocol": "FTP"},
        {"Port": "443"},
    ],
)
def test_redirects_that_cannot_be(scene: Scene, config: dict[str, str]) -> None:
    arn, action = scene.balancer(), {"Type": "redirect", "RedirectConfig": config}
    code, _ = scene.v2.refused("CreateListener", LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[action])
    assert code == "ValidationError"


def test_a_redirect_has_all_its_parts(scene: Scene) -> None:
    config = {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443"}
    listener = scene.listener(scene.balancer(), {"Type": "redirect", "RedirectConfig": config})
    shown = scene.v2("DescribeListeners", ListenerArns=[listener])["Listeners"][0]["DefaultActions"][0]["RedirectConfig"]
    assert shown == {**config, "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}"}


def test_certificates_of_listeners(scene: Scene) -> None:
    arn, (one, two, three) = scene.balancer(), (scene.certificate(f"{name}.example.com") for name in "abc")
    listener = scene.listener(arn, ANSWER, port=443, protocol="HTTPS", Certificates=[{"CertificateArn": one}])
    shown = scene.v2("DescribeListeners", ListenerArns=[listener])["Listeners"][0]
    assert shown["Certificates"] == [{"CertificateArn": one}]
    assert shown["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    more = [{"CertificateArn": two}, {"CertificateArn": three}]
    scene.v2("AddListenerCertificates", ListenerArn=listener, Certificates=more)
    scene.v2("RemoveListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": three}])
    listed = scene.v2("DescribeListenerCertificates", ListenerArn=listener)["Certificates"]
    assert listed == [{"CertificateArn": one, "IsDefault": True}, {"CertificateArn": two, "IsDefault": False}]
    gone = scene.v2.refused("RemoveListenerCertificates", ListenerArn=listener, Certificates=[{"CertificateArn": one}])
    assert gone[0] == "OperationNotPermitted"
    assert scene.acm.refused("DeleteCertificate", CertificateArn=two)[0] == "ResourceInUseException"
    assert scene.acm("DescribeCertificate", CertificateArn=two)["Certificate"]["InUseBy"] == [arn]
    unknown = scene.v2.refused("ModifyListener", ListenerArn=listener, SslPolicy="ELBSecurityPolicy-1999-01")
    assert unknown[0] == "SSLPolicyNotFound"
    modern = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    scene.v2("ModifyListener", ListenerArn=listener, SslPolicy=modern, Certificates=[{"CertificateArn": three}])
    shown = scene.v2("DescribeListeners", ListenerArns=[listener])["Listeners"][0]
    assert (shown["SslPolicy"], shown["Certificates"]) == (modern, [{"CertificateArn": three}])
    scene.v2("ModifyListener", ListenerArn=listener, Protocol="HTTP")
    scene.acm("DeleteCertificate", CertificateArn=two)
    policy = scene.v2("DescribeSSLPolicies", Names=[modern])["SslPolicies"][0]
    assert policy["SslProtocols"] == ["TLSv1.2", "TLSv1.3"]
    assert policy["Ciphers"][0] == {"Name": "TLS_AES_128_GCM_SHA256", "Priority": 1}


def test_a_network_balancer_forwards_tcp_and_tls(scene: Scene) -> None:
    arn, group, web = scene.balancer("net", Type="network"), scene.group("tcp", Protocol="TCP", Port=22), scene.group()

    def refused(*actions: dict[str, Any], **changes: Any) -> str:
        whole = {"LoadBalancerArn": arn, "Protocol": "TCP", "Port": 22, **changes}
        return scene.v2.refused("CreateListener", DefaultActions=list(actions), **whole)[0]

    assert refused(ANSWER) == "InvalidLoadBalancerAction"
    assert refused(forward(web)) == "IncompatibleProtocols"
    assert refused(forward(group), Protocol="UDP") == "UnsupportedOperation"
    assert refused(forward(group), Protocol="HTTP") == "ValidationError"
    assert refused(forward(group), AlpnPolicy=["HTTP2Only"]) == "ValidationError"
    assert refused(forward(group), Protocol="TLS", Certificates=[{"CertificateArn": scene.certificate()}], AlpnPolicy=["x"]) == (
        "ALPNPolicyNotFound"
    )
    listener = scene.listener(arn, forward(group), port=22, protocol="TCP")
    rule = {"Conditions": [{"Field": "path-pattern", "Values": ["/a"]}], "Priority": 1, "Actions": [forward(group)]}
    assert scene.v2.refused("CreateRule", ListenerArn=listener, **rule)[0] == "UnsupportedProtocol"
    attributes = scene.v2("DescribeListenerAttributes", ListenerArn=listener)["Attributes"]
    assert attributes == [{"Key": "tcp.idle_timeout.seconds", "Value": "350"}]
    changed = [{"Key": "tcp.idle_timeout.seconds", "Value": "60"}]
    assert scene.v2("ModifyListenerAttributes", ListenerArn=listener, Attributes=changed)["Attributes"] == changed


def test_pages(scene: Scene) -> None:
    arns = sorted(scene.group(f"group-{number}") for number in range(5))
    first = scene.v2("DescribeTargetGroups", PageSize=2)
    second = scene.v2("DescribeTargetGroups", PageSize=2, Marker=first["NextMarker"])
    third = scene.v2("DescribeTargetGroups", PageSize=2, Marker=second["NextMarker"])
    assert [one["TargetGroupArn"] for page in (first, second, third) for one in page["TargetGroups"]] == arns
    assert "NextMarker" not in third
    assert scene.v2.refused("DescribeTargetGroups", Marker="nonsense")[0] == "ValidationError"


def test_limits_are_those_that_are_enforced(scene: Scene) -> None:
    limits = {one["Name"]: one["Max"] for one in scene.v2("DescribeAccountLimits")["Limits"]}
    groups = [scene.group(f"group-{number}") for number in range(6)]
    assert limits["target-groups-per-action-on-application-load-balancer"] == "5"
    arn = scene.balancer()
    assert scene.v2.refused(
        "CreateListener", LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[forward(*groups)]
    )[0] == "InvalidLoadBalancerAction"  # fmt: skip
    for port in range(1, int(limits["listeners-per-application-load-balancer"]) + 1):
        scene.listener(arn, ANSWER, port=port)
    assert scene.v2.refused(
        "CreateListener", LoadBalancerArn=arn, Protocol="HTTP", Port=99, DefaultActions=[ANSWER]
    )[0] == "TooManyListeners"  # fmt: skip
