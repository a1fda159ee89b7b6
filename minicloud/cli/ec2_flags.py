"""Where the aws CLI's flags for EC2 are not simply the parameters: --count, --protocol/--port/--cidr, user data, --save, ...

`TWISTS` has, by operation, the extra flags, the parameters without a flag, `add` that turns the words of extra flags into
parameters, and `finish` that completes the parameters however they were given (flags or --cli-input-json).
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .flags import Flag, flag
from .parse import Words
from .values import as_bytes

Params = dict[str, Any]


def _nothing(*_: Any) -> None:
    """For operations that need no such step."""


@dataclass(frozen=True)
class Twist:
    """What is special about one operation on the command line."""

    flags: tuple[Flag, ...] = ()
    dropped: frozenset[str] = frozenset()
    add: Callable[[Mapping[str, Words], Params], None] = _nothing
    finish: Callable[[Params], None] = _nothing


def _add_run(words: Mapping[str, Words], params: Params) -> None:
    if "count" in words:
        params["MinCount"], params["MaxCount"] = _count(str(words["count"]))
    if "user-data" in words:
        params["UserData"] = as_bytes(str(words["user-data"]))
    interface: Params = {}
    addresses = words.get("secondary-private-ip-addresses")
    if isinstance(addresses, list):
        interface["PrivateIpAddresses"] = [{"PrivateIpAddress": address, "Primary": False} for address in addresses]
    if "secondary-private-ip-address-count" in words:
        interface["SecondaryPrivateIpAddressCount"] = _whole(words, "secondary-private-ip-address-count")
    if "associate-public-ip-address" in words:
        interface["AssociatePublicIpAddress"] = words["associate-public-ip-address"]
    if interface:
        if "NetworkInterfaces" in params:
            raise UsageError("--network-interfaces does not go with the flags that describe a single interface")
        params["NetworkInterfaces"] = [{"DeviceIndex": 0, **interface}]
        _move_into(params, params["NetworkInterfaces"][0])


def _move_into(params: Params, interface: Params) -> None:
    """AWS takes these inside the interface once there is one."""
    moved = {"SubnetId": "SubnetId", "SecurityGroupIds": "Groups", "Ipv6AddressCount": "Ipv6AddressCount",
             "Ipv6Addresses": "Ipv6Addresses", "EnablePrimaryIpv6": "PrimaryIpv6"}  # fmt: skip
    interface.update({inside: params.pop(outside) for outside, inside in moved.items() if outside in params})
    if "PrivateIpAddress" in params:
        first = {"PrivateIpAddress": params.pop("PrivateIpAddress"), "Primary": True}
        interface["PrivateIpAddresses"] = [first, *interface.get("PrivateIpAddresses", [])]


def _finish_run(params: Params) -> None:
    params.setdefault("MinCount", 1)
    params.setdefault("MaxCount", 1)
    encode_user_data(params)


def encode_user_data(params: Params) -> None:
    """UserData, as a person gives it, into the base64 that goes over the wire."""
    data = params.get("UserData")
    if isinstance(data, (str, bytes)):
        params["UserData"] = base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def _count(text: str) -> tuple[int, int]:
    low, colon, high = text.partition(":")
    try:
        return int(low), int(high) if colon else int(low)
    except ValueError as error:
        raise UsageError(f"--count is a number or a range (1 or 1:10), not {text!r}") from error


def _whole(words: Mapping[str, Words], name: str) -> int:
    try:
        return int(str(words[name]))
    except ValueError as error:
        raise UsageError(f"--{name}: {words[name]!r} is not a whole number") from error


_RULE_FLAGS = (
    flag("protocol", "The protocol: tcp, udp, icmp, all, or its number."),
    flag("port", "One port or a range such as 22-25; for ICMP a type, or a range type-code. -1 or all for all."),
    flag("cidr", "The addresses, such as 10.0.0.0/8."),
    flag("source-group", "The other security group: its id or name."),
    flag("group-owner", "The account that the other group belongs to."),
)


def _add_rule(words: Mapping[str, Words], params: Params) -> None:
    given = [made.name for made in _RULE_FLAGS if made.name in words]
    if not given:
        return
    if "IpPermissions" in params:
        raise UsageError(f"--{given[0]} does not go with --ip-permissions")
    rule: Params = {}
    if "protocol" in words:
        rule["IpProtocol"] = _protocol(str(words["protocol"]))
    if "port" in words:
        rule["FromPort"], rule["ToPort"] = _ports(str(words["port"]))
    if "cidr" in words:
        rule["IpRanges"] = [{"CidrIp": words["cidr"]}]
    pair: Params = {}
    if "source-group" in words:
        group = str(words["source-group"])
        pair["GroupId" if group.startswith("sg-") else "GroupName"] = group
    if "group-owner" in words:
        pair["UserId"] = words["group-owner"]
    if pair:
        rule["UserIdGroupPairs"] = [pair]
    params["IpPermissions"] = [rule]


def _protocol(text: str) -> str:
    if text == "all":
        return "-1"
    if text not in ("tcp", "udp", "icmp", "icmpv6", "-1") and not (text.isdecimal() and int(text) <= 255):
        raise UsageError(f"--protocol is tcp, udp, icmp, all, or a number from 0 to 255, not {text!r}")
    return text


def _ports(text: str) -> tuple[int, int]:
    if text in ("-1", "all"):
        return -1, -1
    low, dash, high = text.partition("-")
    try:
        return int(low), int(high) if dash else int(low)
    except ValueError as error:
        raise UsageError(f"--port is a number or a range (22 or 22-25), not {text!r}") from error


def _finish_acl_entry(params: Params) -> None:
    numbers = {"tcp": "6", "udp": "17", "icmp": "1", "all": "-1"}
    if "Protocol" in params:
        params["Protocol"] = numbers.get(params["Protocol"], params["Protocol"])


_RULE = Twist(flags=_RULE_FLAGS, add=_add_rule)
_ACL = Twist(finish=_finish_acl_entry)
_RUN_FLAGS = (
    flag("count", "How many instances: a number, or the least and the most as 1:10. One if not given."),
    flag("user-data", "What the guest gets at its first boot: text, file://PATH, or fileb://PATH for bytes as they are."),
    flag("secondary-private-ip-addresses", "More private addresses for the interface.", "many"),
    flag("secondary-private-ip-address-count", "How many more private addresses to choose for the interface."),
    flag("associate-public-ip-address", "Give the instance a public address.", "none"),
    Flag("no-associate-public-ip-address", "none", negates="associate-public-ip-address"),
)
TWISTS: dict[tuple[str, str], Twist] = {
    ("ec2", "RunInstances"): Twist(_RUN_FLAGS, frozenset({"min-count", "max-count", "user-data"}), _add_run, _finish_run),
    ("ec2", "AuthorizeSecurityGroupIngress"): _RULE,
    ("ec2", "AuthorizeSecurityGroupEgress"): _RULE,
    ("ec2", "RevokeSecurityGroupIngress"): _RULE,
    ("ec2", "RevokeSecurityGroupEgress"): _RULE,
    ("ec2", "CreateNetworkAclEntry"): _ACL,
    ("ec2", "ReplaceNetworkAclEntry"): _ACL,
    ("ec2", "CreateKeyPair"): Twist(
        (flag("save", "Write the private key to this new file, for your eyes only, instead of showing it."),)
    ),
    ("autoscaling", "CreateLaunchConfiguration"): Twist(finish=encode_user_data),
}
NONE = Twist()
