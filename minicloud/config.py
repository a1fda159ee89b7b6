"""Settings: where things live and what the cloud is called. Imports nothing of ours but what topics are.

Read from `/etc/minicloud/config.toml` (another file with MINICLOUD_CONFIG), each overridden by an environment variable
MINICLOUD_<NAME>. An unknown name in the file is an error: a misspelled setting must not be ignored.
"""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from . import topics as _topics
from .errors import UsageError
from .topics import Topic

CONFIG_FILE = Path("/etc/minicloud/config.toml")


@dataclasses.dataclass(frozen=True)
class Settings:
    """One minicloud on one host. Paths are absolute, whatever they are given as; memory is in MiB."""

    home: Path = Path("/var/lib/minicloud")
    run: Path = Path("/run/minicloud")
    images: Path = Path("/var/lib/minicloud/images")
    shared_images: Path | None = None
    """A second, read-only store of base images (a laboratory sees the host's through it)."""
    libvirt_uri: str = "qemu:///system"
    region: str = "us-east-1"
    zones: int = 3
    account_id: str = "000000000000"
    vpc_cidr: IPv4Network = IPv4Network("172.31.0.0/16")
    public_cidr: IPv4Network = IPv4Network("203.0.113.0/24")
    """Where public addresses come from. The default is a range that no network uses: it is known on this host only."""
    public_interface: str = ""
    """The interface of the LAN that public_cidr belongs to; its neighbours then reach public addresses, too."""
    most_addresses: int = 5
    """How many Elastic IPs the account may have."""
    hosts_file: Path = Path("/etc/hosts")
    """Where the host finds load balancers by name; /dev/null for nowhere."""
    metadata_port: int = 16925
    """The port of the gateways' addresses on which the metadata service listens."""
    dns_port: int = 16953
    """The port of the gateways' addresses on which guests' DNS is. They ask at 53, which a server of the host's may have."""
    memory_reserve: int = 512
    """Memory that stays the host's own, never given to guests."""
    max_image_gib: int = 100
    """The largest virtual size, and the largest decompressed size, of an image that is imported."""
    seed_disk: bool = True
    """Give guests a disk with what cloud-init asks (NoCloud). Without it they ask the metadata service, which `serve` runs."""
    listen: str = "127.0.0.1:8800"
    """Where `minicloud serve` answers the AWS API: ADDRESS:PORT, or `none`."""
    endpoint_names: tuple[str, ...] = ()
    """Names, beside its addresses and the host's own, by which clients speak to the AWS endpoint: a list, or with commas between
    them. `*.example.org` is all below example.org. Other names get 421: they may be those of a web page that was led here."""
    guest_endpoint: bool = False
    """Let guests reach the AWS endpoint, where `listen` is an address that they can reach: any but loopback."""
    api_rate: int = 1000
    """Requests a second that one access key may make; twice as many at once."""
    direct_boot: bool = False
    """Start images that carry a kernel beside them without their boot loader: quicker, but kernel upgrades have no effect."""

    sample_seconds: int = 60
    """How often the guests' counters are read: how fine detailed monitoring is. Below AWS's 60 metrics have high resolution."""
    metrics_mib: int = 1024
    """How large the file of the metrics may grow; the oldest of what does not fit goes before its time."""

    access_logs_mib: int = 1024
    """How large the access logs of all load balancers may grow together; the oldest lines of what does not fit go."""

    topics: Mapping[str, Topic] = dataclasses.field(default_factory=dict)
    """Where alarms and groups send messages, by the topic's name: tables of the file (`topics.py`)."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Path) and not value.is_absolute():
                object.__setattr__(self, field.name, Path(os.path.abspath(value)))

    @property
    def metrics_database(self) -> Path:
        """The SQLite file of the metrics' datapoints."""
        return self.home / "metrics.sqlite"

    @property
    def database(self) -> Path:
        """The one SQLite file that is the state."""
        return self.home / "state.sqlite"

    @property
    def zone_names(self) -> list[str]:
        """The availability zones, `us-east-1a` and on."""
        return [self.region + letter for letter in "abcdef"[: self.zones]]

    @property
    def private_domain(self) -> str:
        """The DNS suffix of private names, as EC2 has it."""
        return "ec2.internal" if self.region == "us-east-1" else f"{self.region}.compute.internal"

    @property
    def balancer_domain(self) -> str:
        """The DNS suffix of load balancers. A name below `internal` is nobody's on the internet, so none of them leads there."""
        return f"{self.region}.elb.internal"


def _names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise TypeError(value)
    return tuple(one.strip() for one in names if one.strip())


def _convert(name: str, kind: Any, value: Any) -> Any:
    try:
        if name == "topics":
            return value
        if kind in (Path, Path | None):
            return Path(value)
        if kind == tuple[str, ...]:
            return _names(value)
        if kind is bool and isinstance(value, str):
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        return kind(value)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"setting {name}: {value!r} is not a {getattr(kind, '__name__', kind)}") from error


def file(environ: Mapping[str, str] = os.environ) -> Path:
    """The file of this process's settings, there or not."""
    return Path(environ.get("MINICLOUD_CONFIG", CONFIG_FILE))


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises UsageError for a name or a value that makes no sense."""
    path = file(environ)
    kinds = {field.name: field.type for field in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path}: {error}") from error
    for name in kinds.keys() - {"topics"}:
        if (value := environ.get(f"MINICLOUD_{name.upper()}")) is not None:
            values[name] = value
    if unknown := sorted(set(values) - set(kinds)):
        raise UsageError(f"{path}: unknown setting {unknown[0]!r}; the settings are {', '.join(kinds)}")
    if "topics" in values:
        values["topics"] = _topics.read(values["topics"], path)
    return Settings(**{name: _convert(name, kinds[name], value) for name, value in values.items()})
