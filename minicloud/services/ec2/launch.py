"""RunInstances: checks everything, allocates identifiers and addresses, records the wish, and answers `pending`."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, TypedDict

from ...api import Answer, Call, named, operation
from ...aws import ids, instance_types
from ...aws.instance_types import InstanceType
from ...errors import ApiError
from ...state.rows import Image, Instance, KeyPair, Subnet
from . import (
    account_defaults,
    block_devices,
    capacity,
    images,
    instance_placement,
    instance_profiles,
    interface_request,
    launch_interfaces,
    launch_options,
    launch_template_rows,
    reserved,
)
from . import cpu_options as cpu_options_
from . import maintenance_options as maintenance_options_
from .block_devices import BlockDeviceInput, Disk
from .instance_placement import Placement
from .instance_profiles import IamInstanceProfileInput
from .instance_view import reservation
from .interface_request import InterfaceInput
from .launch_interfaces import Card
from .launch_template_rows import LaunchTemplateSpecification
from .metadata_options import MetadataOptions, metadata_options_of

MOST_USER_DATA = 16384


class Monitoring(TypedDict, total=False):
    """Whether metrics are kept by the minute."""

    Enabled: bool


class Credits(TypedDict, total=False):
    """standard or unlimited."""

    CpuCredits: str


@dataclass(frozen=True)
class Plan:
    """What a request comes down to once everything that it names is found."""

    image: Image
    kind: InstanceType
    key: KeyPair | None
    subnet: Subnet
    cards: list[Card]
    user_data: bytes
    disks: list[Disk]
    count: int


def _not_again(call: Call, answer: Answer) -> None:
    """A client token must not bring back what is terminated."""
    for instance in answer["Instances"]:
        row = call.cloud.state.instances.get(instance["InstanceId"])
        if row is None or row.state == "terminated":
            raise ApiError(
                "IdempotentInstanceTerminated",
                "The client token you have provided is associated with a terminated instance. "
                "Please use a different client token.",
            )
        call.touch(row.id)


@operation(tags=("instance", "volume", "network-interface"), replay=_not_again, complete=launch_template_rows.complete)
def run_instances(
    call: Call,
    *,
    min_count: int,
    max_count: int,
    image_id: str | None = None,
    instance_type: str = "t3.micro",
    key_name: str | None = None,
    subnet_id: str | None = None,
    security_group_ids: list[str] | None = None,
    security_groups: list[str] | None = None,
    private_ip_address: str | None = None,
    user_data: str | None = None,
    block_device_mappings: list[BlockDeviceInput] | None = None,
    placement: Placement | None = None,
    disable_api_termination: bool = False,
    disable_api_stop: bool = False,
    instance_initiated_shutdown_behavior: str = "stop",
    monitoring: Monitoring | None = None,
    credit_specification: Credits | None = None,
    ebs_optimized: bool = False,
    metadata_options: MetadataOptions | None = None,
    network_interfaces: list[InterfaceInput] | None = None,
    iam_instance_profile: IamInstanceProfileInput | None = None,
    launch_template: LaunchTemplateSpecification | None = None,
    capacity_reservation_specification: reserved.Specification | None = None,
    cpu_options: cpu_options_.CpuOptions | None = None,
    hibernation_options: launch_options.HibernationOptions | None = None,
    enclave_options: launch_options.EnclaveOptions | None = None,
    maintenance_options: maintenance_options_.MaintenanceOptions | None = None,
    private_dns_name_options: launch_options.PrivateDnsNameOptions | None = None,
) -> Answer:
    """RunInstances. Answers before the guests are up. A launch template is in the parameters already (`complete`)."""
    del launch_template
    launch_options.check(
        HibernationOptions=hibernation_options,
        EnclaveOptions=enclave_options,
        PrivateDnsNameOptions=private_dns_name_options,
    )
    profile = instance_profiles.wanted(call, iam_instance_profile) if iam_instance_profile else None
    if image_id is None:
        raise ApiError("MissingParameter", "The request must contain the parameter ImageId")
    image, kind = images.available(call.cloud.state, image_id), instance_types.get(instance_type)
    nics = interface_request.wanted(network_interfaces or [], subnet_id, security_group_ids, security_groups, private_ip_address)
    subnet = _subnet(call, launch_interfaces.subnet_id_of(call.cloud.state, nics[0]), placement or {})
    key = _key(call, key_name)
    cards = launch_interfaces.found(call, nics, subnet, kind.name, max_count)
    data = _user_data(user_data)
    disks = block_devices.disks(call, image, block_device_mappings or [])
    block_devices.limited(kind.max_volumes, disks)
    preference, cpus = reserved.preference(call, capacity_reservation_specification), cpu_options_.wanted(kind, cpu_options)
    count = _count(call, instance_types.with_cpus(kind.name, *cpus.values()), subnet, (min_count, max_count), preference)
    plan = Plan(image, kind, key, subnet, cards, data, disks, count)
    settings = {
        "protect_termination": disable_api_termination,
        "protect_stop": disable_api_stop,
        "shutdown_behavior": instance_initiated_shutdown_behavior,
        "monitoring": "enabled" if (monitoring or {}).get("Enabled") else "disabled",
        "ebs_optimized": ebs_optimized,
        "credits": credits_of(call, kind, credit_specification),
        "metadata_options": metadata_options_of(account_defaults.metadata_of(call), metadata_options or MetadataOptions()),
        "capacity_reservation": preference,
        **cpus,
        "auto_recovery": (maintenance_options or {}).get("AutoRecovery", "default"),
        "placement_group": instance_placement.group_of(call, placement or {}),
    }
    return instance_profiles.attached(call, _record(call, plan, settings), profile)


def _subnet(call: Call, subnet_id: str | None, placement: Placement) -> Subnet:
    state, zone = call.cloud.state, instance_placement.zone_of(call, placement)
    instance_placement.check_tenancy(placement.get("Tenancy"))
    if subnet_id is not None:
        subnet = named(state.subnets, "subnet", subnet_id)
        if zone not in (None, subnet.zone):
            raise ApiError("InvalidParameterValue", f"The subnet '{subnet_id}' is in {subnet.zone}, not in {zone}")
        return subnet
    if zone is not None and zone not in call.cloud.settings.zone_names:
        raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    found = state.subnets.find(is_default=True, **({"zone": zone} if zone else {}))
    if not found:
        raise ApiError("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
    return found[0]


def _key(call: Call, name: str | None) -> KeyPair | None:
    if name is None:
        return None
    found = call.cloud.state.key_pairs.find(name=name)
    if not found:
        raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    return found[0]


def decode_user_data(text: str) -> bytes:
    """The bytes of base64 user data. Raises ApiError for bad base64 and for more than 16,384 bytes."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from error
    return check_user_data(data)


def check_user_data(data: bytes) -> bytes:
    """The same bytes, unless they are more than 16,384. Raises ApiError."""
    if len(data) > MOST_USER_DATA:
        raise ApiError("InvalidParameterValue", f"User data is limited to {MOST_USER_DATA} bytes")
    return data


def _user_data(text: str | None) -> bytes:
    return decode_user_data(text) if text else b""


def _count(call: Call, kind: InstanceType, subnet: Subnet, wanted: tuple[int, int], preference: str) -> int:
    least, most = wanted
    if least < 1 or most < 1:
        name, value = ("minCount", least) if least < 1 else ("maxCount", most)
        raise ApiError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. It must be at least 1.")
    if least > most:
        raise ApiError("InvalidParameterValue", f"Value ({most}) for parameter maxCount is invalid. It must be at least {least}.")
    return capacity.check(call, kind, subnet.zone, least, most, preference=preference)


def credits_of(call: Call, kind: InstanceType, wanted: Credits | None = None) -> str:
    """How a type of instance uses its CPU credits: as wanted, else as the account's default is. Raises ApiError."""
    if not kind.burstable:
        if wanted:
            raise ApiError("InvalidParameterCombination", f"CreditSpecification is for burstable types; {kind.name} is none.")
        return ""
    chosen = (wanted or {}).get("CpuCredits") or account_defaults.credits_of(call, kind.family.name)
    if chosen not in ("standard", "unlimited"):
        raise ApiError("InvalidParameterValue", f"Invalid value '{chosen}' for CpuCredits. Allowed: standard, unlimited.")
    return chosen


def _record(call: Call, plan: Plan, settings: dict[str, Any]) -> Answer:
    reservation_id = ids.new_id("reservation")
    rows = [_instance(call, plan, settings, reservation_id, index) for index in range(plan.count)]
    for row in rows:
        launch_interfaces.attach(call, row, plan.cards)
        block_devices.attach(call, row, plan.disks)
        call.tag("instance", row.id)
    call.touch(plan.subnet.id, *(row.id for row in rows))
    return reservation(call, rows)


def _instance(call: Call, plan: Plan, settings: dict[str, Any], reservation_id: str, index: int) -> Instance:
    return call.cloud.state.instances.add(
        Instance(
            id=ids.new_id("instance"),
            reservation_id=reservation_id,
            launch_index=index,
            image_id=plan.image.id,
            instance_type=plan.kind.name,
            key_name=plan.key.name if plan.key else "",
            public_key=plan.key.public_key if plan.key else "",
            user_data=plan.user_data,
            zone=plan.subnet.zone,
            created=call.now,
            launched=call.now,
            client_token=call.client_token,
            accelerators=capacity.free_accelerators(call)[: plan.kind.gpu_count] if plan.kind.gpu_count else [],
            **settings,
        )
    )
