"""Databases from before: what their networks were is what they are after the migrations."""

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from minicloud.state.schema import migrations
from minicloud.state.store import State

VPC = {"cidr": "10.0.0.0/16", "is_default": 0, "dns_hostnames": 1, "dns_support": 1, "network_acl_id": "acl-1", "created": "t"}


def test_what_led_outside_still_does_and_what_was_attached_is(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    connection = sqlite3.connect(path)
    db = Database(connection)
    migrations.apply(db, stop_before="m211_attachments")
    for number, gateway in ((1, "igw-1"), (2, "")):
        own = {"id": f"vpc-{number}", "route_table_id": f"rtb-{number}", "internet_gateway_id": gateway, "dhcp_options_id": "d"}
        db.table("vpcs").insert({**VPC, **own})
    subnet = {"id": "subnet-1", "vpc_id": "vpc-1", "cidr": "10.0.1.0/24", "zone": "a", "is_default": 0, "public_ip_on_launch": 0}
    db.table("subnets").insert({**subnet, "created": "t"})
    for number, instance in ((1, "i-1"), (2, "")):
        row = {
            "id": f"eni-{number}", "subnet_id": "subnet-1", "vpc_id": "vpc-1", "mac": str(number), "address": str(number),
            "description": "", "group_ids": "[]", "instance_id": instance, "device_index": 0, "attachment_id": "",
            "attached": "", "delete_on_termination": 1, "source_dest_check": 1, "created": "t",
        }  # fmt: skip
        db.table("interfaces").insert(row)
    connection.commit()
    connection.close()
    state = State(path)
    assert [(row.id, row.vpc_id) for row in state.route_tables.query()] == [("rtb-1", "vpc-1"), ("rtb-2", "vpc-2")]
    assert [(row.table_id, row.cidr, row.gateway_id) for row in state.routes.query()] == [("rtb-1", "0.0.0.0/0", "igw-1")]
    assert [row.attachment for row in state.interfaces.query()] == ["attached", ""]
    state.close()
