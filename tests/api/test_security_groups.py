"""Security groups: rules normalised or refused as AWS does, and what the fake host is asked to enforce."""

from ipaddress import IPv4Network
from typing import Any

import pytest

from minicloud.host.firewall_spec import FirewallSpec
from minicloud.reconcile import firewall

from ..cloud_fixtures import Ec2

UNKNOWN = "0fedcba9876543210"


def wanted(ec2: Ec2) -> FirewallSpec:
    return firewall.wanted(firewall.read(ec2.cloud.state), ec2.cloud.settings)


def in_force(ec2: Ec2) -> bool:
    return ec2.cloud.host.firewall.in_force(wanted(ec2))


@pytest.fixture
def group(ec2: Ec2) -> str:
    return str(ec2("CreateSecurityGroup", GroupName="web", Description="for tests")["GroupId"])


def allow(ec2: Ec2, group: str, protocol: str, low: int | None = None, high: int | None = None, **peers: Any) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": protocol, **(peers or {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]})}
    permission |= {name: value for name, value in (("FromPort", low), ("ToPort", high)) if value is not None}
    return ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[permission])


def rules(ec2: Ec2, group: str) -> list[dict[str, Any]]:
    filters = [{"Name": "group-id", "Values": [group]}]
    return [rule for rule in ec2("DescribeSecurityGroupRules", Filters=filters)["SecurityGroupRules"] if not rule["IsEgress"]]


class TestGroups:
    def test_the_default_group_is_ec2s(self, ec2: Ec2) -> None:
        found = ec2("DescribeSecurityGroups", GroupNames=["default"])["SecurityGroups"][0]
        assert [pair["GroupId"] for pair in found["IpPermissions"][0]["UserIdGroupPairs"]] == [found["GroupId"]]
        assert found["IpPermissions"][0]["IpProtocol"] == "-1"
        assert [one["CidrIp"] for one in found["IpPermissionsEgress"][0]["IpRanges"]] == ["0.0.0.0/0"]

    def test_a_new_group_lets_everything_out_and_nothing_in(self, ec2: Ec2, group: str) -> None:
        found = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0]
        assert found["IpPermissions"] == []
        assert found["IpPermissionsEgress"][0]["IpProtocol"] == "-1"

    def test_its_rules_and_tags_go_with_it(self, ec2: Ec2, group: str) -> None:
        made = allow(ec2, group, "tcp", 80, 80)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        ec2("CreateTags", Resources=[group, made], Tags=[{"Key": "a", "Value": "b"}])
        assert ec2("DeleteSecurityGroup", GroupId=group) == {"Return": True, "GroupId": group}
        assert ec2("DescribeTags")["Tags"] == []
        assert ec2.refused("DescribeSecurityGroups", GroupIds=[group]).code == "InvalidGroup.NotFound"

    def test_one_in_use_stays(self, ec2: Ec2, group: str) -> None:
        ec2.run(SecurityGroupIds=[group])
        assert ec2.refused("DeleteSecurityGroup", GroupId=group).code == "DependencyViolation"
        other = ec2("CreateSecurityGroup", GroupName="app", Description="d")["GroupId"]
        allow(ec2, group, "tcp", 80, 80, UserIdGroupPairs=[{"GroupId": other}])
        error = ec2.refused("DeleteSecurityGroup", GroupId=other)
        assert (error.code, error.message) == ("DependencyViolation", f"resource {other} has a dependent object")

    def test_filters(self, ec2: Ec2, group: str) -> None:
        allow(ec2, group, "tcp", 80, 80)
        for name, value in (("group-name", "we*"), ("ip-permission.from-port", "80"), ("ip-permission.cidr", "0.0.0.0/0")):
            found = ec2("DescribeSecurityGroups", Filters=[{"Name": name, "Values": [value]}])["SecurityGroups"]
            assert [one["GroupId"] for one in found] == [group]


class TestRules:
    @pytest.mark.parametrize(
        ("protocol", "low", "high", "cidr", "kept"),
        [
            ("TCP", 80, 80, "10.1.2.3/8", ("tcp", 80, 80, "10.0.0.0/8")),
            ("6", 80, 80, "10.0.0.0/8", ("tcp", 80, 80, "10.0.0.0/8")),
            ("17", 0, 65535, "0.0.0.0/0", ("udp", 0, 65535, "0.0.0.0/0")),
            ("-1", 80, 90, "192.0.2.1/32", ("-1", -1, -1, "192.0.2.1/32")),
            ("47", 1, 2, "192.0.2.1/32", ("47", -1, -1, "192.0.2.1/32")),
            ("icmp", 8, None, "0.0.0.0/0", ("icmp", 8, -1, "0.0.0.0/0")),
            ("ICMP", None, None, "0.0.0.0/0", ("icmp", -1, -1, "0.0.0.0/0")),
            ("1", 3, 4, "0.0.0.0/0", ("icmp", 3, 4, "0.0.0.0/0")),
        ],
    )
    def test_normalised(  # noqa: PLR0917
        self, ec2: Ec2, group: str, protocol: str, low: int | None, high: int | None, cidr: str, kept: tuple[Any, ...]
    ) -> None:
        allow(ec2, group, protocol, low, high, IpRanges=[{"CidrIp": cidr}])
        rule = rules(ec2, group)[0]
        assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["CidrIpv4"]) == kept

    @pytest.mark.parametrize(
        ("protocol", "low", "high", "cidr", "message"),
        [
            ("tcp", 80, 80, "10.0.0.0/33", "CIDR block 10.0.0.0/33 is malformed"),
            ("tcp", 80, 80, "10.0.0.0", "CIDR block 10.0.0.0 is malformed"),
            ("tcp", 80, 80, "10.0.0.0/255.0.0.0", "CIDR block 10.0.0.0/255.0.0.0 is malformed"),
            ("tcp", 80, 80, "everybody", "CIDR block everybody is malformed"),
            ("tcp", 80, 80, "10.0.0.0/8\n-j ACCEPT", "CIDR block 10.0.0.0/8\n-j ACCEPT is malformed"),
            ("all", 80, 80, "0.0.0.0/0", "Invalid value 'all' for IP protocol. Unknown protocol."),
            ("256", 80, 80, "0.0.0.0/0", "Invalid value '256' for IP protocol. Unknown protocol."),
            ("tcp", None, None, "0.0.0.0/0", "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."),
            ("udp", 80, None, "0.0.0.0/0", "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."),
            ("tcp", 80, 65536, "0.0.0.0/0", "TCP/UDP (to) port (65536) out of range"),
            ("tcp", -1, 80, "0.0.0.0/0", "TCP/UDP (from) port (-1) out of range"),
            ("tcp", 90, 80, "0.0.0.0/0", "Invalid TCP/UDP port range (90:80)"),
            ("icmp", 8, 256, "0.0.0.0/0", "ICMP code (256) out of range"),
            ("icmp", 300, 0, "0.0.0.0/0", "ICMP type (300) out of range"),
        ],
    )
    def test_refused(  # noqa: PLR0917
        self, ec2: Ec2, group: str, protocol: str, low: int | None, high: int | None, cidr: str, message: str
    ) -> None:
        permission = {"IpProtocol": protocol, "IpRanges": [{"CidrIp": cidr}]}
        permission |= {name: value for name, value in (("FromPort", low), ("ToPort", high)) if value is not None}
        error = ec2.refused("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[permission])
        assert (error.code, error.message) == ("InvalidParameterValue", message)
        assert rules(ec2, group) == []

    def test_the_flat_form_is_the_same_rule(self, ec2: Ec2, group: str) -> None:
        ec2("AuthorizeSecurityGroupIngress", GroupName="web", IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="10.0.0.9/8")
        error = ec2.refused(
            "AuthorizeSecurityGroupIngress",
            GroupId=group,
            IpPermissions=[{"IpProtocol": "6", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}],
        )
        assert error.code == "InvalidPermission.Duplicate"
        assert error.message == ('the specified rule "peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW" already exists')

    def test_a_source_group_by_name_means_all_traffic(self, ec2: Ec2, group: str) -> None:
        ec2("AuthorizeSecurityGroupIngress", GroupId=group, SourceSecurityGroupName="default")
        rule = rules(ec2, group)[0]
        assert rule["IpProtocol"] == "-1"
        assert rule["ReferencedGroupInfo"]["GroupId"] != group

    def test_revoked_by_what_it_says_and_by_its_id(self, ec2: Ec2, group: str) -> None:
        allow(ec2, group, "tcp", 80, 80)
        made = allow(ec2, group, "tcp", 81, 81)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        ec2("RevokeSecurityGroupIngress", GroupId=group, IpProtocol="TCP", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0")
        answer = ec2("RevokeSecurityGroupIngress", GroupId=group, SecurityGroupRuleIds=[made])
        assert answer["RevokedSecurityGroupRules"][0]["FromPort"] == 81
        assert rules(ec2, group) == []
        again = ec2.refused(
            "RevokeSecurityGroupIngress", GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
        )
        assert again.code == "InvalidPermission.NotFound"
        assert ec2.refused("RevokeSecurityGroupIngress", GroupId=group, SecurityGroupRuleIds=[made]).code == (
            "InvalidSecurityGroupRuleId.NotFound"
        )

    def test_what_is_described_can_be_given_back(self, ec2: Ec2, group: str) -> None:
        allow(ec2, group, "tcp", 80, 80)
        for direction in ("IpPermissionsEgress", "IpPermissions"):
            said = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0][direction]
            way = "Egress" if direction.endswith("Egress") else "Ingress"
            ec2(f"RevokeSecurityGroup{way}", GroupId=group, IpPermissions=said)
            ec2(f"AuthorizeSecurityGroup{way}", GroupId=group, IpPermissions=said)
            assert ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0][direction] == said

    def test_the_61st_is_refused_and_none_of_its_request_is_kept(self, ec2: Ec2, group: str) -> None:
        ranges = [{"CidrIp": f"10.0.{number}.0/24"} for number in range(60)]
        allow(ec2, group, "tcp", 80, 80, IpRanges=ranges[:59])
        for extra in ([ranges[59], {"CidrIp": "10.1.0.0/24"}],):
            error = ec2.refused(
                "AuthorizeSecurityGroupIngress",
                GroupId=group,
                IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": extra}],
            )
            assert error.code == "RulesPerSecurityGroupLimitExceeded"
        assert len(rules(ec2, group)) == 59
        allow(ec2, group, "tcp", 80, 80, Ipv6Ranges=[{"CidrIpv6": "2001:db8::/32"}])
        allow(ec2, group, "tcp", 80, 80, IpRanges=ranges[59:])

    def test_changed_in_place(self, ec2: Ec2, group: str) -> None:
        made = allow(ec2, group, "tcp", 80, 80)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        update = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIpv4": "10.0.0.1/8", "Description": "dns"}
        ec2(
            "ModifySecurityGroupRules",
            GroupId=group,
            SecurityGroupRules=[{"SecurityGroupRuleId": made, "SecurityGroupRule": update}],
        )
        rule = rules(ec2, group)[0]
        assert (rule["SecurityGroupRuleId"], rule["IpProtocol"], rule["CidrIpv4"], rule["Description"]) == (
            made, "udp", "10.0.0.0/8", "dns",
        )  # fmt: skip
        both = {**update, "CidrIpv6": "::/0"}
        error = ec2.refused(
            "ModifySecurityGroupRules",
            GroupId=group,
            SecurityGroupRules=[{"SecurityGroupRuleId": made, "SecurityGroupRule": both}],
        )
        assert error.code == "InvalidParameterCombination"
        assert error.message == "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified"

    def test_described(self, ec2: Ec2, group: str) -> None:
        made = allow(ec2, group, "tcp", 80, 80)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        said = [{"SecurityGroupRuleId": made, "Description": "all of it"}]
        ec2("UpdateSecurityGroupRuleDescriptionsIngress", GroupId=group, SecurityGroupRuleDescriptions=said)
        assert rules(ec2, group)[0]["Description"] == "all of it"
        permission = {
            "IpProtocol": "tcp",
            "FromPort": 80,
            "ToPort": 80,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "x"}],
        }
        ec2("UpdateSecurityGroupRuleDescriptionsIngress", GroupId=group, IpPermissions=[permission])
        found = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0]
        assert found["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0", "Description": "x"}]


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        ("CreateSecurityGroup", {"GroupName": "web", "Description": "d"}, "InvalidGroup.Duplicate", ""),
        (
            "CreateSecurityGroup", {"GroupName": "sg-web", "Description": "d"}, "InvalidParameterValue",
            "Value (sg-web) for parameter GroupName is invalid. Group names may not be in the format sg-*.",
        ),
        (
            "CreateSecurityGroup", {"GroupName": "default", "Description": "d"}, "InvalidParameterValue",
            "Cannot use reserved security group name: default",
        ),
        ("CreateSecurityGroup", {"GroupName": "x"}, "MissingParameter", ""),
        (
            "CreateSecurityGroup", {"GroupName": "x", "Description": "it's"}, "InvalidParameterValue",
            "Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:"
            "  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        ),
        ("CreateSecurityGroup", {"GroupName": "x", "Description": "d", "VpcId": f"vpc-{UNKNOWN}"}, "InvalidVpcID.NotFound", ""),
        ("DeleteSecurityGroup", {"GroupName": "default"}, "CannotDelete", ""),
        (
            "DeleteSecurityGroup", {"GroupId": f"sg-{UNKNOWN}"}, "InvalidGroup.NotFound",
            f"The security group 'sg-{UNKNOWN}' does not exist",
        ),
        ("DeleteSecurityGroup", {"GroupId": "web"}, "InvalidGroupId.Malformed", ""),
        ("DeleteSecurityGroup", {}, "MissingParameter", ""),
        ("AuthorizeSecurityGroupIngress", {"GroupName": "web"}, "MissingParameter", ""),
        ("AuthorizeSecurityGroupIngress", {"GroupName": "web", "IpProtocol": "tcp"}, "MissingParameter", ""),
        (
            "AuthorizeSecurityGroupIngress",
            {"GroupName": "web", "IpPermissions": [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": f"sg-{UNKNOWN}"}]}]},
            "InvalidGroup.NotFound", f"The security group 'sg-{UNKNOWN}' does not exist",
        ),
        (
            "AuthorizeSecurityGroupIngress",
            {"GroupName": "web", "IpPermissions": [{"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}]},
            "UnsupportedOperation", "",
        ),
        (
            "DescribeSecurityGroupRules", {"SecurityGroupRuleIds": [f"sgr-{UNKNOWN}"]}, "InvalidSecurityGroupRuleId.NotFound",
            f"The security group rule ID 'sgr-{UNKNOWN}' does not exist",
        ),
    ],
)  # fmt: skip
def test_bad_input(  # noqa: PLR0917
    ec2: Ec2, group: str, operation: str, params: dict[str, Any], code: str, message: str
) -> None:
    error = ec2.refused(operation, **params)
    assert error.code == code
    assert error.status == 400
    assert error.message == (message or error.message)


class TestEnforcement:
    def test_in_force_when_the_answer_is_given(self, ec2: Ec2, group: str) -> None:
        ec2.run(SecurityGroupIds=[group])
        allow(ec2, group, "tcp", 80, 80, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
        spec = wanted(ec2)
        assert in_force(ec2)
        mine = next(one for one in spec.groups if one.group_id == group)
        assert [(one.protocol, one.low, one.high, one.peer) for one in mine.ingress] == [
            ("tcp", 80, 80, IPv4Network("10.0.0.0/8"))
        ]

    def test_rules_come_before_the_guest_and_go_after_it(self, ec2: Ec2) -> None:
        from minicloud.host.fake import FakeHost

        instance_id = ec2.run()
        host = ec2.cloud.host
        assert isinstance(host, FakeHost)
        calls = [call[0] for call in host.calls()]
        assert calls.index("firewall.apply") < calls.index("guests.start")
        ec2("TerminateInstances", InstanceIds=[instance_id])
        calls = [call[0] for call in host.calls()]
        assert calls.index("guests.remove") < len(calls) - 1 - calls[::-1].index("firewall.apply")
        assert wanted(ec2).ports == wanted(ec2).lans == ()
        assert in_force(ec2)

    def test_ipv6_opens_nothing(self, ec2: Ec2, group: str) -> None:
        ec2.run(SecurityGroupIds=[group])
        allow(ec2, group, "tcp", 80, 80, Ipv6Ranges=[{"CidrIpv6": "::/0"}])
        assert next(one for one in wanted(ec2).groups if one.group_id == group).ingress == ()

    def test_groups_of_an_instance_change_while_it_runs(self, ec2: Ec2, group: str) -> None:
        instance_id = ec2.run()
        ec2("ModifyInstanceAttribute", InstanceId=instance_id, Groups=[group])
        assert wanted(ec2).ports[0].group_ids == (group,)
        assert in_force(ec2)
        ec2("ModifyInstanceAttribute", InstanceId=instance_id, SourceDestCheck={"Value": False})
        assert wanted(ec2).ports[0].strict is False
        assert in_force(ec2)

    def test_a_firewall_that_fails_lets_no_guest_start(self, ec2: Ec2) -> None:
        from minicloud.errors import Retry
        from minicloud.host.fake import FakeHost

        host = ec2.cloud.host
        assert isinstance(host, FakeHost)
        host.fail("firewall.apply", Retry("no iptables"), times=100)
        instance_id = ec2.run()
        assert ec2.state(instance_id) == "pending"
        assert "guests.start" not in [call[0] for call in host.calls()]
