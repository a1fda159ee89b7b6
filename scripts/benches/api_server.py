"""An endpoint over a host of the imagination, with as many instances in its state as is asked for; ends with its input.

    python -m scripts.benches.api_server DIRECTORY COUNT

Prints a line of JSON: url, access key, secret, and the id of one instance.
"""

import dataclasses
import json
import sys
from pathlib import Path

from minicloud import api
from minicloud.aws import ids
from minicloud.cli.main import spare_collector
from minicloud.cloud import Cloud
from minicloud.config import Settings
from minicloud.host import fake
from minicloud.host.contracts import BaseImage, BootSpec
from minicloud.http.app import Endpoint
from minicloud.http.server import Server, listen
from minicloud.reconcile import loop
from minicloud.reconcile.worker import InDaemon
from minicloud.state.rows import Tag

IMAGE = BaseImage(
    image_id="ami-0123456789abcdef0", name="bench", description="", architecture="x86_64", boot_mode="uefi-preferred",
    default_user="debian", root_device_name="/dev/xvda", virtual_size=3 << 30, created="2026-01-02T03:04:05.000Z",
    source="bench", path="fake:image", boot=BootSpec(),
)  # fmt: skip


def fill(cloud: Cloud, count: int) -> str:
    """`count` stopped instances, each with an interface, a volume and a tag; the id of the first."""
    state = cloud.state
    run = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1}
    first = str(api.call(cloud, "ec2", "RunInstances", run)["Instances"][0]["InstanceId"])
    loop.run_pass(cloud)
    state.instances.change(first, state="stopped", wish="stopped")
    row = state.instances.get(first)
    assert row is not None
    interface, volume = state.interfaces.find(instance_id=first)[0], state.volumes.find(instance_id=first)[0]
    with state.transaction():
        for number in range(1, count):
            made = ids.new_id("instance")
            state.instances.add(dataclasses.replace(row, id=made, reservation_id=ids.new_id("reservation")))
            place = {
                "mac": f"0a:00:00:00:{number // 256:02x}:{number % 256:02x}",
                "address": f"172.31.{64 + number // 200}.{number % 200 + 4}",
            }
            interface_id = ids.new_id("network-interface")
            state.interfaces.add(dataclasses.replace(interface, id=interface_id, instance_id=made, **place))
            state.volumes.add(dataclasses.replace(volume, id=ids.new_id("volume"), instance_id=made))
            state.tags.add(Tag(made, "Name", f"bench-{number}", "instance"))
    return first


def main() -> None:
    """Fill, serve, say where, and wait for the end of standard input."""
    spare_collector()  # as the daemon does
    directory, count = Path(sys.argv[1]), int(sys.argv[2])
    host = fake.host()
    host.add_image(IMAGE)
    cloud = Cloud(Settings(home=directory / "home", run=directory / "run"), lambda *_: host)
    api.call(cloud, "ec2", "DescribeVpcs", {})
    loop.run_pass(cloud)
    cloud.worker = InDaemon(cloud)
    first = fill(cloud, count)
    key = api.call(cloud, "iam", "CreateAccessKey", {})["AccessKey"]
    server = Server(listen("127.0.0.1:0", None, None, insecure=False), Endpoint(cloud, 1e9, 1e9))
    where = server.start()
    said = {"url": where.url, "access_key": key["AccessKeyId"], "secret": key["SecretAccessKey"], "instance": first}
    print(json.dumps(said), flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
