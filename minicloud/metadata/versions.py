"""The versions of the metadata, and the one that each category came with.

The categories and their versions are those of AWS's page "Instance metadata categories". A category is a path below meta-data
or dynamic; what stands below it came with it.
"""

from typing import Any

ALL = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
    "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30",
    "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23",
    "2021-07-15", "2022-07-09", "2022-09-24", "2024-04-11", "latest",
)  # fmt: skip
CLOUD_INIT = "2021-03-23"
"""The one that the Ec2 datasource of cloud-init asks for (22.2 and later)."""
SINCE = {
    "meta-data/autoscaling": "2021-07-15",
    "meta-data/block-device-mapping": "2007-12-15",
    "meta-data/events": "2018-08-17",
    "meta-data/iam": "2012-01-12",
    "meta-data/instance-action": "2008-09-01",
    "meta-data/instance-life-cycle": "2019-10-01",
    "meta-data/instance-type": "2007-08-29",
    "meta-data/local-hostname": "2007-01-19",
    "meta-data/mac": "2011-01-01",
    "meta-data/network": "2011-01-01",
    "meta-data/network/interfaces/macs/*/vpc-ipv4-cidr-blocks": "2016-06-30",
    "meta-data/placement": "2008-02-01",
    "meta-data/placement/availability-zone-id": "2019-10-01",
    "meta-data/placement/group-name": "2020-08-24",
    "meta-data/placement/region": "2020-08-24",
    "meta-data/profile": "2011-01-01",
    "meta-data/public-hostname": "2007-01-19",
    "meta-data/public-ipv4": "2007-01-19",
    "meta-data/services": "2014-02-25",
    "meta-data/services/partition": "2015-10-20",
    "meta-data/system": "2022-09-24",
    "meta-data/tags": "2021-03-23",
    "dynamic": "2009-04-04",
}
"""What is not here is in all of them."""


def of(tree: dict[str, Any], version: str, path: str = "") -> dict[str, Any]:
    """What a version has of a tree. A directory whose entries all came later is not there either."""
    found = {}
    for name, node in tree.items():
        inner = f"{path}/{'*' if path.endswith('/macs') else name}".lstrip("/")
        if SINCE.get(inner, "") > version:
            continue
        below = of(node, version, inner) if isinstance(node, dict) else node
        if below != {} or node == {}:
            found[name] = below
    return found
