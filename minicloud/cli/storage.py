"""`minicloud storage`: what uses the disk, and what does not agree with the rows. It names; it deletes nothing.

Gathering asks the host; what follows from it is a pure function.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import own

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..reconcile.layer_plan import Seen
    from ..state.rows_storage import Layer, Policy, PolicyRun, Snapshot

RUNS_SHOWN = 10
"""Of lifecycle policies, to a person; a program gets all that are kept."""


@dataclass(frozen=True)
class Facts:
    """What the report is made of; sizes in bytes. `files` are all disks on the host, `scratch` those of instance stores.

    `images` are the base images that are there; `others` is whatever else lies about, with what it is.
    """

    seen: "Seen"
    snapshots: "Sequence[Snapshot]"
    files: Mapping[str, int]
    scratch: frozenset[str]
    free: int
    images: frozenset[str] = frozenset()
    others: Sequence[dict[str, Any]] = ()
    policies: "Sequence[Policy]" = ()
    runs: "Sequence[PolicyRun]" = ()
    clock: str = ""


def gather(cloud: "Cloud") -> Facts:
    """Look at the files first, then at the rows: what is made meanwhile has its row before its file. Raises HostError."""
    from ..reconcile import clock, layers
    from ..reconcile.guest_spec import scratch_disks

    cloud.worker.refresh("DescribeVolumes")
    state, files, others = cloud.state, cloud.host.disks.list(), [*_strangers(cloud)]
    return Facts(
        seen=layers.observe(cloud),
        snapshots=state.snapshots.query(),
        files=files,
        scratch=frozenset(disk for row in state.instances.query("state != 'terminated'") for disk in scratch_disks(row)),
        free=cloud.host.disks.free(),
        images=frozenset(cloud.host.images.list()),
        others=others,
        policies=state.policies.query(),
        runs=state.policy_runs.query(order="due"),
        clock=clock.doubt(cloud),
    )


def _strangers(cloud: "Cloud") -> Iterator[dict[str, Any]]:
    """What is on the disk, is no disk of a layer, and belongs to no row."""
    from ..host import doctor
    from ..host.base_images import store

    for name, size in sorted(cloud.host.disks.others().items()):
        yield {"File": name, "Occupied": size, "What": "no disk of minicloud's"}
    seeds = cloud.host.seeds.list()
    for name in sorted(seeds - {row.id for row in cloud.state.instances.query("state != 'terminated'")}):
        yield {"File": cloud.host.seeds.path(name), "Occupied": _size(cloud.host.seeds.path(name)), "What": "seed of no instance"}
    images = cloud.settings.images
    leftovers = [(path, "left of an import or build that was killed") for path in doctor.abandoned(images)]
    leftovers += [(path, "a download that was broken off") for path in doctor.unfinished(images)]
    leftovers += [(found.path, f"an image that cannot be used: {found.reason}") for found in store(cloud.settings).damaged()]
    for path, what in leftovers:
        yield {"File": str(path), "Occupied": _size(path), "What": what}


def _size(path: Path | str) -> int:
    """The bytes that a file, or all in a directory, occupies; what goes meanwhile counts nothing."""
    found = Path(path)
    total = 0
    for one in (found, *found.rglob("*")):
        with contextlib.suppress(OSError):
            total += one.lstat().st_blocks * 512
    return total


def report(facts: Facts) -> dict[str, Any]:
    """The answer, with names in AWS's way; sizes in bytes."""
    from ..reconcile import layer_plan

    seen, files = facts.seen, facts.files
    children, later = seen.children(), layer_plan.waiting(seen)
    unnamed = [layer.id for layer in seen.layers.values() if layer.id not in seen.named and not layer.base]
    known = {layer.id for layer in seen.layers.values() if not layer.base}
    return {
        "Occupied": sum(files.values()),
        "Free": facts.free,
        "Layers": [_layer(facts, layer_id, children) for layer_id in seen.layers],
        "Volumes": [_volume(facts, top.volume_id, top.layer_id) for top in seen.tops],
        "Reclaimable": {
            "Occupied": sum(files.get(layer_id, 0) for layer_id in unnamed),
            "Layers": unnamed,
            "WaitForGuestsToStop": later,
        },
        "UnknownFiles": [
            {"File": name, "Occupied": size, "What": "disk of no volume or snapshot"}
            for name, size in sorted(files.items())
            if name not in known | facts.scratch
        ]
        + list(facts.others),
        "MissingFiles": [_missing(facts, layer) for layer in seen.layers.values() if not _is_there(facts, layer)],
        "Policies": [_policy(facts, policy) for policy in facts.policies],
        **({"Clock": facts.clock} if facts.clock else {}),
    }


def _users(facts: Facts, layer_id: str) -> dict[str, list[str]]:
    return {
        "Volumes": [top.volume_id for top in facts.seen.tops if top.layer_id == layer_id],
        "Snapshots": [snapshot.id for snapshot in facts.snapshots if layer_id in (snapshot.layer_id, snapshot.next_layer)],
    }


def _layer(facts: Facts, layer_id: str, children: "Mapping[str, Sequence[Any]]") -> dict[str, Any]:
    layer = facts.seen.layers[layer_id]
    return {
        "LayerId": layer.id,
        "StandsOn": layer.parent or layer.base,
        "Size": layer.size,
        "Occupied": facts.files.get(layer.id, 0),
        **_users(facts, layer.id),
        "SharedBy": len(children.get(layer.id, [])),
    }


def _volume(facts: Facts, volume_id: str, layer_id: str) -> dict[str, Any]:
    chain = facts.seen.chain(layer_id)
    return {
        "VolumeId": volume_id,
        "Depth": len([layer for layer in chain if not layer.base]),
        "Own": facts.files.get(layer_id, 0),
        "Shared": sum(facts.files.get(layer.id, 0) for layer in chain[1:]),
    }


def _is_there(facts: Facts, layer: "Layer") -> bool:
    """Whether a layer has its file, or is still to be made."""
    return layer.base in facts.images if layer.base else layer.id in facts.files or not layer.made


def _missing(facts: Facts, layer: "Layer") -> dict[str, Any]:
    """A layer without its file, and whoever reads from it, directly or not."""
    layer_id = layer.id
    needing = [top.volume_id for top in facts.seen.users(layer_id)]
    for snapshot in facts.snapshots:
        chain = facts.seen.chain(snapshot.layer_id) if snapshot.layer_id in facts.seen.layers else []
        if layer_id in {layer.id for layer in chain}:
            needing.append(snapshot.id)
    return {"LayerId": layer_id, **({"ImageId": layer.base} if layer.base else {}), "NeededBy": needing}


def _policy(facts: Facts, policy: "Policy") -> dict[str, Any]:
    """What a policy did, the newest run first; an empty `Ran` is of a run under way."""
    runs = [run for run in facts.runs if run.policy_id == policy.id]
    return {
        "PolicyId": policy.id,
        "State": policy.state,
        "Runs": len(runs),
        "Made": sum(len(run.made) for run in runs),
        "Deleted": sum(len(run.removed) for run in runs),
        "History": [
            {
                "Due": run.due,
                "Schedule": run.schedule,
                "Ran": run.ran,
                "Made": run.made,
                "Deleted": run.removed,
                "Failed": run.failed,
            }
            for run in reversed(runs)
        ],
    }


def _history(policies: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The newest runs of all policies, for a person."""
    runs = [{"PolicyId": policy["PolicyId"], **run} for policy in policies for run in policy["History"]]
    newest = sorted(runs, key=lambda run: str(run["Due"]), reverse=True)[:RUNS_SHOWN]
    joined = ("Made", "Deleted", "Failed")
    return [{**run, **{name: ", ".join(run[name]) for name in joined}, "Ran": run["Ran"] or "under way"} for run in newest]


def table_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The same for a person."""
    mib = 1 << 20
    lines: dict[str, Any] = {
        "Disk": f"{answer['Occupied'] // mib} MiB in layers, {answer['Free'] // mib} MiB free",
        "Reclaimable": f"{answer['Reclaimable']['Occupied'] // mib} MiB in {len(answer['Reclaimable']['Layers'])} layers; "
        f"{len(answer['Reclaimable']['WaitForGuestsToStop'])} wait for guests to stop",
    }
    lines["Volumes"] = [
        {"VolumeId": one["VolumeId"], "Depth": one["Depth"], "OwnMiB": one["Own"] // mib, "SharedMiB": one["Shared"] // mib}
        for one in answer["Volumes"]
    ]
    lines["Policies"] = [
        {name: one[name] for name in ("PolicyId", "State", "Runs", "Made", "Deleted")} for one in answer["Policies"]
    ]
    if "Clock" in answer:
        lines["Clock"] = answer["Clock"]
    lines["PolicyRuns"] = _history(answer["Policies"])
    lines["UnknownFiles"] = answer["UnknownFiles"]
    lines["MissingFiles"] = [{**one, "NeededBy": ", ".join(one["NeededBy"])} for one in answer["MissingFiles"]]
    return {name: value or "none" for name, value in lines.items()}


@click.command("storage", short_help="What uses the disk: layers, sharing, chains, what can be reclaimed.")
@own.answers
@click.pass_context
def command(ctx: click.Context, output: str | None, query: str | None) -> None:
    """Show what uses the disk, and whatever on it does not agree with what minicloud knows. Nothing is deleted."""
    answer = report(gather(ctx.obj.cloud))
    for_person = own.format_of(ctx, output) == "table" and not (query or ctx.obj.query)
    own.show(ctx, table_of(answer) if for_person else answer, output, query)
