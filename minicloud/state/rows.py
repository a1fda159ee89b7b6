"""What a row of each table is. A field is a column of the same name; lists and dicts are kept as JSON."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Vpc:
    """A virtual private cloud, with the ids of the things that every VPC has one of."""

    id: str
    cidr: str
    is_default: bool
    dns_hostnames: bool
    dns_support: bool
    dhcp_options_id: str
    internet_gateway_id: str
    route_table_id: str
    network_acl_id: str
    created: str


@dataclass
class Subnet:
    """A range of addresses in one zone; on the host a bridge, while somebody lives in it."""

    id: str
    vpc_id: str
    cidr: str
    zone: str
    is_default: bool
    public_ip_on_launch: bool
    created: str


@dataclass
class SecurityGroup:
    """A security group by name and id."""

    id: str
    vpc_id: str
    name: str
    description: str
    created: str


@dataclass
class Image:
    """An AMI. `base` is the id of the file in the image store that it starts from; `size` in GiB."""

    id: str
    base: str
    name: str
    description: str
    architecture: str
    boot_mode: str
    default_user: str
    root_device_name: str
    size: int
    snapshot_id: str
    state: str
    public: bool
    location: str
    created: str
    deregistered_at: str = ""
    devices: list[dict[str, Any]] = field(default_factory=list)
    """The disks of its instances: AWS's BlockDeviceMappings, the root among them."""
    deprecated_at: str = ""
    instance_id: str = ""
    """The instance that it was made of."""
    reboot: str = ""
    """What making it asks of that instance: `wanted` before it is shut down, `off` while it is taken, then empty."""
    reason: str = ""
    users: list[str] = field(default_factory=list)
    """The accounts that may launch it."""
    protection: str = ""
    """Whether it can be deregistered: empty (yes), `enabled`, `with-cooldown`, or until when it cannot (ISO 8601)."""
    source_image: str = ""
    """The image that it was copied from, or that the instance it was made of was launched from."""
    ahead: float = 0.0
    """By how many seconds the wall's clock was ahead of the steady one (`HostClock`) when a policy made it."""


@dataclass
class KeyPair:
    """A key pair: only ever the public half."""

    id: str
    name: str
    kind: str
    fingerprint: str
    public_key: str
    created: str


@dataclass
class Volume:
    """A volume of `size` GiB, which writes to `layer_id`. Attached where `instance_id` is not empty.

    `state` is creating, available, in-use, deleting or error; `attachment` attaching, attached, detaching or busy.
    """

    id: str
    size: int
    kind: str
    iops: int
    throughput: int
    zone: str
    snapshot_id: str
    layer_id: str
    state: str
    created: str
    instance_id: str = ""
    device: str = ""
    delete_on_termination: bool = False
    attached: str = ""
    attachment: str = ""
    force_detach: bool = False
    detach_asked: str = ""
    reason: str = ""
    auto_enable_io: bool = False
    failures: int = 0


@dataclass
class Instance:
    """An instance: what is wished for (`wish`: running, stopped, terminated) and what is known (`state`).

    Times are ISO 8601 or empty. `started_boot` is the host's boot id when the guest was last started.
    """

    id: str
    reservation_id: str
    launch_index: int
    image_id: str
    instance_type: str
    key_name: str
    public_key: str
    user_data: bytes
    zone: str
    shutdown_behavior: str
    created: str
    launched: str
    wish: str = "running"
    state: str = "pending"
    protect_termination: bool = False
    protect_stop: bool = False
    monitoring: str = "disabled"
    ebs_optimized: bool = False
    credits: str = ""
    client_token: str = ""
    metadata_options: dict[str, Any] = field(default_factory=dict)
    reason_code: str = ""
    reason_message: str = ""
    transition_reason: str = ""
    started_boot: str = ""
    stop_asked: str = ""
    stop_began: str = ""
    stop_forced: bool = False
    reboots_asked: int = 0
    reboots_done: int = 0
    reboot_began: str = ""
    """When a restart that is under way was asked for."""
    terminated: str = ""
    failures: int = 0
    retry_at: str = ""
    reachable: str = ""
    reachable_since: str = ""
    checked: str = ""
    host_keys: list[str] = field(default_factory=list)
    accelerators: list[str] = field(default_factory=list)
    placement_group: str = ""
    """The name of one."""
    capacity_reservation: str = ""
    cpu_cores: int = 0
    """Cores, and threads of each, that its guest sees; 0 for those of its type."""
    cpu_threads: int = 0
    auto_recovery: str = "default"
    """default, or disabled for one that stays off after a restart of its host."""


@dataclass
class Interface:
    """A network interface. `instance_id` is empty while it is not attached.

    `attachment` is attaching, attached, detaching, or empty; `force_detach` takes it from a guest that does not let it go.
    """

    id: str
    subnet_id: str
    vpc_id: str
    mac: str
    address: str
    description: str
    group_ids: list[str]
    created: str
    instance_id: str = ""
    device_index: int = 0
    attachment_id: str = ""
    attached: str = ""
    delete_on_termination: bool = True
    source_dest_check: bool = True
    auto_public: bool = False
    """Whether it has a public address from the pool while its instance runs; `last_public` was its last one."""
    last_public: str = ""
    secondary: list[str] = field(default_factory=list)
    load_balancer_id: str = ""
    """The balancer that it belongs to: then it is attached to that, and nobody but the balancer may change it."""
    attachment: str = ""
    detach_asked: str = ""
    force_detach: bool = False
    failures: int = 0


@dataclass
class Tag:
    """A tag of a resource."""

    resource_id: str
    key: str
    value: str
    resource_type: str


@dataclass
class ClientToken:
    """The answer that was given to a client token, and the digest of the parameters that it was given for."""

    scope: str
    token: str
    digest: str
    answer: dict[str, Any]
    created: str
