"""What clients ask for about network interfaces and load balancers, as `operations` is about the rest."""

from typing import Any

from .operations import ZONES, Choice, Maker, Request

MOST_INTERFACES = 3


def _spare(choice: Choice) -> list[Any]:
    return choice.cloud.state.interfaces.query("instance_id = '' and load_balancer_id = ''")


def _subnets(choice: Choice, zone: str) -> list[Any]:
    return [row for row in choice.cloud.state.subnets.query() if row.zone == zone]


def create_interface(choice: Choice) -> Request | None:
    subnet = choice.one(_subnets(choice, choice.random.choice(ZONES)))
    if subnet is None or len(_spare(choice)) >= MOST_INTERFACES:
        return None
    return Request("CreateNetworkInterface", {"SubnetId": subnet.id})


def attach_interface(choice: Choice) -> Request | None:
    card = choice.one(_spare(choice))
    instance = choice.one([row for row in choice.instances("running", "stopped") if card and _zone(choice, card) == row.zone])
    if instance is None or len(choice.cloud.state.interfaces.find(instance_id=instance.id)) > 1:
        return None
    params = {"NetworkInterfaceId": card.id, "InstanceId": instance.id, "DeviceIndex": 1}
    return Request("AttachNetworkInterface", params)


def _zone(choice: Choice, card: Any) -> str:
    subnet = choice.cloud.state.subnets.get(card.subnet_id)
    return subnet.zone if subnet else ""


def detach_interface(choice: Choice) -> Request | None:
    card = choice.one(choice.cloud.state.interfaces.query("device_index > 0 and attachment = 'attached'"))
    return Request("DetachNetworkInterface", {"AttachmentId": card.attachment_id}) if card else None


def delete_interface(choice: Choice) -> Request | None:
    card = choice.one(_spare(choice))
    return Request("DeleteNetworkInterface", {"NetworkInterfaceId": card.id}) if card else None


def _elbv2(operation: str, **params: Any) -> Request:
    return Request(operation, params, service="elbv2")


def create_balancer(choice: Choice) -> Request | None:
    subnets = [row.id for zone in ZONES for row in _subnets(choice, zone)[:1]]
    if choice.cloud.state.load_balancers.query() or not subnets:
        return None
    return _elbv2("CreateLoadBalancer", Name=f"campaign-{choice.serial}", Type="network", Scheme="internal", Subnets=subnets)


def create_target_group(choice: Choice) -> Request | None:
    vpc = choice.one(choice.cloud.state.vpcs.query())
    if choice.cloud.state.target_groups.query() or vpc is None:
        return None
    return _elbv2("CreateTargetGroup", Name=f"campaign-{choice.serial}", Protocol="TCP", Port=80, VpcId=vpc.id)


def create_listener(choice: Choice) -> Request | None:
    balancer, group = choice.one(choice.cloud.state.load_balancers.query()), choice.one(choice.cloud.state.target_groups.query())
    if balancer is None or group is None or choice.cloud.state.listeners.query():
        return None
    forward = [{"Type": "forward", "TargetGroupArn": group.arn}]
    return _elbv2("CreateListener", LoadBalancerArn=balancer.arn, Protocol="TCP", Port=80, DefaultActions=forward)


def _of_targets(operation: str) -> Maker:
    def make(choice: Choice) -> Request | None:
        group, instance = choice.one(choice.cloud.state.target_groups.query()), choice.one(choice.instances("running"))
        if group is None or instance is None:
            return None
        return _elbv2(operation, TargetGroupArn=group.arn, Targets=[{"Id": instance.id}])

    return make


def delete_listener(choice: Choice) -> Request | None:
    listener = choice.one(choice.cloud.state.listeners.query())
    return _elbv2("DeleteListener", ListenerArn=listener.arn) if listener else None


def delete_balancer(choice: Choice) -> Request | None:
    balancer = choice.one(choice.cloud.state.load_balancers.query())
    return _elbv2("DeleteLoadBalancer", LoadBalancerArn=balancer.arn) if balancer else None


def delete_target_group(choice: Choice) -> Request | None:
    group = choice.one(choice.cloud.state.target_groups.query())
    return _elbv2("DeleteTargetGroup", TargetGroupArn=group.arn) if group else None


WIRES: list[tuple[int, Maker]] = [
    (2, create_interface), (2, attach_interface), (2, detach_interface), (1, delete_interface), (2, create_balancer),
    (2, create_target_group), (2, create_listener), (3, _of_targets("RegisterTargets")), (1, _of_targets("DeregisterTargets")),
    (1, delete_listener), (1, delete_balancer), (1, delete_target_group),
]  # fmt: skip
"""Each with its weight."""
